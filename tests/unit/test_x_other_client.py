"""A client of X that is none of this project's, its own developer kit, takes the local X API for X."""

from __future__ import annotations

import pytest
from local_x import Client, Ten, local_x, serving

from opslib.simulate import NEW
from opslib.simulate.limits import RateLimits

xdk = pytest.importorskip("xdk", reason="bin/setup installs it")

FIELDS = (
    *("article", "attachments", "community_id", "context_annotations", "conversation_id", "created_at"),
    *("entities", "geo", "lang", "note_post", "paid_partnership", "possibly_sensitive", "public_metrics"),
    *("text", "withheld"),
)


def other(x: Client) -> xdk.Client:
    return xdk.Client(base_url=x.url, bearer_token="right")


def test_it_searches_page_by_page_and_knows_all_that_it_is_sent() -> None:
    with serving(local_x(Ten(), limits=RateLimits(), contract=NEW)) as x:
        x.add(*(f"gol {number} #Gol" for number in range(15)))
        pages = list(
            other(x).posts.search_recent(
                query="gol",
                max_results=10,
                post_fields=list(FIELDS),
                expansions=["author_id", "referenced_posts"],
                user_fields=["username", "public_metrics"],
            )
        )
        returned = x.ledger()["returned"]
    posts = [post for page in pages for post in page.data]
    assert {post.id for post in posts} == set(returned)
    assert len(posts) == 25
    assert all(post.author_id and post.public_metrics.repost_count >= 0 for post in posts)
    assert {post.referenced_posts[0].type for post in posts if post.referenced_posts} == {"quoted"}
    assert {user.id for page in pages for user in page.includes.users} == {post.author_id for post in posts}


def test_it_reads_trends_counts_lookups_and_usage() -> None:
    with serving(local_x(Ten(), limits=RateLimits())) as x:
        client = other(x)
        (trend,) = client.trends.get_by_woeid(
            23424768, max_trends=50, trend_fields=["trend_name", "tweet_count"]
        ).data
        assert (trend.trend_name, trend.tweet_count) == ("#Gol", 10)
        (counts,) = client.posts.get_counts_recent(query="gol", granularity="day")
        assert counts.meta.total_post_count == sum(bucket.post_count for bucket in counts.data) == 10
        (first, *_) = x.search()["data"]
        found = client.posts.get_by_ids(ids=[first["id"], "7"])
        assert [post.id for post in found.data] == [first["id"]]
        assert found.errors
        assert client.usage.get().data.project_usage == "10"
        charged = x.ledger()["charged"]
    assert (charged["trends"], charged["counts"]) == (1, 1)
