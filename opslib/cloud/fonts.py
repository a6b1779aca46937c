"""Which font draws what: Debian's Noto fonts by glyph, with accents, emoji and scripts in one picture.

Sizes are in pixels, places are measured from the left end of a word's base line.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageDraw, ImageFont, features

NOTO = Path("/usr/share/fonts/truetype/noto")
_FIRST = ("NotoSans-Bold", "NotoSansArabic-Bold", "NotoSansDevanagari-Bold")
_LAST = ("NotoSansSymbols-Bold", "NotoSansSymbols2-Regular", "NotoSansMath-Regular")
_EMOJI_FONT = "NotoColorEmoji"
# That font holds pictures of this size alone; they are scaled.
_EMOJI_SIZE = 109
_SAMPLE = 40  # pixels, at which any ink shows
_EMOJI = regex.compile(r"[\U0001f1e6-\U0001f1ff]|(?![\d#*\u00a9\u00ae\u2122])\p{Extended_Pictographic}")
_RIGHT_TO_LEFT = regex.compile(r"[\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}]")
_CJK = Path(
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"
)  # the first of its fonts has all characters
_BLANK = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{Cf}\p{Cs}]*")
# Joiners and selectors draw nothing by themselves.
_UNSEEN = frozenset("\u200c\u200d\ufe0e\ufe0f")


@dataclass(frozen=True)
class Run:
    """A part of a word that one font draws, in the order of the picture."""

    path: Path
    text: str

    @property
    def emoji(self) -> bool:
        """Whether it is drawn in colours of its own."""
        return self.path.stem == _EMOJI_FONT


def dejavu() -> Path:
    """Return DejaVu Sans Bold: it has all accents, and comes with matplotlib wherever wordcloud is."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("matplotlib, which wordcloud needs, is missing", name="matplotlib")
    return Path(spec.submodule_search_locations[0], "mpl-data/fonts/ttf/DejaVuSans-Bold.ttf")


@lru_cache(maxsize=1)
def _chain() -> tuple[Path, ...]:
    """Return the fonts in the order in which they are asked for a glyph."""
    others = sorted(
        path.stem
        for path in NOTO.glob("NotoSans*-Bold.ttf")
        if not path.stem.endswith(("UI-Bold", "Mono-Bold"))
    )
    names = dict.fromkeys((*_FIRST, *others, *_LAST))
    found = [NOTO / f"{name}.ttf" for name in names]
    return (*(path for path in (*found, _CJK) if path.is_file()), dejavu())


@lru_cache(maxsize=200)
def _characters(path: Path) -> frozenset[str]:
    with TTFont(path, fontNumber=0, lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap() or ())) | _UNSEEN


@lru_cache(maxsize=20_000)
def runs(word: str) -> tuple[Run, ...]:
    """Return what draws *word*; nothing if a character of it is in no font that is installed."""
    fonts = _chain()
    if _EMOJI.search(word) and (NOTO / f"{_EMOJI_FONT}.ttf").is_file():
        fonts = (NOTO / f"{_EMOJI_FONT}.ttf", *fonts)
    whole = next((path for path in fonts if _characters(path).issuperset(word)), None)
    if whole:
        return (Run(whole, word),)
    found: list[Run] = []
    for character in word:
        # Letters of one script stay in one font, for they are joined there.
        near = (found[-1].path, *fonts) if found else fonts
        path = next((path for path in near if character in _characters(path)), None)
        if path is None:
            return ()
        if found and found[-1].path == path:
            found[-1] = Run(path, found[-1].text + character)
        else:
            found.append(Run(path, character))
    return tuple(reversed(found) if _RIGHT_TO_LEFT.search(word) else found)


@lru_cache(maxsize=2_000)
def _face(path: Path, size: int) -> ImageFont.FreeTypeFont:
    raqm = features.check("raqm") and features.check("fribidi")
    engine = ImageFont.Layout.RAQM if raqm else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(path), size, layout_engine=engine)


def _run_face(run: Run, size: int) -> tuple[ImageFont.FreeTypeFont, float]:
    """Return the font of *run* and how much its drawing is to be scaled."""
    return (_face(run.path, _EMOJI_SIZE), size / _EMOJI_SIZE) if run.emoji else (_face(run.path, size), 1.0)


@lru_cache(maxsize=50_000)
def length(word: str, size: int) -> float:
    """Return how far *word* reaches along its base line."""
    faces = ((run, *_run_face(run, size)) for run in runs(word))
    return sum(face.getlength(run.text) * scale for run, face, scale in faces)


@lru_cache(maxsize=50_000)
def box(word: str, size: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the letters of *word*; above the base line is negative."""
    boxes, x = [], 0.0
    for run in runs(word):
        face, scale = _run_face(run, size)
        left, top, right, bottom = (side * scale for side in face.getbbox(run.text, anchor="ls"))
        boxes.append((x + left, top, x + right, bottom))
        x += face.getlength(run.text) * scale
    sides = list(zip(*boxes))
    low = [math.floor(min(side)) for side in sides[:2]]
    high = [math.ceil(max(side)) for side in sides[2:]]
    return low[0], low[1], max(high[0], low[0] + 1), max(high[1], low[1] + 1)


def picture(word: str, size: int, colour: str, *, upright: bool = False) -> Image.Image:
    """Return *word* as an RGBA image without a border; *upright* turns it by 90 degrees."""
    left, top, right, bottom = box(word, size)
    image = Image.new("RGBA", (right - left, bottom - top))
    x = 0.0
    for run in runs(word):
        face, scale = _run_face(run, size)
        if run.emoji:
            _paste_emoji(image, run, face, scale, (x - left, -top))
        else:
            layer = Image.new("L", image.size)
            ImageDraw.Draw(layer).text((x - left, -top), run.text, fill=255, font=face, anchor="ls")
            image.paste(Image.new("RGBA", image.size, colour), (0, 0), layer)
            image.putalpha(ImageChops.lighter(image.getchannel("A"), layer))
        x += face.getlength(run.text) * scale
    return image.transpose(Image.Transpose.ROTATE_90) if upright else image


def _paste_emoji(
    image: Image.Image, run: Run, face: ImageFont.FreeTypeFont, scale: float, origin: tuple[float, float]
) -> None:
    left, top, right, bottom = face.getbbox(run.text, anchor="ls")
    drawn = Image.new("RGBA", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(drawn).text((-left, -top), run.text, font=face, anchor="ls", embedded_color=True)
    size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
    small = drawn.resize(size, Image.Resampling.LANCZOS)
    image.alpha_composite(
        small.crop((0, 0, min(small.width, image.width), min(small.height, image.height))),
        (max(0, round(origin[0] + left * scale)), max(0, round(origin[1] + top * scale))),
    )


@lru_cache(maxsize=20_000)
def writable(word: str) -> bool:
    """Whether *word* can be seen: a font has each character of it, and they leave ink."""
    if _BLANK.fullmatch(word) or not runs(word):
        return False
    return picture(word, _SAMPLE, "black").getbbox() is not None


def shown(word: str) -> str:
    """Return *word* for a message: one that nobody would see there as the numbers of its characters."""
    if not _BLANK.fullmatch(word) and (writable(word) or not runs(word)):
        return word
    return " ".join(f"U+{ord(c):04X}" for c in word) or "a name without characters"


def turns(word: str) -> bool:
    """Whether *word* may be turned: pictures are not."""
    return not any(run.emoji for run in runs(word))


def families(texts: list[str]) -> dict[Path, str]:
    """Return the fonts that draw *texts*, each with its name in an SVG."""
    used = dict.fromkeys(run.path for text in texts for run in runs(text))
    return {path: f"cloud-{path.stem}" for path in used}


def faces(texts: list[str]) -> str:
    """Return CSS that embeds what *texts* need of each font."""
    needed: dict[Path, set[str]] = {}
    for text in texts:
        for run in runs(text):
            needed.setdefault(run.path, set()).update(run.text)
    names = families(texts)
    rules = []
    for path, characters in needed.items():
        font = base64.b64encode(_subset(path, frozenset(characters))).decode()
        source = f"url(data:font/woff2;base64,{font}) format('woff2')"
        rules.append(f"@font-face{{font-family:'{names[path]}';font-weight:bold;src:{source}}}")
    return "\n".join(rules)


@lru_cache(maxsize=50)  # the light and the dark picture need the same
def _subset(path: Path, characters: frozenset[str]) -> bytes:
    """Return the font with no other characters, joined and ordered as the whole font does it."""
    options: Any = subset.Options(flavor="woff2", layout_features=["*"])
    options.drop_tables += ["FFTM"]  # FontForge's own, which draws nothing
    # The moment is written into a font otherwise; the same picture is to have the same bytes.
    font = TTFont(path, fontNumber=0, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(characters)))
    subsetter.subset(font)
    font.flavor = "woff2"
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()
