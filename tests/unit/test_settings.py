from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import click
import pytest
from click.testing import CliRunner

from opslib.cli import main
from opslib.cli._options import with_settings
from opslib.settings import Settings, SettingsError, load, secret

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSLIB_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "opslib.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, '[mongodb]\ndatabase = "other"\n[sink]\nbatch_size = 7\n')
    monkeypatch.setenv("OPSLIB_SINK__BATCH_SIZE", "9")
    monkeypatch.setenv("OPSLIB_KAFKA__BOOTSTRAP_SERVERS", '["a:1", "b:2"]')
    settings = load(path)
    assert settings.sink.batch_size == 9
    assert settings.sink.group_id == "trendlake-sink"
    assert settings.mongodb.database == "other"
    assert settings.kafka.bootstrap_servers == ["a:1", "b:2"]


def test_the_file_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLIB_CONFIG", str(written(tmp_path, "[cloud]\nwidth = 640\n")))
    assert load().cloud.width == 640


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sink]\nbatch_size = 0\n", r"sink\.batch_size: .*OPSLIB_SINK__BATCH_SIZE"),
        ("[sink]\nbatchsize = 5\n", r"sink\.batchsize: Extra inputs"),
        ("[snik]\n", r"snik: Extra inputs"),
        ("[sink\n", "is not TOML"),
        ('[kafka]\nsecurity_protocol = "SASL"\n', r"kafka\.security_protocol: .*'SSL' or 'PLAINTEXT'"),
        ('[mongodb]\nuri = "localhost"\n', r"mongodb\.uri"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load(written(tmp_path, text))
    assert "\n" not in caught.value.message


def numbers() -> list[tuple[str, str]]:
    """Return each setting that is a number."""
    return [
        (section, name)
        for section, field in Settings.model_fields.items()
        for name, inner in (field.annotation or type(None)).model_fields.items()  # type: ignore[union-attr]
        if inner.annotation in (int, float, Optional[int], Optional[float])
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e308", "9" * 30, "-1", "-1e-300"])
def test_every_number_has_bounds(tmp_path: Path, value: str) -> None:
    assert len(numbers()) > 30
    for section, name in numbers():
        with pytest.raises(SettingsError, match=rf"{section}\.{name}") as caught:
            load(written(tmp_path, f"[{section}]\n{name} = {value}\n"))
        assert "\n" not in caught.value.message


NASTY = [
    *(
        '""',
        '" "',
        '"\\u0000"',
        '"a\\nb"',
        "[]",
        "[1]",
        '["", "\\u0000"]',
        "{}",
        "{1 = 2}",
        "true",
        "2026-03-01",
    ),
    *(
        "0001-01-01T00:00:00Z",
        "06:45:00",
        "1",
        "-1",
        "1.5",
        '"mongodb://"',
        '"https://["',
        '"mongodb://[::1/?x"',
    ),
    *(
        '"mongodb://h/?tls=maybe"',
        '"mongodb://a:99999999/"',
        '"https://a:b/"',
        '"../.."',
        '"9e9"',
        '"UTC\\n"',
    ),
]


@pytest.mark.slow
def test_any_value_of_any_setting_is_one_or_is_told_in_one_line(tmp_path: Path) -> None:
    def told(section: str, name: str, value: str) -> bool:
        try:
            load(written(tmp_path, f"[{section}]\n{name} = {value}\n"))
        except SettingsError as wrong:
            return f"{section}.{name}" in wrong.message or pytest.fail(f"{value}: {wrong.message}")
        return False

    fields = [
        (section, name)
        for section, field in Settings.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    ]
    assert sum(told(*field, value) for field in fields for value in NASTY) > 500


def test_a_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLIB_KAFKA__BOOTSTRAP_SERVERS", "a:1,b:2")
    with pytest.raises(SettingsError, match=r"(?i)bootstrap_servers"):
        load()


def test_a_wrong_setting_ends_a_command_with_exit_code_2(tmp_path: Path) -> None:
    @click.command()
    @with_settings
    def command(settings: Settings) -> None:
        click.echo(settings.cloud.width)

    good = CliRunner().invoke(command, ["--config", str(written(tmp_path, "[cloud]\nwidth = 321\n"))])
    assert (good.exit_code, good.output) == (0, "321\n")
    missing = CliRunner().invoke(command, ["--config", str(tmp_path / "none.toml")])
    assert missing.exit_code == 2
    assert missing.stderr.count("\n") == 1
    assert "No such file" in missing.stderr


def test_kafka_and_mongodb_take_their_credentials_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load()
    with pytest.raises(SettingsError, match="credential ca is needed"):
        settings.kafka.client_options()
    for name in ("ca", "kafka_cert", "kafka_key"):
        (tmp_path / name).write_text("-")
    (tmp_path / "mongodb_password").write_text("two words\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert settings.kafka.client_options()["ssl_keyfile"] == str(tmp_path / "kafka_key")
    assert secret("mongodb_password") == "two words"
    with pytest.raises(SettingsError, match="zookeeper_cert"):
        secret("zookeeper_cert")


def test_mongodb_logs_in_with_what_was_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mongodb_username").write_text("opslib-cloud\n")
    (tmp_path / "mongodb_password").write_text("p@ss")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("OPSLIB_MONGODB__URI", "mongodb://127.0.0.1:1/?directConnection=true")
    with load().mongodb.client(connect=False) as client:
        credentials = client.options.pool_options._credentials
    assert (credentials.username, credentials.source) == ("opslib-cloud", "admin")


def test_modules_with_an_underscore_are_no_commands() -> None:
    assert isinstance(main, click.Group)
    assert not [name for name in main.list_commands(click.Context(main)) if name.startswith("_")]
    assert CliRunner().invoke(main, ["_options"]).exit_code == 2


def test_tweets_and_counts_are_kept_for_ever_and_pictures_are_not(tmp_path: Path) -> None:
    kept = load(written(tmp_path, "")).store.keep_days()
    assert kept == {"tweets": None, "word_counts": None, "clouds": 90, "trending": 7, "ops_stats": 90}
    assert load(written(tmp_path, "[store]\nclouds_days = 20000\n")).store.keep_days()["clouds"] == 20_000
