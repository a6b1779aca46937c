"""One part of a backup as one stream: a tar, so that any tool reads it, that says at its end what is in it.

Documents and messages are *streams* of BSON, one after another, cut into members of some megabytes
(``NAME.00000000.bson``), so that neither whoever writes nor whoever reads holds more. Files are members as
tar has them. The last member, ``contents.json``, has for each stream its number of documents, its bytes and
their SHA-256, and the same for each file. A stream that was cut short has no such member.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import tarfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import bson

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENTS = "contents.json"
MEMBER_BYTES = 8 * 1024 * 1024
_SEGMENT = re.compile(r"(?P<name>.+)\.\d{8}\.bson")
_LENGTH = struct.Struct("<i")
_SMALLEST = 5  # bytes of an empty document: its length and its end


class DamagedError(Exception):
    """What was read is not what was saved; nothing of it is to be used."""


@dataclass
class _Sum:
    """What passed, of one stream or file."""

    documents: int = 0
    size: int = 0  # bytes
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)

    def told(self) -> dict[str, Any]:
        return {"documents": self.documents, "bytes": self.size, "sha256": self.digest.hexdigest()}


def documents_in(data: bytes) -> int:
    """Return how many BSON documents stand in *data* one after another, by their lengths alone."""
    at = number = 0
    while at < len(data):
        length = _LENGTH.unpack_from(data, at)[0] if at + _LENGTH.size <= len(data) else 0
        if not _SMALLEST <= length <= len(data) - at:
            raise DamagedError("it holds what are no documents")
        at += length
        number += 1
    return number


class _Pipe:
    """A pipe that knows how far it is, which is all that tar asks of a file that it writes.

    Its own way with pipes writes an end when it is given up as well.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at


class Writer:
    """Writes an archive to a pipe."""

    def __init__(self, file: IO[bytes]) -> None:
        # PAX headers hold names of any length and letters; segments have no moments: equal is equal.
        self._tar = tarfile.TarFile(fileobj=_Pipe(file), mode="w", format=tarfile.PAX_FORMAT)  # type: ignore[arg-type]
        self._sums: dict[str, _Sum] = {}
        self._about: dict[str, Any] = {}

    def about(self, **values: Any) -> None:
        """Note *values* for :data:`CONTENTS`; they have to be JSON."""
        self._about.update(values)

    def stream(self, name: str) -> Stream:
        """Return what writes the stream *name*; it is to be closed before the next one begins."""
        return Stream(self, name)

    def add(self, name: str, data: bytes) -> None:
        """Write a member of a stream."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))

    def put(self, info: tarfile.TarInfo, content: bytes | None) -> None:
        """Write a file, or with ``None`` a folder or link, as *info* says."""
        if content is not None:
            info.size = len(content)
            one = self._sums[info.name] = _Sum()
            one.add(content)
        self._tar.addfile(info, io.BytesIO(content) if content is not None else None)

    def close(self) -> dict[str, Any]:
        """Write what is in it, and return that."""
        sums = {name: one.told() for name, one in sorted(self._sums.items())}
        contents = {**self._about, "sums": sums}
        self.add(CONTENTS, json.dumps(contents, sort_keys=True).encode())
        self._tar.close()
        return contents

    def counted(self, name: str, one: _Sum) -> None:
        """Take the sum of a stream that is closed."""
        self._sums[name] = one


class Stream:
    """Documents that are written one after another; a context manager."""

    def __init__(self, writer: Writer, name: str) -> None:
        self._writer = writer
        self._name = name
        self._held: list[bytes] = []
        self._size = 0
        self._number = 0
        self._sum = _Sum()

    def __enter__(self) -> Stream:  # noqa: PYI034 - typing.Self is newer than Python 3.9
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
            self._writer.counted(self._name, self._sum)

    def write(self, data: bytes) -> int:
        """Write whole documents, as many as *data* has, and return their number."""
        number = documents_in(data)
        self._sum.documents += number
        self._sum.add(data)
        self._held.append(data)
        self._size += len(data)
        if self._size >= MEMBER_BYTES:
            self._flush()
        return number

    def _flush(self) -> None:
        if self._held:
            self._writer.add(f"{self._name}.{self._number:08}.bson", b"".join(self._held))
            self._number += 1
            self._held, self._size = [], 0


class Segment(NamedTuple):
    """Some documents of the stream *name*, as BSON one after another."""

    name: str
    data: bytes


class File(NamedTuple):
    """A file, folder or link."""

    info: tarfile.TarInfo
    content: bytes | None


class Reader:
    """Reads an archive from a pipe and holds it against what it says at its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.contents: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Segment | File]:
        """Yield all that is in it; raise :class:`DamagedError` where it is not what was saved."""
        sums: dict[str, _Sum] = {}
        try:
            with tarfile.open(fileobj=self._file, mode="r|") as tar:
                for info in tar:
                    taken = tar.extractfile(info) if info.isreg() else None
                    content = taken.read() if taken else None
                    if info.name == CONTENTS and content is not None:
                        self.contents = json.loads(content)
                        continue
                    yield _read(info, content, sums)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise DamagedError(f"it was cut short or changed: {error}") from error
        self._compare(sums)

    def _compare(self, sums: dict[str, _Sum]) -> None:
        if not self.contents:
            raise DamagedError("it was cut short: what is in it is missing at its end")
        found = {name: one.told() for name, one in sums.items()}
        for name, told in self.contents["sums"].items():
            # Of a stream without documents there is no member.
            if found.get(name, _Sum().told()) != told:
                raise DamagedError(f"{name} is not what was saved")

    def documents(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the documents of the stream *name*."""
        for one in self:
            if isinstance(one, Segment) and one.name == name:
                yield from bson.decode_all(one.data)


def _read(info: tarfile.TarInfo, content: bytes | None, sums: dict[str, _Sum]) -> Segment | File:
    found = _SEGMENT.fullmatch(info.name)
    name = found["name"] if found else info.name
    if content is not None:
        one = sums.setdefault(name, _Sum())
        one.add(content)
        one.documents += documents_in(content) if found else 0
    return Segment(name, content or b"") if found else File(info, content)
