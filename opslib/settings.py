"""Typed settings: one TOML file, environment variables over it, secrets as files.

A value comes from ``OPSLIB_<SECTION>__<KEY>`` if that is set, else from the file (``--config``, else
``OPSLIB_CONFIG``, else ``/etc/opslib/opslib.toml``; no file is no error for the last), else from the default
here. Passwords, keys and certificates are files in ``$CREDENTIALS_DIRECTORY``, which systemd fills with
``LoadCredential=``: they are read when they are used, so that no settings object holds one to be logged.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

if TYPE_CHECKING:
    from pymongo import MongoClient

DEFAULT_FILE = Path("/etc/opslib/opslib.toml")
# Where a service shows its metrics, on 127.0.0.1 alone; without a number nowhere.
MetricsPort = Annotated[Optional[int], Field(ge=1, le=65535)]
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MOST_BYTES = 1024 * 1024
_BEYOND_ASCII = 0x80
_LIST_EXAMPLE = """OPSLIB_KAFKA__BOOTSTRAP_SERVERS='["a:9093"]'"""


class SettingsError(click.ClickException):
    """A setting is wrong or missing, in one line. A retry will not help: exit code 2."""

    exit_code = 2


def credential(name: str) -> Path:
    """Return the file that holds the credential *name*."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise SettingsError(f"the credential {name} is needed, and CREDENTIALS_DIRECTORY is not set")
    path = Path(directory, name)
    if not os.access(path, os.R_OK):
        raise SettingsError(f"the credential {name} is needed, and {path} cannot be read")
    return path


def has_credential(name: str) -> bool:
    """Tell whether the credential *name* was handed over."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(directory) and os.access(Path(str(directory), name), os.R_OK)


def secret(name: str) -> str:
    """Return the text of the credential *name* without the line end that editors leave."""
    path = credential(name)
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError as wrong:
        raise SettingsError(f"the credential {name}, {path}, is not UTF-8") from wrong
    except OSError as wrong:
        raise SettingsError(f"the credential {name}, {path}: {wrong.strerror}") from wrong


class _Section(BaseModel):
    """A table of the file. A key that it does not know is an error: most often it is misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def text(cls, value: Any) -> Any:
        """Refuse what no server, file or picture takes for text: NUL, and half a character."""
        if isinstance(value, str) and _NO_TEXT.search(value):
            raise ValueError(f"{value!r} has a character that is none")
        return value


class Kafka(_Section):
    """How to reach the messaging layer."""

    bootstrap_servers: list[str] = Field(default=["127.0.0.1:9093"], min_length=1)
    security_protocol: Literal["SSL", "PLAINTEXT"] = "SSL"

    def client_options(self) -> dict[str, Any]:
        """Return what every kafka-python client is called with."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol == "SSL":
            options["ssl_cafile"] = str(credential("ca"))
            options["ssl_certfile"] = str(credential("kafka_cert"))
            options["ssl_keyfile"] = str(credential("kafka_key"))
        return options


class Mongodb(_Section):
    """How to reach the storage layer."""

    uri: str = Field(
        default="mongodb://127.0.0.1:27017/?replicaSet=trendlake&tls=true", pattern="^mongodb://"
    )
    database: str = Field(default="trendlake", min_length=1)

    def hosts(self) -> list[str]:
        """Return the members that the URI names, each as ``host:port``."""
        return self.uri.split("://")[1].split("/")[0].split("@")[-1].split(",")

    def client(self, member: str | None = None, **options: Any) -> MongoClient[dict[str, Any]]:
        """Return a client that logs in with the credentials handed over, if any; *options* win.

        How long it looks for a server is the URI's to say first.
        It talks to the whole set or, if one is named, to that *member* alone.
        """
        from pymongo import MongoClient  # only some commands have it installed
        from pymongo.errors import InvalidURI, PyMongoError

        defaults: dict[str, Any] = {"tz_aware": True}
        if "serverselectiontimeoutms=" in self.uri.lower():
            options.pop("serverSelectionTimeoutMS", None)
        if "tls=true" in self.uri.lower():
            defaults["tlsCAFile"] = str(credential("ca"))
        if has_credential("mongodb_username"):
            defaults["username"] = secret("mongodb_username")
            defaults["password"] = secret("mongodb_password")
            # The set's own account, which its key opens, is every member's and in no database that is copied.
            own = defaults["username"] == "__system"
            defaults["authSource"] = "local" if own else "admin"
        try:
            if member is None:
                return MongoClient(self.uri, **{**defaults, **options})
            uri = self.uri.replace(",".join(self.hosts()), member, 1)
            return MongoClient(uri, **{**defaults, "directConnection": True, **options})
        except (InvalidURI, ValueError, PyMongoError) as wrong:
            raise SettingsError(f"mongodb.uri: {wrong}") from wrong


class Zookeeper(_Section):
    """How to reach the ensemble that manages Kafka; only the doctor asks it."""

    servers: list[str] = Field(default=["127.0.0.1:2182"], min_length=1)


class Nifi(_Section):
    """How to reach the extraction layer."""

    url: str = Field(default="https://127.0.0.1:8443", pattern="^https?://")


class Sink(_Section):
    """The storage layer's reader of Kafka."""

    group_id: str = Field(default="trendlake-sink", min_length=1)
    batch_size: int = Field(default=1000, ge=1, le=100_000)
    batch_seconds: float = Field(default=1.0, gt=0, le=60)
    metrics_port: MetricsPort = None  # of the sink without a number; number N has this plus N


class Speed(_Section):
    """The speed layer; docs/speed.md has what each number means for what is shown."""

    group_id: str = Field(default="trendlake-speed", min_length=1)
    state_directory: Path = Path("/var/lib/opslib/speed")
    every_seconds: float = Field(default=10, ge=0.1, le=600)  # between two looks at what is due
    lateness_seconds: int = Field(default=900, ge=0, le=86_400)
    minimum_authors: int = Field(default=5, ge=1, le=1_000_000)
    baseline_minutes: int = Field(default=60, ge=1, le=1440)
    half_life: float = Field(default=0.25, gt=0, le=10)  # in lengths of the window
    metrics_port: MetricsPort = None


class Stats(_Section):
    """The recorder of statistics, the third reader of Kafka."""

    enabled: bool = True  # whether somebody records, so that the doctor expects it
    group_id: str = Field(default="trendlake-stats", min_length=1)
    other_groups: list[str] = []  # whose lag is told beside the sink's, the speed layer's and its own
    grace_seconds: float = Field(default=10, ge=0, le=600)  # how late a minute's last messages may come
    metrics_port: MetricsPort = None


class Search(_Section):
    """The search index, of which each host of the page keeps one: a further reader of Kafka."""

    enabled: bool = False  # whether this host keeps one, so that the doctor expects it
    directory: Path = Path("/var/lib/opslib/search")
    group_id: str = Field(default="trendlake-search", min_length=1)  # the name of the host follows it
    host: str = ""  # without one, what the system calls itself
    hosts: list[str] = []  # that keep one, for the doctor
    batch_size: int = Field(
        default=2000, ge=1, le=100_000
    )  # messages, or tweets of MongoDB, taken in at once
    metrics_port: MetricsPort = None

    def group(self, host: str | None = None) -> str:
        """Return the Kafka group of a *host*, by default of this one: each reads everything."""
        return f"{self.group_id}-{host or self.host or socket.gethostname()}"


class Store(_Section):
    """How long MongoDB keeps what it holds; tweets and word counts without a number for ever.

    Clouds take the most room for what they tell, and can be drawn again as long as there are tweets.
    """

    tweets_days: Optional[float] = Field(default=None, gt=0, le=20_000)  # noqa: UP045 - read on Python 3.9
    word_counts_days: Optional[float] = Field(default=None, gt=0, le=20_000)  # noqa: UP045 - read on Python 3.9
    clouds_days: float = Field(default=90, gt=0, le=20_000)
    trending_days: Optional[float] = Field(default=7, gt=0, le=20_000)  # noqa: UP045 - read on Python 3.9

    ops_stats_days: float = Field(default=90, gt=0, le=20_000)

    def keep_days(self) -> dict[str, float | None]:
        """Return the days by collection."""
        return {
            "tweets": self.tweets_days,
            "word_counts": self.word_counts_days,
            "clouds": self.clouds_days,
            "trending": self.trending_days,
            "ops_stats": self.ops_stats_days,
        }


class Cloud(_Section):
    """What a word cloud looks like where the command line does not say."""

    width: int = Field(default=1600, ge=200, le=8000)
    height: int = Field(default=900, ge=200, le=8000)
    max_words: int = Field(default=200, ge=0, le=1_000_000)
    hours: float = Field(default=24, gt=0, le=20_000 * 24)


class Report(_Section):
    """The clouds of what was trending, which are rendered by the clock and kept."""

    hours: float = Field(default=6, gt=0, le=31 * 24)  # how far back the tweets of a moment's topics go
    wait_minutes: float = Field(
        default=10, gt=0, le=24 * 60
    )  # what collecting takes after a snapshot of trends
    # How far back clouds are rendered that are missing, after an outage or because a tweet was forgotten.
    catch_up_hours: float = Field(default=7 * 24, gt=0, le=20_000 * 24)
    at_once: int = Field(
        default=20, ge=1, le=100_000
    )  # moments a place and run at most, so that no place waits for long
    timezone: str = "UTC"  # of places that timezones does not name
    timezones: dict[int, str] = Field(default={})  # WOEID to name, such as America/Sao_Paulo

    @field_validator("timezone", "timezones")
    @classmethod
    def known(cls, value: Any) -> Any:
        """Refuse what is no IANA name."""
        for name in value.values() if isinstance(value, dict) else (value,):
            _zone(name)
        return value


class _Hiding(_Section):
    """What pictures, tables and lists do not show, each with the reason that the page gives for it."""

    hidden: dict[str, str] = {}

    @field_validator("hidden")
    @classmethod
    def reasoned(cls, value: dict[str, str]) -> dict[str, str]:
        """Refuse what hides nothing, and what says no reason."""
        for name, reason in value.items():
            if not any(one.isalnum() or (ord(one) >= _BEYOND_ASCII and not one.isspace()) for one in name):
                raise ValueError(f"{name!r} names nothing that could be hidden")
            if not reason.strip():
                raise ValueError(f"{name!r} is to have a reason, which the page shows")
        return value


class Words(_Hiding):
    """Words that are not shown, with whatever holds them."""


class Authors(_Hiding):
    """Authors, by name or id, whose tweets are not shown."""


class Schedule(_Section):
    """What is promised to come how often, for the doctor; nothing is promised without a number."""

    places: dict[int, str] = {}  # whose trends are collected, by WOEID
    trends_minutes: Optional[float] = Field(default=None, gt=0, le=1e8)  # noqa: UP045 - read on Python 3.9
    rollup_seconds: Optional[float] = Field(default=None, gt=0, le=1e9)  # noqa: UP045 - read on Python 3.9
    report_seconds: Optional[float] = Field(default=None, gt=0, le=1e9)  # noqa: UP045 - read on Python 3.9


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{name!r} is no time zone such as America/Sao_Paulo") from error


class Web(_Section):
    """The page: where it keeps its users, how long they stay logged in unseen, and what it is called."""

    url: str = Field(default="https://127.0.0.1", pattern="^https://")  # where the doctor asks it
    # Names and addresses that it is asked for, an IPv6 address in brackets; empty: any that nginx lets in.
    hosts: list[str] = []
    state: Path = Path("/var/lib/opslib-web")
    session_hours: float = Field(default=12, gt=0, le=24 * 14)
    metrics_port: MetricsPort = None


class Wishes(_Section):
    """What of the page's wishes about what is followed is carried out, by `opslib wishes` on its host."""

    enabled: bool = False  # whether somebody carries them out
    socket: Path = Path("/run/opslib-wishes.socket")
    state: Path = Path("/var/lib/opslib/wishes")
    follow_usd_day: float = Field(default=5, gt=0, le=1e6)  # that one of the page may cost at most
    usd_day: float = Field(default=20, gt=0, le=1e6)  # that all but the inventory's may cost, for one more
    follows: int = Field(default=50, ge=1, le=500)  # how many there may be, for one more
    estimates_usd_day: float = Field(default=0.25, gt=0, le=1e4)  # that X's counts for estimates may cost
    metrics_port: MetricsPort = None


class X(_Section):
    """How to reach the X API, or the local one that stands in for it, and where its cost is counted."""

    base_url: str = Field(default="https://api.x.com", pattern="^https?://")
    timeout: float = Field(default=30, gt=0, le=3600)
    budget_file: Path = Path("/var/lib/nifi/x-budget.sqlite")

    @property
    def made_up(self) -> bool:
        """Tell whether what comes from there is made up: X answers over TLS, `opslib x simulate` without."""
        return self.base_url.startswith("http://")


class Recheck(_Section):
    """The recheck of stored tweets against X, and what it may spend on it."""

    method: Literal["batch", "lookup"] = "batch"  # lookups where the token may not make jobs
    usd_day: float = Field(default=0.5, ge=0, le=1e9)  # a post returned costs 0.005 USD
    usd_month: Optional[float] = Field(default=None, ge=0, le=1e9)  # noqa: UP045 - read on Python 3.9
    budget_file: Path = Path("/var/lib/opslib/recheck/budget.sqlite")
    # With more of a page gone than this, it is X that is ill and not the posts.
    most_gone: float = Field(default=0.5, gt=0, le=1)


class Backup(_Section):
    """Where backups are kept and for how long; docs/backup.md has what each part is."""

    repository: str = ""  # as restic names it: a folder, sftp:…, s3:…
    parts: list[str] = []  # that this host saves; all without any
    topics: list[str] = ["tweets.raw", "trends.raw", "tweets.dlq", "follows"]  # whose messages are saved
    keep_last: int = Field(default=2, ge=1, le=10_000)
    keep_daily: int = Field(default=7, ge=0, le=10_000)
    keep_weekly: int = Field(default=4, ge=0, le=10_000)
    keep_monthly: int = Field(default=6, ge=0, le=10_000)
    limit_kib: Optional[int] = Field(default=None, ge=1, le=10**9)  # noqa: UP045 - a second, each way
    state: Path = Path("/var/lib/opslib/backup")  # what is known of the last ones, and where one is verified
    cache: Optional[Path] = None  # noqa: UP045 - of restic; without one it asks the repository each time
    restic: str = "restic"
    mongod: Path = Path("/opt/mongodb/current/bin/mongod")  # that a backup is verified in


class Settings(BaseSettings):
    """All settings, one section a component."""

    model_config = SettingsConfigDict(
        env_prefix="OPSLIB_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    kafka: Kafka = Kafka()
    mongodb: Mongodb = Mongodb()
    zookeeper: Zookeeper = Zookeeper()
    nifi: Nifi = Nifi()
    sink: Sink = Sink()
    speed: Speed = Speed()
    stats: Stats = Stats()
    search: Search = Search()
    store: Store = Store()
    words: Words = Words()
    authors: Authors = Authors()
    cloud: Cloud = Cloud()
    report: Report = Report()
    schedule: Schedule = Schedule()
    web: Web = Web()
    wishes: Wishes = Wishes()
    x: X = X()
    recheck: Recheck = Recheck()
    backup: Backup = Backup()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the file, whose content :func:`load` gives as arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(config_path: str | Path | None = None) -> Settings:
    """Read the settings; everything that can be wrong with them is a :class:`SettingsError`."""
    named = config_path or os.environ.get("OPSLIB_CONFIG")
    path = Path(named) if named else DEFAULT_FILE
    content = _read(path) if named or path.exists() else {}
    try:
        return Settings(**content)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{place}: {first['msg']} (in {path} or {_variable(first['loc'])})") from wrong
    except UnreadableVariable as wrong:
        raise SettingsError(f"{wrong}: a list is given as JSON, such as {_LIST_EXAMPLE}") from wrong


def _variable(location: tuple[int | str, ...]) -> str:
    return "OPSLIB_" + "__".join(str(part).upper() for part in location if isinstance(part, str))


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise SettingsError(f"{path} is larger than {_MOST_BYTES} bytes: it holds no settings")
        content: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except OSError as wrong:
        raise SettingsError(f"{path}: {wrong.strerror}") from wrong
    except (ValueError, RecursionError) as wrong:
        raise SettingsError(f"{path} is not TOML: {wrong}") from wrong
    return content
