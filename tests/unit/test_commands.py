"""The commands: called wrongly, without the packages or the settings they need, and as their help shows."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import fuzz
import pytest
from click.testing import CliRunner

import opslib
from opslib.cli import main
from opslib.cli._options import tell_json, write_file
from opslib.web import serve

ROOT = Path(opslib.__file__).resolve().parents[1]
# No server: each is refused at once, or after a time-out that is short.
AWAY = {
    "OPSLIB_MONGODB__URI": "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=100",
    "OPSLIB_KAFKA__BOOTSTRAP_SERVERS": '["127.0.0.1:1"]',
    "OPSLIB_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT",
    "OPSLIB_ZOOKEEPER__SERVERS": '["127.0.0.1:1"]',
    "OPSLIB_NIFI__URL": "https://127.0.0.1:1",
    "OPSLIB_WEB__URL": "https://127.0.0.1:1",
    "OPSLIB_X__BASE_URL": "http://127.0.0.1:1",
    "OPSLIB_X__TIMEOUT": "0.2",
    "PIP_INDEX_URL": "http://127.0.0.1:1",
    "PIP_RETRIES": "0",
}
SHORT = "from opslib.cli import dlq; dlq._BOOTSTRAP_MILLISECONDS = 200"


@pytest.fixture
def files(tmp_path: Path) -> fuzz.Files:
    folder = tmp_path / "files"
    folder.mkdir()
    return fuzz.Files(folder)


def environment(tmp_path: Path, **extra: str) -> dict[str, str]:
    # Without PATH nothing is fetched.
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "HOME") if name in os.environ}
    state = {
        "OPSLIB_WEB__STATE": tmp_path / "web",
        "OPSLIB_X__BUDGET_FILE": tmp_path / "x-budget.sqlite",
        "OPSLIB_RECHECK__BUDGET_FILE": tmp_path / "budget.sqlite",
        "OPSLIB_SPEED__STATE_DIRECTORY": tmp_path / "speed",
        "TRENDLAKE_CACHE": tmp_path / "cache",
        "OPSLIB_CONFIG": tmp_path / "opslib.toml",
        "CREDENTIALS_DIRECTORY": tmp_path / "credentials",
    }
    for name in ("web", "speed", "cache", "credentials"):
        (tmp_path / name).mkdir()
    (tmp_path / "opslib.toml").touch()
    for name in ("ca", "nifi_cert", "nifi_key", "x_token"):
        (tmp_path / "credentials" / name).write_text("none")
    return {**kept, **AWAY, **{name: str(path) for name, path in state.items()}, **extra}


@pytest.mark.slow
def test_wrong_input_is_one_line_and_never_a_traceback(tmp_path: Path, files: fuzz.Files) -> None:
    todo = list(fuzz.calls(main, files, most=int(os.environ.get("TRENDLAKE_FUZZ", "3"))))
    outcomes = fuzz.run(todo, environment(tmp_path), files, SHORT)
    wrong = [
        f"{complaint}: {fuzz.shown(call, outcome)}"
        for call, outcome in zip(todo, outcomes)
        if (complaint := fuzz.complaint(call, outcome))
    ]
    assert not wrong, f"{len(wrong)} of {len(todo)}\n" + "\n".join(wrong[:40])
    codes = Counter(outcome.code for outcome in outcomes)
    assert codes[2] > len(todo) / 2, f"most of these are wrong calls: {codes}"
    refused = {call.command for call, outcome in zip(todo, outcomes) if outcome.code == 2}
    assert refused == {name for name, _ in fuzz.commands(main)}, "each command was called wrongly"


@pytest.mark.slow
def test_a_missing_package_is_one_line_for_every_command(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    right = {"opslib": ["--help"]}
    for call in fuzz.calls(main, fuzz.Files(folder), most=0):
        right.setdefault(call.command, list(call.arguments))
    asked = list(right.values())
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "bare.py")],
        input=json.dumps(asked), cwd=folder, env={**environment(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(zip(map(" ".join, asked), json.loads(done.stdout)))
    code, told, _ = found.pop("--help")
    assert code == 0
    for name in main.list_commands(click.Context(main)):
        assert f"\n  {name} " in told
    assert "(needs the package" in told
    missing = {call: err for call, (_, _, err) in found.items() if "needs the package" in err}
    assert {call.split()[0] for call in missing} >= {"cloud", "sink", "speed", "dlq", "flow", "report", "web"}
    for call, (code, _, err) in found.items():
        assert "Traceback" not in err, f"{call}: {err}"
        assert code in (0, 1, 2), call
        assert call not in missing or (code, err.count("\n")) == (2, 1), f"{call}: {err}"


def test_help_teaches_with_examples_that_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    for name, _ in fuzz.commands(main):
        told = CliRunner().invoke(main, [*name.split(), "--help"])
        assert told.exit_code == 0
        lines = (line.strip() for line in told.output.partition("Examples:")[2].splitlines())
        examples = [line for line in lines if line.startswith("opslib ")]
        assert examples, f"{name} has no example"
        assert any(example.startswith(f"opslib {name}") for example in examples), name
        for example in examples:
            parsed(shlex.split(example.split(" > ")[0])[1:])


def parsed(arguments: list[str]) -> None:
    """Parse a call as click does before it calls the command, with the files that it names there."""
    for argument in arguments:
        if argument.endswith((".json", ".ndjson", ".png", ".toml", ".txt")) and not argument.startswith("/"):
            Path(argument).touch()
    command: click.Command = main
    context: click.Context | None = None
    name: str | None = "opslib"
    while True:
        arguments = ["folder" if a == "/var/lib/opslib/clouds" else a for a in arguments]
        Path("folder").mkdir(exist_ok=True)
        if context is not None and any(a == "--check" for a in arguments):
            return  # eager, of a file that is not here
        context = command.make_context(name, list(arguments), parent=context)
        kept = (
            "_protected_args" if hasattr(context, "_protected_args") else "protected_args"
        )  # before click 8.2
        rest = [*getattr(context, kept), *context.args]
        if not (isinstance(command, click.Group) and rest):
            return
        name, found, arguments = command.resolve_command(context, rest)
        assert found is not None
        command = found


def test_help_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLIB_CONFIG", "/none/such.toml")
    for name, _ in fuzz.commands(main):
        assert CliRunner().invoke(main, [*name.split(), "--help"]).exit_code == 0, name
    refused = CliRunner().invoke(main, ["report", "list"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_a_settings_file_named_to_a_group_is_that_of_its_commands(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[snik]\n")
    for arguments in (["report", "list"], ["stats", "record"], ["web", "user", "list"]):
        first, *rest = arguments
        for call in ([first, "--config", str(wrong), *rest], [*arguments, "--config", str(wrong)]):
            told = CliRunner().invoke(main, call)
            assert (told.exit_code, "snik" in told.stderr) == (2, True), call


def test_distributions_are_verified_in_a_checkout_and_a_server_is_told_so(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(Path(opslib.__file__).parent, installed / "opslib")
    for arguments in (["verify"], ["build"], ["path", "opslib-py39"], ["lock", "kafka"]):
        done = subprocess.run(
            [sys.executable, "-m", "opslib", "dist", *arguments],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert "in a checkout of the project" in done.stderr


def test_moments_in_json_are_iso_8601_and_nothing_else_becomes_text(capsys: Any) -> None:
    from datetime import datetime, timezone
    from zoneinfo import ZoneInfo

    at = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    tell_json({"at": at, "there": at.astimezone(ZoneInfo("America/Sao_Paulo"))})
    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-03-01T12:00:00+00:00",
        "there": "2026-03-01T09:00:00-03:00",
    }
    with pytest.raises(TypeError, match="nothing that JSON has"):
        tell_json({"at": object()})


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    write_file(link, b"content")
    assert link.is_symlink()
    assert file.read_bytes() == b"content"
    write_file(Path("/dev/null"), b"content")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(click.ClickException, match="No space left on device"):
        write_file(Path("/dev/full"), b"content")


def test_a_page_takes_the_place_of_a_socket_and_of_nothing_else(tmp_path: Path) -> None:
    file, socket = tmp_path / "file", tmp_path / "socket"
    file.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        serve.listen(file, "127.0.0.1", 0)
    assert file.read_text() == "precious"
    serve.listen(socket, "127.0.0.1", 0).close()
    serve.listen(socket, "127.0.0.1", 0).close()


def test_results_that_nobody_can_take_are_told_in_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "opslib", "words", "show", "uma palavra"],
            stdout=full, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: No space left on device\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_long_work_shows_how_far_it_is_at_a_terminal_alone(tmp_path: Path, terminal: bool) -> None:
    tweets = tmp_path / "tweets.ndjson"
    tweets.write_text("".join(f'{{"id": "{n}", "text": "festa {n}"}}\n' for n in range(300)))
    above, below = pty.openpty() if terminal else os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "opslib", "cloud", "--input", str(tweets), "--format", "json"],
        stdout=subprocess.PIPE, stderr=below, cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )  # fmt: skip
    os.write(below, b"end")
    os.close(below)
    shown = os.read(above, 1_000_000)
    os.close(above)
    assert {"word": "festa", "tweets": 300} in json.loads(done.stdout)["words"]
    assert (b"tweets read" in shown) is terminal


@pytest.mark.parametrize(
    "call",
    [
        "report --at 0001-01-01",
        "report --since 99999999999d",
        "report --hours nan",
        "cloud --hours 1e308",
        "cloud --input missing",
        "cloud --input folder.png",
        "cloud --input latin-1",
        "cloud --input word --output missing/cloud.png",
        "cloud --input word --output cloud.gif",
        "dlq list --since 0001-01-01",
        "dlq show 99999999999999999999",
        "forget --why x --from latin-1",
        "forget --why x --from folder.png",
        "flow export --output missing/flow.json",
        "settings --check folder.png",
        "settings --check latin-1",
        "stats --last 99999999999d",
        "store rollup --every nan",
        "x simulate --rate nan",
        "x simulate --span inf",
        "x simulate --tweets latin-1",
        "x simulate --state folder.png",
        "report keep --folder word",
    ],
)
def test_known_ways_to_be_wrong_end_with_two(
    files: fuzz.Files, call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(files.folder)
    done = CliRunner().invoke(main, shlex.split(call), env=environment(tmp_path))
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
