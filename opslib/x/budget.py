"""What the lake may spend on X and what it has spent: durable, and shared by all that call X on a host.

X charges for each resource that it returns, and for each request for trends or counts, which is a resource
of its own here. Before a call the most that it may bring is reserved, afterwards what came is settled; a
reservation that nobody settles, because its process was killed, counts as spent. So the sum of what is
settled and reserved never exceeds a limit, whatever happens between two calls. What the file is to everybody
who opens it is told in :mod:`opslib.x.budget_file`.

Days are UTC days, as X counts them: a post read again on the same one is free.
https://docs.x.com/x-api/getting-started/pricing
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable

from opslib.x.budget_file import BudgetFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

# USD, as of June 2026: for each post, user or medium returned, and for each request for trends or counts.
PRICES: dict[str, float] = {
    "post": 0.005,
    "user": 0.010,
    "trend": 0.010,
    "media": 0.005,
    "count": 0.005,
    "count_all": 0.010,
}
# X promises it for posts alone.
FREE_AGAIN = frozenset({"post"})
UNLIMITED = 10**9
# A call cannot last so long: who has not settled by then was killed.
_ABANDONED = timedelta(minutes=10)
_KEPT_DAYS = 400
_MICRO = 1_000_000


def utc_now() -> datetime:
    """Return the moment; whoever tests another day gives another clock."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Limits:
    """The most a UTC day or month may cost; ``None`` is no limit."""

    resources_day: int | None = None
    resources_month: int | None = None
    usd_day: float | None = None
    usd_month: float | None = None


@dataclass(frozen=True)
class Spent:
    """What a span of time cost, open reservations included."""

    resources: int
    usd: float


@dataclass(frozen=True)
class Account:
    """A part of the budget: the most that what it is named for may cost a UTC day and in all its time."""

    name: str
    usd_day: float | None = None
    usd_total: float | None = None


class Exhausted(Exception):  # noqa: N818 - it names a state
    """The budget has nothing left for a call until :attr:`until`."""

    def __init__(self, limit: str, until: datetime) -> None:
        super().__init__(f"the budget {limit} is used up: collection pauses until {until:%Y-%m-%d %H:%M} UTC")
        self.until = until


class CapReached(Exhausted):
    """An account has nothing left for a call; the budget may."""

    def __init__(self, limit: str, until: datetime) -> None:
        super().__init__(limit, until)
        self.args = (f"what {limit} is used up",)


class Budget:
    """A budget in one file: whoever opens it with limits says what they are from now on."""

    def __init__(
        self,
        path: Path | str,
        limits: Limits | None,
        prices: Mapping[str, float] = PRICES,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._file = BudgetFile(path)
        self._clock = clock
        self.prices: dict[str, float] = {**PRICES, **prices}
        if limits is None:
            terms = self._file.terms()
            self.limits = Limits(**terms["limits"])
            self.prices.update(terms["prices"])
        else:
            self.limits = limits
            self._file.begin({"limits": asdict(limits), "prices": self.prices})

    @classmethod
    def of(cls, path: Path | str, clock: Callable[[], datetime] = utc_now) -> Budget:
        """Return the budget in *path* with the limits and prices that its owner gave it last.

        Nothing is written to the file before something is spent.
        """
        return cls(path, None, clock=clock)

    # ---- asking

    def spent_today(self) -> Spent:
        """Return what this UTC day has cost so far."""
        return _as_spent(self._file.read(lambda database: self._total(database, self._today())))

    def spent_this_month(self) -> Spent:
        """Return what this UTC month has cost so far."""
        return _as_spent(self._file.read(lambda database: self._total(database, self._today()[:7])))

    def affordable(
        self,
        each: Mapping[str, int],
        keep: Mapping[str, int] | None = None,
        account: Account | None = None,
    ) -> int:
        """Return how many times *each* (kind: resources) may be asked for now, with *keep* left over.

        For an *account*, how many times it may as well.
        """
        bounds: list[tuple[int, str, datetime]] = self._file.read(
            lambda database: [
                *self._bounds(database, each, keep or {}),
                *(self._account_bounds(database, each, account) if account else ()),
            ]
        )
        return max(0, min(number for number, _, _ in bounds))

    def times(self, usd: float, each: Mapping[str, int]) -> int:
        """Return how many times *each* may be had for *usd*, whatever is left."""
        _, micro = self._sum(each)
        return round(usd * _MICRO) // micro if micro else UNLIMITED

    def spent_by(self, name: str) -> tuple[float, float]:
        """Return the USD that the account *name* has cost today and in all, open reservations included."""
        try:
            day, total = self._file.read(lambda database: self._account(database, name))
        except sqlite3.OperationalError:
            return 0.0, 0.0  # a file of before has no accounts
        return day / _MICRO, total / _MICRO

    def spent_by_each(self, prefix: str) -> dict[str, tuple[float, float]]:
        """Return the same of every account whose name begins with *prefix*, by the rest of its name."""
        query = (
            "SELECT account FROM account_spent WHERE substr(account, 1, ?) = ? UNION"
            " SELECT account FROM account_reserved WHERE substr(account, 1, ?) = ?"
        )

        def ask(database: sqlite3.Connection) -> dict[str, tuple[float, float]]:
            names = [name for (name,) in database.execute(query, (len(prefix), prefix) * 2)]
            told = {name: self._account(database, name) for name in names}
            return {
                name[len(prefix) :]: (day / _MICRO, total / _MICRO) for name, (day, total) in told.items()
            }

        try:
            return self._file.read(ask)
        except sqlite3.OperationalError:
            return {}  # a file of before has no accounts

    def left_today(self) -> dict[str, float | None]:
        """Return the resources and the USD that today has left; ``None`` where nothing limits them."""
        day, month = self._file.read(self._day_and_month)
        return {
            "resources": _least((self.limits.resources_day, day[0]), (self.limits.resources_month, month[0])),
            "usd": _least((self.limits.usd_day, day[1] / _MICRO), (self.limits.usd_month, month[1] / _MICRO)),
        }

    def report(self) -> dict[str, Any]:
        """Return what was spent by kind, the limits and the prices, as plain data."""
        kinds, (day, month) = self._file.read(
            lambda database: (self._kinds(database), self._day_and_month(database))
        )
        return {
            "day": self._today(),
            "kinds": {
                kind: {"resources": resources, "usd": micro / _MICRO} for kind, resources, micro in kinds
            },
            "today": asdict(_as_spent(day)),
            "month": asdict(_as_spent(month)),
            "limits": asdict(self.limits),
            "prices_usd": self.prices,
        }

    def _kinds(self, database: sqlite3.Connection) -> list[tuple[str, int, int]]:
        """Return kind, resources and micro-USD of today."""
        return database.execute(
            "SELECT kind, sum(resources), sum(micro_usd) FROM ("
            " SELECT kind, resources, micro_usd FROM spent WHERE day = :day UNION ALL"
            " SELECT kind, resources, micro_usd FROM reserved WHERE day = :day"
            ") GROUP BY kind ORDER BY kind",
            {"day": self._today()},
        ).fetchall()

    def _day_and_month(self, database: sqlite3.Connection) -> tuple[tuple[int, int], tuple[int, int]]:
        today = self._today()
        return self._total(database, today), self._total(database, today[:7])

    def answer(self, question: str, within: timedelta) -> dict[str, Any] | None:
        """Return what was kept as the answer to a question that was paid for, if that is no older."""
        try:
            found = self._file.read(
                lambda database: database.execute(
                    "SELECT at, answer FROM answers WHERE question = ?", (question,)
                ).fetchone()
            )
        except sqlite3.OperationalError:
            return None  # a file of before has no answers
        if found is None or not timedelta() <= self._clock() - datetime.fromisoformat(found[0]) < within:
            return None
        answer: dict[str, Any] = json.loads(found[1])
        return answer

    def keep_answer(self, question: str, answer: Mapping[str, Any]) -> None:
        """Keep what was paid for, or what is to be told of it; what is old is forgotten."""
        now = self._clock()
        with self._file.transaction() as database:
            old = (now - timedelta(days=_KEPT_DAYS)).isoformat()
            database.execute("DELETE FROM answers WHERE at < ?", (old,))
            database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
                (question, now.isoformat(), json.dumps(answer)),
            )

    def collected(self, query: str) -> int:
        """Return the newest tweet that came for *query* by what :meth:`note_collected` knows; 0 for none.

        It was paid for: nobody is to ask for it, or for one before it, again.
        """
        try:
            found = self._file.read(
                lambda database: database.execute(
                    "SELECT newest FROM collected WHERE query = ?", (query,)
                ).fetchone()
            )
        except sqlite3.OperationalError:
            return 0  # a file of before knows of none
        return int(found[0]) if found else 0

    def note_collected(self, newest: Mapping[str, int]) -> None:
        """Note the *newest* tweet that came for each query, as where searches are set back to a backup."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM collected")
            database.executemany("INSERT INTO collected VALUES (?, ?)", newest.items())

    # ---- spending

    @contextmanager
    def call(
        self,
        most: Mapping[str, int],
        keep: Mapping[str, int] | None = None,
        account: Account | None = None,
    ) -> Iterator[Callable[[Mapping[str, Collection[str]]], None]]:
        """Reserve the *most* that the call in this block may bring; it is told what came by a call.

        An error that says it was not charged (``maybe_charged`` is false) lets go of the reservation; any
        other way out of the block leaves it counted as spent.
        """
        number = self.reserve(most, keep, account)
        try:
            yield lambda came: self.settle(number, came, account)
        except Exception as error:
            if not getattr(error, "maybe_charged", True):
                self.release(number, account)
            raise

    def reserve(
        self,
        most: Mapping[str, int],
        keep: Mapping[str, int] | None = None,
        account: Account | None = None,
    ) -> int:
        """Reserve the *most* that a call may bring, kind by kind, and return what to settle it by.

        Raises :class:`Exhausted` if that is more than what is left, with *keep* left over, and
        :class:`CapReached` if it is more than what the *account* has left.
        """
        now = self._clock()
        with self._file.transaction() as database:
            self._tidy(database, now)
            for number, limit, until in self._bounds(database, most, keep or {}):
                if number < 1:
                    raise Exhausted(limit, until)
            for number, limit, until in self._account_bounds(database, most, account) if account else ():
                if number < 1:
                    raise CapReached(limit, until)
            (call,) = database.execute(
                "SELECT coalesce(max(call), 0) + 1 FROM"
                " (SELECT call FROM reserved UNION ALL SELECT call FROM account_reserved)"
            ).fetchone()
            database.executemany(
                "INSERT INTO reserved VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (call, self._today(), now.isoformat(), kind, number, self._micro(kind, number))
                    for kind, number in most.items()
                ],
            )
            if account:
                database.execute(
                    "INSERT INTO account_reserved VALUES (?, ?, ?, ?, ?)",
                    (call, account.name, self._today(), now.isoformat(), self._sum(most)[1]),
                )
            return int(call)

    def settle(
        self, call: int | None, came: Mapping[str, Collection[str]], account: Account | None = None
    ) -> None:
        """Count what a call brought, kind by kind by ids, and let go of its reservation if it has one."""
        today = self._today()
        with self._file.transaction() as database:
            row = database.execute("SELECT min(day) FROM reserved WHERE call = ?", (call,)).fetchone()
            database.execute("DELETE FROM reserved WHERE call = ?", (call,))
            # A call over midnight may be charged to either day: it counts on both.
            for day in {today, row[0] or today}:
                micro = sum(self._count(database, day, kind, ids) for kind, ids in came.items())
                if account:
                    self._charge(database, account, day, micro)
            if account:
                database.execute("DELETE FROM account_reserved WHERE call = ?", (call,))

    def charge(self, account: Account, posts: Mapping[str, int]) -> None:
        """Count as cost of *account* what was settled without it: resources by kind."""
        with self._file.transaction() as database:
            self._charge(database, account, self._today(), self._sum(posts)[1])

    def release(self, call: int, account: Account | None = None) -> None:
        """Let go of a reservation whose call brought nothing."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM reserved WHERE call = ?", (call,))
            if account:
                database.execute("DELETE FROM account_reserved WHERE call = ?", (call,))

    def reconcile(self, posts: Mapping[str, int]) -> None:
        """Take over X's own count of *posts* by day (``2026-01-31``) where it says more than ours.

        For a day that ended a day ago its count is final: calls of it that were never settled are let go.
        """
        yesterday = (self._clock().astimezone(timezone.utc).date() - timedelta(days=1)).isoformat()
        with self._file.transaction() as database:
            for day, used in posts.items():
                query = "SELECT resources FROM spent WHERE day = ? AND kind = 'post'"
                known = database.execute(query, (day,)).fetchone() or (0,)
                if used > known[0]:
                    self._add(database, day, "post", used - known[0])
                if day < yesterday:
                    database.execute("DELETE FROM reserved WHERE day = ? AND kind = 'post'", (day,))

    # ---- inside

    def _today(self) -> str:
        return self._clock().astimezone(timezone.utc).date().isoformat()

    def _micro(self, kind: str, number: int) -> int:
        return round(self.prices[kind] * _MICRO) * number

    def _sum(self, kinds: Mapping[str, int]) -> tuple[int, int]:
        return sum(kinds.values()), sum(self._micro(kind, number) for kind, number in kinds.items())

    def _account(self, database: sqlite3.Connection, name: str) -> tuple[int, int]:
        """Return the micro-USD of an account today and in all."""
        told = {
            "account": name,
            "day": self._today(),
            "young": (self._clock() - _ABANDONED).isoformat(),
        }
        (day, total) = database.execute(
            "SELECT coalesce(sum(CASE WHEN counts THEN micro_usd END), 0), coalesce(sum(micro_usd), 0) FROM ("
            " SELECT micro_usd, day = :day AS counts FROM account_spent WHERE account = :account UNION ALL"
            " SELECT micro_usd, day = :day OR at > :young FROM account_reserved WHERE account = :account)",
            told,
        ).fetchone()
        return int(day), int(total)

    def _account_bounds(
        self, database: sqlite3.Connection, each: Mapping[str, int], account: Account
    ) -> Iterator[tuple[int, str, datetime]]:
        """Yield the same as :meth:`_bounds` for the caps of an account."""
        _, micro = self._sum(each)
        day, total = self._account(database, account.name)
        now = self._clock().astimezone(timezone.utc)
        tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), timezone.utc)
        for usd, used, span, until in (
            (account.usd_day, day, "a day", tomorrow),
            (account.usd_total, total, "in all", datetime.max.replace(tzinfo=timezone.utc)),
        ):
            if usd is not None and micro:
                name = f"{account.name} may cost {span} ({usd:g} USD)"
                yield (round(usd * _MICRO) - used) // micro, name, until

    def _charge(self, database: sqlite3.Connection, account: Account, day: str, micro: int) -> None:
        database.execute(
            "INSERT INTO account_spent VALUES (?, ?, ?) ON CONFLICT (account, day) DO UPDATE SET"
            " micro_usd = micro_usd + excluded.micro_usd",
            (account.name, day, micro),
        )

    def _count(self, database: sqlite3.Connection, day: str, kind: str, ids: Collection[str]) -> int:
        """Count resources of a day, and return the micro-USD that they cost."""
        new = len(ids)
        if kind in FREE_AGAIN:
            rows = [(day, kind, resource) for resource in ids]
            before = database.total_changes
            database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows)
            new = database.total_changes - before
        self._add(database, day, kind, new)
        return self._micro(kind, new)

    def _add(self, database: sqlite3.Connection, day: str, kind: str, number: int) -> None:
        database.execute(
            "INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (day, kind) DO UPDATE SET"
            " resources = resources + excluded.resources, micro_usd = micro_usd + excluded.micro_usd",
            (day, kind, number, self._micro(kind, number)),
        )

    def _total(self, database: sqlite3.Connection, span: str) -> tuple[int, int]:
        """Return resources and micro-USD of a day (``2026-01-31``) or a month (``2026-01``)."""
        young = (self._clock() - _ABANDONED).isoformat()
        (resources, micro) = database.execute(
            "SELECT coalesce(sum(resources), 0), coalesce(sum(micro_usd), 0) FROM ("
            " SELECT resources, micro_usd FROM spent WHERE day LIKE :span UNION ALL"
            # A call that is under way over midnight may be charged to the new day.
            " SELECT resources, micro_usd FROM reserved WHERE day LIKE :span OR at > :young)",
            {"span": f"{span}%", "young": young},
        ).fetchone()
        return int(resources), int(micro)

    def _bounds(
        self, database: sqlite3.Connection, each: Mapping[str, int], keep: Mapping[str, int]
    ) -> Iterator[tuple[int, str, datetime]]:
        """Yield for every limit how many times *each* fits in, its name, and when it begins anew."""
        resources, micro = self._sum(each)
        kept, kept_micro = self._sum(keep)
        now = self._clock().astimezone(timezone.utc)
        day, month = self._total(database, self._today()), self._total(database, self._today()[:7])
        tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), timezone.utc)
        next_month = datetime.combine(_first_of_next_month(now.date()), datetime.min.time(), timezone.utc)
        yield UNLIMITED, "", tomorrow
        for limit, used, one, held, name, until in (
            (self.limits.resources_day, day[0], resources, kept, "of resources for a day", tomorrow),
            (self.limits.resources_month, month[0], resources, kept, "of resources for a month", next_month),
            (_micro_of(self.limits.usd_day), day[1], micro, kept_micro, "of money for a day", tomorrow),
            (
                _micro_of(self.limits.usd_month),
                month[1],
                micro,
                kept_micro,
                "of money for a month",
                next_month,
            ),
        ):
            if limit is not None and one:
                yield (limit - used - held) // one, f"{name} ({_said(limit, name)})", until

    def _tidy(self, database: sqlite3.Connection, now: datetime) -> None:
        """Forget the ids of other days, and days that nobody asks for any more."""
        database.execute("DELETE FROM seen WHERE day < ?", ((now - timedelta(days=1)).date().isoformat(),))
        old = (now.date() - timedelta(days=_KEPT_DAYS)).isoformat()
        database.execute("DELETE FROM spent WHERE day < ?", (old,))
        database.execute("DELETE FROM reserved WHERE day < ?", (old,))


def _as_spent(total: tuple[int, int]) -> Spent:
    return Spent(total[0], total[1] / _MICRO)


def _micro_of(usd: float | None) -> int | None:
    return None if usd is None else round(usd * _MICRO)


def _said(limit: int, name: str) -> str:
    return f"{limit / _MICRO:g} USD" if "money" in name else str(limit)


def _least(*limits: tuple[float | None, float]) -> float | None:
    left = [limit - used for limit, used in limits if limit is not None]
    return max(0, min(left)) if left else None


def _first_of_next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
