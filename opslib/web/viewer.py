"""How one reader sees the page: language, light or dark, and how numbers and moments are written for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from babel import Locale, negotiate_locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.numbers import format_compact_decimal, format_decimal

from opslib.cloud.report import offset
from opslib.web.catalogues import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from gettext import NullTranslations

    from opslib.search.told import Told

THEMES = ("auto", "light", "dark")


@dataclass(frozen=True)
class Viewer:
    """A reader's choices, made by cookies or else by their browser, and when they asked."""

    language: str
    theme: str
    now: datetime

    @classmethod
    def of(cls, cookies: Mapping[str, str], accept_language: str, now: datetime) -> Viewer:
        """Return what a request's cookies and its ``Accept-Language`` ask for."""
        language = cookies.get("language", "")
        if language not in LANGUAGES:
            wanted = [part.partition(";")[0].strip() for part in _by_weight(accept_language)]
            found = negotiate_locale([name.split("-")[0].lower() for name in wanted], list(LANGUAGES))
            language = found or "en"
        theme = cookies.get("theme", "")
        return cls(language, theme if theme in THEMES else "auto", now)

    @property
    def locale(self) -> Locale:
        """Return Babel's locale."""
        return LANGUAGES[self.language].locale

    @property
    def html_lang(self) -> str:
        """Return the language as HTML names it."""
        return str(self.locale).replace("_", "-")

    @property
    def _messages(self) -> NullTranslations:
        return LANGUAGES[self.language].messages

    # Named as gettext names them, so that messages are found by whoever collects them for translators.

    def gettext(self, message: str, **values: Any) -> str:
        """Return a message in the reader's language, with *values* put in where it names them in braces."""
        return self._with(self._messages.gettext(message), values)

    def ngettext(self, one: str, many: str, n: int, **values: Any) -> str:
        """Return the form of a message that its number *n* takes, with this put in as well."""
        return self._with(self._messages.ngettext(one, many, n), {"n": n, **values})

    def pgettext(self, context: str, message: str, **values: Any) -> str:
        """Return a message that has several meanings, of which *context* names one."""
        return self._with(self._messages.pgettext(context, message), values)

    def told(self, error: Told) -> str:
        """Return what an error says."""
        return self.gettext(error.message, **error.values)

    def _with(self, text: str, values: Mapping[str, Any]) -> str:
        shown = {
            name: self.number(value) if isinstance(value, (int, float)) else value
            for name, value in values.items()
        }
        return text.format(**shown)

    def number(self, value: float) -> str:
        """Return a number with at most two decimals, fewer where it is large."""
        if abs(value) >= 100 or float(value).is_integer():
            return str(format_decimal(round(value), locale=self.locale))
        return str(format_decimal(round(value, 1 if abs(value) >= 10 else 2), locale=self.locale))

    def short(self, value: float) -> str:
        """Return a number that fits beside an axis, such as 12K."""
        if abs(value) < 1000:
            return self.number(value)
        return str(format_compact_decimal(value, locale=self.locale, fraction_digits=1))

    def duration(self, seconds: float) -> str:
        """Return a length of time in the unit that suits it: 0.4 s, 12 min, 3 h."""
        for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
            if seconds >= size:
                return f"{self.number(round(seconds / size, 1))} {unit}"
        return f"{self.number(round(seconds, 1))} s"

    def money(self, dollars: float) -> str:
        """Return US dollars to the cent."""
        return f"US$ {format_decimal(round(dollars, 2), format='#,##0.00', locale=self.locale)}"

    def written(self, at: datetime, zone: tzinfo, skeleton: str) -> str:
        """Return a moment on the clock of *zone* as the language writes what CLDR's *skeleton* names."""
        return str(format_skeleton(skeleton, at, tzinfo=zone, locale=self.locale))

    def clock(self, at: datetime, zone: tzinfo) -> str:
        """Return the time of day: ``12:00``."""
        return self.written(at, zone, "Hm")

    def day(self, at: datetime, zone: tzinfo) -> str:
        """Return the day: ``March 1, 2026``, ``1 de março de 2026``."""
        return str(format_date(at.astimezone(zone), "long", locale=self.locale))

    def date(self, day: date) -> str:
        """Return a day by its number: ``Mar 1, 2026``."""
        return str(format_date(day, "medium", locale=self.locale))

    def month_day(self, at: datetime, zone: tzinfo) -> str:
        """Return a day that fits beside an axis: ``Mar 1``."""
        return self.written(at, zone, "MMMd")

    def share(self, part: float) -> str:
        """Return a part of a whole, from 0 to 1, in percent."""
        return f"{self.number(round(100 * part, 2 if part < 0.1 else 1))} %"

    def moment(self, at: datetime, zone: tzinfo, day: str = "yMMMd") -> str:
        """Return day and time of day: ``Mar 1, 2026, 12:00``; *day* is the skeleton of the day."""
        pattern = str(self.locale.datetime_formats["medium"])
        return pattern.replace("{1}", self.written(at, zone, day)).replace("{0}", self.clock(at, zone))

    def exactly(self, at: datetime, zone: tzinfo) -> str:
        """Return a moment with its zone: ``Mar 1, 2026, 12:00 UTC-3``."""
        return f"{self.moment(at, zone)} {offset(at.astimezone(zone))}"

    def span(self, since: datetime, until: datetime, zone: tzinfo) -> str:
        """Return from when until when, naming a day and a zone that are the same once."""
        first, last = since.astimezone(zone), until.astimezone(zone)
        begin = self.moment(since, zone)
        if offset(first) != offset(last):
            begin = self.exactly(since, zone)
        end = self.exactly(until, zone)
        if first.date() == last.date():
            end = f"{self.clock(until, zone)} {offset(last)}"
        return self.gettext("{since} to {until}", since=begin, until=end)

    def ago(self, at: datetime) -> str:
        """Return how long ago a moment was."""
        # Another host's clock may be ahead of this one's.
        past = max(timedelta(seconds=1), self.now - at)
        return str(format_timedelta(-past, add_direction=True, locale=self.locale))

    def language_name(self, code: str) -> str:
        """Return what a language is called, by the code that X gives it."""
        if code in ("und", "zxx") or code.startswith("q"):
            return self.gettext("unknown")
        try:
            name = Locale.parse({"in": "id", "iw": "he"}.get(code, code)).get_display_name(self.locale)
        except (UnknownLocaleError, ValueError):
            return code[:20]
        return str(name or code)


def _by_weight(header: str) -> list[str]:
    """Return the parts of an ``Accept-Language``, the most wanted first."""

    def weight(part: str) -> float:
        try:
            return -float(part.partition(";q=")[2] or 1)
        except ValueError:
            return 0.0

    return sorted(header[:1000].split(","), key=weight)
