"""Batch compliance: jobs, the storage that ids are uploaded to, and what is said of those that are gone.

A job is made, ids are put to its upload URL, and some time later its download URL has a line for each that is
not to be had any more. The storage is this server itself; its URLs hold what allows their use, as X's do.
https://docs.x.com/x-api/compliance/batch-compliance/quickstart
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from opslib.message import moment_of, stamp
from opslib.simulate import parameters as p
from opslib.simulate.problems import InvalidRequest
from opslib.simulate.tweets import DELETED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.simulate.tweets import Store

Json = dict[str, Any]

_TYPES = ("tweets", "users")
_STATUSES = ("created", "in_progress", "failed", "complete")
_UPLOAD = timedelta(minutes=15)
_DOWNLOAD = timedelta(days=7)
_FIELDS = "compliance_job.fields"
_FIRST_ID = 1_700_000_000_000_000_001


class OneAtATime(Exception):  # noqa: N818 - it names what befell
    """There is a job of that type that has not ended."""


@dataclass
class Job:
    """One job."""

    id: str
    type: str
    created_at: str
    signature: str
    name: str | None = None
    uploaded_at: str | None = None
    ids: list[int] = field(default_factory=list)

    def status(self, now: datetime, seconds: float) -> str:
        """Return how far it is, where a job takes so many *seconds*."""
        if self.uploaded_at is not None:
            return (
                "complete"
                if (now - moment_of(self.uploaded_at)).total_seconds() >= seconds
                else "in_progress"
            )
        return "created" if now < moment_of(self.created_at) + _UPLOAD else "expired"


class Compliance:
    """The jobs of all tokens, by *seconds* how long each takes; where it is not *allowed* none is made."""

    def __init__(self, store: Store, seconds: float = 1.0, allowed: bool = True) -> None:
        self._store = store
        self.seconds = seconds
        self.allowed = allowed
        self._jobs: dict[str, Job] = {}

    def create(self, parameters: Mapping[str, str], body: Any, base: str) -> Json:
        """Return the answer for a new job; :class:`OneAtATime` if another of its type has not ended."""
        wanted = _wanted(parameters)
        if not isinstance(body, dict) or not set(body) <= {"type", "name", "resumable"}:
            raise InvalidRequest("The body is to have a `type`, and perhaps `name`", "body", str(body)[:100])
        kind, name = body.get("type"), body.get("name")
        if kind not in _TYPES:
            raise InvalidRequest(f"`type` is not one of [{','.join(_TYPES)}]", "type", str(kind)[:100])
        if not isinstance(body.get("resumable", False), bool):
            raise InvalidRequest("`resumable` is true or false", "resumable", str(body["resumable"])[:100])
        if "name" in body and not (isinstance(name, str) and 0 < len(name) <= 64):
            raise InvalidRequest("`name` is no text of 64 characters at most", "name", str(name)[:100])
        now = self._store.now()
        if any(
            job.type == kind and self._status(job) in ("created", "in_progress")
            for job in self._jobs.values()
        ):
            raise OneAtATime
        job = Job(str(_FIRST_ID + len(self._jobs)), kind, stamp(now), secrets.token_hex(8), name)
        self._jobs[job.id] = job
        return {"data": self._told(job, wanted, base)}

    def listed(self, parameters: Mapping[str, str], base: str) -> Json:
        """Return the answer for the jobs of a type."""
        p.check(parameters, p.names(f"type status {_FIELDS}"))
        if parameters.get("type") not in _TYPES:
            raise InvalidRequest(
                f"`type` is not one of [{','.join(_TYPES)}]", "type", parameters.get("type", "")
            )
        wanted = _wanted(parameters)
        status = parameters.get("status")
        if status is not None and status not in _STATUSES:
            raise InvalidRequest(f"`status` is not one of [{','.join(_STATUSES)}]", "status", status)
        found = [
            self._told(job, wanted, base)
            for job in self._jobs.values()
            if job.type == parameters["type"] and status in (None, self._status(job))
        ]
        return {**({"data": found} if found else {}), "meta": {"result_count": len(found)}}

    def one(self, job_id: str, parameters: Mapping[str, str], base: str) -> Json | None:
        """Return the answer for one job; ``None`` if there is none of that id."""
        p.check(parameters, p.names(_FIELDS))
        job = self._jobs.get(p.identity("id", job_id))
        return None if job is None else {"data": self._told(job, _wanted(parameters), base)}

    def upload(self, job_id: str, signature: str, content: bytes) -> bool:
        """Take in the ids of a job, one a line; tell whether that is allowed by then."""
        job = self._jobs.get(job_id)
        if job is None or job.signature != signature or self._status(job) != "created":
            return False
        job.ids = [int(line) for line in content.split() if line.isdigit()]
        job.uploaded_at = stamp(self._store.now())
        return True

    def download(self, job_id: str, signature: str) -> bytes | None:
        """Return a line for each id of a job that is gone; ``None`` if there is no such result."""
        job = self._jobs.get(job_id)
        if job is None or job.signature != signature or self._status(job) != "complete":
            return None
        self._store.refresh()
        lines = []
        for tweet_id in job.ids:
            reason = self._store.gone(tweet_id)
            if reason is not None:
                written = self._store.with_id(tweet_id)
                lines.append(
                    {
                        "id": str(tweet_id),
                        "action": "delete",
                        "created_at": job.created_at if written is None else stamp(written.created_at),
                        "redacted_at": job.created_at,
                        "reason": "deleted" if reason == DELETED else reason,
                    }
                )
        return b"".join(orjson.dumps(line) + b"\n" for line in lines)

    def summary(self) -> Json:
        """Return how many jobs there were, and how many ids were looked at, which X does not charge for."""
        return {"jobs": len(self._jobs), "ids": sum(len(job.ids) for job in self._jobs.values())}

    def _status(self, job: Job) -> str:
        return job.status(self._store.now(), self.seconds)

    def _told(self, job: Job, wanted: frozenset[str], base: str) -> Json:
        created = moment_of(job.created_at)
        url = f"{base}/_storage/{job.id}"
        told = {
            "id": job.id,
            "type": job.type,
            **({"name": job.name} if job.name else {}),
            "status": self._status(job),
            "created_at": job.created_at,
            "resumable": False,
            "upload_url": f"{url}/submission?signature={job.signature}",
            "upload_expires_at": stamp(created + _UPLOAD),
            "download_url": f"{url}/results?signature={job.signature}",
            "download_expires_at": stamp(created + _DOWNLOAD),
        }
        return {
            name: value
            for name, value in told.items()
            if not wanted or name in wanted | {"id", "type", "status"}
        }

    def state(self) -> list[Json]:
        """Return all that is needed to go on."""
        return [asdict(job) for job in self._jobs.values()]

    def restore(self, state: list[Json]) -> None:
        """Go on where *state* was taken."""
        self._jobs = {given["id"]: Job(**given) for given in state}


def _wanted(parameters: Mapping[str, str]) -> frozenset[str]:
    return p.items(parameters, _FIELDS)
