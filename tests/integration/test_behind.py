"""A list and the number beside it agree: what is counted for a word can be listed, in any lake."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from recount import keys_of, moment_for
from test_rollups import NO_WAIT, NOON, TOPICS, document, write

from opslib.cloud.kept import document as cloud_of
from opslib.cloud.report import at_moment
from opslib.settings import Settings
from opslib.store import rollups
from opslib.store.behind import Moment, Span, beside, counted_by, of_window, of_word
from opslib.store.observations import Key
from opslib.store.reads import Place
from opslib.words import Counting, merge, merged, words_of

if TYPE_CHECKING:
    from conftest import Lake

BRAZIL = 23424768
# With expressions that share words, words of two languages that look alike, and several spellings of one.
VOCABULARY = re.split(
    " ",
    "Ana Maria Braga canta Ana Maria Maria Braga música músicas política políticos políticas nights night "
    "festa Festa festas São Paulo Paulo bom dia dia #carnaval 🎉 casa casas casar cara caras caro",
)
MINUTES = (0, 1, 2, 30, 59, 60, 61, 119, 120, 700)


def entries(chance: random.Random) -> list[str]:
    begin = chance.randrange(len(VOCABULARY) - 4)
    words = [
        *VOCABULARY[begin : begin + chance.randint(1, 4)],
        *chance.sample(VOCABULARY, chance.randint(0, 3)),
    ]
    return words_of({"text": " ".join(words), "lang": chance.choice(["pt", "es", "en", None])})


@pytest.fixture(params=[1, 2, 3])
def random_lake(request: pytest.FixtureRequest, lake: Lake) -> tuple[Lake, random.Random]:
    chance = random.Random(request.param)  # noqa: S311 - not a secret
    write(
        lake.database,
        *(
            document(
                number,
                chance.choice(MINUTES),
                entries(chance),
                chance.sample(TOPICS, chance.randint(0, 3)),
                # A third are retweets of the first forty, whose text they may have cut, stored or not.
                chance.randrange(1, 41) if number > 40 and number % 3 == 0 else None,
            )
            for number in range(5, 240)
        ),
    )
    rollups.refresh(lake.database, settle=NO_WAIT)
    return lake, chance


def test_every_number_of_a_span_is_that_of_its_list(random_lake: tuple[Lake, random.Random]) -> None:
    lake, chance = random_lake
    stored = list(database_of(lake).tweets.find())
    for key in (Key(None, None), Key(BRAZIL, None), Key(BRAZIL, "Samba"), Key(None, "Samba", "follow")):
        since = NOON + dt.timedelta(minutes=chance.choice(MINUTES))
        until = since + dt.timedelta(minutes=chance.choice([1, 61, 1440]))
        scope = Span(since, until, key)
        counted = rollups.counts(lake.database, since, until, woeid=key[0], topic=key[1], kind=key[2])
        firsts, tweets = first_tweets(stored, key)
        inside = {text: one for text, one in firsts.items() if since <= moment_for(one, *key) < until}
        for word, number in merge(counted.words).items():
            found = of_word(database_of(lake), scope, word)
            assert found.number == number, word
            assert len({text.tweet for text in found.texts}) == len(found.texts), word
            # Twice if it holds two words that are shown alike.
            assert all(text.times <= len(found.counted) for text in found.texts), word
            spelt = {entry for one in found.counted for entry in one.entries}
            by_id = {one["_id"]: one for one in inside.values()}
            for text in found.texts:
                document = by_id[text.tweet]
                assert spelt.intersection(document["words"]), word
                here = tweets[document.get("retweet_of", document["_id"])]
                assert text.tweets == sum(since <= moment < until for moment in here), word


def first_tweets(
    stored: list[dict[str, Any]], key: Key
) -> tuple[dict[int, dict[str, Any]], dict[int, list[dt.datetime]]]:
    """Return the first tweet of each text for *key*, and when its tweets stand, by the rule alone."""
    firsts: dict[int, dict[str, Any]] = {}
    moments: dict[int, list[dt.datetime]] = defaultdict(list)
    meant = [one for one in stored if tuple(key) in keys_of(one)]
    for one in sorted(meant, key=lambda one: (moment_for(one, *key), one["_id"])):
        text = one.get("retweet_of", one["_id"])
        firsts.setdefault(text, one)
        moments[text].append(moment_for(one, *key))
    return firsts, moments


def database_of(lake: Lake) -> Any:
    from opslib.cloud.kept import timed

    return timed(lake.database)


def test_every_number_of_a_cloud_is_that_of_its_list(random_lake: tuple[Lake, random.Random]) -> None:
    lake, chance = random_lake
    database, place = database_of(lake), Place(BRAZIL, "Brasil")
    for _ in range(3):
        names = chance.sample(["Carnaval", "Samba", "Rio"], chance.randint(1, 2))
        snapshot = {"trends": [{"name": name, "rank": rank} for rank, name in enumerate(names, start=1)]}
        until = NOON + dt.timedelta(minutes=chance.choice(MINUTES) + 1)
        report = at_moment(database, place, snapshot, until, 1.0)["words"]
        scope = Moment(report.since, until, BRAZIL, frozenset(names))
        for word, number in report.words.items():
            assert of_word(database, scope, word).number == number, word
        assert of_word(database, scope, "nothing").texts == ()


def test_every_number_beside_a_word_is_that_of_its_list(random_lake: tuple[Lake, random.Random]) -> None:
    lake, _ = random_lake
    database = database_of(lake)
    scope = Span(NOON, NOON + dt.timedelta(days=1), Key(BRAZIL, None))
    spellings = scope.counts(database).words
    for word in list(merge(spellings))[:4]:
        (counted, *_) = merged(spellings).counting(word)
        found = beside(database, scope, counted.entries)
        assert found.words.counts, word
        for other, number in found.words.counts.items():
            assert found.only(other).number == number, (word, other)


def test_a_retweet_is_told_apart_and_a_text_before_the_span_is_not_in_it(lake: Lake) -> None:
    topics = [("Samba", BRAZIL)]
    write(
        lake.database,
        document(1, 0, ["festa"], topics),
        document(2, 5, ["festa"], topics, retweet_of=1),
        document(3, 6, ["festa"], topics),
        document(4, 7, ["festa"], topics, retweet_of=3),
        document(5, 8, [], topics, retweet_of=3),  # cut
    )
    rollups.refresh(lake.database, settle=NO_WAIT)
    minute = dt.timedelta(minutes=1)
    found = of_word(database_of(lake), Span(NOON, NOON + 20 * minute, Key(BRAZIL, "Samba")), "festa")
    assert [(text.tweets, text.at.minute) for text in found.texts] == [(3, 6), (2, 0)]
    found = of_word(database_of(lake), Span(NOON + minute, NOON + 20 * minute, Key(BRAZIL, None)), "festa")
    assert [(text.tweets, text.at.minute) for text in found.texts] == [(3, 6)]
    assert counted_by(database_of(lake), Span(NOON, NOON + minute), ()).number == 0


def test_what_rises_is_listed_with_its_people(lake: Lake) -> None:
    minute = dt.timedelta(minutes=1)
    made = [
        document(n, n, ["festas\tfesta"] if n % 2 else ["festa"], [("Samba", BRAZIL)]) for n in range(1, 9)
    ]
    for number, one in enumerate(made):
        one["created_at"] = one["first_seen_at"] - dt.timedelta(seconds=30)
        one["author"] = {"id": str(number // 2)}
    write(lake.database, *made)
    ends = NOON + 6 * minute
    found = of_window(database_of(lake), BRAZIL, ends, 5 * minute, "word", "festa", dt.timedelta(minutes=15))
    written = [one for one in made if ends - 5 * minute <= one["created_at"] < ends]
    assert {tweet["_id"] for tweet in found.tweets} == {one["_id"] for one in written}
    assert found.authors == len({one["author"]["id"] for one in written})
    none = of_window(database_of(lake), BRAZIL, ends, minute, "topic", "Rio", dt.timedelta(minutes=15))
    assert none.tweets == ()


def test_a_kept_cloud_says_by_what_each_of_its_words_was_counted(
    random_lake: tuple[Lake, random.Random],
) -> None:
    lake, _ = random_lake
    database, place = database_of(lake), Place(BRAZIL, "Brasil")
    snapshot = {"trends": [{"name": "Samba", "rank": 1}, {"name": "Carnaval", "rank": 2}]}
    report = at_moment(database, place, snapshot, NOON + dt.timedelta(minutes=121), 3.0)["words"]
    kept = cloud_of(report, Settings(), NOON)
    scope = Moment(report.since, report.until, BRAZIL, frozenset(("Samba", "Carnaval")))
    assert kept["words"]
    for word in kept["words"]:
        counted = tuple(Counting(frozenset(one["entries"]), frozenset(one["without"])) for one in word["by"])
        assert counted_by(database, scope, counted).number == word["tweets"], word["word"]
