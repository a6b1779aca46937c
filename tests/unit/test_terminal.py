"""What commands print of others' text does nothing to a terminal."""

from __future__ import annotations

import ast
import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from opslib.cli import main
from opslib.cli._options import tell_json
from opslib.cli._terminal import lines, one_line

if TYPE_CHECKING:
    import pytest

CLI = Path(__file__).resolve().parents[2] / "opslib" / "cli"
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x1b\x9b\x07\r\n\t\x7f" + TURNING)
)


def does_something(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp") or character in TURNING


@given(TEXTS)
def test_no_control_character_comes_through(text: str) -> None:
    assert not any(does_something(c) for c in one_line(text))
    assert not any(does_something(c) for c in lines(text) if c not in "\n\t")
    assert lines(text).count("\n") == text.count("\n")


@given(TEXTS)
def test_what_does_nothing_is_shown_as_it_is(text: str) -> None:
    quiet = "".join(c for c in text if not does_something(c))
    assert one_line(quiet) == lines(quiet) == quiet


@given(TEXTS)
def test_json_means_the_same_and_does_nothing_either(text: str) -> None:
    @click.command()
    def command() -> None:
        tell_json({"text": text})

    said = CliRunner().invoke(command).stdout
    assert json.loads(said) == {"text": text}
    assert not any(does_something(c) for c in said.removesuffix("\n"))


def test_every_command_prints_by_way_of_it() -> None:
    for path in CLI.glob("*.py"):
        if path.name == "_terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in ("click.echo", "click.secho", "print", "sys.stdout.write"), path.name


def test_a_word_in_a_file_and_a_name_that_is_quoted_do_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tweets.ndjson"
    file.write_text(json.dumps({"id": "1", "text": "festa \x1b]0;owned\x07 \x9b31m \u202emoc"}))
    called = CliRunner().invoke(main, ["cloud", "--input", str(file)])
    assert called.exit_code == 0, called.output
    assert not any(does_something(c) for c in called.output.replace("\n", ""))
    called = CliRunner().invoke(main, ["cloud", "--input", "\x1b[31mnone\u202e"])
    assert called.exit_code == 2
    assert not any(does_something(c) for c in called.output.replace("\n", ""))


def test_an_error_that_quotes_a_server_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise click.ClickException("it says \x1b[31mred\x9b")

    monkeypatch.setattr("opslib.cli._options.load", failing)
    called = CliRunner().invoke(main, ["settings"])
    assert called.exit_code == 1
    assert "\\x1b[31mred\\x9b" in called.output
