"""What the flow's parameters say as texts, read as what collecting needs; a wrong one is one clear line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.x.budget import PRICES, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping


def places_in(text: str) -> dict[int, str]:
    """Return the places of ``23424768:Brazil,1:World``: name by WOEID. Raises :class:`ValueError`."""
    places = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        woeid, _, name = part.partition(":")
        if not (woeid.strip().isascii() and woeid.strip().isdigit()):
            raise ValueError(f"{part!r} is no place: WOEID and name, such as 23424768:Brazil")
        places[int(woeid)] = name.strip() or woeid.strip()
    if not places:
        raise ValueError("no place is named: WOEID and name of each, such as 23424768:Brazil,1:World")
    return places


def prices_in(text: str) -> dict[str, float]:
    """Return the USD by kind of ``post:0.005,trend:0.010``. Raises :class:`ValueError`."""
    prices = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, usd = (piece.strip() for piece in part.partition(":"))
        if kind not in PRICES:
            raise ValueError(f"{part!r} is no price: X charges for {', '.join(PRICES)}")
        prices[kind] = _number(usd, f"the price of a {kind}")
    return prices


def limits_in(texts: Mapping[str, str]) -> Limits:
    """Return the limits that *texts* (by the names of :class:`Limits`' fields) set; an empty one sets none.

    Raises :class:`ValueError`.
    """
    found = {name: _number(text, name) for name, text in texts.items() if text.strip()}
    return Limits(
        resources_day=_whole(found.get("resources_day")),
        resources_month=_whole(found.get("resources_month")),
        usd_day=found.get("usd_day"),
        usd_month=found.get("usd_month"),
    )


def part_in(text: str) -> float:
    """Return the part of a whole, 0 to 1, that *text* says. Raises :class:`ValueError`."""
    part = _number(text, "a part")
    if part > 1:
        raise ValueError(f"{text!r} is no part of a whole: 0 to 1 is")
    return part


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text!r} is no number for {what}")
    return number
