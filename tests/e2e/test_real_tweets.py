"""Real Portuguese tweets through the whole deployed chain, by searches for what is trending among them.

Runs against the machine of Molecule's scenario `default`, which `bin/test` converges with these tweets in its
local X API (TRENDLAKE_TEST_TWEETS). What is expected is counted here from the file, without opslib.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import time
from collections import Counter

import pytest
from deployed import MACHINE, PROJECT, SCENARIO, TWEETS, in_mongodb, needs_machine, on_machine

# A trend interval, a turn of fifty searches, and what a loaded machine adds.
PATIENCE_SECONDS = 900

pytestmark = [
    pytest.mark.skipif(not TWEETS.is_file(), reason="the real tweets are not part of the project"),
    needs_machine,
]


def hashtags(text: str) -> set[str]:
    return {found.casefold() for found in re.findall(r"#(\w+)", html.unescape(text)) if not found.isdigit()}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [line for line in TWEETS.read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def expected(lines: list[str]) -> list[str]:
    """The lines that a search for one of the trending hashtags matches, once the chain has brought them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        topics = in_mongodb("sorted({t['name'] for s in db.trends.find() for t in s['trends']})")
        searched = {topic.casefold().lstrip("#") for topic in topics}
        matching = [line for line in lines if hashtags(line) & searched]
        stored = in_mongodb("db.tweets.count_documents({})")
        if (matching and stored >= len(matching)) or time.monotonic() > deadline:
            return matching
        time.sleep(3)


def test_many_hashtags_were_searched_for(expected: list[str], lines: list[str]) -> None:
    assert len(expected) > 0.9 * len(lines)


def test_mongodb_holds_exactly_the_tweets_that_match_once_each(expected: list[str]) -> None:
    stored = in_mongodb("[d['text'] for d in db.tweets.find({}, {'text': 1})]")
    assert Counter(stored) == Counter(html.unescape(line.strip()) for line in expected)


def test_the_dead_letter_topic_is_empty() -> None:
    end = on_machine(
        "/opt/java/current/bin/java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/current/libs/*' "
        "-Dlog4j.configuration=file:/etc/kafka/log4j.properties -Dlog4j.rootLogger=ERROR "
        "org.apache.kafka.tools.GetOffsetShell --bootstrap-server $(hostname -I | cut -d' ' -f1):9093 "
        "--command-config /etc/kafka/client.properties --topic tweets.dlq"
    )
    assert [line for line in end.splitlines() if line.startswith("tweets.dlq")] == ["tweets.dlq:0:0"]


def test_every_hashtag_is_counted_rightly_in_the_cloud(expected: list[str]) -> None:
    on_machine("opslib cloud --hours 720 --max-words 0 --counts /run/e2e-counts.json")
    counts = {word.casefold(): n for word, n in json.loads(on_machine("cat /run/e2e-counts.json")).items()}
    by_hand = Counter(tag for line in expected for tag in hashtags(line))
    assert by_hand
    wrong = {tag: (n, counts.get(f"#{tag}")) for tag, n in by_hand.items() if counts.get(f"#{tag}") != n}
    assert not wrong


def test_the_cloud_is_drawn() -> None:
    on_machine("opslib cloud --hours 720 --output /run/e2e.png --output /run/e2e.svg")
    out = PROJECT / "out" / "test"
    out.mkdir(parents=True, exist_ok=True)
    with (out / "cloud.png").open("wb") as file:
        subprocess.run(
            ["ssh", "-F", SCENARIO / "ssh_config", MACHINE, "cat /run/e2e.png"], stdout=file, check=True
        )
    assert (out / "cloud.png").read_bytes().startswith(b"\x89PNG")
    assert "MasterChefBR" in on_machine("cat /run/e2e.svg")
