"""What is asked of SQLite for a query: one expression of FTS5, and what only the text itself can tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.message import id_at
from opslib.search.query import Every, Not, Some, Term
from opslib.search.tokens import EVERY, written
from opslib.words.folding import composed

if TYPE_CHECKING:
    from opslib.search.query import Node, Query

_MOST = 2**63 - 1
# In SQL whether a text has words exactly as they are written; see `has_exactly`.
EXACTLY = "exactly"


@dataclass
class Asked:
    """A condition on ``words.rowid`` for a statement that reads from ``words``, with what is put into it."""

    sql: str
    values: list[Any] = field(default_factory=list)

    def __add__(self, other: Asked) -> Asked:
        return Asked(f"{self.sql} AND {other.sql}", [*self.values, *other.values])


def asked(query: Query, more: tuple[str, ...] = ()) -> Asked:
    """Return the condition for *query*, and for each of *more* words that say what a tweet is."""
    node = Every((*(Term((word,)) for word in more), query.node)) if more else query.node
    expression, rest = _expression(node)
    found = Asked("words MATCH ?", [expression or _quoted(Term((EVERY,)))])
    for condition in rest:
        found += condition
    low = max(0, id_at(query.since)) if query.since else 0
    high = id_at(query.until) - 1 if query.until else _MOST
    return found + Asked("words.rowid BETWEEN ? AND ?", [low, high])


def has_exactly(text: str | None, wanted: str) -> bool:
    """Say whether *text* has the words of *wanted*, which are parted by spaces, in this row and writing."""
    if text is None:
        return False
    # Most texts that are found hold another writing of the words, and taking them apart is what takes long.
    known = composed(text)
    if not all(word in known for word in wanted.split(" ")):
        return False
    return f" {wanted} " in f" {' '.join(written(text))} "


def _expression(node: Node) -> tuple[str | None, list[Asked]]:
    """Return the expression of FTS5 that all of what is looked for fulfils, and what is to hold besides."""
    if not _exact(node):
        return _plain(node), []
    if isinstance(node, Term):
        wanted = " ".join(node.exact)
        text = f"{EXACTLY}((SELECT text FROM tweets WHERE tweets.id = words.rowid), ?)"  # noqa: S608
        return _plain(node), [Asked(text, [wanted])]
    if isinstance(node, Every):
        parts = [_expression(one) for one in node.nodes]
        known = [expression for expression, _ in parts if expression]
        return _joined("AND", known) if known else None, [one for _, rest in parts for one in rest]
    return None, [_condition(node)]


def _condition(node: Node) -> Asked:
    """Return *node* as a condition by itself, whatever the statement reads."""
    if isinstance(node, Not):
        inner = _condition(node.node)
        return Asked(f"NOT {inner.sql}", inner.values)
    if isinstance(node, Some):
        parts = [_condition(one) for one in node.nodes]
        values = [value for part in parts for value in part.values]
        return Asked(f"({' OR '.join(part.sql for part in parts)})", values)
    expression, rest = _expression(node)
    found = Asked("words MATCH ?", [expression or _quoted(Term((EVERY,)))])
    for condition in rest:
        found += condition
    # The plus keeps SQLite from asking FTS5 for each of these rows, without the expression that it needs.
    return Asked(f"+words.rowid IN (SELECT words.rowid FROM words WHERE {found.sql})", found.values)  # noqa: S608


def _exact(node: Node) -> bool:
    if isinstance(node, Term):
        return bool(node.exact)
    if isinstance(node, Not):
        return _exact(node.node)
    return any(map(_exact, node.nodes))


def _plain(node: Node) -> str:
    """Return *node*, of which nothing is to be written exactly, as an expression of FTS5."""
    if isinstance(node, Term):
        return _quoted(node)
    if isinstance(node, Not):
        return f"({_quoted(Term((EVERY,)))} NOT {_plain(node.node)})"
    if isinstance(node, Some):
        return _joined("OR", [_plain(one) for one in node.nodes])
    # NOT of FTS5 stands between two: what is left out is taken from what is there.
    there = [_plain(one) for one in node.nodes if not isinstance(one, Not)]
    gone = [_plain(one.node) for one in node.nodes if isinstance(one, Not)]
    found = _joined("AND", there or [_quoted(Term((EVERY,)))])
    return f"({found} NOT {_joined('OR', gone)})" if gone else found


def _joined(word: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"


def _quoted(term: Term) -> str:
    # None of the words has a quote or a space in it.
    return f'"{" ".join(term.words)}"' + ("*" if term.beginning else "")
