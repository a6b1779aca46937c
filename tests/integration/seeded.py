"""A lake with a day in it, for the page: tweets, trends and roll-ups as the real parts make them.

What the speed layer, the recorder and the reports write is put there as they would write it.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from typing import Any

from bson.binary import Binary

from opslib import message
from opslib.cloud.draw import Head, png, svg, words_size
from opslib.cloud.layout import legible
from opslib.cloud.layout import place as laid_out
from opslib.cloud.picture import LEGIBLE
from opslib.cloud.theme import DARK
from opslib.message import trend_document, tweet_document
from opslib.simulate.generator import Generator
from opslib.store import rollups
from opslib.store.documents import complete
from opslib.words import merge

BRAZIL, RIO = 23424768, 455825
# Also the name of a trend, which is another topic.
FOLLOWED = "#Carnaval"
PLACES = {
    BRAZIL: ("Brasil", "America/Sao_Paulo"),
    RIO: ("Rio de Janeiro", "America/Sao_Paulo"),
}
HOSTILE = (
    "<script>document.title='owned'</script>",
    "\u202emoc.elgoog\u202e",
    "a" * 10_000,
    '"><img src=x onerror="document.title=1">',
    "'; DROP TABLE users; --",
)
_TWEETS_A_SECOND = 0.03
_SIZE = (800, 450)
_TALL = (390, 760)


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def seed(database: Any, until: datetime | None = None, hours: int = 26, hostile: bool = True) -> datetime:
    """Fill *database* with the last *hours*, and return the moment they end at."""
    until = until or now()
    chance = random.Random(7)  # noqa: S311
    tweets = _tweets(database, until, hours, chance)
    if hostile:
        _hostile(database, until)
    rollups.mark(database.rollup_marks, {tweet["collected_at"] for tweet in database.tweets.find({})})
    rollups.refresh(database)
    _clouds(database, tweets, until, hours)
    trending(database, until, hostile=hostile)
    stats(database, until, hours, chance)
    return until


def _tweets(database: Any, until: datetime, hours: int, chance: random.Random) -> list[dict[str, Any]]:
    generator = Generator(1, _TWEETS_A_SECOND, until, timedelta(hours=hours))
    documents, seen = [], {}
    for made in generator.until(until):
        at = message.moment_of(made.data["created_at"])
        # Fewer at night.
        if chance.random() > 0.25 + 0.75 * math.sin(math.pi * ((at.hour - 8) % 24) / 24) ** 2:
            continue
        tags = [tag["tag"] for tag in made.data.get("entities", {}).get("hashtags", [])]
        collected = at + timedelta(seconds=chance.uniform(5, 90))
        if not tags or collected > until:
            continue
        topic = f"#{tags[0]}"
        seen.setdefault(topic, 0)
        seen[topic] += 1
        for woeid in (BRAZIL, RIO) if chance.random() < 0.3 else (BRAZIL,):
            sent = message.tweet_message(made.data, {"users": [made.author]}, topic, woeid, topic, collected)
            document = complete(tweet_document(message.decode_tweet(message.encode(sent))))
            if woeid == BRAZIL:
                documents.append(document)
            else:
                documents[-1]["topics"] += document["topics"]
        if len(documents) % 7 == 0:
            follow = {"kind": "follow", "name": FOLLOWED, "woeid": None}
            documents[-1]["topics"] += [{**follow, "first_at": documents[-1]["collected_at"]}]
    database.tweets.insert_many(documents)
    ranked = sorted(seen, key=lambda name: -seen[name])
    for back in range(hours * 2):
        at = until - timedelta(minutes=30 * back)
        for woeid, (name, _) in PLACES.items():
            order = sorted(ranked, key=lambda topic: ranked.index(topic) + chance.uniform(0, 6))
            trends = [
                {"trend_name": topic, "tweet_count": seen[topic] * 431 if chance.random() < 0.8 else None}
                for topic in order
            ]
            snapshot = message.trends_message(woeid, name, trends, at)
            document = trend_document(message.decode_trends(message.encode(snapshot)))
            database.trends.insert_one({"_id": f"{woeid}:{message.stamp(at)}", **document})
    return documents


def _hostile(database: Any, until: datetime) -> None:
    """Tweets, topics and authors that try to be more than text."""
    at = until - timedelta(minutes=2)
    for number, text in enumerate(HOSTILE, start=1):
        data = {
            "id": str(1_900_000_000_000_000_000 + number),
            "text": f"{text} https://t.co/x{number}",
            "author_id": str(number),
            "created_at": message.stamp(at - timedelta(minutes=number)),
            "lang": "pt",
            "entities": {"urls": [{"url": "javascript:alert(1)", "display_url": text}]},
        }
        author = {"id": str(number), "username": "someone", "name": text[:200]}
        sent = message.tweet_message(data, {"users": [author]}, HOSTILE[0], BRAZIL, "q", at)
        document = complete(tweet_document(message.decode_tweet(message.encode(sent))))
        document["words"] = [text.replace(" ", "_")]
        database.tweets.insert_one(document)


def _clouds(database: Any, tweets: list[dict[str, Any]], until: datetime, hours: int) -> None:
    last = until.replace(second=0) - timedelta(minutes=until.minute % 30)
    for back in range(0, hours * 2, 6):
        end = last - timedelta(minutes=30 * back)
        counts: dict[str, int] = {}
        span = [t for t in tweets if end - timedelta(hours=3) <= t["collected_at"] < end]
        for tweet in span:
            for entry in tweet["words"]:
                counts[entry] = counts.get(entry, 0) + 1
        words = dict(list(merge(counts).items())[:60])
        if words:
            cloud(database, end, words, len(span))


def cloud(
    database: Any,
    until: datetime,
    words: dict[str, int],
    tweets: int,
    woeid: int = BRAZIL,
    seed_number: int = 1,
) -> str:
    """Draw and keep a cloud of words and one of topics; return the id of the first."""
    name, zone = PLACES[woeid]
    topics = {word: number for word, number in words.items() if word.startswith("#")}
    ids = []
    for kind, drawn in (("words", words), ("topics", topics or words)):
        layout = laid_out(drawn, *words_size(*_SIZE), seed_number)
        room = words_size(*_TALL)
        tall = laid_out(legible(drawn, *room, LEGIBLE), *room, seed_number, smallest=LEGIBLE)
        head = Head(f"{name}", f"{tweets} tweets")
        document = {
            "_id": f"{woeid}:{message.stamp(until)}:{kind}",
            "kind": kind,
            "woeid": woeid,
            "place": name,
            "timezone": zone,
            "since": until - timedelta(hours=3),
            "until": until,
            "rendered_at": until + timedelta(seconds=20),
            "tweets": tweets,
            "topics": [
                {"name": topic, "rank": rank, "tweet_count": number * 431}
                for rank, (topic, number) in enumerate(topics.items(), start=1)
            ],
            "words": [{"word": item.word, "tweets": item.tweets} for item in layout.placed],
            "left_out": list(layout.left_out),
            "svg": Binary(svg(layout, head, *_SIZE).encode()),
            "svg_dark": Binary(svg(layout, head, *_SIZE, DARK).encode()),
            "svg_tall": Binary(svg(tall, head, *_TALL).encode()),
            "png": Binary(png(layout, head, *_SIZE)),
            "seed": seed_number,
            "version": 1,
        }
        database.clouds.replace_one({"_id": document["_id"]}, document, upsert=True)
        ids.append(document["_id"])
    return ids[0]


def trending(
    database: Any, ends_at: datetime, first: str = "#Carnaval", hostile: bool = True, woeid: int = BRAZIL
) -> None:
    """Put a place's windows of the speed layer that end at a moment: each last thing is new.

    One is fading: it was above the usual.
    """
    odd = HOSTILE if hostile else ("#CinemaBrasileiro", "#feriado", "ingresso")
    ends_at = ends_at.replace(second=ends_at.second // 10 * 10, microsecond=0)
    names = {
        "topic": (first, "#Enem", "#ChuvaEmSP", "#CaféDaManhã"),
        "hashtag": ("#bloco", "#previsão", *odd[:2]),
        "word": ("temporal", "bateria", "gabarito", odd[2]),
    }
    for minutes in (1, 5, 60):
        items = []
        for kind, found in names.items():
            for place, name in enumerate(found):
                authors, expected = 12 * minutes // (place + 1) + 3, 1.0 + place
                score = (authors - expected) ** 2 / expected
                items.append({"kind": kind, "name": name, "authors": authors, "tweets": authors + 2,
                              "usual": expected if place < 3 else 0.0,
                              "expected": expected if place < 3 else 1.0, "score": score})  # fmt: skip
        items.append({"kind": "word", "name": "ontem", "authors": 2, "tweets": 2, "usual": 4.0,
                      "expected": 4.0, "score": 3.0})  # fmt: skip
        database.trending.replace_one(
            {"_id": f"{woeid}:{minutes}:{message.stamp(ends_at)}"},
            {"woeid": woeid, "minutes": minutes, "ends_at": ends_at,
             "computed_at": ends_at + timedelta(seconds=2), "tweets": 90 * minutes,
             "authors": 70 * minutes, "items": items},
            upsert=True,
        )  # fmt: skip


def stats(database: Any, until: datetime, hours: int, chance: random.Random) -> None:
    """Put what `opslib stats record` keeps, a gap of twenty minutes in it."""
    if "ops_stats" not in database.list_collection_names():
        database.create_collection("ops_stats", timeseries={"timeField": "at", "metaField": "meta"})
    records: list[dict[str, Any]] = []
    for back in range(hours * 60):
        at = until.replace(second=0) - timedelta(minutes=back + 1)
        if 100 <= back < 120:
            continue
        tweets = round(120 + 80 * math.sin(back / 110) + chance.gauss(0, 9))
        records += [
            {"at": at, "meta": {"kind": "tweets"}, "tweets": tweets,
             "languages": {"pt": tweets * 8 // 10, "es": tweets // 10, "und": tweets // 20},
             "sources": {str(BRAZIL): tweets, f"follow {FOLLOWED}": 3},
             "dead_letters": 1 if chance.random() < 0.02 else 0,
             "delay_collected": _delays(chance, 40), "delay_stored": _delays(chance, 1.4)},
            {"at": at, "meta": {"kind": "lag"},
             "groups": {"trendlake-sink": int(chance.expovariate(0.05)),
                        "trendlake-speed": int(chance.expovariate(0.1)),
                        "trendlake-stats": 7000}},  # of the minute that is open
        ]  # fmt: skip
    records.append(
        {"at": records[0]["at"], "meta": {"kind": "budget"}, "today": {"resources": 412, "usd": 2.31},
         "left": {"resources": 588, "usd": 2.69}}
    )  # fmt: skip
    database.ops_stats.insert_many(records)


def _delays(chance: random.Random, typical: float) -> dict[str, float]:
    middle = typical * chance.uniform(0.8, 1.2)
    return {"p50": middle, "p95": middle * 2.1, "p99": middle * 3, "max": middle * 4}
