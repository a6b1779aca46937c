"""The time series ``ops_stats``: what the recorder writes and where it goes on.

A minute is one document ``{at, meta: {kind: "tweets"}, …}``. Beside its figures it holds ``next``, the offset
in each partition at which the next minute begins, so figures and place are written in one step: whoever is
killed before it counts the minute again, whoever is killed after it goes on behind. A time series has no
unique key and takes no transaction, so that is what keeps a minute from being there twice. Only an insert
that the server carries out after its client has given it up could still do that, and whoever reads takes one
of two alike. Snapshots (``lag``, ``budget``) say how something was at a moment: one more does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING, DESCENDING
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from opslib.settings import SettingsError
from opslib.stats.minutes import begin_of, minute_of
from opslib.store.collections import OPS_STATS

if TYPE_CHECKING:
    from pymongo.database import Database

    from opslib.stats.minutes import Offsets

Document = dict[str, Any]
TWEETS = {"kind": "tweets"}
LAG = {"kind": "lag"}
BUDGET = {"kind": "budget"}
FOLLOWS = {"kind": "follows"}


class Series:
    """The collection as the recorder uses it, with majority reads and writes."""

    def __init__(self, database: Database[Document]) -> None:
        self._documents = database.get_collection(
            OPS_STATS.name, read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
        )

    def newest(self) -> tuple[int, Offsets] | None:
        """Return the newest minute that was recorded, and where the one behind it begins."""
        found = self._documents.find_one({"meta": TWEETS}, {"at": 1, "next": 1}, sort=[("at", DESCENDING)])
        return None if found is None else (minute_of(found["at"]), _offsets(found["next"]))

    def newest_budget(self) -> Document | None:
        """Return what was told of the budget last."""
        return self._documents.find_one({"meta": BUDGET}, sort=[("at", DESCENDING)])

    def record(self, minute: int, figures: Document, offsets: Offsets) -> None:
        """Write a minute that is not there yet.

        One that is there with the same offsets was written by an insert whose answer got lost.
        """
        at = begin_of(minute)
        there = self._documents.find_one(
            {"meta": TWEETS, "at": {"$gte": at}}, {"at": 1, "next": 1}, sort=[("at", ASCENDING)]
        )
        if there is None:
            self._documents.insert_one({"at": at, "meta": TWEETS, **figures, "next": _places(offsets)})
        elif there["at"] != at or _offsets(there["next"]) != offsets:
            raise SettingsError(
                f"{OPS_STATS.name} has the minute {there['at']:%Y-%m-%d %H:%M} already: another recorder "
                "writes there; run one alone"
            )

    def add(self, snapshots: list[Document]) -> None:
        """Write how things were at a moment, each with its ``at`` and ``meta``."""
        if snapshots:
            self._documents.insert_many(snapshots)


def _places(offsets: Offsets) -> list[Document]:
    # A list: names of topics have dots, which MongoDB takes for a path.
    return [
        {"topic": topic, "partition": partition, "offset": offset}
        for (topic, partition), offset in sorted(offsets.items())
    ]


def _offsets(places: list[Document]) -> Offsets:
    return {(place["topic"], place["partition"]): place["offset"] for place in places}
