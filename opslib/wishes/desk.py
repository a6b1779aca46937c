"""What decides about a wish: who may, within which limits, and the estimate before anything is saved.

The page is not trusted with money. It can say who somebody is, since it alone knows its users; what may be
spent, this service's own settings say. An estimate is answered with a seal over what was asked, by whom and
when; what is to be added has to come with it, so nothing is followed whose cost nobody was told, and no seal
serves twice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.wishes.ask import Refused
from opslib.x.budget import utc_now
from opslib.x.followed import follows_on, own, pausing, removing
from opslib.x.follows import BadFollow, Follow, follow_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from opslib.settings import Wishes as Limits
    from opslib.wishes.journal import Journal
    from opslib.x.board import Record, Records

_LOG = logging.getLogger(__name__)
# The roles of the page's users that may change what is followed.
MAY = ("analyst", "operator")
SEAL_HOURS = 1
_MOST_NAME = 64
_SAID = ("name", "query", "lang", "usd_day", "usd_total")  # what of a follow the page may say


class Desk:
    """Answers wishes, one change at a time.

    *read* returns the board and *save* writes changes to it; *estimate* says of a query and a cap what it
    would bring and cost. All three raise :class:`Refused` for what stands in their way.
    """

    def __init__(
        self,
        read: Callable[[], Records],
        save: Callable[[Mapping[str, Record]], None],
        estimate: Callable[[str, float], dict[str, Any]],
        limits: Limits,
        journal: Journal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._read = read
        self._save = save
        self._estimate = estimate
        self._limits = limits
        self._journal = journal
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._used: dict[str, datetime] = {}
        self._changing = threading.Lock()
        self._answers: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
            "list": self._list,
            "estimate": self._estimated,
            "add": self._add,
            "pause": lambda user, wish: self._pause(user, wish, paused=True),
            "resume": lambda user, wish: self._pause(user, wish, paused=False),
            "remove": self._remove,
        }

    def what(self, wish: object) -> str:
        """Return what a wish is about, for those who count; ``other`` for none that there is."""
        found = wish.get("what") if isinstance(wish, dict) else None
        return found if isinstance(found, str) and found in self._answers else "other"

    def answer(self, wish: object) -> dict[str, Any]:
        """Return what became of a *wish*. Raises :class:`Refused`."""
        what = self.what(wish)
        if not isinstance(wish, dict) or what == "other":
            raise Refused("input", "this is no wish that is known")
        user = wish.get("user")
        if not isinstance(user, str) or not 0 < len(user) <= _MOST_NAME:
            raise Refused("input", "this wish is nobody's")
        if what != "list" and wish.get("role") not in MAY:
            raise Refused("role", f"{user} may look at what is followed, and change nothing: ask an analyst")
        try:
            return self._answers[what](user, wish)
        except BadFollow as wrong:
            raise Refused("input", str(wrong)) from wrong

    # ---- each of them

    def _list(self, user: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        del user, wish
        found, last = follows_on(self._read()), self._journal.last()
        return {
            "follows": [
                {
                    **_told(follow),
                    "active": follow.active(self._clock()),
                    "changed_by": last[name].user if name in last else None,
                }
                for name, follow in sorted(found.items())
            ],
            "limits": {"follow_usd_day": self._limits.follow_usd_day, "usd_day": self._limits.usd_day},
        }

    def _estimated(self, user: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        follow = _wished(wish)
        # Before anything is paid for.
        self._check_new(follow, self._read())
        found = self._estimate(follow.full_query, follow.usd_day)
        until = int((self._clock() + timedelta(hours=SEAL_HOURS)).timestamp())
        return {"follow": _told(follow), "estimate": found, "seal": self._seal(user, follow, until)}

    def _add(self, user: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        follow, seal = _wished(wish), str(wish.get("seal", ""))
        self._check_seal(user, follow, seal)
        with self._changing:
            if seal in self._used:
                return {"name": follow.name, "already": True}
            self._check_new(follow, self._read())
            self._change(user, "add", follow.name, {follow.name: follow.to_record()}, _said(follow))
            now = self._clock()
            self._used = {used: until for used, until in self._used.items() if until > now}
            self._used[seal] = now + timedelta(hours=SEAL_HOURS)
        return {"name": follow.name, "already": False}

    def _pause(self, user: str, wish: Mapping[str, Any], *, paused: bool) -> dict[str, Any]:
        name = str(wish.get("name", ""))
        with self._changing:
            records = self._read()
            follow = own(records, name)
            if follow.paused == paused:
                return {"name": name, "already": True}
            if not paused:
                self._check_money(follow, records)
            what = "pause" if paused else "resume"
            self._change(user, what, name, pausing(records, name, paused=paused), _said(follow))
        return {"name": name, "already": False}

    def _remove(self, user: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        name = str(wish.get("name", ""))
        with self._changing:
            records = self._read()
            said = _said(own(records, name))
            self._change(user, "remove", name, removing(records, name), said)
        return {"name": name, "already": False}

    def _change(self, user: str, what: str, name: str, changes: Mapping[str, Record], said: str) -> None:
        entry = self._journal.begin(user, what, name, said)
        try:
            self._save(changes)
        except Refused as refused:
            self._journal.end(entry, str(refused))
            raise
        self._journal.end(entry, "done")
        _LOG.info("%s of %s, by %s: %s", what, name, user, said)

    # ---- limits

    def _check_new(self, follow: Follow, records: Records) -> None:
        found = follows_on(records)
        if follow.name in found:
            raise BadFollow(
                f"{follow.name} is followed already: choose another name, or remove that one first"
            )
        if len(found) >= self._limits.follows:
            raise Refused("limit", f"{len(found)} things are followed, the most that the page may add to")
        self._check_money(follow, records)

    def _check_money(self, follow: Follow, records: Records) -> None:
        most, all_most = self._limits.follow_usd_day, self._limits.usd_day
        if follow.usd_day > most:
            raise Refused(
                "limit",
                f"{follow.name}: {follow.usd_day:g} USD a day is more than the {most:g} that a follow of the "
                "page may cost; whoever runs the lake can add it by `opslib follow`",
            )
        others = [
            other.usd_day
            for name, other in follows_on(records).items()
            if name != follow.name and other.origin != "inventory" and other.active(self._clock())
        ]
        if sum(others) + follow.usd_day > all_most:
            raise Refused(
                "limit",
                f"{follow.name}: with its {follow.usd_day:g} USD a day all that is followed may cost "
                f"{sum(others) + follow.usd_day:g}, more than {all_most:g}: pause or remove another first",
            )

    # ---- seals

    def _seal(self, user: str, follow: Follow, until: int) -> str:
        text = json.dumps([user, follow.to_record(), until], sort_keys=True)
        return f"{until}.{hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()}"

    def _check_seal(self, user: str, follow: Follow, seal: str) -> None:
        until = seal.partition(".")[0]
        good = until.isascii() and until.isdigit() and len(until) < _MOST_NAME
        if (
            not good
            or not hmac.compare_digest(seal.encode(), self._seal(user, follow, int(until)).encode())
            or int(until) < self._clock().timestamp()
        ):
            raise Refused("stale", "there is no estimate of this, or it is too old: ask for one first")


def _wished(wish: Mapping[str, Any]) -> Follow:
    """Return the follow that a wish describes; what the page may not say is what it is otherwise."""
    said = wish.get("follow")
    if not isinstance(said, dict) or set(said) - set(_SAID):
        raise BadFollow("a wish says name, query, language and what it may cost of a follow")
    if any(not isinstance(said.get(name, ""), (str, type(None))) for name in ("name", "query", "lang")):
        raise BadFollow("name, query and language of a follow are texts")
    try:
        return follow_of({name: value for name, value in said.items() if value is not None})
    except (TypeError, ValueError, OverflowError) as wrong:
        raise (
            wrong if isinstance(wrong, BadFollow) else BadFollow(f"a cost is a number: {wrong}")
        ) from wrong


def _told(follow: Follow) -> dict[str, Any]:
    return {**asdict(follow), "asked": follow.full_query}


def _said(follow: Follow) -> str:
    total = "" if follow.usd_total is None else f", {follow.usd_total:g} in all"
    return f"{follow.full_query} for {follow.usd_day:g} USD a day{total}"
