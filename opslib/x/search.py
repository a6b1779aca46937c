"""One search: how far it has come, and its next page.

A search goes through its pages from the newest tweet to the oldest. Only when the last page has come does
``since_id`` move to the newest tweet of the first one: whoever keeps :class:`Progress` once the tweets of a
page are safe loses none of them to a crash, and pays at most for the page in flight again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from opslib.message import moment_of_id, tweet_message
from opslib.x.client import MAX_RESULTS, Refused, SearchPage, XClient

if TYPE_CHECKING:
    from collections.abc import Mapping

# X refuses a since_id older than 7 days; the hour is for clocks that differ and calls that wait.
OLDEST_SINCE_ID = timedelta(days=7) - timedelta(hours=1)


@dataclass(frozen=True)
class Progress:
    """How far the search for one topic has come; empty for a topic never searched for."""

    since_id: str | None = None  # everything up to here is collected
    next_token: str | None = None  # the page that comes next, in the midst of a search
    newest_id: str | None = None  # the newest tweet of the first page of that search

    @classmethod
    def from_state(cls, state: Mapping[str, str]) -> Progress:
        """Return what :meth:`to_state` wrote."""
        return cls(**{name: state.get(name) or None for name in ("since_id", "next_token", "newest_id")})

    def to_state(self) -> dict[str, str]:
        """Return it as the texts that a state store such as NiFi's can hold."""
        return {name: value for name, value in asdict(self).items() if value}

    def after(self, page: SearchPage) -> Progress:
        """Return where the search stands once the tweets of *page* are safe."""
        ahead = Progress(self.since_id, page.next_token, self.newest_id or page.newest_id)
        return ahead if page.next_token else ahead.ended()

    def ended(self) -> Progress:
        """Return where the search stands if the pages that are left are given up."""
        return Progress(since_id=self.newest_id or self.since_id)

    def fresh(self, now: datetime) -> Progress:
        """Return the same without a ``since_id`` that X would refuse for its age."""
        moment = moment_of_id(int(self.since_id)) if self.since_id else None
        if self.since_id and (moment is None or now - moment > OLDEST_SINCE_ID):
            return Progress()
        return self


def search_page(
    client: XClient,
    query: str,
    progress: Progress,
    max_results: int = MAX_RESULTS,
    expansions: tuple[str, ...] = (),
    now: datetime | None = None,
    until_id: str | None = None,
) -> tuple[SearchPage, Progress]:
    """Return the next page, up to *until_id*, and the progress to keep once its tweets are safe."""
    progress = progress.fresh(now or datetime.now(timezone.utc))
    rest = (max_results, expansions, until_id)
    try:
        page = client.search_recent(query, progress.since_id, progress.next_token, *rest)
    except Refused as refused:
        if refused.status != 400 or not progress.next_token:
            raise
        # The token is too old: the search begins again, which repeats pages and loses none.
        progress = Progress(since_id=progress.since_id)
        page = client.search_recent(query, progress.since_id, None, *rest)
    return page, progress.after(page)


def messages_of(
    page: SearchPage, query: str, topics: list[dict[str, Any]], collected_at: datetime
) -> list[dict[str, Any]]:
    """Return the messages of a page's tweets, collected for *topics* (``{"name", "woeid"}``)."""
    messages = []
    for tweet in page.tweets:
        if "id" in tweet and "text" in tweet:
            message = tweet_message(tweet, page.includes, "", None, query, collected_at)
            message["collected_for"] = [{**topic, "query": query} for topic in topics]
            messages.append(message)
    return messages


def resources_of(tweets: list[dict[str, Any]], includes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ids of what X charges for, by kind: posts, and what came with them."""
    posts = [tweet["id"] for tweet in [*tweets, *includes.get("tweets", [])] if "id" in tweet]
    users = [user["id"] for user in includes.get("users", []) if "id" in user]
    return {"post": posts, "user": users} if users else {"post": posts}
