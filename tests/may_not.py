"""Who must not do what: each line is tried on real servers, and docs/security.md shows the same lines."""

from __future__ import annotations

# By the CN of a certificate: what Kafka's access lists refuse.
KAFKA: dict[str, tuple[str, ...]] = {
    "nifi": (
        "read tweets.raw",
        "write tweets.dlq",
        "make a topic",
        "delete tweets.raw",
        "join trendlake-sink",
    ),
    "opslib-sink": ("write tweets.raw", "read tweets.dlq", "make a topic", "join trendlake-speed"),
    "opslib-speed": ("write tweets.raw", "read trends.raw", "write tweets.dlq", "join trendlake-sink"),
    "opslib-stats": ("write tweets.raw", "write tweets.dlq", "delete tweets.dlq", "join trendlake-sink"),
    "opslib-dlq": ("read tweets.raw", "delete tweets.dlq", "join trendlake-sink", "change access lists"),
    "opslib-doctor": ("read tweets.raw", "write tweets.raw", "join trendlake-sink", "change access lists"),
    "opslib-follow": ("read tweets.raw", "write tweets.raw", "write tweets.dlq", "join trendlake-sink"),
    "opslib-wishes": ("read tweets.raw", "write tweets.raw", "write tweets.dlq", "join trendlake-sink"),
    "opslib-search": ("write tweets.raw", "read trends.raw", "join trendlake-sink", "join trendlake-speed"),
    "opslib-backup": (
        "write tweets.raw",
        "write tweets.dlq",
        "make a topic",
        "delete tweets.raw",
        "join trendlake-sink",
        "change access lists",
    ),
    # Certificates for other ports: they open the door and find nothing behind it.
    "opslib-flow": ("read tweets.raw", "write tweets.raw", "make a topic"),
    "mongodb": ("read tweets.raw", "write tweets.raw", "change access lists"),
    "zookeeper": ("read tweets.raw", "write tweets.raw", "change access lists"),
}

# By the CN of a certificate: what the lists of ZooKeeper's nodes refuse. Kafka alone may do these.
ZOOKEEPER_CLIENTS = (
    "nifi", "mongodb", "zookeeper", "operator", "opslib-doctor", "opslib-sink", "opslib-speed",
    "opslib-stats", "opslib-dlq", "opslib-flow", "opslib-follow", "opslib-search", "opslib-wishes",
)  # fmt: skip
ZOOKEEPER = (
    "list the root",
    "make a node below the root",
    "delete /controller",
    "set the root's access list",
    "write /controller_epoch",
    "write a quota",
    "make a consumer",
    "read /config/users",
)

# By account: what its role in MongoDB does not have.
MONGODB: dict[str, tuple[str, ...]] = {
    "opslib-store": ("write tweets", "delete word_counts", "drop tweets", "read audit"),
    "opslib-rollup": ("write tweets", "index audit", "delete tweets", "change clouds", "read local.oplog.rs"),
    "opslib-sink": ("delete tweets", "read word_counts", "index tweets", "write forgotten"),
    "opslib-speed": ("read tweets", "delete trending", "index trending", "write forgotten"),
    "opslib-cloud": ("write tweets", "delete tweets", "index clouds", "read audit"),
    "opslib-web": ("write tweets", "delete clouds", "read audit", "read forgotten"),
    "opslib-forget": ("delete audit", "update audit", "index audit", "delete forgotten", "write tweets"),
    "opslib-stats": ("read tweets", "delete ops_stats", "update ops_stats", "index ops_stats"),
    "opslib-search": ("write tweets", "delete tweets", "read clouds", "write forgotten"),
    "opslib-doctor": ("read local.oplog.rs", "read audit", "write tweets", "make an account"),
    "opslib-audit": ("write audit", "delete audit", "read tweets", "read forgotten", "read local.oplog.rs"),
    "opslib-backup": (
        "write tweets",
        "delete tweets",
        "update audit",
        "index tweets",
        "drop tweets",
        "change tweets",
        "make an account",
    ),
}

# By the CN of a certificate: what NiFi's policies refuse.
NIFI: dict[str, tuple[str, ...]] = {
    "opslib-doctor": ("stop the flow", "read parameters", "read its users", "read its policies"),
    "opslib-flow": ("read counters", "list resources", "ask for site-to-site"),
    "operator": ("read counters", "list resources", "ask for site-to-site"),
    "nifi": ("look at the flow", "read its users", "stop the flow"),
    "opslib-sink": ("look at the flow", "read its users", "stop the flow"),
}


def table() -> str:
    """Return all of it as a table of Markdown."""
    rows = [("Kafka", name, ", ".join(refused)) for name, refused in KAFKA.items()]
    everybody = ", ".join(f"`{name}`" for name in ZOOKEEPER_CLIENTS)
    rows += [("MongoDB", name, ", ".join(refused)) for name, refused in MONGODB.items()]
    rows += [("NiFi", name, ", ".join(refused)) for name, refused in NIFI.items()]
    lines = ["| Where | Who | Must not |", "| --- | --- | --- |"]
    lines += [f"| {where} | `{who}` | {what} |" for where, who, what in rows]
    lines += [f"| ZooKeeper | {everybody} | {', '.join(ZOOKEEPER)} |"]
    return "\n".join(lines)
