"""The calls of X API v2 that the lake makes, over tweepy.

X charges for each resource that it returns (a post read 0.005 USD, a user 0.010), and for each request for
trends or counts. So every call says how much it may cost at most, and errors are told apart by what a caller
can do: wait (:class:`RateLimited`), try again (:class:`Unavailable`), or stop (:class:`Refused`).

Answers come in by the names of either of X's contracts and leave here by one (:mod:`opslib.x.names`).
"""

from __future__ import annotations

import os
import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import urlsplit

import requests
import tweepy  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from opslib.x.names import EXPAND_AUTHORS, OF_CALLS, OF_THE_STREAM, PARAMETERS, normal, ours
from opslib.x.problems import failed, refused_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from opslib.x.names import Names

BASE_URL = "https://api.x.com"
# Fields of a post come with it and cost nothing more. Expansions bring further resources: X does not say
# whether it charges for what comes in includes, so they are counted as charged. author_id itself comes with a
# post; its expansion adds name and username.
TWEET_FIELDS = (
    "article",
    "attachments",
    "author_id",
    "community_id",
    "context_annotations",
    "conversation_id",
    "created_at",
    "entities",
    "geo",
    "lang",
    "note_tweet",
    "paid_partnership",
    "possibly_sensitive",
    "public_metrics",
    "referenced_tweets",
    "withheld",
)
USER_FIELDS = ("id", "name", "username")
_LOOKUP_FIELDS = ("author_id", "edit_history_tweet_ids")
MAX_TRENDS = 50
MAX_RESULTS = 100
MAX_ARCHIVE_RESULTS = 500
MAX_LOOKUP = 100
# How a problem that is no more than a text quotes a parameter.
_QUOTED = re.compile(r"[`\[\"']([a-z_]+(?:\.fields)?)[`\]\"']")
_T = TypeVar("_T")
_TWEEPY_HOST = "https://api.twitter.com"
_STREAM = "/2/tweets/search/stream"
_STREAM_RULES = f"{_STREAM}/rules"
_STREAM_ENDPOINT = "filtered_stream"
# X's stream shows every 20 s that it is alive; the second is for the way.
# https://docs.x.com/x-api/fundamentals/handling-disconnections
KEEP_ALIVE_SECONDS = 21.0
# Small enough that posts are counted soon after they came, whatever X sends at once.
_PART_BYTES = 16_384
# How long a stream that was left is still read: what X sends before it notices was charged.
_LEAVING_SECONDS = 2.0


class XError(Exception):
    """A call to X brought nothing; ``maybe_charged`` tells that X may have charged for it all the same."""

    maybe_charged = False


class RateLimited(XError):  # noqa: N818 - the names say what befell, the base says error
    """Too many calls, or connections; ``reset_at`` (epoch seconds, if X told it) is when there are more."""

    def __init__(self, reset_at: int | None, detail: str = "") -> None:
        super().__init__(f"X's rate limit is reached{f' ({detail})' if detail else ''}")
        self.reset_at = reset_at


class Refused(XError):  # noqa: N818
    """X understood and said no: the token, the query or the account. Trying again will not help."""

    def __init__(
        self,
        status: int,
        detail: str,
        parameters: frozenset[str] = frozenset(),
        *,
        maybe_charged: bool = False,
    ) -> None:
        super().__init__(f"X refused ({status}): {detail}")
        self.maybe_charged = maybe_charged
        self.status = status
        self.detail = detail
        self.parameters = parameters  # of the call that X's problem names


class Unavailable(XError):  # noqa: N818
    """X could not be reached, failed, or sent what is no answer. Trying again later may help."""

    def __init__(self, text: str, *, maybe_charged: bool) -> None:
        super().__init__(text)
        self.maybe_charged = maybe_charged


class TooManyConnections(RateLimited):
    """The token has its one connection to the stream already."""


class Interrupted(Unavailable):
    """No answer came, or the connection broke; ``said_by_x`` tells that X has ended it properly."""

    said_by_x = False


@dataclass(frozen=True)
class SearchPage:
    """One page of recent search, newest first."""

    tweets: list[dict[str, Any]] = field(default_factory=list)
    includes: dict[str, Any] = field(default_factory=dict)
    newest_id: str | None = None
    next_token: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)  # X may send a part and say what is missing


@dataclass(frozen=True)
class Lookup:
    """Posts by their ids: those that X has, and its problem with each of the others."""

    tweets: list[dict[str, Any]]
    errors: list[dict[str, Any]]


def _is_own(host: str) -> bool:
    """Return whether *host* is this one, or an address of a network of one's own: no proxy knows the way."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def is_near(url: str) -> bool:
    """Tell whether *url* is reached without a proxy, which requests would not know of tweepy's host."""
    return _is_own(urlsplit(url).hostname or "") or should_bypass_proxies(url, None)


class _Elsewhere(HTTPAdapter):
    """Sends what tweepy addresses to its fixed host to *base_url*, and never waits for ever."""

    def __init__(self, base_url: str, timeout: float) -> None:
        super().__init__(max_retries=0)
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        request.url = self._base_url + str(request.url)[len(_TWEEPY_HOST) :]
        # requests asked for the proxies of tweepy's host, not of the one that is called.
        if is_near(request.url):
            proxies = None
        return super().send(request, stream, timeout or self._timeout, verify, cert, proxies)


class XClient:
    """X API v2 with one bearer token."""

    def __init__(self, base_url: str, token: str, timeout: float = 30) -> None:
        self._client = tweepy.Client(bearer_token=token, return_type=dict, wait_on_rate_limit=False)
        # A redirect would carry the call to where nobody meant it to go.
        self._client.session.max_redirects = 0
        self._client.session.mount(_TWEEPY_HOST, _Elsewhere(base_url, timeout))
        self._client.session.hooks["response"].append(self._note_limits)
        # The calls that X allows in its window of 15 minutes and those left, as the last answer told them.
        self.limits: tuple[int | None, int | None] = (None, None)
        # Epoch seconds until which that answer's kind of call has none left.
        self.spent_until: int | None = None
        # By which names each call was answered last, as its place in the order in which they are tried.
        self._taken: dict[str, int] = {}
        # Fields that X says this token does not get.
        self._refused_fields: set[str] = set()

    def _note_limits(self, response: requests.Response, *_: Any, **__: Any) -> None:
        told = [response.headers.get(f"x-rate-limit-{name}") for name in ("limit", "remaining", "reset")]
        limit, left, reset = map(_number, told)
        if reset is None:
            # tweepy takes it for a number, whatever it is.
            response.headers.pop("x-rate-limit-reset", None)
        self.limits = (limit, left)
        self.spent_until = reset if left == 0 else None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.session.close()

    def trends(self, woeid: int, max_trends: int = MAX_TRENDS) -> list[dict[str, Any]]:
        """Return what is trending in a place, the first rank first; X charges for the request."""
        answer = self._get(
            f"/2/trends/by/woeid/{int(woeid)}",
            {"max_trends": max_trends, "trend.fields": "trend_name,tweet_count"},
        )
        trends: list[dict[str, Any]] = answer.get("data") or []
        if not trends and answer.get("errors"):
            # The request was answered, and that is what X charges for.
            raise _nothing(answer, maybe_charged=True)
        return trends

    def search_recent(
        self,
        query: str,
        since_id: str | None = None,
        next_token: str | None = None,
        max_results: int = MAX_RESULTS,
        expansions: tuple[str, ...] = (),
        until_id: str | None = None,
    ) -> SearchPage:
        """Return one page of the last 7 days' posts that match; costs *max_results* posts at most."""
        parameters: dict[str, Any] = {"query": query, "max_results": max_results}
        if since_id:
            parameters["since_id"] = since_id
        if until_id:
            parameters["until_id"] = until_id
        if next_token:
            parameters["next_token"] = next_token
        return _page(self._posts("/2/tweets/search/recent", parameters, TWEET_FIELDS, expansions))

    def search_all(
        self,
        query: str,
        since_id: str,
        until_id: str,
        max_results: int = MAX_ARCHIVE_RESULTS,
        expansions: tuple[str, ...] = (),
    ) -> SearchPage:
        """Return one page of all posts that match, newest first; costs *max_results* posts at most."""
        parameters = {
            "query": query,
            "max_results": max_results,
            "since_id": since_id,
            "until_id": until_id,
        }
        return _page(self._posts("/2/tweets/search/all", parameters, TWEET_FIELDS, expansions))

    def counts(
        self,
        query: str,
        since: datetime,
        until: datetime,
        *,
        archive: bool = False,
        next_token: str | None = None,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return how many posts match in each hour of a span, and the token of what comes next.

        Of the last 7 days, or with *archive* of all there are, 31 days a call; X charges for the request.
        """
        parameters = {
            "query": query,
            "granularity": "hour",
            "start_time": _second(since),
            "end_time": _second(until),
        }
        if next_token:
            parameters["next_token"] = next_token
        answer = self._get(f"/2/tweets/counts/{'all' if archive else 'recent'}", parameters)
        if answer.get("data") is None and answer.get("errors"):
            raise _nothing(answer, maybe_charged=True)
        hours: list[dict[str, Any]] = answer.get("data") or []
        return hours, (answer.get("meta") or {}).get("next_token")

    def lookup(self, ids: Sequence[int]) -> Lookup:
        """Return what X has of the posts *ids*, at most 100; costs as many posts at most as come back."""
        answer = self._posts("/2/tweets", {"ids": ",".join(map(str, ids))}, _LOOKUP_FIELDS)
        tweets, errors = answer.get("data") or [], answer.get("errors") or []
        about = [error for error in errors if isinstance(error, dict) and error.get("resource_id")]
        if not tweets and not about:
            raise _nothing(answer)
        return Lookup(tweets, about)

    def usage(self, days: int = 7) -> dict[str, int]:
        """Return the posts that X has counted for the project, by UTC day (``2026-01-31``); it is free."""
        answer = self._get("/2/usage/tweets", {"days": days, "usage.fields": "daily_project_usage"})
        daily = ((answer.get("data") or {}).get("daily_project_usage") or {}).get("usage") or []
        return {str(entry["date"])[:10]: int(entry["usage"]) for entry in daily if "date" in entry}

    # ---- the filtered stream

    def rules(self) -> list[dict[str, Any]]:
        """Return the stream's rules, each ``{id, value, tag}``; it is free."""
        rules: list[dict[str, Any]] = self._get(_STREAM_RULES, {}).get("data") or []
        return rules

    def add_rules(self, rules: list[dict[str, str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Add *rules* (``{value, tag}``); return those that X took, and its problems with the others."""
        answer = self.call("POST", _STREAM_RULES, {}, {"add": rules})
        return answer.get("data") or [], answer.get("errors") or []

    def delete_rules(self, ids: list[str]) -> None:
        """Delete rules by their ids; one that is gone already is none to complain about."""
        self.call("POST", _STREAM_RULES, {}, {"delete": {"ids": ids}})

    @contextmanager
    def stream(
        self, expansions: tuple[str, ...] = (), keep_alive: float = KEEP_ALIVE_SECONDS
    ) -> Iterator[Streaming]:
        """Connect to the filtered stream; X charges for each post that it sends.

        tweepy's own reader of streams goes on asking where X has refused, and passes over the time that X
        tells with a 429; so its client connects, and :class:`Streaming` is read by whoever asked for it.
        """
        headers = {
            "User-Agent": self._client.user_agent,
            "Authorization": f"Bearer {self._client.bearer_token}",
            # What is compressed may wait in a buffer until more comes.
            "Accept-Encoding": "identity",
        }

        def connect(parameters: dict[str, Any]) -> requests.Response:
            with _translated():
                response: requests.Response = self._client.session.get(
                    _TWEEPY_HOST + _STREAM,
                    params=parameters,
                    headers=headers,
                    stream=True,
                    timeout=keep_alive,
                )
                if response.status_code != requests.codes.ok:
                    with response:
                        raise _failure(response)
            return response

        with self._named(_STREAM, TWEET_FIELDS, expansions, OF_THE_STREAM, connect) as response:
            streaming = Streaming(response)
            try:
                yield streaming
            finally:
                streaming.close()

    def end_streams(self) -> int:
        """End the stream's connections of this token, whoever holds them; return how many there were."""
        answer = self.call("DELETE", f"/2/connections/{_STREAM_ENDPOINT}", {})
        return int((answer.get("data") or {}).get("successful_kills") or 0)

    def _posts(
        self,
        route: str,
        parameters: dict[str, Any],
        fields: tuple[str, ...],
        expansions: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Return what X answers to a call for posts, asked for by the names that it takes."""

        def ask(names: dict[str, Any]) -> dict[str, Any]:
            return self._get(route, {**parameters, **names})

        answer = self._named(route, fields, expansions, OF_CALLS, ask)
        self.learn(answer.get("errors") or ())
        return answer

    def learn(self, problems: Iterable[Any]) -> None:
        """Ask no more for fields that *problems* of an answer say this token does not get."""
        for problem in problems:
            field_name = refused_field(problem) if isinstance(problem, dict) else None
            if field_name is not None:
                self._refused_fields.add(ours(field_name))

    def _named(
        self,
        route: str,
        fields: tuple[str, ...],
        expansions: tuple[str, ...],
        order: tuple[Names, ...],
        ask: Callable[[dict[str, Any]], _T],
        tried: int = 0,
    ) -> _T:
        """Return what *ask* does with the parameters that say what comes of each post.

        They are named as *route* took them last. If it refuses that, which is not charged, the next names of
        *order* are tried, each once, and those that it takes are remembered.
        """
        place = (self._taken.get(route, 0) + tried) % len(order)
        wanted = tuple(field_name for field_name in fields if field_name not in self._refused_fields)
        parameters = order[place].asked(wanted, expansions)
        if EXPAND_AUTHORS in expansions:
            parameters["user.fields"] = ",".join(USER_FIELDS)
        try:
            answer = ask(parameters)
        except Refused as refused:
            other = refused.status == requests.codes.bad_request and refused.parameters & PARAMETERS
            if not other or tried + 1 == len(order):
                raise
            return self._named(route, fields, expansions, order, ask, tried + 1)
        self._taken[route] = place
        return answer

    def _get(self, route: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self.call("GET", route, parameters)

    def call(self, method: str, route: str, parameters: dict[str, Any], body: Any = None) -> dict[str, Any]:
        """Return what X answers, by the names used here; for what has no method of its own."""
        with _translated():
            answer = self._client.request(method, route, params=parameters, json=body).json()
        if not isinstance(answer, dict):
            raise Unavailable(f"X sent a {type(answer).__name__}, which is no answer", maybe_charged=True)
        return normal(answer)


class Streaming:
    """A connected stream: iterate over the bytes that come; the end is an :class:`Interrupted`."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        # A second descriptor of the connection: the one that reads belongs to another thread.
        self._socket = socket.socket(fileno=os.dup(response.raw.fileno()))
        self._timer = threading.Timer(_LEAVING_SECONDS, self._shut, (socket.SHUT_RDWR,))
        self._timer.daemon = True
        self.left = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_content(_PART_BYTES)
        except (requests.RequestException, OSError) as error:
            raise Interrupted(f"the stream broke: {error}", maybe_charged=True) from error
        ended = Interrupted("X has ended the stream", maybe_charged=True)
        ended.said_by_x = True
        raise ended

    def leave(self) -> None:
        """End it, from any thread: what X sends before it notices still comes, for two seconds at most."""
        if not self.left:
            self.left = True
            self._shut(socket.SHUT_WR)
            self._timer.start()

    def close(self) -> None:
        """Let go of the connection at once."""
        self._timer.cancel()
        self._shut(socket.SHUT_RDWR)
        self._socket.close()

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # it is closed already
            self._socket.shutdown(how)


def _page(answer: dict[str, Any]) -> SearchPage:
    """Return what an answer to a search holds."""
    meta = answer.get("meta") or {}
    if not meta and answer.get("errors"):
        raise _nothing(answer)
    return SearchPage(
        tweets=answer.get("data") or [],
        includes=answer.get("includes") or {},
        newest_id=meta.get("newest_id"),
        next_token=meta.get("next_token"),
        errors=answer.get("errors") or [],
    )


def _second(moment: datetime) -> str:
    """Return *moment* as X takes it in a call: whole seconds, UTC."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(header: str | None) -> int | None:
    """Return what a header of X's rate limits tells; ``None`` for what is no number of 64 bits."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(2**63)) else None


def _failure(response: requests.Response) -> tweepy.HTTPException:
    """Return what tweepy raises for such an answer to a call."""
    if response.status_code == requests.codes.too_many_requests:
        return tweepy.TooManyRequests(
            response, reset_time=_number(response.headers.get("x-rate-limit-reset"))
        )
    if response.status_code >= requests.codes.server_error:
        return tweepy.TwitterServerError(response)
    return tweepy.HTTPException(response)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what befell in terms of what a caller can do."""
    try:
        yield
    except tweepy.TooManyRequests as error:
        detail = _problem(error.response)
        # A cap of the project is no window that opens again in minutes.
        if "usage" in detail.lower() and "cap" in detail.lower():
            raise Refused(429, detail) from error
        # With calls left it is not the window: too many connections, which end when they end.
        left = error.response.headers.get("x-rate-limit-remaining")
        if "connection" in detail.lower() and left != "0":
            raise TooManyConnections(None, detail) from error
        raise RateLimited(error.reset_time if left in (None, "0") else None, detail) from error
    except tweepy.TwitterServerError as error:
        failed = f"X failed: {error.response.status_code} {error.response.reason}"
        raise Unavailable(failed, maybe_charged=False) from error
    except tweepy.HTTPException as error:
        about = _named_in(error.response)
        raise Refused(error.response.status_code, _problem(error.response), about) from error
    except (requests.RequestException, ValueError) as error:
        unanswered = isinstance(_cause(error), (NewConnectionError, ConnectTimeoutError))
        text = f"X cannot be reached or understood: {error}"
        raise Interrupted(text, maybe_charged=not unanswered) from error


def _cause(error: Exception) -> Any:
    """Return what urllib3 found, which requests wraps in an error of its own and one about retries."""
    inner = error.args[0] if error.args else None
    return getattr(inner, "reason", inner)


def _problem(response: requests.Response) -> str:
    try:
        return _detail(response.json())
    except ValueError:
        return response.reason or "without a reason"


def _detail(answer: Any) -> str:
    """Return the most telling line of a Problem, of a list of them, or of what came in their place."""
    if not isinstance(answer, dict):
        return str(answer)[:200]
    details = [
        str(error.get("message") or error.get("detail") or error.get("title"))
        for error in answer.get("errors") or ()
        if isinstance(error, dict)
    ]
    said = (answer.get(name) for name in ("detail", "message", "title"))
    return "; ".join(details) or str(next(filter(None, said), answer))[:200]


def _nothing(answer: dict[str, Any], *, maybe_charged: bool = False) -> XError:
    """Return what an answer amounts to that holds problems alone."""
    if failed(error for error in answer.get("errors") or () if isinstance(error, dict)):
        return Unavailable(f"X failed: {_detail(answer)}", maybe_charged=maybe_charged)
    return Refused(200, _detail(answer), maybe_charged=maybe_charged)


def _named_in(response: requests.Response) -> frozenset[str]:
    """Return the parameters of a call that X's problem is about, as far as it says so."""
    try:
        answer = response.json()
    except ValueError:
        return frozenset()
    if not isinstance(answer, dict):
        return frozenset()
    problems = [one for one in (answer, *(answer.get("errors") or ())) if isinstance(one, dict)]
    found = {str(one["parameter"]) for one in problems if one.get("parameter")}
    for one in problems:
        found |= set(one["parameters"]) if isinstance(one.get("parameters"), dict) else set()
    return frozenset(found or _QUOTED.findall(_detail(answer)))
