"""``opslib web``: the page people look at, and who may look at it."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import sys
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opslib.cli._options import WrongInput, examples, tell_json, with_format, with_settings
from opslib.cli._syslog import Syslog, who
from opslib.cli._terminal import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.settings import Settings
    from opslib.web.users import Users

# Those of opslib.web.users, whose packages are only there where the page is.
_ROLE = click.Choice(["viewer", "analyst", "operator"])


@click.group(
    invoke_without_command=True, epilog=examples("opslib web --port 8080", "opslib web user add ana")
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to try the page at.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Its port.")
@click.option(
    "--socket", "path", type=click.Path(path_type=Path), help="A Unix socket instead, for a server in front."
)
@with_settings
def command(settings: Settings, host: str, port: int, path: Path | None) -> None:
    """Serve the page: Now, History, Topics, Operations, and JSON under /api.

    It reads MongoDB and writes nothing there. Who may open it is in users.sqlite below the setting web.state;
    `opslib web user add NAME` makes the first user. TLS is the business of a server in front of it, such as
    the nginx that the role web installs: by itself it listens on loopback, on a Unix socket, or on the
    socket that systemd hands over.
    """
    from opslib.cli._journal import log_to_journal
    from opslib.web import serve

    log_to_journal()
    try:
        listening = serve.listen(path, host, port)
    except OSError as error:
        raise click.ClickException(
            f"{path or f'{host}:{port}'} cannot be listened on: {error.strerror}"
        ) from error
    with listening, _state(settings):
        name = listening.getsockname()
        where = f"http://{host}:{name[1]}" if isinstance(name, tuple) else f"the socket {name}"
        tell(f"the page is at {where}", err=True)
        serve.run(settings, listening)


@command.group()
def user() -> None:
    """Say who may open the page.

    What is changed holds with the next request: nothing has to be restarted.
    """


@user.command(epilog=examples("opslib web user add ana --role analyst", "opslib web user add hall --random"))
@click.argument("name")
@click.option(
    "--role",
    type=_ROLE,
    default="viewer",
    show_default=True,
    help="What they may: look; follow things as well; all that the page can do.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--random", "chosen", is_flag=True, help="Make a random password, and print it.")
@with_settings
def add(settings: Settings, name: str, role: str, password_stdin: bool, chosen: bool) -> None:
    """Make a user. Their password is asked for."""
    password = _password(password_stdin, chosen)
    with _users(settings) as users:
        users.add(name, password, role)
    if chosen:
        tell(password)
    tell(f"{name} can log in, as {role}", err=True)


@user.command(epilog=examples("opslib web user role ana analyst"))
@click.argument("name")
@click.argument("role", type=_ROLE)
@with_settings
def role(settings: Settings, name: str, role: str) -> None:
    """Give a user another role, which holds with their next request.

    A viewer looks. An analyst adds, pauses, resumes and removes what is followed as well. An operator does
    all that the page can do.
    """
    with _users(settings) as users:
        users.set_role(name, role)
    tell(f"{name} is {role}", err=True)


@user.command(epilog=examples("opslib web user password ana"))
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--random", "chosen", is_flag=True, help="Make a random password, and print it.")
@with_settings
def password(settings: Settings, name: str, password_stdin: bool, chosen: bool) -> None:
    """Give a user another password.

    Their sessions end. A user who was disabled can log in again.
    """
    wanted = _password(password_stdin, chosen)
    with _users(settings) as users:
        users.set_password(name, wanted)
    if chosen:
        tell(wanted)
    tell(f"{name} can log in with the new password", err=True)


@user.command(epilog=examples("opslib web user disable ana"))
@click.argument("name")
@with_settings
def disable(settings: Settings, name: str) -> None:
    """Let a user in no more; their sessions end at once."""
    with _users(settings) as users:
        users.disable(name)
    tell(f"{name} cannot log in any more", err=True)


@user.command(epilog=examples("opslib web user remove ana"))
@click.argument("name")
@with_settings
def remove(settings: Settings, name: str) -> None:
    """Forget a user; their sessions end at once.

    What they did stays in `opslib web user log` for as long as that of others.
    """
    with _users(settings) as users:
        users.remove(name)
    tell(f"{name} is no user any more", err=True)


@user.command(epilog=examples("opslib web user log", "opslib web user log ana --format json"))
@click.argument("name", required=False)
@with_format
@with_settings
def log(settings: Settings, name: str | None, form: str) -> None:
    """Show who logged in from where, what was refused, and who changed users: of the last 90 days.

    A name that is none of a user is not kept: it may be a password that was typed into the wrong field.
    """
    with _users(settings) as users:
        found = users.events(name)
    for event in found:
        if form == "json":
            tell_json({"at": _moment(event.at), "what": event.what, "name": event.name, "place": event.place})
        else:
            tell(f"{_moment(event.at)}  {event.what:16} {event.name or '-':20} {event.place}")


@user.command("list", epilog=examples("opslib web user list --format json"))
@with_format
@with_settings
def list_users(settings: Settings, form: str) -> None:
    """List the users, and how many sessions each has open."""
    with _users(settings) as users:
        found = users.all()
    if form == "json":
        rows = [
            {
                "name": known.name,
                "role": known.role,
                "enabled": known.enabled,
                "created": _moment(known.created),
                "last_login": _moment(known.last_login),
                "sessions": known.sessions,
            }
            for known in found
        ]
        tell_json(rows)
        return
    for known in found:
        state = "enabled" if known.enabled else "disabled"
        last = _moment(known.last_login) or "never"
        tell(f"{known.name:20} {known.role:8} {state:8} {known.sessions:3} sessions  last login {last}")
    if not found:
        tell("there are no users yet: opslib web user add NAME", err=True)


def _password(from_stdin: bool, chosen: bool) -> str:
    if from_stdin and chosen:
        raise click.UsageError("--password-stdin and --random exclude each other")
    if chosen:
        return secrets.token_urlsafe(15)
    if from_stdin:
        try:
            return sys.stdin.buffer.readline().decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise WrongInput("the password on standard input is not UTF-8") from error
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to type a password at: use --password-stdin or --random")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


@contextmanager
def _users(settings: Settings) -> Iterator[Users]:
    from opslib.web.serve import users_of
    from opslib.web.users import BadUser

    by = who()
    with _state(settings):
        _as_owner(settings.web.state)
        _log_to_syslog()
        users = users_of(settings, by)
        try:
            yield users
        except BadUser as error:
            raise WrongInput(str(error)) from error
        finally:
            users.close()


@contextmanager
def _state(settings: Settings) -> Iterator[None]:
    """Turn trouble with the file of the users into one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise click.ClickException(f"{settings.web.state}/users.sqlite: {error}") from error
    except OSError as error:
        where = error.filename or settings.web.state
        raise click.ClickException(f"{where}: {error.strerror}") from error


def _log_to_syslog() -> None:
    """Let what is changed leave a line beside those of the service."""
    log = logging.getLogger("opslib.web.users")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, Syslog) for handler in log.handlers):
        log.addHandler(Syslog("opslib-web"))


def _as_owner(folder: Path) -> None:
    """Become the service's own user: a file that root made would be closed to the service."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")
