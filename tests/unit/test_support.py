"""What leaves a host for somebody who helps holds no secret, no tweet, and nobody's name."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.support import host, secrets
from opslib.support.scrub import Scrubber

if TYPE_CHECKING:
    from pathlib import Path

SECRET = 'q7/Zt"+x9é=w'
TWEET = "hoje tem festa na praia de Iracema com muita gente"


def slow_command(text: str) -> str:
    """Return what MongoDB logs of an update that took long."""
    return json.dumps(
        {
            "t": {"$date": "2026-03-01T12:00:00.000+00:00"}, "s": "I", "c": "COMMAND", "id": 51803,
            "ctx": "conn12", "msg": "Slow query",
            "attr": {
                "type": "command", "ns": "trendlake.tweets", "durationMillis": 812,
                "command": {"update": "tweets", "updates": [{"u": {"$set": {"text": text, text: 1}}}]},
            },
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        slow_command(TWEET),
        f"INFO opslib.sink: cannot store {{'_id': 7, 'text': '{TWEET}', 'words': ['festa', 'Iracema']}}",
        f'ERROR SearchTweets: unexpected "{TWEET}"',
        f"WARN text={TWEET}",
        f"ValueError: {TWEET.upper()}",  # stored, and said without anything around it
        f"ValueError: {' '.join(TWEET.split()[2:7])}",
        "ValueError: praia Iracema amanhã",  # all of a short one
        "ValueError: 'praia Iracema não'",
        "INFO refused mail to festa@iracema.example and @iracema",
        "INFO opslib.web.accounts.users: login: iracema, from 192.0.2.7",
    ],
)
def test_a_line_of_a_log_keeps_nobodys_words(line: str) -> None:
    told = Scrubber([], [TWEET, "praia Iracema amanhã"]).log(
        f"2026-03-01T12:00:00+0000 lake unit[7]: {line}\n"
    )
    for word in ("festa", "iracema", "praia"):
        assert word not in told.lower(), told


def test_what_is_worth_knowing_of_a_line_stays() -> None:
    scrubber = Scrubber([SECRET], [TWEET])
    for line in (
        "2026-03-01T12:00:00+0000 lake opslib[7]: WARNING opslib.sink: MongoDB is away: [Errno 111] refused",
        "ERROR SearchTweets: X refused (402): no credits: buy some at developer.x.com",
        "INFO started group=trendlake-sink instance=1",
        "mongod[9]: the collection 'tweets' has no index \"topics.first_at\"",
    ):
        assert scrubber.log(line) == f"{line}\n"
    told = json.loads(scrubber.log(slow_command(TWEET)))
    assert (told["msg"], told["attr"]["durationMillis"]) == ("Slow query", 812)
    assert told["attr"]["ns"] == "trendlake.tweets"


@pytest.mark.parametrize(
    "text",
    [
        f"password is {SECRET}.",
        json.dumps({"answer": SECRET}),
        "https://h/?t=q7%2FZt%22%2Bx9%C3%A9%3Dw",
        "cTcvWnQiK3g5w6k9dw==",
    ],
)
def test_a_secret_of_the_host_goes_however_it_is_written(text: str) -> None:
    told = Scrubber([SECRET]).text(text)
    assert "[secret]" in told
    assert not any(part in told for part in ("q7", "cTcvWnQi"))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0", "AAAAMLhe"),
        ("mongodb://ana:s3cret@h:27017/", "s3cret"),
        ("x_token = 'abc def'", "abc"),
        ('{"mongodb_password": "hunter2"}', "hunter2"),
        ("nifi.security.keyPasswd=hunter2", "hunter2"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END PRIVATE KEY-----\n", "IBADAN"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ cut short", "MIIEvQ"),
    ],
)
def test_what_looks_like_a_secret_goes_whoever_s_it_is(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in Scrubber([]).text(text)


@given(
    st.text(min_size=6, max_size=40).filter(lambda text: text.strip() == text),
    st.text(max_size=60),
    st.text(max_size=60),
)
def test_no_secret_is_left_whatever_stands_around_it(secret: str, before: str, after: str) -> None:
    whole = Scrubber([secret]).text(f"{before} {secret} {after}")
    assert secret not in whole.replace("[secret]", "\n").replace("[key or certificate]", "\n")


def test_secrets_are_found_where_the_roles_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "credentials/sink/mongodb_password": "of the sink\n",
        "credentials/sink/mongodb_username": "opslib-sink",
        "credentials/sink/ca": "of the authority",
        "credentials/nifi_key": "-----BEGIN\nof the key\n-----END",
        "nifi/nifi.properties": "# a=b\nnifi.sensitive.props.key=of-nifi\nnifi.web.https.port=8443\n",
        "nifi/login.xml": "<p name='x'>y</p>",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(secrets, "_FOLDERS", (str(tmp_path / "credentials"),))
    monkeypatch.setattr(secrets, "_SETTINGS", (str(tmp_path / "nifi"),))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert set(secrets.known()) == {"of the sink", "-----BEGIN", "of the key", "-----END", "of-nifi"}


def test_a_host_without_systemd_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OSError, match="systemctl: no bus"):
        host.units()
