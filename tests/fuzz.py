"""Wrong input for every command, found by walking the commands themselves: a new one is covered by itself.

For each option and argument there is a call for each value of the table of its type, the rest of the call
being right. Calls run in forks of one process that has imported everything, so that each has its own
signals, threads and end, and costs milliseconds. What must come out, `complaint` says.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What a command needs besides what is made of the types of its parameters.
BASE = {
    "x simulate": ["--port=0", "--rate=0"],
    "web": ["--port=0"],
    "forget": ["--yes"],
    "dlq replay": ["--all"],
}
# These go on until they are told to end. The others are to end by themselves.
SERVICES = ("sink", "speed", "stats record", "search", "web", "x simulate", "store rollup", "wishes")
_SERVE_SECONDS = 1.5
_END_SECONDS = 200.0  # on a machine that is busy
_AT_ONCE = 24
_MEMORY = 2 * 1024**3

TEXTS = [
    "", " ", "\n", "a\nb", "\t", "x" * 5000, "\x1b[31m", "%s{0}{x}", "<&>\"'", "../../etc/passwd", "--", "-",
    "\u202e", "\u200d", "👩‍👩‍👧", "हिन्दी", "é" * 300, "\ud800", "\udcff", "\0", "a\0b", "9" * 25, "9" * 5000,
    "-1", "0", "nan", "0001-01-01", "*", "$where", ".", "a:b", "0:0", "٣",
]  # fmt: skip
NUMBERS = [
    "", " ", "x", "-1", "0", "1", "65536", "9" * 25, "-" + "9" * 25, "9" * 5000, "1e400", "nan", "inf",
    "-inf", "1.5", "0x10", "1_000", "٣", "\n", "1\n", "\ud800", "\0",
]  # fmt: skip
SPANS = [
    "", " ", "0", "0h", "1", "-1", "-1h", "2h", "1h30m", "06:45", "99999999999d", "9" * 5000 + "d",
    "9" * 39 + "d", "nan", "nanh", "inf", "infd", "1e5h", "1.5h", "0.0000001s", "1w", "h", "2 h", "2H", "٣h",
    "\n", "\ud800h", "\0",
]  # fmt: skip
MOMENTS = [
    "", " ", "0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "0000-00-00", "2026-02-30",
    "2026-13-01", "2026-03-01", "2026-03-01T25:00", "2026-03-01T12:00", "2026-03-01 12:00:00.123456789123Z",
    "2026-03-01T12:00:00.5-03:00", "2026-03-01T12:00+99:99", "2026-03-01T12:00-0300", "20260301", "24:00",
    "6:5", "06:45", "23:59", "2h", "-1d", "99999999999d", "9" * 39 + "d", "9" * 5000 + "d", "now", "noon",
    "nan", "1e400", "٢٠٢٦-03-01", "\n", "\ud800", "\0", "1700000000",
]  # fmt: skip
NAMES = ["", "x", "TEXT", "json\n", "\ud800", "\0", "9" * 5000]
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "latin-1": b"\xff\xfe\xe9",
    "nul": b"\0\0\0",
    "list": b"[1, 2]",
    "word": b'"text"',
    "number": b"1e400",
    "null": b"null",
    "half.json": b'{"a": ',
    "deep.json": b"[" * 100_000,
    "surrogate.json": b'{"id": "1", "text": "\\ud800", "lang": "pt", "a": {"secret": "\\ud800"}}',
    "nested.json": b'{"a": {"b": {}}, "seed": {}, "rates": [], "version": 1, "store": null}',
    "types.json": b'{"id": [], "text": {}, "lang": 1, "snapshotMetadata": 3, "flowContents": []}',
    "entities.json": b'{"id": "1", "text": "a", "entities": {"hashtags": 3, "urls": [1], "mentions": {}}}',
    "referenced.json": b'{"id": "1", "text": "a", "referenced_tweets": 7, "author": [], "lang": "pt"}',
    "large.json": b'{"id": 99999999999999999999999999, "text": "' + b"x" * 100_000 + b'"}',
    "moments.json": b'{"id": "1", "text": "ola mundo", "created_at": "9999-99-99T99:99:99Z"}',
    "ids": b"1\n0\n-1\n",
    "crlf": b"1\r\n2\r\n",
    "toml": b"[cloud]\nwidth = 300\n",
    "zip": b"PK\x03\x04" + b"\0" * 50,
}
STDIN = (b"\xff\n", b"", b"\0\n", b"[" * 50_000, b'{"text": "\\ud800"}\n')
GOOD = {
    "text": "x",
    "tweet": "1",
    "id": "1",
    "letter": "0",
    "span": "1h",
    "moment": "now",
    "integer": "1",
    "float range": "1",
    "woeid:language": "23424900:es",
}


@dataclass(frozen=True)
class Call:
    """One call, and how long it may take."""

    command: str
    arguments: tuple[str, ...]
    stdin: bytes = b""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def serves(self) -> bool:
        return self.command in SERVICES


@dataclass(frozen=True)
class Outcome:
    """What came of a call."""

    code: int
    out: str
    err: str
    late: bool = False


@dataclass
class Files:
    """A folder with what can be wrong with files."""

    folder: Path
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, content in CONTENTS.items():
            (self.folder / name).write_bytes(content)
        (self.folder / "folder.png").mkdir()
        os.mkfifo(self.folder / "unused.fifo")
        self.texts = [
            "", " ", "\0", "\ud800", "\udcff.png", "none/such.png", "none", ".", "/", "folder.png",
            "empty/x.png", "n" * 300, "n" * 300 + ".png", "a\nb.png", "/proc/none/x.png", "/dev/null",
            "x.PNG", "x.svg", "x.html", "x.gif", "-", "é.svg", *CONTENTS,
        ]  # fmt: skip


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, with its name as one types it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        full = f"{path} {name}".strip()
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield full, command
        if isinstance(command, click.Group):
            yield from commands(command, full)


def calls(group: click.Group, files: Files, *, most: int, seed: int = 1) -> Iterator[Call]:
    """Yield calls of every command below *group*: each option wrong by itself, then several at once.

    Of a table *most* values are taken for each parameter, others for each, by *seed*.
    """
    for name, command in commands(group):
        # A new command leaves the calls of the others as they are.
        chance = random.Random(f"{seed} {name}")  # noqa: S311 - not for secrets
        yield Call(name, tuple(_call(name, command, {})))
        tables = {}
        for parameter in command.params:
            values = _values(parameter, files)
            if parameter.name == "config":
                # It is the same for all: one that is not there, and some others.
                tables[parameter] = ["none", *chance.sample(values, min(len(values), most // 3))]
            else:
                tables[parameter] = chance.sample(values, min(len(values), most))
        for parameter, values in tables.items():
            for value in values:
                yield Call(name, tuple(_call(name, command, {parameter: value})))
        for _ in range(most):
            chosen = chance.sample(list(tables), min(len(tables), chance.randint(2, 4)))
            several = {parameter: chance.choice(tables[parameter]) for parameter in chosen}
            yield Call(name, tuple(_call(name, command, several)))
        for parameter in command.params:
            if getattr(parameter.type, "allow_dash", False) or isinstance(parameter, click.Argument):
                reads = tuple(_call(name, command, {parameter: "-"}))
                yield from (Call(name, reads, stdin) for stdin in STDIN)


def _values(parameter: click.Parameter, files: Files) -> list[str]:
    kind = parameter.type
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [""]
    if isinstance(kind, click.Choice):
        return NAMES
    if isinstance(kind, (click.Path, click.File)):
        return files.texts
    by_name = {"span": SPANS, "moment": MOMENTS}
    for name, values in by_name.items():
        if kind.name == name:
            return values
    return NUMBERS if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)) else TEXTS


def _call(name: str, command: click.Command, wrong: Mapping[click.Parameter, str]) -> Iterator[str]:
    """Yield the arguments of a call in which *wrong* is given, and what is required besides."""
    yield from name.split()
    given = {option for parameter in wrong for option in parameter.opts}
    yield from (part for part in BASE.get(name, ()) if part.split("=")[0] not in given)
    behind = []
    for parameter in command.params:
        if parameter in wrong:
            value = wrong[parameter]
        elif parameter.required:
            value = _good(parameter)
        else:
            continue
        if isinstance(parameter, click.Argument):
            behind.append(value)
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            yield parameter.opts[-1]
        else:
            yield f"{parameter.opts[-1]}={value}"
    # A value that looks like an option is taken for one, which is one more thing that can be wrong.
    yield from behind


def _good(parameter: click.Parameter) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(next(iter(kind.choices)))
    if isinstance(kind, click.Path):
        return "word" if kind.exists else "out.png"
    assert kind.name in GOOD, f"tests/fuzz.py: GOOD is to have a right value for the type {kind.name!r}"
    return GOOD[kind.name]


def complaint(call: Call, outcome: Outcome) -> str | None:
    """Return what is wrong with what came out, or ``None``."""
    if outcome.late:
        return "it does not end"
    if "Traceback" in outcome.err or "Traceback" in outcome.out:
        return "a traceback"
    if outcome.code not in ((0, 1, 2, -signal.SIGTERM) if call.serves else (0, 1, 2)):
        return f"exit code {outcome.code}"
    told = [line for line in outcome.err.splitlines() if line.startswith("Error: ")]
    if outcome.code == 2 and (len(told) != 1 or not outcome.err.rstrip("\n").endswith(told[0])):
        return "no line, or more than one, says what was wrong"
    if outcome.code == 2 and len(told[0]) > 1_100:
        return "the line is too long to read"
    if outcome.code == 1 and not (told or outcome.out):
        return "it failed without a word"
    return None


def run(todo: list[Call], environment: Mapping[str, str], files: Files, program: str = "") -> list[Outcome]:
    """Run the calls, many at once, in *environment*; *program* runs in what they fork from."""
    with tempfile.TemporaryDirectory(prefix="trendlake-fuzz-") as scratch:
        Path(scratch, "todo").write_bytes(pickle.dumps((todo, str(files.folder), program)))
        fork = "import sys; sys.path.insert(0, sys.argv[1]); import fuzz; fuzz.serve(sys.argv[2])"
        command = [sys.executable, "-W", "ignore", "-c", fork, str(Path(__file__).parent), scratch]
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        outcomes: list[Outcome] = pickle.loads(Path(scratch, "done").read_bytes())  # noqa: S301 - our own
        return outcomes


@dataclass
class _Running:
    number: int
    call: Call
    folder: Path
    since: float
    told: int = 0
    late: bool = False


def serve(place: str) -> None:
    """Fork for each of the calls that lie in the folder *place*, and leave what came of them there."""
    scratch = Path(place)
    todo, folder, program = pickle.loads((scratch / "todo").read_bytes())  # noqa: S301 - our own
    from opslib.cli import main

    for _ in commands(main):  # imports them
        pass
    with contextlib.suppress(ImportError):
        import opslib.cloud.picture  # noqa: F401 - and what they import when they are called
    exec(program, {})  # noqa: S102 - the test's own
    outcomes: list[Outcome | None] = [None] * len(todo)
    running: dict[int, _Running] = {}
    left = list(enumerate(todo))
    left.reverse()
    while left or running:
        while left and len(running) < _AT_ONCE:
            number, call = left.pop()
            place = scratch / str(number)
            place.mkdir()
            pid = os.fork()
            if pid == 0:
                _child(call, Path(folder), place, main)
            running[pid] = _Running(number, call, place, time.monotonic())
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            one = running.pop(pid)
            out, err = ((one.folder / name).read_text("utf-8", "replace") for name in ("out", "err"))
            outcomes[one.number] = Outcome(os.waitstatus_to_exitcode(status), out, err, one.late)
            continue
        _hurry(running)
        time.sleep(0.005)
    (scratch / "done").write_bytes(pickle.dumps(outcomes))


def _hurry(running: Mapping[int, _Running]) -> None:
    now = time.monotonic()
    for pid, one in running.items():
        age = now - one.since
        if one.call.serves and age > _SERVE_SECONDS * (1 + 10 * one.told):
            one.told += 1  # once more if it was on its way to where it listens to signals
            os.kill(pid, signal.SIGTERM)
        if age > _END_SECONDS:
            one.late = True
            os.kill(pid, signal.SIGKILL)


def _child(call: Call, folder: Path, place: Path, main: click.Group) -> None:
    code = 70
    try:
        os.chdir(folder)
        (place / "in").write_bytes(call.stdin)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        for number, (name, flags) in enumerate(
            (("in", os.O_RDONLY), ("out", os.O_CREAT | os.O_WRONLY), ("err", os.O_CREAT | os.O_WRONLY))
        ):
            opened = os.open(place / name, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.environ.update(call.environment)
        os.environ["TMPDIR"] = str(place)
        try:
            main.main(args=list(call.arguments), prog_name="opslib")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    finally:
        os._exit(code)


def shown(call: Call, outcome: Outcome) -> str:
    """Return a call and what came of it, for whoever has to mend it."""
    arguments = " ".join(json.dumps(a if len(a) < 80 else a[:60] + f"… ({len(a)})") for a in call.arguments)
    return f"{arguments} -> {outcome.code}\n    {outcome.err.strip()[-600:]}"
