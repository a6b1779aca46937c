"""MongoDB in a backup: every collection as raw BSON, and its replication log over the time that this takes.

Documents are read while others write them. The log from before the first was read until after the last,
replayed over them, makes them what they were at its end: entries say what came out, so that replaying one
twice, or over a document that is newer already, ends alike (as with a member that joins a set). What was
forgotten, and who forgot it, comes first, so that it is there in what is cut short too.

Each log goes on from where that of the run before ended, where MongoDB still has it, so that between two
backups one can go to any moment: entries have the server's time (``wall``).

The time series ``ops_stats`` is saved by its measurements, after all else, and not replayed: its buckets are
no documents that another server could be given.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timezone
from typing import TYPE_CHECKING, Any, Callable

import bson
from bson import json_util
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import IndexModel
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from opslib.backup.archive import Segment, documents_in
from opslib.backup.restic import BackupError
from opslib.store.collections import AUDIT, FORGOTTEN, FORGOTTEN_AUTHORS, OPS_STATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from pymongo.database import Database

    from opslib.backup.archive import Reader, Writer

Document = dict[str, Any]
Told = Callable[[int], None]
FIRST = (FORGOTTEN.name, FORGOTTEN_AUTHORS.name, AUDIT.name)
OPLOG = "oplog"
_COLLECTION = "collections/"
_MAJORITY = ReadConcern("majority")
_AT_ONCE = 1000  # documents or entries by command
_MOST_BYTES = 12 * 1024 * 1024
# Of commands of the log that were done, or undone, already: no such collection or index, or there is one.
_ALREADY = {26, 27, 48, 68, 85, 86}
_RAW = CodecOptions(document_class=RawBSONDocument)
_TIMES = CodecOptions(tz_aware=True)  # type: ignore[var-annotated,unused-ignore]


def save(database: Database[Document], writer: Writer, told: Told) -> Timestamp:
    """Write all collections of *database*, and return where the log stood before that.

    *told* is called with how many more documents are written. The account has to read all collections and
    ``local.oplog.rs``.
    """
    begin = _end_of(_log(database))
    about = {}
    for name in _names(database):
        about[name] = _described(database, name)
        with writer.stream(_COLLECTION + name) as stream:
            whole = database.get_collection(name, read_concern=_MAJORITY)
            order = [("at", 1)] if about[name]["timeseries"] else [("_id", 1)]
            for batch in whole.find_raw_batches({}, sort=order):
                told(stream.write(batch))  # type: ignore[arg-type]  # its stubs say documents
    writer.about(database=database.name, collections=about, begin=_stamp(begin))
    return begin


def save_log(
    database: Database[Document], writer: Writer, begin: Timestamp, before: Timestamp | None, told: Told
) -> dict[str, Any]:
    """Write the log since *begin*, or since *before* where MongoDB still has that; return its reach."""
    log = _log(database)
    since = before if before is not None and _first_of(log) <= before <= begin else begin
    # Whatever a majority acknowledged before this moment stands before the end.
    until = database.client.admin.command("hello")["localTime"]
    end = _end_of(log)
    wanted = {
        "ts": {"$gt": since, "$lte": end},
        "op": {"$in": ["i", "u", "d", "c"]},
        "ns": {"$regex": f"^{re.escape(database.name)}\\.|^admin\\.\\$cmd$"},
    }
    with writer.stream(OPLOG) as stream:
        for batch in log.find_raw_batches(wanted):
            told(stream.write(batch))
    if _first_of(log) > since:
        raise BackupError(
            "MongoDB's replication log does not reach over the time that reading takes: make "
            "mongodb_oplog_mb larger"
        )
    reach = {
        "from": _stamp(since),
        "begin": _stamp(begin),
        "to": _stamp(end),
        "until": until.replace(tzinfo=timezone.utc).isoformat(),
    }
    writer.about(log=reach)
    return reach


def _log(database: Database[Document]) -> Any:
    return database.client["local"].get_collection("oplog.rs", read_concern=_MAJORITY)


def _names(database: Database[Document]) -> list[str]:
    found = database.list_collection_names()
    names = sorted(name for name in found if not name.startswith("system."))
    last = [name for name in names if name == OPS_STATS.name]
    first = [name for name in FIRST if name in names]
    return [*first, *(name for name in names if name not in (*first, *last)), *last]


def _described(database: Database[Document], name: str) -> Document:
    """Return how a collection is made; options and indexes as MongoDB's extended JSON."""
    (found,) = database.list_collections(filter={"name": name})
    timeseries = "timeseries" in found["options"]
    indexes = [] if timeseries else list(database[name].list_indexes())
    return {
        "timeseries": timeseries,
        "options": json_util.dumps(found["options"]),
        "indexes": json_util.dumps(indexes),
    }


def _end_of(log: Any) -> Timestamp:
    found: Timestamp = log.find_one({}, {"ts": 1}, sort=[("$natural", -1)])["ts"]
    return found


def _first_of(log: Any) -> Timestamp:
    found: Timestamp = log.find_one({}, {"ts": 1}, sort=[("$natural", 1)])["ts"]
    return found


def _stamp(at: Timestamp) -> list[int]:
    return [at.time, at.inc]


def stamp(told: list[int]) -> Timestamp:
    """Return a place in the log as contents have it."""
    return Timestamp(*told)


def filled(database: Database[Document]) -> list[str]:
    """Return the collections that hold documents: what a restore would overwrite."""
    return [name for name in _names(database) if database[name].find_one({}, {"_id": 1}) is not None]


def empty(database: Database[Document]) -> None:
    """Drop all collections."""
    for name in _names(database):
        database.drop_collection(name)


def restore(
    database: Database[Document],
    archive: Reader,
    contents: Mapping[str, Any],
    told: Told,
    changed: Callable[[Document], Document | None] = lambda document: document,
) -> None:
    """Insert what *archive* has of collections, as it was read: the log is yet to be replayed over it.

    *contents* are those of the archive, which was read once before; *changed* makes of a measurement of
    ``ops_stats`` what it is to be on this lake. Indexes come at the end.
    """
    there = set(database.list_collection_names())
    for name, about in contents["collections"].items():
        if name not in there:
            options = {
                key: value for key, value in json_util.loads(about["options"]).items() if key != "uuid"
            }
            database.command("create", name, **options)
    for one in archive:
        if isinstance(one, Segment) and one.name.startswith(_COLLECTION):
            name = one.name.removeprefix(_COLLECTION)
            if contents["collections"][name]["timeseries"]:
                made = (changed(document) for document in bson.decode_all(one.data, _TIMES))
                documents = [document for document in made if document is not None]
            else:
                documents = bson.decode_all(one.data, _RAW)  # type: ignore[arg-type,assignment,unused-ignore]
            _insert(database, name, documents, told)


def take_first(archive: Reader, into: dict[str, list[Document]]) -> None:
    """Take the documents of the collections that *into* names, which stand at the beginning of an archive."""
    for one in archive:
        name = one.name.removeprefix(_COLLECTION) if isinstance(one, Segment) else ""
        if name not in into:
            break
        into[name] += bson.decode_all(one.data, _TIMES)  # type: ignore[union-attr,unused-ignore]


def indexed(database: Database[Document], contents: Mapping[str, Any]) -> None:
    """Make the indexes that were saved and are not there."""
    for name, about in contents["collections"].items():
        there = set(database[name].index_information()) if not about["timeseries"] else set()
        missing = [one for one in json_util.loads(about["indexes"]) if one["name"] not in there]
        if missing:
            models = [
                IndexModel(
                    list(one["key"].items()), **{k: v for k, v in one.items() if k not in ("key", "v", "ns")}
                )
                for one in missing
            ]
            database[name].create_indexes(models)


def _insert(database: Database[Document], name: str, documents: list[Document], told: Told) -> None:
    target = database.get_collection(name, write_concern=WriteConcern("majority"))
    for first in range(0, len(documents), _AT_ONCE):
        some = documents[first : first + _AT_ONCE]
        target.insert_many(some, ordered=False, bypass_document_validation=True)
        told(len(some))


def replay(
    database: Database[Document],
    archive: Reader,
    after: Timestamp,
    until: datetime | None,
    told: Told = lambda _: None,
) -> None:
    """Replay the log in *archive* behind *after*, up to the server's moment *until* if one is given."""
    held: list[Document] = []
    size = 0
    for one in archive:
        if not (isinstance(one, Segment) and one.name == OPLOG):
            continue
        for raw in bson.decode_all(one.data, _RAW):  # type: ignore[arg-type,unused-ignore]
            if raw["ts"] <= after or (until is not None and _wall(raw) > until):
                continue
            for entry in _flat(raw, database.name):
                size += len(raw.raw)  # type: ignore[attr-defined,unused-ignore]
                held.append(entry)
                if len(held) >= _AT_ONCE or size > _MOST_BYTES or entry["op"] == "c":
                    _apply(database, held)
                    told(len(held))
                    held, size = [], 0
    if held:
        _apply(database, held)
        told(len(held))


def _wall(raw: Any) -> datetime:
    document = bson.decode(bson.encode({"wall": raw["wall"]}), _TIMES)
    moment: datetime = document["wall"]
    return moment


def _flat(entry: Any, database: str) -> Iterator[Document]:
    """Yield the entries of the log that *entry* is, of this database: several may stand in one."""
    if entry["op"] == "c" and "applyOps" in entry["o"]:
        for inner in entry["o"]["applyOps"]:
            yield from _flat(inner, database)
        return
    name = entry["ns"]
    if not name.startswith(f"{database}.") or name.startswith(f"{database}.system."):
        return
    if entry["op"] == "c" and next(iter(entry["o"].values())) == OPS_STATS.name:
        return
    yield {key: entry[key] for key in ("op", "ns", "o", "o2") if key in entry}


def _apply(database: Database[Document], entries: list[Document]) -> None:
    """Apply entries of the log: all at once, or where one of them is refused each by itself."""
    admin = database.client.admin
    try:
        if entries[0]["op"] != "c":
            admin.command("applyOps", entries)
            return
    except OperationFailure:
        if len(entries) == 1:
            _check(database, entries[0])
            return
    for entry in entries:
        _apply_one(database, entry)


def _apply_one(database: Database[Document], entry: Document) -> None:
    try:
        database.client.admin.command("applyOps", [entry])
    except OperationFailure as refused:
        if entry["op"] != "c":
            _check(database, entry)
        elif not {refused.code, (refused.details or {}).get("code")} & _ALREADY:
            raise BackupError(f"MongoDB refuses an entry of its log: {refused}") from refused


def _check(database: Database[Document], entry: Document) -> None:
    """Let pass a change of what is not there: it was deleted later on, as the log says further on."""
    name = entry["ns"].split(".", 1)[1]
    wanted = entry["o2" if "o2" in entry else "o"]["_id"]
    if entry["op"] == "u" and database[name].find_one({"_id": wanted}, {"_id": 1}) is None:
        return
    raise BackupError(f"MongoDB refuses an entry of its log for {entry['ns']}")


def digests(database: Database[Document], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return for each collection what an archive says of it: documents, bytes and their SHA-256."""
    found = {}
    for name in names:
        number = size = 0
        digest = hashlib.sha256()
        for raw in database[name].find_raw_batches({}, sort=[("_id", 1)]):
            batch: Any = raw  # bytes; its stubs say documents
            number += documents_in(batch)
            size += len(batch)
            digest.update(batch)
        found[_COLLECTION + name] = {"documents": number, "bytes": size, "sha256": digest.hexdigest()}
    return found
