"""Text of strangers on a terminal: what would move its cursor, colour it or turn it round is shown, not done.

Tweets, topics, the reasons of dead letters and the answers of servers are others' text. So every command
writes by :func:`tell`; only ``dlq show --raw`` writes bytes as they came, which is what it is asked for.
"""

from __future__ import annotations

import re

import click

# Control characters of ASCII and of Latin 1 (0x9b is ESC [ to some terminals), ends of lines of Unicode, and
# what turns the direction of all that follows: a line could read as another one.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_BUT_ENDS = re.compile(f"(?![\n\t])[{_CONTROLS}]")


def one_line(text: object) -> str:
    """Return a text with its control characters as escapes, ends of lines too."""
    return _CONTROL.sub(_escape, str(text))


def lines(text: str) -> str:
    """Return a text with its control characters as escapes, but for ends of lines and tabulators."""
    return _BUT_ENDS.sub(_escape, text)


def tell(text: object = "", *, label: str = "", err: bool = False, nl: bool = True) -> None:
    """Print a text, as results are to standard output; on a line of its own unless *nl* is false.

    A *label* before it is our own words and keeps its colours, where there is a terminal that shows them.
    """
    click.echo(label + lines(str(text)), err=err, nl=nl)


def json_text(text: str) -> str:
    """Return JSON that means the same, with the control characters that it may hold as escapes."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
