"""The turns of ``CollectFollows``: all that is followed, whenever it has changed and once a minute.

Those that collect keep the last list that came as their state. What is repeated each minute finds a follow
that is due because no round of trends has brought it along, and takes up a backfill that was left.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import stamp
from opslib.x.board import BACKFILL, Board
from opslib.x.budget import utc_now
from opslib.x.turns import BACKFILLS, FOLLOWS, FOLLOWS_AT, Turn, lines_of

if TYPE_CHECKING:
    from datetime import datetime

    from opslib.x.board import Records

_EVERY = timedelta(minutes=1)
_AWAY = timedelta(seconds=30)  # where Kafka is away it is not asked each second


class FollowsTurns:
    """Reads the board with the consumer that *connecting* returns."""

    def __init__(self, connecting: Callable[[], Any], clock: Callable[[], datetime] = utc_now) -> None:
        self._board = Board(connecting)
        self._clock = clock
        self._told: Records | None = None
        self._told_at = self._failed_at = clock() - _EVERY

    def turn(self) -> Turn:
        """Return all that is followed if that is new or was told a minute ago."""
        now = self._clock()
        if timedelta() <= now - self._failed_at < _AWAY:
            return Turn()
        try:
            records = self._board.read()
        except Exception as error:
            self._failed_at = now
            said = f"what is followed cannot be read, and is asked for again in 30 s: {error!r}"
            return Turn(errors=[said])
        self._failed_at = now - _AWAY
        if records == self._told and timedelta() <= now - self._told_at < _EVERY:
            return Turn()
        self._told, self._told_at = records, now
        backfills = {name for name in records if name.startswith(BACKFILL)}
        lines = [record for name, record in sorted(records.items()) if name not in backfills]
        looked_up = [records[name] for name in sorted(backfills)]
        attributes = {
            "mime.type": "application/x-ndjson",
            FOLLOWS: str(len(lines)),
            FOLLOWS_AT: stamp(now),
            BACKFILLS: str(len(looked_up)),
        }
        return Turn("success", lines_of([*lines, *looked_up]), attributes)

    def close(self) -> None:
        """Let go of the connection."""
        self._board.close()
