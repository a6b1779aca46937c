"""The searches that a snapshot of trends asks for, walked through one page at a time.

A walk is one FlowFile that goes round: a page is searched for, published to Kafka, and only when it comes
back from there is its progress written to the state and the next page asked for. NiFi writes state at once
but commits a FlowFile only after its trigger, so this order is what keeps both right:

- killed before the commit: the FlowFile is back where it was, and the page in flight is asked for again;
- killed after it: the page is in a queue, and its progress is not written before Kafka has it;
- killed between the state and the commit: the same state is written again, from the same FlowFile.

One walk is under way at a time, so that no topic is searched twice at once; a snapshot that comes meanwhile
waits. A walk that a change of the mode cuts short is noted as over by :func:`end`, or later snapshots would
wait for it. One that has not been heard of for a while, because somebody emptied its queue, is given up.
Topics that trend in several places are searched once, for all of them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import moment_of, searched_in, stamp
from opslib.x.budget import UNLIMITED, utc_now
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED
from opslib.x.query import query_for
from opslib.x.search import Progress, messages_of, resources_of, search_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opslib.x.budget import Budget
    from opslib.x.client import SearchPage, XClient

MIN_RESULTS = 10  # X gives no smaller page
_GIVEN_UP = timedelta(minutes=10)
# A topic that comes back within it goes on where it was; later there is little to go on from.
_TOPIC_KEPT = timedelta(days=1)
_WALK = "walk"
_TOPIC = "topic/"

State = dict[str, str]


@dataclass(frozen=True)
class CollectionPolicy:
    """What is asked for: pages and posts a topic and round, expansions, and how often a round comes."""

    max_pages: int = 10
    page_size: int = 100
    expansions: tuple[str, ...] = ()
    interval: timedelta = timedelta(minutes=30)
    retweets: bool = True

    def resources_a_post(self) -> dict[str, int]:
        """Return the most resources that one post of a page brings with it."""
        # A post refers to two others at most that X expands: it answers one and quotes another.
        referenced = 2 if EXPAND_REFERENCED in self.expansions else 0
        authors = {"user": 1} if EXPAND_AUTHORS in self.expansions else {}
        return {"post": 1 + referenced, **authors}


@dataclass(frozen=True)
class Search:
    """One search of a walk: the topics it is for, and the posts it may bring."""

    query: str
    topics: list[dict[str, Any]]  # {"name", "woeid"}
    posts: int


@dataclass(frozen=True)
class Position:
    """Where a walk stands; travels with its FlowFile."""

    walk: str
    search: int = 0
    posts: int = 0  # that this search has brought
    progress: Progress = field(default_factory=Progress)
    pages: int = 0  # that it has asked for: X sends empty ones in the midst of a search

    @classmethod
    def from_text(cls, text: str) -> Position:
        """Return what :meth:`to_text` wrote."""
        known = json.loads(text)
        return cls(**{**known, "progress": Progress.from_state(known["progress"])})

    def to_text(self) -> str:
        """Return it as one attribute's text."""
        return json.dumps({**asdict(self), "progress": self.progress.to_state()})


class Busy(Exception):  # noqa: N818 - it names a state
    """Another walk is under way."""


def end(state: State) -> bool:
    """Note in *state* that no walk is under way any more; tell whether one was.

    Its FlowFile, if it still comes, ends it as one that another walk has taken over from. Topics keep their
    places: the next walk goes on from there.
    """
    return state.pop(_WALK, None) is not None


class Walker:
    """Takes a walk's steps; *state* is a map of texts that somebody else makes durable."""

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

    # ---- state

    def begin(self, state: State, walk: str, snapshots: Iterable[Mapping[str, Any]]) -> Position:
        """Plan the searches for *snapshots* as *walk* and note them in *state*, or raise :class:`Busy`."""
        now = self._clock()
        running = json.loads(state.get(_WALK, "null"))
        if running and running["id"] != walk and now - moment_of(running["at"]) < _GIVEN_UP:
            raise Busy
        searches = self._plan(list(snapshots))
        self._prune(state, searches, now)
        state[_WALK] = json.dumps(
            {"id": walk, "at": stamp(now), "searches": [asdict(search) for search in searches]}
        )
        return self._at(state, Position(walk), searches)

    def arrived(self, state: State, position: Position) -> Position | None:
        """Note in *state* that the page of *position* is safe, and return where to go on.

        ``None`` if another walk has taken over.
        """
        running = json.loads(state.get(_WALK, "null"))
        if not running or running["id"] != position.walk:
            return None
        searches = [Search(**search) for search in running["searches"]]
        if position.search >= len(searches):
            return position
        search = searches[position.search]
        over = (
            not position.progress.next_token
            or search.posts - position.posts < MIN_RESULTS
            or position.pages >= self._policy.max_pages
        )
        progress = position.progress.ended() if over else position.progress
        state[_TOPIC + search.query] = self._topic(progress)
        state[_WALK] = json.dumps({**running, "at": stamp(self._clock())})
        if over:
            return self._at(state, Position(position.walk, position.search + 1), searches)
        return position

    def finish(self, state: State, walk: str) -> None:
        """Note in *state* that *walk* is over, for whatever reason: the next one may begin."""
        running = json.loads(state.get(_WALK, "null"))
        if running and running["id"] == walk:
            del state[_WALK]

    def search(self, state: State, position: Position) -> Search | None:
        """Return the search that *position* stands at; ``None`` if the walk is through."""
        searches = json.loads(state[_WALK])["searches"]
        return Search(**searches[position.search]) if position.search < len(searches) else None

    def skip(self, state: State, position: Position) -> Position:
        """Return the position of the search after the one at *position*."""
        searches = [Search(**search) for search in json.loads(state[_WALK])["searches"]]
        return self._at(state, Position(position.walk, position.search + 1), searches)

    def _at(self, state: State, position: Position, searches: list[Search]) -> Position:
        """Return *position* at its search's beginning, where an earlier walk has left off."""
        if position.search >= len(searches):
            return position
        known = json.loads(state.get(_TOPIC + searches[position.search].query, "{}"))
        return replace(position, progress=Progress.from_state(known))

    def _topic(self, progress: Progress) -> str:
        return json.dumps({**progress.to_state(), "at": stamp(self._clock())})

    def _prune(self, state: State, searches: list[Search], now: datetime) -> None:
        """Forget topics that trend no more, and places in a search that X would refuse for their age."""
        trending = {_TOPIC + search.query for search in searches}
        for key in [key for key in state if key.startswith(_TOPIC)]:
            known = json.loads(state[key])
            gone = key not in trending and now - moment_of(known["at"]) > _TOPIC_KEPT
            if gone or Progress.from_state(known).fresh(now) == Progress():
                del state[key]

    # ---- X

    def page(self, search: Search, position: Position) -> tuple[list[dict[str, Any]], Position, SearchPage]:
        """Return the messages of the next page, the position once they are safe, and X's page.

        Raises :class:`opslib.x.budget.Exhausted` and :class:`opslib.x.client.XError`. What the call may cost
        is reserved before it, and counted before anything else happens to the page.
        """
        each = self._policy.resources_a_post()
        wanted = min(self._policy.page_size, max(MIN_RESULTS, search.posts - position.posts))
        number = min(wanted, max(MIN_RESULTS, self._budget.affordable(each)))
        with self._budget.call({kind: count * number for kind, count in each.items()}) as came:
            page, progress = search_page(
                self._client, search.query, position.progress, number, self._policy.expansions, self._clock()
            )
            came(resources_of(page.tweets, page.includes))
        messages = messages_of(page, search.query, search.topics, self._clock())
        posts, pages = position.posts + len(page.tweets), position.pages + 1
        return messages, replace(position, posts=posts, pages=pages, progress=progress), page

    # ---- planning

    def _plan(self, snapshots: list[Mapping[str, Any]]) -> list[Search]:
        """Return the searches, those for several places joined, with what the budget gives to each."""
        topics: dict[str, list[dict[str, Any]]] = {}
        sizes: dict[str, int] = {}
        for snapshot in snapshots:
            for trend in searched_in(snapshot):
                try:
                    query = query_for(trend["name"], retweets=self._policy.retweets)
                except ValueError:
                    continue  # a topic without a word to search for
                topic = {"name": trend["name"], "woeid": snapshot["woeid"]}
                known = topics.setdefault(query, [])
                if topic not in known:
                    known.append(topic)
                sizes[query] = max(sizes.get(query, 0), trend.get("tweet_count") or 0)
        posts_a_round = allowance(self._budget, self._policy, len(snapshots), self._clock())
        most = self._policy.max_pages * self._policy.page_size
        posts = shares(list(sizes.values()), posts_a_round, most)
        return [
            Search(query, topics[query], share) for query, share in zip(sizes, posts) if share >= MIN_RESULTS
        ]


def allowance(budget: Budget, policy: CollectionPolicy, places: int, now: datetime) -> int:
    """Return the posts that a round of *places* may bring, so that the day's last one has as many.

    Each place's trends cost a request a round.
    """
    now = now.astimezone(timezone.utc)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), timezone.utc)
    rounds = max(1, math.ceil((midnight - now) / policy.interval))
    posts = budget.affordable(policy.resources_a_post(), keep={"trend": places * (rounds - 1)})
    return posts if posts >= UNLIMITED else posts // rounds


def shares(sizes: list[int], posts: int, most: int) -> list[int]:
    """Share *posts* out over topics by their size: a small page for each as far as it goes, then by weight.

    *sizes* are tweet counts in rank order, 0 where X tells none; no topic gets more than *most*.
    """
    given = []
    left = posts
    for _ in sizes:
        given.append(MIN_RESULTS if left >= MIN_RESULTS else 0)
        left -= given[-1]
    # X leaves small counts out: such a topic weighs as much as the smallest that it tells.
    smallest = min((size for size in sizes if size), default=1)
    weights = [size or smallest for size in sizes]
    while left > 0:
        open_ = [i for i, share in enumerate(given) if MIN_RESULTS <= share < most]
        total = sum(weights[i] for i in open_)
        before = left
        for i in open_:
            more = min(most - given[i], before * weights[i] // total)
            given[i] += more
            left -= more
        if left == before:
            break
    return given
