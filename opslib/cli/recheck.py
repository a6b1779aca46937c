"""``opslib recheck``: hold stored tweets against X, and forget what is gone there."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from opslib.cli._database import database_of
from opslib.cli._forgetting import carry_out
from opslib.cli._options import COUNT, examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import tell
from opslib.forgetting.take import Asked, Request, Taken
from opslib.settings import secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.forgetting.recheck import Page
    from opslib.settings import Settings
    from opslib.x.budget import Budget
    from opslib.x.client import XClient

# What X says to a token that may not make jobs: it is not of the right kind, or the call is not for it.
_MAY_NOT = (401, 403, 404)


@click.command(epilog=examples("opslib recheck --most 500 --dry-run", "opslib recheck --method lookup"))
@click.option(
    "--method",
    type=click.Choice(["batch", "lookup"]),
    help="How X is asked: jobs of batch compliance, which cost nothing, or lookups; else recheck.method.",
)
@click.option("--most", type=COUNT, default=10_000, show_default=True, help="Tweets to look at.")
@click.option(
    "--dry-run", is_flag=True, help="Only say what is gone; what X returns is charged all the same."
)
@with_format
@with_settings
def command(settings: Settings, method: str | None, most: int, dry_run: bool, form: str) -> None:
    """Ask X about stored tweets, and forget those that were deleted, edited or are protected by now.

    Begins with those that were asked about longest ago, goes on where it ended the last time, and ends when
    the budget ([recheck] usd_day) or X's limit does. Jobs of batch compliance cost nothing and know nothing
    of edits. Where the token may not make any, posts are looked up: one that X returns costs 0.005 USD, one
    that is gone nothing. Needs the credential x_token.
    """
    from opslib.forgetting.recheck import TooManyGone
    from opslib.x.budget import Budget, Limits
    from opslib.x.client import XClient, XError

    wishes = settings.recheck
    client = XClient(settings.x.base_url, secret("x_token"), settings.x.timeout)
    budget = Budget(wishes.budget_file, Limits(usd_day=wishes.usd_day, usd_month=wishes.usd_month))
    before = budget.spent_today().usd
    asked = Asked("opslib recheck", "X does not have it any more, or not for everybody")
    found = _Found(method or wishes.method)
    with database_of(settings, "opslib-forget") as database, progress("tweets looked at", most) as done:
        try:
            for page in found.pages(database, settings, client, budget, most, dry_run):
                done(len(page.asked))
                found.add(page)
                if page.gone and not dry_run:
                    found.taken.add(carry_out(database, Request(page.gone), asked))
        except (XError, TooManyGone) as error:
            raise click.ClickException(str(error)) from error
        finally:
            client.close()
    spent = budget.spent_today().usd
    found.tell(spent - before, spent, dry_run, form)


class _Found:
    """What a run has found, and by which method."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.asked = self.there = self.unanswered = self.jobs = 0
        self.gone: Counter[str] = Counter()
        self.taken = Taken()
        self.stopped = ""

    def pages(
        self, database: Any, settings: Settings, client: XClient, budget: Budget, most: int, dry_run: bool
    ) -> Iterator[Page]:
        """Yield what X says, by lookups where it does not take jobs of this token."""
        from opslib.forgetting.jobs import Jobs
        from opslib.forgetting.recheck import Lookups, Recheck
        from opslib.x.backoff import Backoff
        from opslib.x.client import Refused
        from opslib.x.compliance import Compliance

        most_gone = settings.recheck.most_gone
        if self.method == "batch":
            compliance = Compliance(client, settings.x.base_url, settings.x.timeout)
            jobs = Jobs(database, compliance, Backoff(), time.sleep)
            try:
                yield from Recheck(database, jobs).pages(most, most_gone, dry_run=dry_run)
            except Refused as refused:
                if refused.status not in _MAY_NOT or self.asked:
                    raise
                tell(f"no batch compliance ({refused}): posts are looked up", err=True)
                self.method = "lookup"
            else:
                self.jobs = jobs.made
                return
            finally:
                compliance.close()
        lookups = Lookups(client, budget, Backoff(), time.sleep)
        yield from Recheck(database, lookups).pages(most, most_gone, dry_run=dry_run)

    def add(self, page: Page) -> None:
        """Add what X said about a page."""
        self.asked += len(page.asked)
        self.there += page.there
        self.unanswered += page.unanswered
        self.gone.update(page.gone.values())
        self.stopped = page.stopped

    def tell(self, spent: float, today: float, dry_run: bool, form: str) -> None:
        """Tell people, or a program."""
        if form == "json":
            tell_json(
                {
                    "method": self.method,
                    "asked": self.asked,
                    "there": self.there,
                    "gone": dict(self.gone),
                    "unanswered": self.unanswered,
                    "taken": {
                        "tweets": self.taken.tweets,
                        "retweets": self.taken.retweets,
                        "clouds": self.taken.clouds,
                    },
                    "jobs": self.jobs,
                    "spent_usd": round(spent, 6),
                    "spent_today_usd": today,
                    "stopped": self.stopped or None,
                    "dry_run": dry_run,
                }
            )
            return
        reasons = ", ".join(f"{number} {reason}" for reason, number in self.gone.most_common()) or "none"
        by = "by batch compliance" if self.method == "batch" else "by lookups"
        tell(
            f"{self.asked} tweets looked at {by}: {self.there} are there, gone: {reasons}; "
            f"taken out {self.taken.tweets} and {self.taken.retweets} retweets; "
            f"this has cost {spent:.3f} USD, today {today:.3f} USD"
        )
        if self.stopped:
            tell(f"{self.stopped}; the next run goes on from here", err=True)
