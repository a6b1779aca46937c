"""The clouds that are kept in the collection ``clouds``: the words, the topics, and how they were drawn.

One document for each snapshot of a place and each kind. Rendering it again replaces it, so that nothing is
rendered twice and a run that was cut short does no harm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from bson.binary import Binary
from bson.codec_options import CodecOptions
from pymongo.write_concern import WriteConcern

from opslib.cloud import VERSION
from opslib.cloud.picture import picture_of
from opslib.cloud.report import KINDS, NothingKnown, Place, Report, Topic, at_moment, places, snapshot_at
from opslib.cloud.theme import DARK
from opslib.message import stamp
from opslib.store.rollups import SETTLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

    from opslib.cloud.report import Kind
    from opslib.settings import Cloud
    from opslib.settings import Report as Settings

    Document = dict[str, Any]

_LOG = logging.getLogger(__name__)
_SEED = 1
_LIST = {"svg": 0, "svg_dark": 0, "png": 0}


@dataclass(frozen=True)
class Due:
    """A moment whose clouds are to be rendered."""

    place: Place
    snapshot: Document
    until: datetime


def clouds_of(database: Database[Document]) -> Collection[Document]:
    """Return the collection, with times that know their zone."""
    return database["clouds"].with_options(
        codec_options=CodecOptions(tz_aware=True), write_concern=WriteConcern("majority")
    )


def key(woeid: int, until: datetime, kind: Kind) -> str:
    """Return the ``_id`` of a cloud."""
    return f"{woeid}:{stamp(until)}:{kind}"


def due(database: Database[Document], settings: Settings, now: datetime) -> Iterator[Due]:
    """Yield the moments whose clouds are missing, the newest first, place by place.

    A snapshot's clouds are those of the moment when its tweets have been collected: some minutes after it, or
    when the next one comes.
    """
    oldest = now - timedelta(hours=settings.catch_up_hours)
    clouds = clouds_of(database)
    for place in places(database, settings.timezones, settings.timezone):
        found = list(
            database["trends"]
            .find({"woeid": place.woeid, "collected_at": {"$gt": oldest, "$lte": now}})
            .sort("collected_at", -1)
        )
        ends = [now + timedelta(days=1), *(snapshot["collected_at"] for snapshot in found)]
        moments = [
            Due(
                place, snapshot, min(snapshot["collected_at"] + timedelta(minutes=settings.wait_minutes), end)
            )
            for snapshot, end in zip(found, ends)
        ]
        ready = [moment for moment in moments if moment.until + 2 * SETTLE <= now]
        known = _fresh(clouds, place.woeid, oldest)
        missing = [
            one for one in ready if any(key(place.woeid, one.until, kind) not in known for kind in KINDS)
        ]
        yield from missing[: settings.at_once]
