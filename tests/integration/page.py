"""The page of a seeded lake, served by ``opslib web``."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import requests
import seeded
import services
from pymongo import MongoClient

from opslib.search.folder import Folder
from opslib.search.index import Index
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Servers

USER, PASSWORD = "ana", "correct horse battery"


@dataclass
class Page:
    """A database of its own, users, and where the page is."""

    servers: Servers
    folder: Path
    name: str = field(default_factory=lambda: f"page-{uuid.uuid4().hex[:8]}")
    url: str = ""
    hostile: bool = True  # with tweets and topics that try to be more than text

    def __post_init__(self) -> None:
        self.wishes = self.folder / "wishes.socket"  # nobody answers there unless a test sees to it
        self.mongo: MongoClient[Any] = MongoClient(
            "127.0.0.1", self.servers.mongodb.port, tls=True, tlsCAFile=str(self.servers.authority.ca),
            directConnection=True, username=services.ADMIN[0], password=services.ADMIN[1], tz_aware=True,
        )  # fmt: skip
        self.database: Any = self.mongo[self.name]
        initialise(self.database)
        self.until = seeded.seed(self.database, hostile=self.hostile)
        credentials = self.folder / "credentials"
        credentials.mkdir()
        (credentials / "ca").write_bytes(self.servers.authority.ca.read_bytes())
        (credentials / "mongodb_username").write_text("opslib-web")
        (credentials / "mongodb_password").write_text(services.PASSWORD)
        (credentials / "web_key").write_text("of the tests")
        self.config = self.folder / "opslib.toml"
        uri = f"mongodb://127.0.0.1:{self.servers.mongodb.port}/?replicaSet=trendlake&tls=true"
        self.config.write_text(
            f"[mongodb]\nuri = '{uri}'\ndatabase = '{self.name}'\n[web]\nstate = '{self.folder}'\n"
            f"[wishes]\nenabled = true\nsocket = '{self.wishes}'\n"
            f"[search]\nenabled = true\ndirectory = '{self._indexed()}'\n"
            f"[report.timezones]\n{seeded.BRAZIL} = 'America/Sao_Paulo'\n{seeded.RIO} = 'America/Sao_Paulo'\n"
        )
        self.environment = services.environment(
            CREDENTIALS_DIRECTORY=str(credentials), OPSLIB_CONFIG=str(self.config)
        )
        made = self.opslib("web", "user", "add", USER, "--password-stdin", stdin=f"{PASSWORD}\n")
        assert made.returncode == 0, made.stderr

    def _indexed(self) -> Path:
        """Return the folder of an index of what is stored."""
        folder = Folder(self.folder / "search")
        folder.path.mkdir()
        index = Index(folder.fresh())
        with index.writing():
            index.put(self.database.tweets.find({}))
        index.close()
        folder.turn_to(index.path)
        return folder.path

    def opslib(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of opslib to its end."""
        return subprocess.run(
            [sys.executable, "-m", "opslib", *arguments], input=stdin,
            env=self.environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    @contextlib.contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Serve the page for a while, and return where it says it is."""
        process = subprocess.Popen(
            [sys.executable, "-m", "opslib", "web", *arguments],
            env=self.environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        lines: list[str] = []
        try:
            for line in process.stderr:
                lines.append(line)
                if "started" in line:
                    break
            else:
                raise RuntimeError("".join(lines))
            found = re.search(r"the page is at (?:the socket )?(\S+)", "".join(lines))
            assert found
            with (self.folder / "log").open("w") as log:
                # Read on, so that it never waits for a full pipe.
                reader = subprocess.Popen(["cat"], stdin=process.stderr, stdout=log)
                yield found.group(1)
        finally:
            process.terminate()
            assert process.wait(60) == 0
            reader.wait(60)

    def log_in(self, name: str, password: str, session: requests.Session | None = None) -> requests.Response:
        """Send the form to log in."""
        with contextlib.ExitStack() as stack:
            session = session or stack.enter_context(new_session())
            form = session.get(f"{self.url}/login", timeout=300).text
            token = re.search(r'name="form_token" value="(\w+)"', form)
            assert token
            data = {"name": name, "password": password, "form_token": token.group(1)}
            return session.post(f"{self.url}/login", data=data, timeout=300, allow_redirects=False)

    def session(self, name: str = USER, password: str = PASSWORD) -> requests.Session:
        """Return a session that is logged in."""
        session = new_session()
        assert self.log_in(name, password, session).status_code == 303
        return session

    def reader(self) -> Any:
        """Return the database as the page's account sees it."""
        login = ("opslib-web", services.PASSWORD)
        return services.mongodb_client(self.servers.mongodb.port, self.servers.authority.ca, login)[self.name]

    def day_begins(self) -> datetime:
        """Return when today began in São Paulo; yesterday, if that was a moment ago."""
        zone = ZoneInfo("America/Sao_Paulo")
        begin = self.until.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.until - begin < timedelta(hours=3):
            begin -= timedelta(days=1)
        return begin.astimezone(timezone.utc)

    def day(self) -> str:
        """Return the day in São Paulo that :meth:`day_begins` is of."""
        return f"{self.day_begins().astimezone(ZoneInfo('America/Sao_Paulo')):%Y-%m-%d}"

    def close(self) -> None:
        self.mongo.drop_database(self.name)
        self.mongo.close()


@contextlib.contextmanager
def served(servers: Servers, folder: Path, *, hostile: bool = True) -> Iterator[Page]:
    """Seed a lake and serve its page for a while."""
    page = Page(servers, folder, hostile=hostile)
    try:
        with page.serving("--port", "0") as page.url:
            yield page
    finally:
        page.close()


def new_session() -> requests.Session:
    """Return a session that sends secure cookies to loopback without TLS, as browsers do."""
    return _Loopback()


class _Loopback(requests.Session):
    def send(self, request: Any, **options: Any) -> requests.Response:
        answer = super().send(request, **options)
        for cookie in self.cookies:
            cookie.secure = False
        return answer
