"""Looking back: what was written before something was followed, from X's full archive.

As a walk is (:mod:`opslib.x.walk`), it is one FlowFile that goes round: a page is published to Kafka, and
only when it comes back from there is its place noted and the next one asked for. A place is the oldest post
that is safe, and the next page is what is older: so it is resumed after any kill, on another day, with no
token that could expire, and pays again for the page in flight alone.

The newest posts come first. With *spread* the span is cut into as many windows as its money buys small pages,
and each gets an equal part of what is left: a little money then shows the whole span. What a window leaves is
for those that have more.

It may cost what was said in all, and no more of a day's budget than follows may have of a round, so that
trends keep theirs. https://docs.x.com/x-api/posts/search/introduction
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import id_at, moment_of, stamp
from opslib.x.backoff import Backoff
from opslib.x.budget import Account, CapReached, Exhausted, utc_now
from opslib.x.client import MAX_ARCHIVE_RESULTS, Refused, XError
from opslib.x.fair import MIN_RESULTS
from opslib.x.follows import MOST_ARCHIVE_QUERY
from opslib.x.search import messages_of, resources_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opslib.x.budget import Budget
    from opslib.x.client import XClient
    from opslib.x.follows import Follow
    from opslib.x.walk import CollectionPolicy

# Ids tell their moment since then, and spans are asked for by ids.
EARLIEST = datetime(2010, 11, 5, tzinfo=timezone.utc)
_MOST_WINDOWS = 500
_EACH = timedelta(seconds=1)  # X allows a call a second
_GIVEN_UP = timedelta(minutes=10)
_BAD_REQUEST = 400
_STATE = "backfill"
_WANTED = "backfills"

State = dict[str, str]
Json = dict[str, Any]


class BadBackfill(ValueError):  # noqa: N818 - it names a thing
    """What is to be looked up cannot be; the text is one line for people."""


@dataclass(frozen=True)
class Backfill:
    """A span that is looked up for what is followed under *name*."""

    name: str
    id: str  # when it was asked for: another one of the name is another one
    query: str
    since: str
    until: str
    usd: float
    spread: bool = False

    @property
    def begin(self) -> datetime:
        """Return the moment that the span begins with."""
        return moment_of(self.since)

    @property
    def end(self) -> datetime:
        """Return the moment that the span ends before."""
        return moment_of(self.until)

    @property
    def account(self) -> Account:
        """Return what of the budget it may use."""
        return Account(f"backfill {self.name} {self.id}", None, self.usd)

    def to_record(self) -> Json:
        """Return it as plain data."""
        return asdict(self)

    def windows(self, posts: int) -> int:
        """Return into how many windows the span is cut where its money buys so many *posts*."""
        return max(1, min(_MOST_WINDOWS, posts // MIN_RESULTS)) if self.spread else 1

    def window(self, number: int, of: int) -> tuple[int, int]:
        """Return the ids that window *number* lies between, the newest window first."""
        length = (self.end - self.begin) / of
        return id_at(self.end - (number + 1) * length) - 1, id_at(self.end - number * length)


def new_backfill(
    follow: Follow, since: datetime, until: datetime, usd: float, *, spread: bool, now: datetime | None = None
) -> Backfill:
    """Return what looks a span up for *follow*. Raises :class:`BadBackfill`."""
    # Counts go by whole seconds.
    since, until = since.replace(microsecond=0), until.replace(microsecond=0)
    if since < EARLIEST:
        raise BadBackfill(
            f"--since {since:%Y-%m-%d} is before {EARLIEST:%Y-%m-%d}, when X's ids began to tell time"
        )
    if not since < until:
        raise BadBackfill(f"the span is empty: {stamp(since)} is not before {stamp(until)}")
    if len(follow.full_query) > MOST_ARCHIVE_QUERY:
        raise BadBackfill(f"X's archive takes queries of {MOST_ARCHIVE_QUERY} characters")
    asked = stamp(now or utc_now())
    return Backfill(follow.name, asked, follow.full_query, stamp(since), stamp(until), usd, spread)


def backfill_of(record: Mapping[str, Any]) -> Backfill:
    """Return the backfill in a *record*. Raises :class:`BadBackfill`."""
    known = {one.name for one in fields(Backfill)}
    try:
        found = Backfill(**{name: value for name, value in record.items() if name in known})
        moment_of(found.since), moment_of(found.until), float(found.usd)
    except (TypeError, ValueError) as wrong:
        raise BadBackfill(f"what is to be looked up cannot be read: {wrong}") from wrong
    return found


@dataclass
class Page:
    """What one turn brings; *position* is what to note once its messages are safe, empty if there is none."""

    messages: list[Json]
    position: str
    said: list[str]
    wait: bool = False  # there is more, but not yet


class Backfiller:
    """Takes the steps of looking back; *state* is a map of texts that somebody else makes durable."""

    def __init__(
        self,
        client: XClient,
        budget: Budget,
        policy: CollectionPolicy,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._budget = budget
        self._policy = policy
        self._clock = clock
        self._backoff = Backoff(clock)
        self._asked_at = clock() - _EACH

    def note(self, state: State, records: Iterable[Mapping[str, Any]]) -> None:
        """Note in *state* what is to be looked up from now on."""
        state[_WANTED] = json.dumps(list(records), ensure_ascii=False)

    def takes_up(self, state: State, loop: str) -> bool:
        """Tell whether the FlowFile *loop* is to go round: something is to be done, and no other does it."""
        known, now = self._state(state), self._clock()
        running = known.get("loop")
        if running and running != loop and timedelta() <= now - moment_of(known["at"]) < _GIVEN_UP:
            return False
        if self._next(state, known) is None:
            if running:
                self._leave(state, known)
            return False
        self._keep(state, {**known, "loop": loop})
        return True

    def arrived(self, state: State, loop: str, position: str) -> bool:
        """Note that the page of *position* is safe; tell whether its FlowFile goes on."""
        known = self._state(state)
        if known.get("loop") != loop:
            return False
        told = json.loads(position)
        known.setdefault("places", {})[told["name"]] = told
        self._keep(state, known)
        return True

    def page(self, state: State) -> Page:
        """Return the next page; without messages and wait there is none for now."""
        said: list[str] = []
        while True:
            known = self._state(state)
            chosen = self._next(state, known)
            if chosen is None or self._backoff.seconds():
                self._leave(state, known)
                return Page([], "", said)
            if timedelta() <= self._clock() - self._asked_at < _EACH:
                return Page([], "", said, wait=True)
            wanted, place = chosen
            try:
                found = self._ask(wanted, place)
            except CapReached:
                self._done(state, known, place, "its money is used up")
                continue
            except Exhausted as exhausted:
                self._say(wanted, place, f"waits: {exhausted}")
                self._leave(state, known)
                return Page([], "", said)
            except XError as error:
                if isinstance(error, Refused) and error.status == _BAD_REQUEST:
                    said.append(f"{wanted.name} is not looked up: {error}")
                    self._done(state, known, place, str(error))
                    continue
                said.append(f"{wanted.name} is looked up later: {self._backoff.failed(error)}")
                continue
            return Page(*found, said)

    # ---- inside

    def _state(self, state: State) -> Json:
        known: Json = json.loads(state.get(_STATE, "{}"))
        return known

    def _keep(self, state: State, known: Json) -> None:
        state[_STATE] = json.dumps({**known, "at": stamp(self._clock())}, ensure_ascii=False)

    def _leave(self, state: State, known: Json) -> None:
        """Note that no FlowFile goes round: whichever comes next may."""
        self._keep(state, {name: value for name, value in known.items() if name != "loop"})

    def _next(self, state: State, known: Json) -> tuple[Backfill, Json] | None:
        """Return what is to be looked up and can be paid for now, and how far it is."""
        records = json.loads(state.get(_WANTED, "[]"))
        places = known.get("places", {})
        for wanted in map(backfill_of, records):
            place = places.get(wanted.name, {})
            if place.get("id") != wanted.id:
                posts = self._budget.times(wanted.usd, self._policy.resources_a_post())
                of = wanted.windows(posts)
                queue = [[number, None] for number in range(of)]
                place = {"name": wanted.name, "id": wanted.id, "of": of, "posts": 0, "queue": queue}
            if not place.get("done") and self._today(wanted) >= MIN_RESULTS:
                return wanted, place
        return None

    def _today(self, wanted: Backfill) -> int:
        """Return the posts that the day has left for it; what it has in all is for the call to say."""
        limit = self._budget.limits.usd_day
        if limit is None:
            return MIN_RESULTS
        account = Account(wanted.account.name, limit * (1 - self._policy.kept_for_trends))
        return self._budget.affordable(self._policy.resources_a_post(), account=account)

    def _ask(self, wanted: Backfill, place: Json) -> tuple[list[Json], str]:
        """Return the next page's messages, and the place behind it."""
        each = self._policy.resources_a_post()
        left = self._budget.affordable(each, account=wanted.account)
        queue, open_ = [list(one) for one in place["queue"]], list(place.get("open", ()))
        window, until_id = queue[0]
        share = place.get("share") or max(MIN_RESULTS, left // len(queue))
        low, high = wanted.window(window, place["of"])
        number = min(MAX_ARCHIVE_RESULTS, max(MIN_RESULTS, min(left, share)), self._most_today(wanted))
        with self._budget.call(
            {kind: n * number for kind, n in each.items()}, account=wanted.account
        ) as came:
            self._asked_at = self._clock()
            page = self._client.search_all(
                wanted.query, str(low), until_id or str(high), number, self._policy.expansions
            )
            came(resources_of(page.tweets, page.includes))
        self._backoff.succeeded(self._client.spent_until)
        ids = [int(tweet["id"]) for tweet in page.tweets if "id" in tweet]
        share = max(0, share - len(ids))
        more = bool(ids and page.next_token)
        if more and (share >= MIN_RESULTS or not wanted.spread):
            queue[0] = [window, str(min(ids))]
        else:
            share = 0
            del queue[0]
            open_ += [[window, str(min(ids))]] if more else []
        if not queue:
            # What others have left is for those that have more.
            queue, open_ = open_, []
        after = {**place, "posts": place["posts"] + len(ids), "share": share, "queue": queue, "open": open_}
        if not queue:
            after["done"] = True
        self._say(wanted, after, "all of it has come" if after.get("done") else "under way")
        topics = [{"kind": "follow", "name": wanted.name, "woeid": None, "looked_up": True}]
        messages = messages_of(page, wanted.query, topics, self._clock())
        return messages, json.dumps(after, ensure_ascii=False)

    def _most_today(self, wanted: Backfill) -> int:
        left = self._today(wanted)
        return MAX_ARCHIVE_RESULTS if self._budget.limits.usd_day is None else max(MIN_RESULTS, left)

    def _done(self, state: State, known: Json, place: Json, said: str) -> None:
        known.setdefault("places", {})[place["name"]] = {**place, "done": True}
        self._keep(state, known)
        wanted = next(
            (one for one in map(backfill_of, json.loads(state[_WANTED])) if one.id == place["id"]), None
        )
        if wanted:
            self._say(wanted, place, f"ended: {said}")

    def _say(self, wanted: Backfill, place: Json, said: str) -> None:
        """Keep how far it is where `opslib follow show` finds it."""
        if place["of"] > 1 and not place.get("done"):
            said += f", {len(place['queue'])} of {place['of']} parts to come"
        told = {"posts": place["posts"], "done": bool(place.get("done"))}
        self._budget.keep_answer(wanted.account.name, {"said": f"{place['posts']} posts, {said}", **told})
