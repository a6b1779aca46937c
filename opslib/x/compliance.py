"""Batch compliance: X says of many posts at once which are gone, and charges nothing for it.

A job is made, ids are put to its upload URL, one a line, and some time later its download URL has a line for
each that is gone. X runs one job of a type at once. The URLs lead to a storage that is not X's API: they hold
what allows their use, and the token is not sent there.
https://docs.x.com/x-api/compliance/batch-compliance/quickstart
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from opslib.x.client import Interrupted, Refused, Unavailable, is_near

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opslib.x.client import XClient

CREATED, IN_PROGRESS, COMPLETE = "created", "in_progress", "complete"
_JOBS = "/2/compliance/jobs"
_KIND = "tweets"


@dataclass(frozen=True)
class Job:
    """A job as X shows it."""

    id: str
    name: str
    status: str
    upload_url: str
    download_url: str

    @classmethod
    def of(cls, told: dict[str, Any]) -> Job:
        """Return the job that X has *told* about; what it leaves out is empty."""
        return cls(*(str(told.get(name) or "") for name in cls.__dataclass_fields__))


class Compliance:
    """Makes jobs about posts with the token of *client*, and takes their results.

    Raises what :class:`~opslib.x.client.XClient` raises: :class:`Refused` with 403 where the token may not,
    with 409 where another job has not ended.
    """

    def __init__(self, client: XClient, base_url: str, timeout: float = 30) -> None:
        self._client = client
        self._origin = _origin_of(base_url)
        self._timeout = timeout
        self._session = requests.Session()

    def create(self, name: str) -> Job:
        """Make a job of that *name*, 64 characters at most."""
        return Job.of(self._client.call("POST", _JOBS, {}, {"type": _KIND, "name": name})["data"])

    def get(self, job_id: str) -> Job:
        """Return a job as it is by now."""
        return Job.of(self._client.call("GET", f"{_JOBS}/{job_id}", {})["data"])

    def under_way(self) -> Job | None:
        """Return the job that has not ended, if there is one."""
        jobs = [Job.of(told) for told in self._client.call("GET", _JOBS, {"type": _KIND}).get("data") or ()]
        return next((job for job in jobs if job.status in (CREATED, IN_PROGRESS)), None)

    def upload(self, job: Job, ids: Iterable[int]) -> None:
        """Put the *ids* that a job is about to where it takes them."""
        body = "".join(f"{tweet_id}\n" for tweet_id in ids).encode()
        self._ask("PUT", job.upload_url, body)

    def results(self, job: Job) -> dict[int, str]:
        """Return the posts of a completed job that are gone, with X's reason."""
        lines = self._ask("GET", job.download_url).splitlines()
        try:
            told = [json.loads(line) for line in lines]
            return {int(one["id"]): str(one["reason"]) for one in told if one["action"] == "delete"}
        except (ValueError, KeyError, TypeError) as wrong:
            raise Unavailable(f"X's results cannot be read: {wrong!r}", maybe_charged=False) from wrong

    def _ask(self, method: str, url: str, body: bytes | None = None) -> str:
        if urlsplit(url).scheme != "https" and _origin_of(url) != self._origin:
            raise Refused(200, f"X names {url[:80]!r} for its storage, which is not reached by https")
        self._session.trust_env = not is_near(url)
        headers = {"Content-Type": "text/plain"} if body is not None else {}
        try:
            answer = self._session.request(
                method, url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise Interrupted(f"X's storage cannot be reached: {error}", maybe_charged=False) from error
        if answer.status_code >= requests.codes.server_error:
            raise Unavailable(f"X's storage failed: {answer.status_code}", maybe_charged=False)
        if answer.status_code != requests.codes.ok:
            raise Refused(answer.status_code, "X's storage does not take or give what belongs to the job")
        answer.encoding = "utf-8"
        return answer.text

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()


def _origin_of(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
