"""No account of MongoDB may do more than its job needs: those of the role, on a server that enforces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import may_not
import mongodb_rights
import pytest
import services

if TYPE_CHECKING:
    from conftest import Lake

REFUSED = [(name, what) for name, all_of_it in may_not.MONGODB.items() for what in all_of_it]


def test_every_account_of_the_role_is_tried_with_three_things_at_least() -> None:
    tried = {name: len(refused) for name, refused in may_not.MONGODB.items()}
    assert set(tried) == {account["name"] for account in services.ACCOUNTS}
    assert min(tried.values()) >= 3


@pytest.mark.parametrize(("name", "what"), REFUSED)
def test_an_account_must_not(lake: Lake, name: str, what: str) -> None:
    port, ca = lake.servers.mongodb.port, lake.servers.authority.ca
    client = services.mongodb_client(port, ca, user=(name, services.PASSWORD))
    with client:
        assert mongodb_rights.refusal(client, lake.name, what) == mongodb_rights.UNAUTHORIZED


def test_the_doctor_sees_the_members_without_reading_what_they_replicate(lake: Lake) -> None:
    port, ca = lake.servers.mongodb.port, lake.servers.authority.ca
    with services.mongodb_client(port, ca, user=("opslib-doctor", services.PASSWORD)) as client:
        assert client.admin.command("replSetGetStatus")["members"]
