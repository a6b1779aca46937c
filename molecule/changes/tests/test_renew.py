"""The thirteenth month: certificates that have two days left are renewed while clients are connected.

Of the lake that `test_changes.py` left.
"""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from machines import FOLDER, MEMBERS, Lake, nothing_lost

NOW = dt.datetime.now(dt.timezone.utc)


@pytest.fixture(scope="module")
def lake() -> Lake:
    return Lake()


def days(lake: Lake) -> dict[tuple[int, str], float]:
    """Return the days that each service's certificate has left, and the operator's."""
    shown = {(number, name): lake.certificate(number, name) for number in lake.hosts for name in MEMBERS}
    shown[0, "operator"] = x509.load_pem_x509_certificate((FOLDER / "ca/operator/operator.pem").read_bytes())
    return {one: (found.not_valid_after_utc - NOW) / dt.timedelta(days=1) for one, found in shown.items()}


def test_1_what_has_two_days_left_is_renewed_and_nothing_ends(lake: Lake) -> None:
    short = {"tls_certificate_days": 2, "tls_renew_days": 1}
    tags = ",".join(["tls", *MEMBERS])
    lake.play("ansible/rotate.yml", lake.hosts, "--tags", tags, rotate="certificates", **short)
    assert max(days(lake).values()) < 3
    writers = lake.writers(lake.hosts)
    with writers.going_on():
        lake.play("ansible/renew.yml", lake.hosts)
    assert min(days(lake).values()) > 300
    # Each runs with its new one, and nobody that was connected lost anything by it.
    lake.nothing_is_pending()
    nothing_lost(writers, renewed="all")


def test_2_the_next_night_finds_nothing_to_do(lake: Lake) -> None:
    before = [lake.started(number) for number in lake.hosts]
    said = lake.play("ansible/renew.yml", lake.hosts)
    assert "nothing: the next one ends in 396 days" in said
    assert said.count("changed=0") == said.count("changed=")
    assert [lake.started(number) for number in lake.hosts] == before
