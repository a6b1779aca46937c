"""The filtered stream's rules: one for each topic that trends or is followed, with the topics in its tag.

X sends with each post the ids and tags of the rules that it matched, not their values; so a tag holds the
topics that its rule is for, and a post tells by itself what it was collected for. All rules of a token are
taken to be the lake's: a token has one stream, and each post that any rule matches is charged.
https://docs.x.com/x-api/posts/filtered-stream/integrate/matching-returned-tweets
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opslib.message import FOLLOW
from opslib.x.client import XError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opslib.x.client import XClient

MAX_RULES = 1000

Topic = dict[str, Any]  # {"name", "woeid"}


def tag_of(topics: Iterable[Topic]) -> str:
    """Return the tag of a rule for *topics*: ``[[23424768,"Carnaval"]]``, the same in whichever order.

    What is followed has ``"follow"`` in the place of a WOEID.
    """
    pairs = sorted(
        ([topic.get("kind") or topic["woeid"], topic["name"]] for topic in topics),
        key=lambda pair: (isinstance(pair[0], str), pair),
    )
    return json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))


def topics_of(tag: str | None) -> list[Topic]:
    """Return the topics in a *tag*; none if it is not one that :func:`tag_of` made."""
    try:
        return [_topic(of, str(name)) for of, name in json.loads(tag or "")]
    except (ValueError, TypeError):
        return []


def _topic(of: Any, name: str) -> Topic:
    if of == FOLLOW:
        return {"kind": FOLLOW, "name": name, "woeid": None}
    return {"name": name, "woeid": int(of)}


def shared_out(follows: Mapping[str, Any], trends: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return which queries of both find room among X's rules, and which do not, each by its order.

    Where there are more than :data:`MAX_RULES`, each kind has half of them, and what the other leaves.
    """
    new = [query for query in trends if query not in follows]
    room = max(MAX_RULES // 2, MAX_RULES - len(new))
    some = list(follows)[:room]
    wanted = [*some, *new[: MAX_RULES - len(some)]]
    found = set(wanted)
    return wanted, [query for query in [*follows, *new] if query not in found]


class RuleBook:
    """The rules in force at X, brought to what is wanted with as few calls as possible.

    They are asked for once; afterwards a change is one call to delete and one to add, and no change is none.
    """

    def __init__(self, client: XClient) -> None:
        self._client = client
        self._known: dict[str, dict[str, Any]] | None = None
        self._refused: set[str] = set()

    @property
    def in_force(self) -> bool:
        """Tell whether X has the rules that were wanted last."""
        return self._known is not None

    def forget(self) -> None:
        """Ask X the next time: what was known has proved wrong."""
        self._known = None

    def bring(self, wanted: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Bring the rules to those *wanted* (value: tag).

        Return the values of those that are new in force, and a line for each that X refuses, which is not
        asked for again. Raises :class:`opslib.x.client.XError`.
        """
        try:
            if self._known is None:
                self._known = {rule["value"]: rule for rule in self._client.rules()}
            known = self._known
            gone = [rule["id"] for value, rule in known.items() if wanted.get(value) != rule.get("tag")]
            if gone:
                self._client.delete_rules(gone)
                known = {value: rule for value, rule in known.items() if rule["id"] not in gone}
            self._refused &= set(wanted)
            new = [value for value in wanted if value not in known and value not in self._refused]
            if not new:
                self._known = known
                return [], []
            created, problems = self._client.add_rules([{"value": v, "tag": wanted[v]} for v in new])
        except XError:
            self.forget()
            raise
        self._known = {**known, **{rule["value"]: rule for rule in created}}
        added = [value for value in new if value in self._known]
        self._refused |= set(new) - set(added)
        return added, [str(problem.get("detail") or problem.get("title")) for problem in problems]
