"""What becomes of the filtered stream: which topics it follows, what of it is safe, and how gaps are filled.

As a walk of searches is (:mod:`opslib.x.walk`), following the stream is one FlowFile that goes round: it
takes along what has come, is published to Kafka, and only when it comes back from there is that noted in the
state. What was read from X and had not reached Kafka when NiFi was killed is thus no different from what X
sent while nobody was connected. Of both, a search gets what is missing of each topic: from the newest tweet
that is safe in Kafka to the moment of the next connect, with ten seconds more on either side, as posts come
out of order and X takes some seconds to send one. A second reading is free on the same UTC day, and Kafka's
readers know a tweet by its id.

Each round, from one snapshot to the next, may bring its share of what the day's budget has left. When that
has come, or the budget is used up, the stream is left until there is more. Such a pause is no gap: filling it
would spend the next share on it.

Snapshots of trends come in between and say what to follow. A place keeps its topics until a snapshot of it
comes, or three have not.

What somebody follows in the stream (:mod:`opslib.x.follows`) has rules of its own, and goes on when the share
of the trends has come: each has its cap, and its rule is away when that is nearly used up.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import FOLLOW, id_at, moment_of, moment_of_id, searched_in, stamp, tweet_message
from opslib.x.backoff import Backoff
from opslib.x.budget import UNLIMITED, CapReached, Exhausted, utc_now
from opslib.x.client import Refused, XError
from opslib.x.fair import MIN_RESULTS
from opslib.x.query import query_for
from opslib.x.rules import RuleBook, shared_out, tag_of, topics_of
from opslib.x.search import OLDEST_SINCE_ID, Progress, messages_of, resources_of, search_page
from opslib.x.walk import allowance, followed

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from opslib.x.budget import Account, Budget
    from opslib.x.client import XClient
    from opslib.x.follows import Follow
    from opslib.x.rules import Topic
    from opslib.x.stream import Stream
    from opslib.x.walk import CollectionPolicy

# How late X sends a post, and how long a search takes to find it, are seconds.
_LATE = timedelta(seconds=10)
_FOUND_AFTER = timedelta(seconds=15)
# A FlowFile that has not been heard of so long was taken out of its queue.
_GIVEN_UP = timedelta(minutes=10)
_HEARD_EACH = timedelta(minutes=1)
_BAD_REQUEST = 400
_SHORT_SECONDS = 5.0
_UNKNOWN = "a turn that did not come to its end"
_SHARE_USED = "this round's share of the budget has come: the stream waits for the next snapshot of trends"
_TURNS_KEPT = 3
_LOOP, _PLACES, _TOPICS, _SHARE, _PAUSED = "loop", "places", "topics", "share", "paused"

State = dict[str, str]
Json = dict[str, Any]


@dataclass
class Step:
    """What one turn of the FlowFile brings; *position* is what to note once its messages are safe."""

    messages: list[Json] = field(default_factory=list)
    position: str = ""
    said: list[str] = field(default_factory=list)  # for people
    idle: bool = False  # nothing can come before long


class Follower:
    """Takes the steps of following; *state* is a map of texts that somebody else makes durable.

    In it are ``loop`` (the FlowFile that goes round, when it was last heard of), ``places`` (the topics of
    each), ``share`` (the posts that this round may still bring), perhaps ``paused`` (why what is written is
    not wanted) and ``topics``: by query, ``topics`` (that it is for), ``since_id`` (the newest tweet that is
    safe, or the moment from which it is followed), perhaps ``left`` (when it trended no more) and perhaps
    ``gap`` (``since_id``, ``until_id``, ``next_token``, ``pages`` searched).
    """

    def __init__(
        self,
        client: XClient,
        budget: Budget,
        stream: Stream,
        policy: CollectionPolicy,
        margin: int = 100,
        clock: Callable[[], datetime] = utc_now,
        mode: str = "stream",
    ) -> None:
        self._mode = mode
        self._no_room: list[str] = []
        self._client = client
        self._budget = budget
        self._stream = stream
        self._policy = policy
        self._margin = margin
        self._clock = clock
        self._book = RuleBook(client)
        # For calls: the stream has its own waits.
        self._rules_backoff, self._search_backoff = Backoff(clock), Backoff(clock)
        # Topics that are followed since a moment ago, and were not connected before.
        self._fresh: set[str] = set()
        # The position that was given out last.
        self._sent: str | None = None

    # ---- what comes in

    def snapshots(self, state: State, flowfile: str, snapshots: Iterable[Mapping[str, Any]]) -> bool:
        """Follow the topics of *snapshots*; tell whether *flowfile*, which brought them, is to go round."""
        if self._mode != "stream":
            return self.begins(state, flowfile)
        now = self._clock()
        places = json.loads(state.get(_PLACES, "{}"))
        snapshots = list(snapshots)
        state[_SHARE] = str(allowance(self._budget, self._policy, len(snapshots), now))
        for snapshot in snapshots:
            names = [trend["name"] for trend in searched_in(snapshot)]
            places[str(snapshot["woeid"])] = {"at": stamp(now), "topics": names}
        state[_PLACES] = json.dumps(places, ensure_ascii=False)
        return self.begins(state, flowfile)

    def begins(self, state: State, flowfile: str) -> bool:
        """Tell whether *flowfile* is to go round, as there is something to follow and no other does."""
        now = self._clock()
        if self._mode != "stream" and not self.follows(state):
            return False
        loop = json.loads(state.get(_LOOP, "null"))
        if loop and loop["id"] != flowfile and now - moment_of(loop["at"]) < _GIVEN_UP:
            return False
        state[_LOOP] = json.dumps({"id": flowfile, "at": stamp(now)})
        return True

    def follows(self, state: State) -> dict[str, Follow]:
        """Return what is followed in the stream and has money left, by its query."""
        found = {}
        each = self._policy.resources_a_post()
        for follow in followed(state, "stream", self._clock()):
            kept = min(self._margin, self._budget.times(follow.usd_day, each) // 2)
            if self._budget.affordable(each, account=follow.account) > kept:
                rest = "" if self._policy.retweets else " -is:retweet"
                found[follow.full_query + rest] = follow
        return found

    def arrived(self, state: State, position: str) -> bool:
        """Note what *position* says is safe; tell whether its FlowFile :meth:`goes_on`."""
        told = json.loads(position)
        topics = json.loads(state.get(_TOPICS, "{}"))
        for query, newest in told["newest"].items():
            if query in topics:
                topics[query]["since_id"] = str(max(int(newest), int(topics[query]["since_id"])))
        searched = told.get("gap")
        if searched:
            topic = topics.get(searched["query"], {})
            # One that has grown meanwhile is searched anew.
            if topic.get("gap", {}).get("until_id") == searched["until_id"]:
                del topic["gap"]
                if searched["next_token"]:
                    topic["gap"] = {name: value for name, value in searched.items() if name != "query"}
        state[_TOPICS] = json.dumps(topics, ensure_ascii=False)
        return self.goes_on(state, told["loop"])

    def goes_on(self, state: State, loop: str) -> bool:
        """Tell whether the FlowFile *loop* is the one that goes round; another may have taken over."""
        known = json.loads(state.get(_LOOP, "null"))
        return bool(known) and known["id"] == loop

    # ---- one turn

    def step(self, state: State, loop: str, position: str, seconds: float) -> Step:
        """Return what the next turn of the FlowFile *loop* brings, after *seconds* at most.

        It came with *position*, empty if it took nothing along the last time. What X says no to is said, and
        waited for.
        """
        self._heard(state, loop)
        topics = json.loads(state.get(_TOPICS, "{}"))
        if self._sent not in (None, position):
            # What it took along has not left: somebody emptied the queue, or NiFi could not commit.
            self._missed(topics, self._clock())
        self._sent = _UNKNOWN
        share = int(state.get(_SHARE, UNLIMITED))
        follows = self.follows(state)
        step = Step()
        wanted = self._wanted(state, follows, step, trends=share > 0 or not follows)
        going = bool(wanted) and (share > 0 or bool(follows))
        if self._begin(state, topics, wanted, going):
            # That they are followed has to be known before X sends anything of them.
            state[_TOPICS] = json.dumps(topics, ensure_ascii=False)
            self._sent = step.position
            return step
        self._follow(topics, wanted, step)
        gap = self._gap_due(topics)
        if not going and self._stream.connected:
            self._stream.leave()
        batch = self._stream.take(0 if gap else seconds, connect=going and self._book.in_force)
        step.said += batch.said
        if isinstance(batch.error, Refused):
            self._book.forget()  # it may be for want of rules
        if batch.exhausted is not None:
            state[_PAUSED] = "the budget is used up"
            _no_gaps(topics)
        elif batch.missing_until is not None:
            self._missed(topics, batch.missing_until)
        state[_TOPICS] = json.dumps(topics, ensure_ascii=False)
        newest = self._messages(batch.posts, step, follows)
        searched = self._search(state, topics, gap, step) if gap else None
        self._take_share(state, topics, share, step, follows)
        step.idle = not going or self._stream.closed_for() > _SHORT_SECONDS
        if step.messages or searched:
            step.position = json.dumps({"loop": loop, "newest": newest, "gap": searched}, ensure_ascii=False)
        state[_TOPICS] = json.dumps(topics, ensure_ascii=False)
        self._sent = step.position
        return step

    def _take_share(
        self, state: State, topics: dict[str, Json], share: int, step: Step, follows: Mapping[str, Follow]
    ) -> None:
        """Count what has come against the *share* of this round, which is the trends'."""
        if share >= UNLIMITED:
            return
        came = sum(map(_of_trends, step.messages))
        state[_SHARE] = str(share - came)
        if 0 < share <= came and _PAUSED not in state:
            step.said.append(_SHARE_USED)
            _no_gaps(topics, except_for=follows)
            if not follows:
                state[_PAUSED] = _SHARE_USED

    def _wanted(
        self, state: State, follows: Mapping[str, Follow], step: Step, *, trends: bool
    ) -> dict[str, list[Topic]]:
        """Return what the stream is to send: by query, the topics that it is for."""
        trending = self._trending(state) if trends and self._mode == "stream" else {}
        queries, left_out = shared_out(follows, trending)
        if left_out != self._no_room:
            self._no_room = left_out
            if left_out:
                step.said.append(
                    f"{len(left_out)} found no room among X's rules: {', '.join(left_out[:5])} …"
                )
        return {
            query: ([follows[query].topic] if query in follows else []) + trending.get(query, [])
            for query in queries
        }

    def _trending(self, state: State) -> dict[str, list[Topic]]:
        """Return by query the topics of the last snapshots."""
        now = self._clock()
        places = json.loads(state.get(_PLACES, "{}"))
        wanted: dict[str, list[Topic]] = {}
        for woeid, place in places.items():
            if now - moment_of(place["at"]) > _TURNS_KEPT * self._policy.interval:
                continue
            for name in place["topics"]:
                try:
                    query = query_for(name, retweets=self._policy.retweets)
                except ValueError:
                    continue  # a topic without a word to look for
                topic = {"name": name, "woeid": int(woeid)}
                known = wanted.setdefault(query, [])
                if topic not in known:
                    known.append(topic)
        return wanted

    def _account_of(self, state: State, topics: list[Topic]) -> Account | None:
        """Return what of the budget a gap may use that is of something followed alone."""
        names = {topic["name"] for topic in topics if topic.get("kind") == FOLLOW}
        if len(names) != len(topics):
            return None
        known = followed(state, "stream", self._clock())
        return next((follow.account for follow in known if follow.name in names), None)

    def _heard(self, state: State, loop: str) -> None:
        """Note that the FlowFile is there, once a minute: it goes round several times a second."""
        known = json.loads(state.get(_LOOP, "null"))
        now = self._clock()
        if not known or known["id"] != loop or now - moment_of(known["at"]) > _HEARD_EACH:
            state[_LOOP] = json.dumps({"id": loop, "at": stamp(now)})

    def _follow(self, topics: dict[str, Json], wanted: Mapping[str, list[Topic]], step: Step) -> None:
        """Bring X's rules to what is wanted, and the state to X's rules."""
        if self._rules_backoff.seconds():
            return
        try:
            added, problems = self._book.bring({query: tag_of(of) for query, of in wanted.items()})
        except XError as error:
            step.said.append(self._rules_backoff.failed(error))
            return
        # After an error it has asked X again; without one there is nothing to reset.
        self._rules_backoff.succeeded()
        step.said += [f"X refuses a rule: {problem}" for problem in problems]
        for query in added:
            if query not in self._fresh:
                # Its rule was away for a moment.
                self._miss(topics[query], self._clock())
            elif self._stream.connected:
                self._fresh.discard(query)

    def _begin(
        self, state: State, topics: dict[str, Json], wanted: Mapping[str, list[Topic]], going: bool
    ) -> bool:
        """Note the topics that are followed from now on, and forget others; tell whether there are any."""
        now = self._clock()
        self._part(topics, wanted, now)
        new = {query for query in wanted if query not in topics or "left" in topics[query]}
        if _PAUSED in state and going and not self._stream.closed_for():
            del state[_PAUSED]
            new = set(wanted)
        for query, of in wanted.items():
            topic = topics.setdefault(query, {})
            topic["topics"] = of
            if query in new:
                topic["since_id"] = str(id_at(now))
                topic.pop("left", None)
        self._fresh |= new
        return bool(new)

    def _part(self, topics: dict[str, Json], wanted: Mapping[str, list[Topic]], now: datetime) -> None:
        """Forget topics that trend no more, but not before what may be missing of them has been found."""
        for query in [query for query in topics if query not in wanted]:
            left = topics[query].setdefault("left", stamp(now))
            if "gap" not in topics[query] and now - moment_of(left) > _GIVEN_UP:
                del topics[query]

    def _messages(self, posts: list[Json], step: Step, follows: Mapping[str, Follow]) -> dict[str, str]:
        """Add the messages of *posts*; return the newest id of each query.

        What is followed pays for each post that its rule matched, whoever else did.
        """
        now = self._clock()
        query_of = {follow.name: query for query, follow in follows.items()}
        of_follows: Counter[str] = Counter()
        newest: dict[str, str] = {}
        for post in posts:
            tweet = post["data"]
            if "id" not in tweet or "text" not in tweet:
                continue
            rules = post.get("matching_rules") or ()
            topics = [topic for rule in rules for topic in topics_of(rule.get("tag"))]
            queries = [self._query_of(topic, query_of) for topic in topics]
            of_follows.update(query for query in queries if query in follows)
            message = tweet_message(tweet, post.get("includes"), "", None, "", now)
            message["collected_for"] = [{**topic, "query": query} for topic, query in zip(topics, queries)]
            step.messages.append(message)
            for query in queries:
                newest[query] = str(max(int(tweet["id"]), int(newest.get(query, 0))))
        for query, number in of_follows.items():
            each = self._policy.resources_a_post()
            posts_of = {kind: count * number for kind, count in each.items()}
            self._budget.charge(follows[query].account, posts_of)
        return newest

    def _query_of(self, topic: Topic, follows: Mapping[str, str]) -> str:
        if topic.get("kind") == FOLLOW:
            return follows.get(topic["name"], "")
        return query_for(topic["name"], retweets=self._policy.retweets)

    # ---- gaps

    def _missed(self, topics: dict[str, Json], until: datetime) -> None:
        """Note that posts before *until* may be missing, but of topics just begun with."""
        for query, topic in topics.items():
            if query not in self._fresh:
                self._miss(topic, until)
        self._fresh.clear()

    def _miss(self, topic: Json, until: datetime) -> None:
        if topic.get("left"):
            until = min(until, moment_of(topic["left"]))
        gap = topic.get("gap") or {"since_id": str(_before(int(topic["since_id"])))}
        topic["gap"] = {"since_id": gap["since_id"], "until_id": str(id_at(until + _LATE)), "pages": 0}

    def _gap_due(self, topics: Mapping[str, Json]) -> str | None:
        """Return a query whose gap can be searched, because X's search knows it up to its end."""
        if not self._stream.connected or self._search_backoff.seconds():
            return None
        now = self._clock()
        for query, topic in topics.items():
            until = moment_of_id(int(topic.get("gap", {}).get("until_id", 0)))
            if until is not None and now >= until - _LATE + _FOUND_AFTER:
                return query
        return None

    def _search(self, state: State, topics: dict[str, Json], query: str, step: Step) -> Json | None:
        """Add the messages of the next page of a gap; return the gap as it is once they are safe."""
        gap = topics[query].get("gap")
        if gap is None:
            return None
        now = self._clock()
        young = id_at(now - OLDEST_SINCE_ID)
        since = max(young, int(gap["since_id"]), self._budget.collected(query))
        progress = Progress(str(since), gap.get("next_token"))
        each = self._policy.resources_a_post()
        keep = {kind: count * self._margin for kind, count in each.items()}
        # A page of ten at least: where not even that is left, the budget says so.
        number = min(self._policy.page_size, max(MIN_RESULTS, self._budget.affordable(each, keep)))
        most = {kind: count * number for kind, count in each.items()}
        account = self._account_of(state, topics[query]["topics"])
        try:
            with self._budget.call(most, keep, account) as came:
                page, after = search_page(
                    self._client, query, progress, number, self._policy.expansions, now, gap["until_id"]
                )
                came(resources_of(page.tweets, page.includes))
        except CapReached as reached:
            step.said.append(f"the gap of {query} is not filled: {reached}")
            del topics[query]["gap"]
            return None
        except Exhausted:
            step.said.append("the budget does not reach to fill the gaps of the stream: they are given up")
            _no_gaps(topics)
            return None
        except XError as error:
            if isinstance(error, Refused) and error.status == _BAD_REQUEST:
                step.said.append(f"the gap of {query} is not filled: {error}")
                del topics[query]["gap"]
            else:
                step.said.append(self._search_backoff.failed(error))
            return None
        self._search_backoff.succeeded(self._client.spent_until)
        step.messages += messages_of(page, query, topics[query]["topics"], now)
        pages = gap["pages"] + 1
        token = after.next_token
        if token and pages >= self._policy.max_pages:
            step.said.append(f"the gap of {query} is larger than {pages} pages: the rest is given up")
            token = None
        return {"query": query, **gap, "next_token": token, "pages": pages}


def _no_gaps(topics: Mapping[str, Json], except_for: Container[str] = ()) -> None:
    for query, topic in topics.items():
        if query not in except_for:
            topic.pop("gap", None)


def _of_trends(message: Json) -> bool:
    """Tell whether a post came for a trend, whose share it is of."""
    return any(topic.get("kind") != FOLLOW for topic in message["collected_for"])


def _before(tweet_id: int) -> int:
    """Return an id from some seconds before that tweet: others of its time may still be to come."""
    moment = moment_of_id(tweet_id)
    return tweet_id if moment is None else id_at(moment - _LATE)
