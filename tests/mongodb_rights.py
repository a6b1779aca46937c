"""What an account of MongoDB tries, and whether it is for want of a right that it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo import MongoClient
    from pymongo.collection import Collection

UNAUTHORIZED = 13
NOBODY = {"_id": "nobody of this name"}

_TRIES: dict[str, Callable[[Collection[dict[str, Any]]], Any]] = {
    "read": lambda collection: collection.find_one(NOBODY),
    "write": lambda collection: collection.insert_one(dict(NOBODY)),
    "update": lambda collection: collection.update_one(NOBODY, {"$set": {"verify": 1}}),
    "delete": lambda collection: collection.delete_one(NOBODY),
    "index": lambda collection: collection.create_index("verify", expireAfterSeconds=1),
    "change": lambda collection: collection.database.command("collMod", collection.name, validator={}),
    "drop": lambda collection: collection.drop(),
}


def refusal(client: MongoClient[dict[str, Any]], database: str, what: str) -> int | None:
    """Return the code that trying *what* is refused with, ``None`` if it is done."""
    verb, _, thing = what.partition(" ")
    try:
        if what == "make an account":
            client.admin.command("createUser", "verify", pwd="verify", roles=[])
        elif thing.startswith("local."):
            client["local"][thing.removeprefix("local.")].find_one()
        else:
            _TRIES[verb](client[database][thing])
    except OperationFailure as refused:
        return refused.code
    return None
