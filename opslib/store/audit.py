"""Who had what taken out, and why: the lines of ``audit``, which nobody changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64

from opslib.store.collections import AUDIT
from opslib.store.write import safely

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pymongo.database import Database

    from opslib.store.documents import Document


@dataclass(frozen=True)
class Filter:
    """Which lines are meant; what is not given does not narrow them."""

    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None  # a part of it, in any case
    tweet: int | None = None
    author: str | None = None

    def query(self) -> Document:
        """Return it as MongoDB takes it; *who* is held against the lines that come."""
        at: Document = {}
        if self.since is not None:
            at["$gte"] = self.since
        if self.until is not None:
            at["$lt"] = self.until
        return {
            **({"at": at} if at else {}),
            **({"tweets": Int64(self.tweet)} if self.tweet is not None else {}),
            **({"authors": self.author} if self.author is not None else {}),
        }


def lines(database: Database[Document], wanted: Filter) -> Iterator[dict[str, Any]]:
    """Yield the lines that are meant, the oldest first; raises ``PyMongoError``."""
    for line in safely(database[AUDIT.name]).find(wanted.query(), {"_id": 0}).sort("at", 1):
        if wanted.who is None or wanted.who.casefold() in line["who"].casefold():
            yield line
