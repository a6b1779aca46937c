"""Sharing posts out: over trends and what is followed in a round, and over the rounds of a day.

A follow's cap is what it may cost; its claim in a round is the part of it that this round should have, so
that a small cap lasts for the day. Of what the round may bring a part is kept for trends. The rest goes to
the follows, the smallest claims first and the larger ones alike (max-min fairness); what they do not claim
is the trends' as well. What a search then leaves, because there are no more posts, is shared out over those
that have more (:mod:`opslib.x.walk`).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_RESULTS = 10  # X gives no smaller page


def rounds_left(interval: timedelta, now: datetime) -> int:
    """Return how many rounds the UTC day still has, the one that begins *now* among them."""
    now = now.astimezone(timezone.utc)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), timezone.utc)
    return max(1, math.ceil((midnight - now) / interval))


def rounds_a_day(interval: timedelta) -> int:
    """Return how many rounds a whole UTC day has."""
    return max(1, math.ceil(timedelta(days=1) / interval))


def claim(left: int, day: int, rounds: int, of: int) -> int:
    """Return the posts that a round may bring of a cap of *day* posts, of which *left* are left.

    *rounds* of the day's *of* are left, this one among them. Where an even part is less than a page, a page
    is claimed as often as the cap has so many, and the first one at once.
    """
    even = left // rounds
    if even >= MIN_RESULTS or left < MIN_RESULTS:
        return even if even >= MIN_RESULTS else 0
    spent, passed = day - left, of - rounds + 1
    due = spent < MIN_RESULTS or rounds == 1 or (spent + MIN_RESULTS) * of <= day * passed
    return MIN_RESULTS if due else 0


def level(posts: int, claims: Sequence[int]) -> list[int]:
    """Share *posts* out: nobody gets more than is claimed, none who gets less claims more than any gets.

    Whoever claims a page gets one, as far as they go, the first ones first; less than a page is nothing.
    """
    served = [i for i, claimed in enumerate(claims) if claimed >= MIN_RESULTS][: max(0, posts) // MIN_RESULTS]
    given = [0] * len(claims)
    for number, i in enumerate(sorted(served, key=lambda i: claims[i])):
        given[i] = min(claims[i], posts // (len(served) - number))
        posts -= given[i]
    return given


def follows_part(posts: int, kept: float) -> int:
    """Return what follows may have of a round's *posts* where the part *kept* of them is the trends'."""
    return posts - math.ceil(posts * kept)
