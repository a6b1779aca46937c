"""The search index beside a search by hand, and what its language says of what it does not understand."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import search_by_hand as by_hand
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opslib.message import decode_tweet, encode, tweet_document
from opslib.search import find
from opslib.search.folder import Folder
from opslib.search.index import FORM, Index
from opslib.search.match import has_exactly
from opslib.search.query import EVERYTHING, QueryError, narrowed_to, parse
from opslib.search.tokens import hashtags, words, written
from opslib.store.documents import changes, complete
from opslib.store.unwanted import Policy

if TYPE_CHECKING:
    import random
    from pathlib import Path

COLLECTED = by_hand.BEGIN + timedelta(days=20)
MANY = 10_000_000


def document(tweet: by_hand.Tweet, collected_at: datetime = COLLECTED, **changed: Any) -> dict[str, Any]:
    return tweet_document(decode_tweet(encode({**tweet.message(collected_at), **changed})))


def made(folder: Path, documents: list[dict[str, Any]]) -> Index:
    index = Index(Folder(folder).fresh())
    with index.writing():
        index.put(documents)
    Folder(folder).turn_to(index.path)
    return index


def found(folder: Path, line: str, order: find.Order = "newest", **options: Any) -> list[int]:
    with find.opened(folder) as answers:
        return answers.page(parse(line, by_hand.PLACES), order, limit=MANY, **options).ids


@pytest.fixture(scope="module")
def lake() -> list[by_hand.Tweet]:
    return by_hand.lake(1, some=3000)


@pytest.fixture(scope="module")
def folder(lake: list[by_hand.Tweet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    made(folder, [document(tweet) for tweet in lake]).close()
    return folder


def test_words_are_those_that_the_docs_say(lake: list[by_hand.Tweet]) -> None:
    for tweet in lake:
        assert written(tweet.text) == tweet.written
        assert words(tweet.text) == tweet.found


@given(st.text(alphabet="aÉe\u0301 _1#@\uff03東京ー🇧🇷👩💻❤\ufe0f\u200d\u200c👍🏽กินหमि्\u064bب.'", max_size=30))
@example("#1\u0301\u200d\u094d")
@settings(max_examples=500)
def test_words_of_any_text_are_those_that_the_docs_say(text: str) -> None:
    assert written(text) == by_hand.words_written(text)
    assert words(text) == by_hand.words_found(text)


@given(st.text(alphabet="#\uff03@aç_9日ไม😂\u200d\u200c\u0301 .-", max_size=40) | st.text(max_size=40))
def test_hashtags_of_any_text_are_the_words_that_are_hashtags(text: str) -> None:
    assert hashtags(text) == list(dict.fromkeys(word for word in words(text) if word[0] == "#"))


@given(
    st.text(alphabet="#aAç日😂\u0301 -", max_size=30) | st.text(max_size=30),
    st.integers(0, 9),
    st.integers(1, 4),
)
def test_any_words_of_a_text_are_in_it_exactly(text: str, begin: int, many: int) -> None:
    some = written(text)[begin : begin + many]
    assert not some or has_exactly(text, " ".join(some))


@pytest.mark.slow
def test_queries_find_what_a_search_by_hand_finds(lake: list[by_hand.Tweet], folder: Path) -> None:
    queries = by_hand.Queries(lake, seed=2)
    sizes = []
    for _ in range(120):
        query = queries.one()
        wanted = [tweet.id for tweet in reversed(lake) if query.holds(tweet)]
        assert found(folder, query.line) == wanted, query.line
        sizes.append(len(wanted))
        with find.opened(folder) as answers:
            assert answers.count(parse(query.line)) == len(wanted), query.line
    assert sum(0 < size < len(lake) for size in sizes) > 60, "the queries say next to nothing"


def test_pages_follow_one_another_without_a_gap(lake: list[by_hand.Tweet], folder: Path) -> None:
    ranked = sorted(lake, key=lambda tweet: (-tweet.reach, -tweet.id))
    orders: tuple[tuple[find.Order, list[by_hand.Tweet]], ...] = (("newest", lake[::-1]), ("reach", ranked))
    for order, all_of_them in orders:
        wanted = [tweet.id for tweet in all_of_them if "de" in tweet.found]
        ids: list[int] = []
        after = None
        with find.opened(folder) as answers:
            while True:
                page = answers.page(parse("de"), order, after, limit=97)
                ids += page.ids
                after = page.following
                if after is None:
                    break
        assert ids == wanted, order


@pytest.mark.parametrize(
    ("line", "least"), [("de", 10), ("de since:2026-03-02 until:2026-03-05", 10), ("=De", 5)]
)
def test_the_course_counts_each_tweet_once(
    lake: list[by_hand.Tweet], folder: Path, line: str, least: int
) -> None:
    with find.opened(folder) as answers:
        course = answers.course(parse(line), most=60)
        number = answers.count(parse(line))
    assert least <= len(course) <= 61
    assert sum(count for *_, count in course) == number > 0
    assert all(one[1] == other[0] for one, other in zip(course, course[1:]))
    ids = set(found(folder, line))
    for since, until, count in course:
        assert count == sum(since <= tweet.at < until for tweet in lake if tweet.id in ids)


def test_a_bar_leads_to_exactly_the_tweets_that_it_counts(lake: list[by_hand.Tweet], folder: Path) -> None:
    queries = by_hand.Queries(lake, seed=4)
    lines = [
        "de",
        "since:2026-03-02 AND de",
        "de OR que",
        "(de OR que) until:2026-03-05T12:34:56 since:2026-03-02",
    ]
    lines += [query.line for query in (queries.one() for _ in range(40)) if len(query.line) < 900]
    bars = 0
    with find.opened(folder) as answers:
        for line in lines:
            asked = parse(line)
            for since, until, number in answers.course(asked, most=7):
                narrower = narrowed_to(line, asked, since, until)
                if number:
                    assert answers.count(parse(narrower)) == number, narrower
                    bars += 1
    assert bars > 100, "the queries find next to nothing"


@pytest.mark.parametrize(
    ("line", "narrower"),
    [
        (" rio ", "rio since:2026-03-02T00:00:00Z until:2026-03-03T00:00:00Z"),
        ("rio OR bahia", "(rio OR bahia) since:2026-03-02T00:00:00Z until:2026-03-03T00:00:00Z"),
        ("since:2026-03-01 AND rio", "since:2026-03-02T00:00:00Z AND rio until:2026-03-03T00:00:00Z"),
        ('rio until:"2026-03-02T12:00" x', "rio until:2026-03-02T12:00:00Z x since:2026-03-02T00:00:00Z"),
        ("since:2026-03-02T06:00-03:00", "since:2026-03-02T09:00:00Z until:2026-03-03T00:00:00Z"),
    ],
)
def test_a_narrower_span_stands_where_a_wider_one_stood(line: str, narrower: str) -> None:
    begin = datetime(2026, 3, 2, tzinfo=timezone.utc)
    assert narrowed_to(line, parse(line), begin, begin + timedelta(days=1)) == narrower


def test_what_stands_beside_the_result_is_counted_in_it(lake: list[by_hand.Tweet], folder: Path) -> None:
    with find.opened(folder) as answers:
        beside = answers.beside(parse("lang:pt OR lang:es"), sample=500)
    some = [tweet for tweet in reversed(lake) if tweet.lang in ("pt", "es")][:500]
    assert len(beside.ids) == 500
    assert dict(beside.languages) == {lang: sum(t.lang == lang for t in some) for lang in ("pt", "es")}
    for tag, number in beside.hashtags:
        assert number == sum(tag in tweet.found for tweet in some)
    for author, number in beside.authors:
        assert number == sum(tweet.author[1] == author for tweet in some)


# ---- edits, copies, forgetting

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(
            ["bom dia #sol", "BOM dia, São Paulo", "RT @autora_1: olá", "😂 https://t.co/a"]
        ),
        "lang": st.sampled_from(["pt", "und", "en"]),
        "author": st.sampled_from([{"id": "7"}, {"id": "7", "username": "Ana"}]),
        "public_metrics": st.sampled_from([{"like_count": 3}, {"like_count": 900, "reply_count": 2}]),
        "collected_for": st.sampled_from(
            [[], [{"name": "#Sol", "woeid": 1}], [{"name": "Lua", "kind": "follow"}]]
        ),
        "entities": st.sampled_from([{"urls": [{"url": "https://t.co/a"}]}, {"hashtags": [{"tag": "sol"}]}]),
        "attachments": st.just({"media_keys": ["3_1"]}),
    },
)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), CHANGES), max_size=12), st.randoms())
@settings(max_examples=60)
def test_whatever_copies_come_in_whatever_order_the_index_has_what_mongodb_has(
    tmp_path_factory: pytest.TempPathFactory,
    copies: list[tuple[int, int, dict[str, Any]]],
    chance: random.Random,
) -> None:
    tweet = by_hand.lake(3, some=1)[0]
    messages = [
        document(tweet, COLLECTED + timedelta(minutes=minute), **{"id": str(tweet.id + number), **changed})
        for number, minute, changed in copies
    ]
    before, after = messages[: len(messages) // 2], messages[len(messages) // 2 :]
    rebuilt = made(tmp_path_factory.mktemp("index"), list(stored(before).values()))
    # What comes after a new index was made joins what it was made of.
    chance.shuffle(after)
    for one in after:
        with rebuilt.writing():
            rebuilt.put([one])
    chance.shuffle(messages)
    index = Index(Folder(tmp_path_factory.mktemp("index")).fresh())
    for one in messages:
        with index.writing():
            index.put([one])
    again = made(tmp_path_factory.mktemp("index"), list(stored(messages).values()))
    assert held(index) == held(again) == held(rebuilt)
    again.close()
    rebuilt.close()
    assert index.whole() is None
    ids = index.ids()
    with index.writing():
        assert index.drop(ids) == len({one["_id"] for one in messages})
    assert held(index) == ({}, set()), "what was taken out is still found"
    index.close()


def stored(messages: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return what MongoDB has of these, by the rule of the storage layer."""
    found: dict[int, dict[str, Any]] = {}
    for one in messages:
        known = found.get(one["_id"])
        found[one["_id"]] = complete(dict(one)) if known is None else {**known, **changes(known, one)}
    return found


def held(index: Index) -> tuple[dict[int, Any], set[tuple[str, int]]]:
    """Return what an index keeps of each tweet that can be found, and by which words it is found."""
    tweets = {
        row[0]: row[1:]
        for row in index._database.execute("SELECT id, reach, lang, author, collected, text FROM tweets")
    }
    index._database.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, words, instance)")
    terms = {(term, doc) for term, doc, *_ in index._database.execute("SELECT * FROM temp.terms")}
    index._database.execute("DROP TABLE temp.terms")
    return tweets, terms


def test_an_edit_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    tweet = by_hand.lake(4, some=1)[0]
    index = made(tmp_path, [document(tweet, text="bom dia 😂 #sol")])
    with index.writing():
        index.put([document(tweet, COLLECTED + timedelta(minutes=1), text="boa noite 🌙 #lua")])
    index.close()
    for line in ("dia", "😂", "#sol", '"bom dia"', "=bom"):
        assert found(tmp_path, line) == [], line
    for line in ("noite", "🌙", "#lua", '"boa noite"', "=boa"):
        assert found(tmp_path, line) == [tweet.id], line


def test_an_index_made_anew_still_knows_how_old_each_value_is(tmp_path: Path) -> None:
    tweet = by_hand.lake(4, some=1)[0]

    def copy(minute: int, likes: int | None) -> dict[str, Any]:
        metrics = None if likes is None else {"like_count": likes}
        return document(tweet, COLLECTED + timedelta(minutes=minute), public_metrics=metrics)

    index = made(tmp_path, list(stored([copy(0, 3), copy(5, None)]).values()))
    with index.writing():
        index.put([copy(2, 900)])
    index.close()
    with find.opened(tmp_path) as answers:
        assert answers.rows([tweet.id])[0]["reach"] == 900


def test_exactly_is_whole_words_as_they_are_written(tmp_path: Path) -> None:
    tweet = by_hand.lake(4, some=1)[0]
    made(tmp_path, [document(tweet, text="Lovely love, bom Dia 👍🏽")]).close()
    for line in ("=Love", "=LOVE", '="bom dia"', "=👍"):
        assert found(tmp_path, line) == [], line
    for line in ("=love", '="bom Dia"', "=👍🏽", "LOVE", "👍"):
        assert found(tmp_path, line) == [tweet.id], line


def test_what_is_forgotten_goes_with_what_retweets_it_and_nothing_else(
    lake: list[by_hand.Tweet], tmp_path: Path
) -> None:
    some = lake[:2000]
    index = made(tmp_path, [document(tweet) for tweet in some])
    originals = {tweet.original for tweet in some if tweet.kind == "retweeted"}
    gone, author = next(t.id for t in some if t.id in originals), some[7].author
    policy = Policy({gone}, {author[0]}, {author[1].casefold()})
    with index.writing():
        index.drop(index.unwanted(policy))
    index.close()
    wanted = [
        tweet.id
        for tweet in reversed(some)
        if tweet.id != gone
        and tweet.author != author
        and not (tweet.kind == "retweeted" and tweet.original == gone)
    ]
    assert len(wanted) < len(some) - 2
    with find.opened(tmp_path) as answers:
        assert answers.page(EVERYTHING, limit=MANY).ids == wanted


def test_what_was_written_together_is_there_together_or_not_at_all(tmp_path: Path) -> None:
    tweets = by_hand.lake(5, some=20)
    index = made(tmp_path, [document(tweet) for tweet in tweets[:10]])

    def fail() -> Any:
        yield document(tweets[10])
        raise KeyboardInterrupt

    def write() -> None:
        with index.writing():
            index.put([document(tweets[11])])
            index.note_offsets({("tweets.raw", 0): 99})
            index.put(fail())

    with pytest.raises(KeyboardInterrupt):
        write()
    assert index.offsets() == {}
    assert len(index.ids()) == 10
    index.close()


def test_a_file_that_is_none_and_one_of_another_form_are_told(tmp_path: Path) -> None:
    index = made(tmp_path, [document(tweet) for tweet in by_hand.lake(6, some=300)])
    assert (index.whole(), index.form) == (None, FORM)
    index.close()
    content = bytearray(index.path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = b"\x5a" * 20_000
    index.path.write_bytes(content)
    damaged = Index(index.path)
    try:
        told = damaged.whole()
    except sqlite3.DatabaseError as error:
        told = str(error)
    damaged.close()
    assert told
    (tmp_path / "9.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Index(tmp_path / "9.sqlite")


def test_there_is_no_answer_before_there_is_an_index(tmp_path: Path) -> None:
    with pytest.raises(find.NoIndexError, match="there is no index"), find.opened(tmp_path):
        pass


def test_an_index_that_goes_while_somebody_looks_for_it_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tweets = by_hand.lake(6, some=20)
    made(tmp_path, [document(tweet) for tweet in tweets]).close()
    # Listed, and not there when it is opened.
    (tmp_path / "8.sqlite").symlink_to("gone.sqlite")
    assert find.progress(tmp_path) is None
    turns = iter([tmp_path / "gone.sqlite"])
    current = Folder.current
    monkeypatch.setattr(Folder, "current", lambda folder: next(turns, None) or current(folder))
    with find.opened(tmp_path) as answers:
        assert answers.count(EVERYTHING) == len(tweets)


def test_an_index_that_nobody_can_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "current", lambda folder: folder.path / "gone.sqlite")
    with pytest.raises(find.NoIndexError, match="cannot be read"), find.opened(tmp_path):
        pass


# ---- the language


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "nothing is asked for: write a word, such as carnaval (at character 1)"),
        ("(rio", "this ( is never closed: write a ) where it ends (at character 1)"),
        ("rio)", "this ) closes nothing: leave it out, or open it with a ( (at character 4)"),
        ("()", "nothing stands before this ): write a word there, or leave it out (at character 2)"),
        ('"bom dia', "this quote is never closed: write another one where the phrase ends (at character 1)"),
        ("rio AND", "something is to follow here, such as a word (at character 8)"),
        ("OR rio", "OR stands between two things, such as rio OR bahia"),
        ("form:ana", "there is no form: here. There are from:, lang:, topic:, follow:, place:, has:, is:"),
        ("from: ana", "from: says nothing: write it without a space, such as from:ana (at character 1)"),
        ("has:pictures", "has: knows emoji, geo, hashtags, links, media, mentions, and not 'pictures'"),
        ("place:Atlantis", "no trends were collected for 'Atlantis'; places known: brasil, rio de janeiro"),
        ("since:yesterday", "'yesterday' is no date such as 2026-03-01, and no time such as"),
        ("since:2026-02-30", "'2026-02-30' is no date"),
        ("since:20260301", "'20260301' is no date"),
        ("since:1999-01-01", "since: is to be between 2006 and 2100"),
        ("since:2026-03-02 until:2026-03-01", "since: is not before until:, so no tweet can be between them"),
        ("rio OR since:2026-03-01", "since: and until: hold for everything"),
        ("(rio since:2026-03-01)", "since: holds for everything: write it beside the rest, outside of"),
        ("-until:2026-03-01", "until: holds for everything"),
        ("since:2026-03-01 since:2026-03-02", "since: stands twice: leave one out"),
        ("!!!", "'!!!' has no letter, no digit and no emoji to look for"),
        ("a*", "before a * stand at least 2 letters"),
        ("=car*", "what is to be written exactly has no beginning alone: leave out = or *"),
        ("= rio", "something is to follow this =, without a space, such as =São"),
        ("x" * 1001, "this has 1001 characters, and 1000 are the most"),
        ("(" * 21 + "a", "more than 20 things stand inside one another: write it flatter"),
        ("a " * 65, "more than 64 things are asked for at once"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_told_with_what_to_write_instead(line: str, told: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(line, by_hand.PLACES)
    assert str(refused.value).startswith(told)


@given(
    st.text(alphabet=st.sampled_from('ab"(*)-:=#@ORANDNTfromsincehas😂\u201c\n2026-01é'), max_size=40)
    | st.text(max_size=60)
)
@settings(max_examples=600)
def test_any_line_is_answered_or_explained(folder: Path, line: str) -> None:
    try:
        query = parse(line, by_hand.PLACES)
    except QueryError as error:
        told = str(error)
    else:
        told = ""
    assert len(told) < 400
    if told:
        return
    with find.opened(folder) as answers:
        assert answers.count(query) >= 0


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("rio bahia", "rio AND bahia"),
        ("rio OR bahia sol", "rio OR (bahia AND sol)"),
        ("NOT rio bahia", "(NOT rio) AND bahia"),
        ("-rio bahia", "(NOT rio) AND bahia"),
        ("\u201cbom dia\u201d", '"bom dia"'),
        ("don't", '"don t"'),
        ("LANG:PT", "lang:pt"),
        ("from:@Ana", "from:ana"),
        ("place:Brasil", "place:23424768"),
        ("since:2026-03-01", "since:2026-03-01T00:00Z"),
        ("since:2026-03-01T09:00-03:00", "since:2026-03-01T12:00:00Z"),
        ('"or"', "or"),
        ("東京", '"東 京"'),
    ],
)
def test_two_ways_to_say_the_same(line: str, same: str) -> None:
    assert parse(line, by_hand.PLACES) == parse(same, by_hand.PLACES)


def test_a_moment_is_of_the_clock_that_it_is_read_on() -> None:
    zone = timezone(timedelta(hours=-3))
    assert parse("since:2026-03-01", zone=zone).since == datetime(2026, 3, 1, 3, tzinfo=timezone.utc)
