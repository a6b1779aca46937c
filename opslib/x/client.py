"""The calls of X API v2 that the lake makes, over tweepy.

X charges for each resource that it returns (a post read 0.005 USD, a trend 0.010, a user 0.010), not for the
call. So every call says how much it may return at most, and errors are told apart by what a caller can do:
wait (:class:`RateLimited`), try again (:class:`Unavailable`), or stop (:class:`Refused`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import tweepy  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE_URL = "https://api.x.com"
# Fields of a post come with it and cost nothing more.
TWEET_FIELDS = (
    "author_id",
    "conversation_id",
    "created_at",
    "entities",
    "lang",
    "note_tweet",
    "possibly_sensitive",
    "public_metrics",
    "referenced_tweets",
)
USER_FIELDS = ("id", "name", "username")
# Expansions bring further resources. X does not say whether it charges for what comes in includes; they are
# counted as charged. author_id itself comes with a post; the expansion adds name and username.
EXPAND_AUTHORS = "author_id"
EXPAND_REFERENCED = "referenced_tweets.id"
MAX_TRENDS = 50
MAX_RESULTS = 100
MAX_LOOKUP = 100
_TWEEPY_HOST = "https://api.twitter.com"


class XError(Exception):
    """A call to X brought nothing; ``maybe_charged`` tells that X may have charged for it all the same."""

    maybe_charged = False


class RateLimited(XError):  # noqa: N818 - the names say what befell, the base says error
    """The window's calls are used up; ``reset_at`` (epoch seconds, if X told it) is when it begins anew."""

    def __init__(self, reset_at: int | None) -> None:
        super().__init__(f"X's rate limit is reached until {reset_at or 'a time it did not tell'}")
        self.reset_at = reset_at


class Refused(XError):  # noqa: N818
    """X understood and said no: the token, the query or the account. Trying again will not help."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"X refused ({status}): {detail}")
        self.status = status
        self.detail = detail


class Unavailable(XError):  # noqa: N818
    """X could not be reached, failed, or sent what is no answer. Trying again later may help."""

    def __init__(self, text: str, *, maybe_charged: bool) -> None:
        super().__init__(text)
        self.maybe_charged = maybe_charged


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
        if urlsplit(request.url).hostname in ("127.0.0.1", "localhost", "::1"):
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

    def _note_limits(self, response: requests.Response, *_: Any, **__: Any) -> None:
        told = [response.headers.get(f"x-rate-limit-{name}", "") for name in ("limit", "remaining", "reset")]
        limit, left, reset = (int(text) if text.isdigit() else None for text in told)
        self.limits = (limit, left)
        self.spent_until = reset if left == 0 else None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.session.close()

    def trends(self, woeid: int, max_trends: int = MAX_TRENDS) -> list[dict[str, Any]]:
        """Return what is trending in a place, the first rank first; costs *max_trends* trends at most."""
        answer = self._get(
            f"/2/trends/by/woeid/{int(woeid)}",
            {"max_trends": max_trends, "trend.fields": "trend_name,tweet_count"},
        )
        trends: list[dict[str, Any]] = answer.get("data") or []
        if not trends and answer.get("errors"):
            raise Refused(200, _detail(answer))
        return trends

    def search_recent(
        self,
        query: str,
        since_id: str | None = None,
        next_token: str | None = None,
        max_results: int = MAX_RESULTS,
        expansions: tuple[str, ...] = (),
    ) -> SearchPage:
        """Return one page of the last 7 days' posts that match; costs *max_results* posts at most."""
        parameters = {"query": query, "max_results": max_results, "tweet.fields": ",".join(TWEET_FIELDS)}
        if expansions:
            parameters["expansions"] = ",".join(expansions)
        if EXPAND_AUTHORS in expansions:
            parameters["user.fields"] = ",".join(USER_FIELDS)
        if since_id:
            parameters["since_id"] = since_id
        if next_token:
            parameters["next_token"] = next_token
        answer = self._get("/2/tweets/search/recent", parameters)
        meta = answer.get("meta") or {}
        if not meta and answer.get("errors"):
            raise Refused(200, _detail(answer))
        return SearchPage(
            tweets=answer.get("data") or [],
            includes=answer.get("includes") or {},
            newest_id=meta.get("newest_id"),
            next_token=meta.get("next_token"),
            errors=answer.get("errors") or [],
        )

    def lookup(self, ids: Sequence[int]) -> Lookup:
        """Return what X has of the posts *ids*, at most 100; costs as many posts at most as come back."""
        answer = self._get(
            "/2/tweets", {"ids": ",".join(map(str, ids)), "tweet.fields": "author_id,edit_history_tweet_ids"}
        )
        tweets, errors = answer.get("data") or [], answer.get("errors") or []
        about = [error for error in errors if isinstance(error, dict) and error.get("resource_id")]
        if not tweets and not about:
            raise Refused(200, _detail(answer))
        return Lookup(tweets, about)

    def usage(self, days: int = 7) -> dict[str, int]:
        """Return the posts that X has counted for the project, by UTC day (``2026-01-31``); it is free."""
        answer = self._get("/2/usage/tweets", {"days": days, "usage.fields": "daily_project_usage"})
        daily = ((answer.get("data") or {}).get("daily_project_usage") or {}).get("usage") or []
        return {str(entry["date"])[:10]: int(entry["usage"]) for entry in daily if "date" in entry}

    def _get(self, route: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._client.request("GET", route, params=parameters).json()
        except tweepy.TooManyRequests as error:
            detail = _problem(error.response)
            # A cap of the project is no window that opens again in minutes.
            if "usage" in detail.lower() and "cap" in detail.lower():
                raise Refused(429, detail) from error
            raise RateLimited(error.reset_time) from error
        except tweepy.TwitterServerError as error:
            failed = f"X failed: {error.response.status_code} {error.response.reason}"
            raise Unavailable(failed, maybe_charged=False) from error
        except tweepy.HTTPException as error:
            raise Refused(error.response.status_code, _problem(error.response)) from error
        except (requests.RequestException, ValueError) as error:
            unanswered = isinstance(_cause(error), (NewConnectionError, ConnectTimeoutError))
            text = f"X cannot be reached or understood: {error}"
            raise Unavailable(text, maybe_charged=not unanswered) from error
        if not isinstance(answer, dict):
            raise Unavailable(f"X sent a {type(answer).__name__}, which is no answer", maybe_charged=True)
        return answer


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
    return "; ".join(details) or str(answer.get("detail") or answer.get("title") or answer)[:200]
