"""What the page says: every text of it is in every catalogue, and what is wrong in a catalogue is named."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pytest
from jinja2 import nodes

from opslib.web.catalogues import LANGUAGES, Language
from opslib.web.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WEB = Path("opslib/web")
TEMPLATES = sorted((ROOT / WEB / "templates").glob("*.html"))
NOON = datetime(2026, 3, 1, 15, 0, tzinfo=timezone.utc)
# What is the same in every language, outside of what templates ask for.
NAMES = {"Trendlake", "SVG", "PNG", "opslib", "web", "user", "add", "systemctl", "status", "speed", "X"}
COLLECTED = ("{n} tweet collected", "{n} tweets collected")
CATALOGUE = """msgid ""
msgstr ""
"Language: pl\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\\n"

msgid "{n} tweet collected"
msgid_plural "{n} tweets collected"
msgstr[0] "jeden tweet"
msgstr[1] "{n} tweety"
msgstr[2] "{n} tweet\u00f3w"

msgctxt "word"
msgid "new"
msgstr "nowe"

#, fuzzy
msgid "Now"
msgstr "Nowy"
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A copy of the page that may be changed."""
    for part in (WEB, Path("opslib/search")):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "bin/texts", tmp_path / "bin")
    return tmp_path


def texts(root: Path, *arguments: str) -> list[str]:
    """Return what the command says of a tree."""
    command = [sys.executable, root / "bin/texts", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == bool(done.stderr), done.stderr
    return done.stderr.splitlines()


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


# ---- what is in the catalogues


def test_every_text_of_the_page_is_translated_in_every_catalogue() -> None:
    assert texts(ROOT, "--check") == []


def test_a_text_that_no_catalogue_has_is_named_and_comes_in_to_be_translated(page: Path) -> None:
    change(page / WEB / "templates/now.html", "{{ _('Refresh') }}", "{{ _('Once more') }}")
    change(page / WEB / "accounts/login.py", '"The form had expired. Try again."', '"It had expired."')
    said = texts(page, "--check")
    for language in set(LANGUAGES) - {"en"}:
        mine = [line for line in said if f"/{language}/" in line]
        assert sum("is not there" in line and "Once more" in line for line in mine) == 1
        assert sum("is not there" in line and "It had expired." in line for line in mine) == 1
        assert sum("no text of the page" in line and "Refresh" in line for line in mine) == 1
    left = texts(page)
    assert len([line for line in left if "Once more" in line]) == len(LANGUAGES) - 1
    assert not [line for line in left if "is not there" in line or "no text of the page" in line]


def test_what_is_brought_up_to_date_is_not_changed_again(page: Path) -> None:
    before = {path: path.read_bytes() for path in (page / WEB).glob("locale/*/*/*.po")}
    assert before
    assert texts(page) == []
    assert {path: path.read_bytes() for path in before} == before


BRACES = "what is in braces is to be {}, as in the English text: {}"
WRONG = (
    ('msgstr "Actualizar"', 'msgstr ""', "has no translation: Refresh"),
    ('msgstr[1] "{n} personas"', 'msgstr[1] ""', "has no translation: {n} people"),
    (
        'msgid "Reach"',
        '#, fuzzy\nmsgid "Reach"',
        "is marked as fuzzy: translate it and take the mark away: Reach",
    ),
    ('msgstr "Lago"', 'msgstr "Lago {n}"', BRACES.format("nothing", "Lake")),
    ("{n} tuits en X", "{m} tuits en X", BRACES.format("n", "{n} tweets on X")),
    ("{n} tema", "{n tema", BRACES.format("n", "{n} topics")),
    # Only where no other number than 1 takes it may a form leave its number out.
    ('msgstr[1] "{n} tuits recogidos"', 'msgstr[1] "tuits"', BRACES.format("n", "{n} tweets collected")),
)


def test_what_is_wrong_in_a_catalogue_is_named_with_its_line(page: Path) -> None:
    path = WEB / "locale/es/LC_MESSAGES/messages.po"
    for before, after, _ in WRONG:
        change(page / path, before, after)
    lines = (page / path).read_text(encoding="utf-8").splitlines()
    found = [line.removeprefix(f"{path.as_posix()}:").split(": ", 1) for line in texts(page, "--check")]
    assert sorted(said for _, said in found) == sorted(said for _, _, said in WRONG)
    for number, said in found:
        assert said.rpartition(": ")[2] in "".join(lines[int(number) - 1 : int(number) + 3])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ('msgid "Now"\nmsgstr Ahora\n', "line 2 is none of a catalogue: msgstr Ahora"),
        ('msgid "Now"\nmsgstr "Ahora\n', "line 2"),
        ('msgid "Now"\nmsgstr "Ahora"\n', "which Language it is"),
    ],
)
def test_a_catalogue_that_is_broken_is_said_and_left_as_it_is(page: Path, broken: str, said: str) -> None:
    path = page / WEB / "locale/es/LC_MESSAGES/messages.po"
    path.write_text(broken, encoding="utf-8")
    assert said in texts(page, "es")[0]
    assert path.read_text(encoding="utf-8") == broken


def test_a_new_language_gets_a_catalogue_with_all_texts_and_is_one_of_the_page(page: Path) -> None:
    said = texts(page, "fr")
    assert {re.sub(r":\d+: ", ": ", line).split(": ")[1] for line in said} == {"has no translation"}
    path = page / WEB / "locale/fr/LC_MESSAGES/messages.po"
    language = Language.read(path)
    assert (language.name, language.messages.gettext("Now")) == ("Fran\u00e7ais", "Now")
    spanish = (ROOT / WEB / "locale/es/LC_MESSAGES/messages.po").read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").count("\nmsgid") == spanish.count("\nmsgid")


# ---- that all that is said is a text


def test_templates_say_nothing_that_is_not_in_catalogues() -> None:
    for path in TEMPLATES:
        bare = re.sub(
            r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        shown = " ".join(re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', bare))
        shown += " " + re.sub(r"<[^>]*>", " ", bare)
        assert set(re.findall(r"[^\W\d_]{2,}", shown)) <= NAMES, path.name


def test_every_message_stands_where_it_is_asked_for() -> None:
    """A message that is put together, or handed on, is in no catalogue."""
    environment = jinja2.Environment(autoescape=True)
    for path in TEMPLATES:
        tree = environment.parse(path.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            name = getattr(call.node, "name", "")
            texts = call.args[: {"_": 1, "ngettext": 2, "pgettext": 2}.get(name, 0)]
            assert all(isinstance(text, nodes.Const) for text in texts), (path.name, call.lineno)
    for place, call in calls():
        texts = call.args[:1] if call.func.attr == "gettext" else call.args[:2]
        assert all(isinstance(text, ast.Constant) for text in texts), place


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / WEB).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if asks and path.name != "viewer.py" and node.func.attr in ("gettext", "ngettext", "pgettext"):
                yield f"{path.name}:{node.lineno}", node


def test_what_explains_a_number_is_on_the_page_of_all_rules() -> None:
    about = (ROOT / WEB / "templates/about.html").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    led = set(re.findall(r"/about#(\w+)", code)) | set(re.findall(r"how\([^\n]*, '(\w+)'\) \}\}", code))
    assert led
    assert led <= set(re.findall(r'<dt id="(\w+)"', about))


# ---- how a message is chosen


def test_a_language_says_which_form_a_number_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pl/LC_MESSAGES/messages.po"
    path.parent.mkdir(parents=True)
    path.write_text(CATALOGUE, encoding="utf-8")
    monkeypatch.setitem(LANGUAGES, "pl", Language.read(path))
    viewer = Viewer("pl", "auto", NOON)
    said = [viewer.ngettext(*COLLECTED, n) for n in (0, 1, 2, 5, 12, 22)]
    assert said == [
        "0 tweet\u00f3w",
        "jeden tweet",
        "2 tweety",
        "5 tweet\u00f3w",
        "12 tweet\u00f3w",
        "22 tweety",
    ]
    assert (viewer.pgettext("word", "new"), viewer.gettext("new")) == ("nowe", "new")
    assert viewer.gettext("Now") == "Now", "what is not sure is not shown"
    assert (LANGUAGES["pl"].name, viewer.html_lang) == ("Polski", "pl")


def test_the_page_has_three_languages() -> None:
    assert {code: language.name for code, language in LANGUAGES.items()} == {
        "en": "English",
        "es": "Espa\u00f1ol",
        "pt": "Portugu\u00eas",
    }
    shown = {code: Viewer(code, "auto", NOON) for code in LANGUAGES}
    assert {viewer.gettext("Now") for viewer in shown.values()} == {"Now", "Ahora", "Agora"}
    assert {viewer.html_lang for viewer in shown.values()} == {"en", "es", "pt-BR"}
    assert shown["es"].ngettext("{n} topic", "{n} topics", 1) == "1 tema"
    assert shown["es"].ngettext("{n} topic", "{n} topics", 3000) == "3.000 temas"
