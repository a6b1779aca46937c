"""Where the components of the lake are to be found, as the settings of this host have it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pymongo.uri_parser import parse_uri

from opslib.settings import Settings, SettingsError


@dataclass(frozen=True)
class Endpoint:
    """One port of one component, and the credentials a client shows there."""

    component: str
    host: str
    port: int
    certificate: str | None = None
    key: str | None = None
    public: bool = False  # may have a certificate that is signed by an authority all systems know

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def zookeeper(settings: Settings) -> list[Endpoint]:
    """Return every member of the ensemble."""
    return [
        Endpoint("zookeeper", *host_port("zookeeper.servers", server), "zookeeper_cert", "zookeeper_key")
        for server in settings.zookeeper.servers
    ]


def kafka(settings: Settings) -> list[Endpoint]:
    """Return every bootstrap server."""
    return [
        Endpoint("kafka", *host_port("kafka.bootstrap_servers", server), "kafka_cert", "kafka_key")
        for server in settings.kafka.bootstrap_servers
    ]


def mongodb(settings: Settings) -> list[Endpoint]:
    """Return every member of the replica set that the URI names."""
    nodes = parse_uri(settings.mongodb.uri)["nodelist"]
    return [Endpoint("mongodb", host, port) for host, port in nodes]


def nifi(settings: Settings) -> list[Endpoint]:
    """Return NiFi's port."""
    url = urlsplit(settings.nifi.url)
    return [Endpoint("nifi", url.hostname or "", url.port or 443, "nifi_cert", "nifi_key")]


def web(settings: Settings) -> list[Endpoint]:
    """Return the page's port."""
    url = urlsplit(settings.web.url)
    return [Endpoint("web", url.hostname or "", url.port or 443, public=True)]


def with_tls(settings: Settings) -> list[Endpoint]:
    """Return the endpoints of all configured components that speak TLS."""
    found: list[Endpoint] = []
    if configured(settings, "zookeeper"):
        found += zookeeper(settings)
    if configured(settings, "kafka") and settings.kafka.security_protocol == "SSL":
        found += kafka(settings)
    if configured(settings, "mongodb") and "tls=true" in settings.mongodb.uri.lower():
        found += mongodb(settings)
    if configured(settings, "nifi") and settings.nifi.url.startswith("https:"):
        found += nifi(settings)
    if configured(settings, "web"):
        found += web(settings)
    return found


def configured(settings: Settings, section: str) -> bool:
    """Tell whether *section* was set on this host at all, rather than left at its default."""
    return section in settings.model_fields_set


def host_port(setting: str, text: str) -> tuple[str, int]:
    """Split HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"{setting}: {text} is not HOST:PORT")
    return host.strip("[]"), int(port)
