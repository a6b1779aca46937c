"""Running the page: on the socket that systemd hands over, on one of its own, or on a loopback port."""

from __future__ import annotations

import logging
import secrets
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from prometheus_client import CollectorRegistry

from opslib import metrics
from opslib.run.listening import bound, handed_over
from opslib.run.notify import notify
from opslib.settings import Settings, SettingsError, has_credential, secret
from opslib.store.hidden import Hidden
from opslib.store.reads import Lake
from opslib.web.app import create
from opslib.web.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_SERVER_SELECTION_MILLISECONDS = 3_000
# A question that takes longer is given up, and the page says so, before its reader does.
_ANSWER_MILLISECONDS = 4_000
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# What is being answered when the page is to end is answered first, for so long.
_GOODBYE_SECONDS = 10


def users_of(settings: Settings, by: str = "") -> Users:
    """Open the file with the users; *by* says who makes changes."""
    return Users(settings.web.state / "users.sqlite", settings.web.session_hours * 3600, by=by)


def listen(path: Path | None, host: str, port: int) -> socket.socket:
    """Return the socket to serve on: that of systemd, or one at *path*, or else *host* and *port*."""
    inherited = handed_over()
    if inherited is not None:
        return inherited
    if path is None:
        # Passwords and cookies are not to be seen on a network: TLS is the business of a server in front.
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise SettingsError(f"--host {host}: without TLS the page is served on loopback alone")
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    return bound(path)


def run(settings: Settings, listening: socket.socket) -> None:
    """Serve the page until SIGTERM or SIGINT."""
    registry = CollectorRegistry()
    figures = metrics.Web(registry)
    shown = metrics.serve(registry, settings.web.metrics_port, "web.metrics_port")
    client = settings.mongodb.client(
        appname="opslib-web",
        serverSelectionTimeoutMS=_SERVER_SELECTION_MILLISECONDS,
        readPreference="primaryPreferred",
    )
    users = users_of(settings)
    # Without a key of the host, forms that are open when the page restarts have to be sent twice.
    key = secret("web_key").encode() if has_credential("web_key") else secrets.token_bytes(32)
    report = settings.report
    lake = Lake(
        client[settings.mongodb.database],
        report.timezones,
        report.timezone,
        _ANSWER_MILLISECONDS,
        Hidden.of(settings),
    )
    behind = listening.family == socket.AF_UNIX
    app = create(
        lake,
        users,
        key,
        figures,
        made_up=settings.x.made_up,
        recorder=settings.stats.group_id,
        index=settings.search.directory if settings.search.enabled else None,
        wishes=settings.wishes.socket if settings.wishes.enabled else None,
        # A server in front knows its names itself.
        hosts=settings.web.hosts or (() if behind else _LOOPBACK),
    )
    config = uvicorn.Config(
        app,
        # On a Unix socket there is only the server in front, which says whom it asks for.
        proxy_headers=behind,
        forwarded_allow_ips="*" if behind else None,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
        lifespan="off",
    )
    # Once it has ended, uvicorn hands on the signal that ended it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        _Server(config).run(sockets=[listening])
    finally:
        users.close()
        client.close()
        if shown is not None:
            shown.close()


class _Server(uvicorn.Server):
    """Tells systemd how it is."""

    async def startup(self, sockets: Iterable[socket.socket] | None = None) -> None:
        await super().startup(sockets=list(sockets or ()))
        notify(READY="1", STATUS="serving")
        _LOG.info("started")

    async def shutdown(self, sockets: Any = None) -> None:
        notify(STOPPING="1")
        await super().shutdown(sockets=sockets)
        _LOG.info("stopped")
