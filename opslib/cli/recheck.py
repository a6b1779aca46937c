"""``opslib recheck``: hold stored tweets against X, and forget what is gone there."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from opslib.cli._database import database_of
from opslib.cli._forgetting import carry_out
from opslib.cli._options import COUNT, examples, tell_json, with_format, with_settings
from opslib.cli._progress import progress
from opslib.cli._terminal import tell
from opslib.forgetting.take import Asked, Request, Taken
from opslib.settings import secret

if TYPE_CHECKING:
    from opslib.settings import Settings


@click.command(epilog=examples("opslib recheck --most 500 --dry-run"))
@click.option("--most", type=COUNT, default=10_000, show_default=True, help="Tweets to look at.")
@click.option(
    "--dry-run", is_flag=True, help="Only say what is gone; what X returns is charged all the same."
)
@with_format
@with_settings
def command(settings: Settings, most: int, dry_run: bool, form: str) -> None:
    """Ask X about stored tweets, and forget those that were deleted, edited or are protected by now.

    Begins with those that were asked about longest ago, goes on where it ended the last time, and ends when
    the budget ([recheck] usd_day) or X's limit does: a post that X returns costs 0.005 USD, one that is gone
    nothing. Needs the credential x_token.
    """
    from opslib.forgetting.recheck import Page, Recheck, TooManyGone
    from opslib.x.backoff import Backoff
    from opslib.x.budget import Budget, Limits
    from opslib.x.client import XClient, XError

    wishes = settings.recheck
    client = XClient(settings.x.base_url, secret("x_token"), settings.x.timeout)
    budget = Budget(wishes.budget_file, Limits(usd_day=wishes.usd_day, usd_month=wishes.usd_month))
    asked = Asked("opslib recheck", "X does not have it any more, or not for everybody")
    total, taken, gone, stopped = Page(), Taken(), Counter[str](), ""
    with database_of(settings, "opslib-forget") as database, progress("tweets looked at", most) as done:
        recheck = Recheck(database, client, budget, Backoff(), time.sleep)
        try:
            for page in recheck.pages(most, wishes.most_gone, dry_run=dry_run):
                done(len(page.asked))
                total.asked += page.asked
                total.there += page.there
                gone.update(page.gone.values())
                total.gone.update(page.gone)
                stopped = page.stopped
                if page.gone and not dry_run:
                    taken.add(carry_out(database, Request(page.gone), asked))
        except (XError, TooManyGone) as error:
            raise click.ClickException(str(error)) from error
        finally:
            client.close()
    spent = budget.spent_today().usd
    if form == "json":
        found = {
            "asked": len(total.asked),
            "there": total.there,
            "gone": dict(gone),
            "unanswered": total.unanswered,
            "taken": {"tweets": taken.tweets, "retweets": taken.retweets, "clouds": taken.clouds},
            "spent_today_usd": spent,
            "stopped": stopped or None,
            "dry_run": dry_run,
        }
        tell_json(found)
        return
    reasons = ", ".join(f"{number} {reason}" for reason, number in gone.most_common()) or "none"
    tell(
        f"{len(total.asked)} tweets looked at: {total.there} are there, gone: {reasons}; "
        f"taken out {taken.tweets} and {taken.retweets} retweets; today this has cost {spent:.3f} USD"
    )
    if stopped:
        tell(f"{stopped}; the next run goes on from here", err=True)
