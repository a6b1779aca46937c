"""Takes out of texts what nobody but the owner is to see: secrets, tweets, names of people.

Three nets, one behind another: what is known to be secret, wherever it stands; what looks like a secret; and
of logs everything that may be somebody's words: none has to be in a log, and a fault may put it there.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LEAST = 6  # letters of a secret: what is shorter stands in other words
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/%=-]{8,}")
_LOGIN = re.compile(r"(://)[^\s/@]+@")
_NAMED = re.compile(
    r"(?i)(?<![a-z])([\w.-]*(?:passw(?:or)?d|passwd|passphrase|secret|token|api[_-]?key|authorization|cookie)s?"
    r"[\"']?\s*[:=]\s*)(?!\[)(?:\"[^\"]*\"|'[^']*'|[^\s,;&}\"']+)"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")  # of mail
_NAME = re.compile(r"(?<![\w/])@\w+")  # as people are named in tweets
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|«([^»]*)»")
_TEXT = re.compile(
    r"(?i)([\"']?\btext[\"']?\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|\S.*)"
)
_MOST_QUOTED, _MOST_SPACES = 60, 1
_WORD = re.compile(r"\w+")
_RUN = 5  # words in a row that are no accident
# Who logged in from where, and who changed whom.
_ABOUT_USERS = "opslib.web.accounts.users"
_MOST_LETTERS, _MOMENT = 2000, 25  # of a line, and of the moment that it begins with
_KEY = re.compile(r"[\"']\s*:")
# Of a line of MongoDB's log, which is JSON: its head, texts of these, and figures. A slow command tells more.
_HEAD = ("t", "s", "c", "id", "ctx", "msg")
_PLAIN = {"ns", "type", "codeName", "planSummary", "newState", "oldState", "version", "storage", "state"}
_SAID = {"error", "errmsg", "reason"}
_FIELD = re.compile(r"[\w.$-]{1,40}", re.ASCII)


class Scrubber:
    """Knows the secrets of this host and the newest tweets, and takes both out."""

    def __init__(self, secrets: Iterable[str], tweets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= _LEAST for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._runs = {run for tweet in tweets for run in _runs(tweet, whole=True)}

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        text = _PEM.sub("[key or certificate]", text)
        if self._secrets is not None:
            text = self._secrets.sub("[secret]", text)
        text = _BEARER.sub(r"\1 [secret]", text)
        text = _LOGIN.sub(r"\1[secret]@", text)
        return _NAMED.sub(r"\1[secret]", text)

    def log(self, text: str) -> str:
        """Return lines of a log without secrets and anybody's words."""
        return "".join(f"{self._line(line)}\n" for line in self.text(text).splitlines())

    def plain(self, value: Any) -> Any:
        """Return plain data with each of its texts as :meth:`log` has it."""
        if isinstance(value, str):
            return self.log(value).rstrip("\n") if value else value
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(one) for one in value]
        return value

    def _line(self, line: str) -> str:
        if _ABOUT_USERS in line:
            return "[who uses the page]"
        told = _without_words(line)
        if self._runs and any(run in self._runs for run in _runs(told, whole=False)):
            return f"{told[:_MOMENT]} [a line with words of a tweet]"
        return told


def _without_words(line: str) -> str:
    head, brace, rest = line.partition("{")
    if brace:
        figures = _of_json(brace + rest)
        if figures is not None:
            return _words(head[:_MOST_LETTERS]) + figures
        if _KEY.search(rest):  # a document of another kind, such as Python shows it
            return _words(f"{head[:_MOST_LETTERS]}[{len(rest)} letters]")
    return _words(line[:_MOST_LETTERS])


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as programs write it down: as it is, in JSON, in an address, and in base64."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    yield base64.b64encode(secret.encode()).decode().rstrip("=")


def _runs(text: str, *, whole: bool) -> Iterator[tuple[str, ...]]:
    words = [word.casefold() for word in _WORD.findall(text)]
    if whole and 2 < len(words) < _RUN:
        yield tuple(words)
    for length in range(3, _RUN + 1) if not whole else (_RUN,):
        for begin in range(len(words) - length + 1):
            yield tuple(words[begin : begin + length])


def _words(text: str) -> str:
    """Return a text without what may be somebody's words, or name somebody."""
    text = _QUOTED.sub(_unless_short, _TEXT.sub(r"\1[text]", text))
    return _NAME.sub("@[name]", _ADDRESS.sub("[address]", text))


def _unless_short(match: re.Match[str]) -> str:
    quoted = next(group for group in match.groups() if group is not None)
    if len(quoted) <= _MOST_QUOTED and quoted.count(" ") <= _MOST_SPACES and quoted.isascii():
        return match[0]
    return f"[{len(quoted)} letters]"


def _of_json(text: str) -> str | None:
    """Return a document's figures as JSON, with the head of MongoDB's log; ``None`` if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    head = {key: found[key] for key in _HEAD if key in found} if found.keys() >= {"t", "s", "msg"} else {}
    return json.dumps({**_figures({key: one for key, one in found.items() if key not in head}), **head})


def _figures(value: Any, name: str = "") -> Any:
    """Return of JSON what are figures, and of its texts those that are no one's words."""
    if isinstance(value, dict):
        return {key if _FIELD.fullmatch(key) else "[key]": _figures(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_figures(one, name) for one in value]
    if not isinstance(value, str) or name in _PLAIN:
        return value
    return _words(value) if name in _SAID else f"[{len(value)} letters]"
