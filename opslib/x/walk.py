"""The searches that a snapshot of trends asks for, walked through one page at a time.

A walk is one FlowFile that goes round: a page is searched for, published to Kafka, and only when it comes
back from there is its progress written to the state and the next page asked for. NiFi writes state at once
but commits a FlowFile only after its trigger, so this order is what keeps both right:

- killed before the commit: the FlowFile is back where it was, and the page in flight is asked for again;
- killed after it: the page is in a queue, and its progress is not written before Kafka has it;
- killed between the state and the commit: the same state is written again, from the same FlowFile.

A walk searches for what is followed, too, within what each follow may cost. What a search leaves of its share
is shared out over those that have more posts (:mod:`opslib.x.fair`): the walk comes back to them.

One walk is under way at a time, so that no topic is searched twice at once; a snapshot that comes meanwhile
waits. A walk that a change of the mode cuts short is noted as over by :func:`end`, or later snapshots would
wait for it. One that has not been heard of for a while, because somebody emptied its queue, is given up.
Topics that trend in several places are searched once, for all of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import moment_of, searched_in, stamp
from opslib.x.budget import UNLIMITED, utc_now
from opslib.x.fair import MIN_RESULTS, claim, follows_part, level, rounds_a_day, rounds_left
from opslib.x.follows import follows_in, text_of
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED
from opslib.x.query import query_for
from opslib.x.search import Progress, messages_of, resources_of, search_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opslib.x.budget import Account, Budget
    from opslib.x.client import SearchPage, XClient
    from opslib.x.follows import Follow

_GIVEN_UP = timedelta(minutes=10)
# A topic that comes back within it goes on where it was; later there is little to go on from.
_TOPIC_KEPT = timedelta(days=1)
_WALK = "walk"
_TOPIC = "topic/"
_FOLLOW = "follow/"
_FOLLOWS = "follows"
_FOLLOWS_AT = "follows_at"
_PLACES = "places"  # how many the last snapshots were of
# A round of trends comes with what is followed. Where it does not, that is searched by itself, so much later.
_LATE_ROUND = 1.25

State = dict[str, str]


@dataclass(frozen=True)
class CollectionPolicy:
    """What is asked for: pages and posts a topic and round, expansions, and how often a round comes."""

    max_pages: int = 10
    page_size: int = 100
    expansions: tuple[str, ...] = ()
    interval: timedelta = timedelta(minutes=30)
    retweets: bool = True
    kept_for_trends: float = 0.5  # of a round, while there are follows

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
    topics: list[dict[str, Any]]  # {"name", "woeid"}, perhaps with the kind
    posts: int
    most: int = 0  # that it may bring if others leave something
    follow: str = ""  # the name of what is followed
    # Where it goes on if it has been searched in this walk, and the pages so far.
    progress: dict[str, str] | None = None
    pages: int = 0

    @property
    def key(self) -> str:
        """Return by what its progress is kept."""
        return _FOLLOW + self.follow if self.follow else _TOPIC + self.query


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


def of_trends(state: State) -> bool:
    """Tell whether the walk that is under way searches for trends."""
    running = json.loads(state.get(_WALK, "null"))
    return bool(running) and any(not search.get("follow") for search in running["searches"])


def newer(state: State, at: str) -> bool:
    """Tell whether what was followed *at* a moment is newer than what *state* knows, and note the moment."""
    if at and at < state.get(_FOLLOWS_AT, ""):
        return False
    if at:
        state[_FOLLOWS_AT] = at
    return True


def follows_of(state: State) -> State:
    """Return what of *state* says what is followed."""
    return {name: state[name] for name in (_FOLLOWS, _FOLLOWS_AT) if name in state}


def followed(state: State, mode: str, now: datetime) -> list[Follow]:
    """Return what *state* knows to be followed in that way *now*."""
    known = follows_in(state.get(_FOLLOWS, ""))
    return [follow for follow in known if follow.mode == mode and follow.active(now)]


def note_follows(state: State, follows: Iterable[Follow]) -> None:
    """Note in *state* what is followed from now on."""
    state[_FOLLOWS] = text_of(follows)


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

    def begin(
        self,
        state: State,
        walk: str,
        snapshots: Iterable[Mapping[str, Any]],
        follows: Iterable[Follow] | None = None,
    ) -> Position:
        """Plan the searches for *snapshots* as *walk* and note them in *state*, or raise :class:`Busy`.

        With them comes what is followed, all or only the *follows* given.
        """
        now = self._clock()
        running = json.loads(state.get(_WALK, "null"))
        if running and running["id"] != walk and now - moment_of(running["at"]) < _GIVEN_UP:
            raise Busy
        snapshots = list(snapshots)
        if snapshots:
            state[_PLACES] = str(len(snapshots))
        follows = list(self.followed(state) if follows is None else follows)
        searches, spare = self._plan(snapshots, follows, int(state.get(_PLACES, 0)))
        self._prune(state, searches, now)
        for follow in follows:
            known = self._known(state, _FOLLOW + follow.name, follow.full_query)
            state[_FOLLOW + follow.name] = self._topic(known, follow.full_query)
        planned = [asdict(search) for search in searches if search.posts >= MIN_RESULTS]
        others = [asdict(search) for search in searches if search.posts < MIN_RESULTS <= search.most]
        told = {"searches": planned, "spare": spare, "open": others, "counted": 0, "whole": bool(snapshots)}
        state[_WALK] = json.dumps({"id": walk, "at": stamp(now), **told}, ensure_ascii=False)
        return self._next(state, walk, 0)

    def followed(self, state: State) -> list[Follow]:
        """Return what is followed by search now."""
        return followed(state, "search", self._clock())

    def due(self, state: State, walk: str, *, alone: bool) -> list[Follow]:
        """Return what is followed and was not searched for in this round, or not since its query changed.

        *alone* tells that no round of trends brings it along. Nothing is due while another walk than *walk*,
        which a kill may bring here a second time, is under way.
        """
        running, now = json.loads(state.get(_WALK, "null")), self._clock()
        if running and running["id"] == walk:
            begun = {search.get("follow") for search in [*running["searches"], *running["open"]]}
            return [follow for follow in self.followed(state) if follow.name in begun]
        if running and now - moment_of(running["at"]) < _GIVEN_UP:
            return []
        patience = self._policy.interval * (1 if alone else _LATE_ROUND)
        return [follow for follow in self.followed(state) if self._is_due(state, follow, now, patience)]

    def _is_due(self, state: State, follow: Follow, now: datetime, patience: timedelta) -> bool:
        known = json.loads(state.get(_FOLLOW + follow.name, "{}"))
        if known.get("query") != follow.full_query:
            return True
        # It was searched for in the future only where the clock was set back.
        return not timedelta() <= now - moment_of(known["at"]) < patience

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
        more = bool(position.progress.next_token) and position.pages < self._policy.max_pages
        over = not more or search.posts - position.posts < MIN_RESULTS
        state[search.key] = self._topic(
            position.progress.ended() if over else position.progress, search.query
        )
        if over:
            _count(running, search, position, more=more)
        self._note(state, running)
        return self._next(state, position.walk, position.search + 1) if over else position

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
        """Return the position of the search after the one at *position*, which leaves its share."""
        running = json.loads(state[_WALK])
        _count(running, Search(**running["searches"][position.search]), position, more=False)
        self._note(state, running)
        return self._next(state, position.walk, position.search + 1)

    def withdrawn(self, state: State, search: Search) -> bool:
        """Tell whether *search* is for something that is followed no more, or by another query."""
        followed = {follow.name: follow.full_query for follow in self.followed(state)}
        return bool(search.follow) and followed.get(search.follow) != search.query

    def _note(self, state: State, running: dict[str, Any]) -> None:
        state[_WALK] = json.dumps({**running, "at": stamp(self._clock())}, ensure_ascii=False)

    def _next(self, state: State, walk: str, number: int) -> Position:
        """Return the position of that search at its beginning, where it was left off.

        Behind the last one come those again that have more posts, as long as others have left something.
        """
        running = json.loads(state[_WALK])
        if number >= len(running["searches"]):
            self._share_spare(state, running)
            self._note(state, running)
        if number >= len(running["searches"]):
            return Position(walk, number)
        search = Search(**running["searches"][number])
        if search.progress is not None:
            return Position(walk, number, progress=Progress.from_state(search.progress), pages=search.pages)
        return Position(walk, number, progress=self._known(state, search.key, search.query))

    def _share_spare(self, state: State, running: dict[str, Any]) -> None:
        """Add to the walk the searches that have more posts, with shares of what others have left."""
        searches = [Search(**search) for search in running.get("open", ())]
        spare = int(running.get("spare", 0))
        if running.get("whole") and rounds_left(self._policy.interval, self._clock()) == 1:
            # Nothing is to be left for a later round; posts that came a second time have cost nothing.
            spare = min(self._affordable(None), UNLIMITED)
            followed = {follow.name: follow.account for follow in self.followed(state)}
            searches = [
                replace(search, most=min(search.most, self._affordable(followed.get(search.follow))))
                for search in searches
            ]
        given = level(spare, [search.most for search in searches])
        again = [replace(search, posts=posts) for search, posts in zip(searches, given) if posts]
        running["searches"] += [asdict(search) for search in again]
        running["open"] = [asdict(search) for search, posts in zip(searches, given) if not posts]
        running["spare"] = spare - sum(given)

    def _affordable(self, account: Account | None) -> int:
        return self._budget.affordable(self._policy.resources_a_post(), account=account)

    def _known(self, state: State, key: str, query: str) -> Progress:
        """Return how far a search had come; nowhere, if it was for another query."""
        known = json.loads(state.get(key, "{}"))
        progress = Progress() if known.get("query", query) != query else Progress.from_state(known)
        # Where the state is of a backup, what came since is paid for; the rest of that search is given up.
        newest = self._budget.collected(query)
        return Progress(str(newest)) if newest > int(progress.since_id or 0) else progress

    def _topic(self, progress: Progress, query: str) -> str:
        return json.dumps(
            {**progress.to_state(), "at": stamp(self._clock()), "query": query}, ensure_ascii=False
        )

    def _prune(self, state: State, searches: list[Search], now: datetime) -> None:
        """Forget topics that trend no more, and places in a search that X would refuse for their age."""
        trending = {search.key for search in searches} | {
            _FOLLOW + follow.name for follow in follows_in(state.get(_FOLLOWS, ""))
        }
        for key in [key for key in state if key.startswith((_TOPIC, _FOLLOW))]:
            known = json.loads(state[key])
            gone = key not in trending and now - moment_of(known["at"]) > _TOPIC_KEPT
            nowhere = key.startswith(_TOPIC) and Progress.from_state(known).fresh(now) == Progress()
            if gone or nowhere:
                del state[key]

    # ---- X

    def account(self, state: State, search: Search) -> Account | None:
        """Return what of the budget *search* may use, if it is for something that is followed."""
        return next((of.account for of in self.followed(state) if of.name == search.follow), None)

    def page(
        self, search: Search, position: Position, account: Account | None = None
    ) -> tuple[list[dict[str, Any]], Position, SearchPage]:
        """Return the messages of the next page, the position once they are safe, and X's page.

        Raises :class:`opslib.x.budget.Exhausted` and :class:`opslib.x.client.XError`. What the call may cost
        is reserved before it, and counted before anything else happens to the page.
        """
        each = self._policy.resources_a_post()
        wanted = min(self._policy.page_size, max(MIN_RESULTS, search.posts - position.posts))
        number = min(wanted, max(MIN_RESULTS, self._budget.affordable(each, account=account)))
        most = {kind: count * number for kind, count in each.items()}
        with self._budget.call(most, account=account) as came:
            page, progress = search_page(
                self._client, search.query, position.progress, number, self._policy.expansions, self._clock()
            )
            came(resources_of(page.tweets, page.includes))
        messages = messages_of(page, search.query, search.topics, self._clock())
        posts, pages = position.posts + len(page.tweets), position.pages + 1
        return messages, replace(position, posts=posts, pages=pages, progress=progress), page

    # ---- planning

    def _plan(
        self, snapshots: list[Mapping[str, Any]], follows: Sequence[Follow], places: int
    ) -> tuple[list[Search], int]:
        """Return the searches with what the budget gives to each, and what of the round is left over.

        Those for several places are joined. *places* are those whose trends cost a request each round.
        """
        now = self._clock()
        posts_a_round = allowance(self._budget, self._policy, places, now)
        most = self._policy.max_pages * self._policy.page_size
        # Where pages do not go round, they go to those first that have had the least of their caps.
        follows = sorted(
            follows, key=lambda of: (self._budget.spent_by(of.account.name)[0] / of.usd_day, of.name)
        )
        claims = [min(most, self._claim(follow, now)) for follow in follows]
        given = level(follows_part(posts_a_round, self._policy.kept_for_trends), claims)
        searches = [
            Search(follow.full_query, [follow.topic], share, claimed, follow.name)
            for follow, share, claimed in zip(follows, given, claims)
        ]
        topics, sizes = self._trending(snapshots)
        posts = shares(list(sizes.values()), posts_a_round - sum(given), most)
        searches += [Search(query, topics[query], share, most) for query, share in zip(sizes, posts)]
        return searches, posts_a_round - sum(given) - sum(posts)

    def _claim(self, follow: Follow, now: datetime) -> int:
        """Return the posts that a follow's cap has for this round."""
        left, day = self._affordable(follow.account), follow.usd_day
        rounds, of = rounds_left(self._policy.interval, now), rounds_a_day(self._policy.interval)
        return claim(left, self._budget.times(day, self._policy.resources_a_post()), rounds, of)

    def _trending(
        self, snapshots: list[Mapping[str, Any]]
    ) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
        """Return by query the topics that it is for, and how large they are."""
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
        return topics, sizes


def _count(running: dict[str, Any], search: Search, position: Position, *, more: bool) -> None:
    """Note in the walk *running* what *search* leaves at *position*, once: a kill may bring it here again."""
    if position.search < running.get("counted", 0):
        return
    running["counted"] = position.search + 1
    running["spare"] = running.get("spare", 0) + max(0, search.posts - position.posts)
    left = search.most - position.posts
    if more and left >= MIN_RESULTS:
        again = replace(
            search, posts=0, most=left, progress=position.progress.to_state(), pages=position.pages
        )
        running.setdefault("open", []).append(asdict(again))


def allowance(budget: Budget, policy: CollectionPolicy, places: int, now: datetime) -> int:
    """Return the posts that a round of *places* may bring, so that the day's last one has as many.

    Each place's trends cost a request a round.
    """
    rounds = rounds_left(policy.interval, now)
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
