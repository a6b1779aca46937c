"""The thirteenth month: certificates that have two days left are renewed while clients are connected.

Of the lake that `test_changes.py` left, or of one machine with an inventory beside it, as `test_rotate.py`.
"""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from machines import FOLDER, MEMBERS
from test_rotate import Running

NOW = dt.datetime.now(dt.timezone.utc)


@pytest.fixture(scope="module")
def lake() -> Running:
    return Running()


def days(lake: Running) -> dict[tuple[int, str], float]:
    """Return the days that each service's certificate has left, and the operator's."""
    shown = {(number, name): lake.shown(number, name) for number in lake.numbers for name in MEMBERS}
    shown[0, "operator"] = x509.load_pem_x509_certificate((FOLDER / "ca/operator/operator.pem").read_bytes())
    return {one: (found.not_valid_after_utc - NOW) / dt.timedelta(days=1) for one, found in shown.items()}


def test_1_what_has_two_days_left_is_renewed_and_nothing_ends(lake: Running) -> None:
    code, said = lake.ended(
        "ansible/rotate.yml", rotate="certificates", tls_certificate_days=2, tls_renew_days=1
    )
    assert code == 0, said[-6000:]
    assert max(days(lake).values()) < 3
    writers = lake.writers(lake.numbers)
    with writers.going_on():
        code, said = lake.ended("ansible/renew.yml")
        assert code == 0, said[-6000:]
    assert min(days(lake).values()) > 300
    # Each runs with its new one, and nobody that was connected lost anything by it.
    lake.nothing_is_pending()
    assert writers.lost() == {"kafka": set(), "mongodb": set()}, writers.refused


def test_2_the_next_night_finds_nothing_to_do(lake: Running) -> None:
    before = [lake.started(number) for number in lake.numbers]
    code, said = lake.ended("ansible/renew.yml")
    assert code == 0, said[-6000:]
    assert "nothing: the next one ends in 396 days" in said
    assert said.count("changed=0") == said.count("changed=")
    assert [lake.started(number) for number in lake.numbers] == before
