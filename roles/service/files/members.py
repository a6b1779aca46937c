"""Say who is a member of what on this host, by its files and its services: a line of JSON. Changes nothing.

Read back and kept: an id that was computed anew would give one member's data another member's name.
"""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

_HELLO = """
import json
from pymongo import MongoClient
client = MongoClient("127.0.0.1", %s, tls=True, tlsCAFile="/etc/mongodb/tls/ca.pem", directConnection=True,
                     serverSelectionTimeoutMS=5000)
said = client.admin.command("hello")
print(json.dumps({"set": said.get("setName"), "members": said.get("hosts", []) + said.get("passives", [])}))
"""


def properties(path):
    """Return the settings of a file of Java's, none if there is no such file."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def zookeeper():
    """Return the member's id, and ``{id: address}`` of the newest configuration that it knows."""
    static = properties("/etc/zookeeper/zoo.cfg")
    data = Path(static.get("dataDir", "/nonexistent"))
    if not (data / "version-2").is_dir():
        return None
    dynamic = properties(data / "conf/zoo.cfg").get("dynamicConfigFile", "")
    servers = {**static, **properties(dynamic)} if dynamic else static
    members = {
        int(name[7:]): value.split(":")[0]
        for name, value in servers.items()
        if re.match(r"server\.\d+$", name)
    }
    version = int(dynamic.rpartition(".dynamic.")[2] or "0", 16) if ".dynamic." in dynamic else 0
    return {"id": int((data / "myid").read_text()), "members": members, "version": version}


def kafka():
    """Return the broker's id, and what it knows of the others if it answers."""
    settings = properties("/etc/kafka/server.properties")
    kept = properties(settings.get("log.dirs", "/nonexistent").split(",")[0] + "/meta.properties")
    if not kept:
        return None
    address, port = settings["listeners"].rpartition("//")[2].rsplit(":", 1)
    try:
        seen = metadata(address, int(port), "/etc/kafka/tls")  # noqa: F821 - put before this text
    except (OSError, ValueError):
        return {"id": int(kept["broker.id"]), "brokers": None}
    holders = sorted({one for partition in seen["partitions"] for one in partition["replicas"]})
    brokers = {number: address.rsplit(":", 1)[0] for number, address in seen["brokers"].items()}
    return {"id": int(kept["broker.id"]), "brokers": brokers, "holders": holders}


def mongodb():
    """Return the members of the set that this host's server is in, if it answers and is in one."""
    python = "/opt/mongodb/tools/bin/python"
    try:
        port = re.search(
            r"^ *port: *(\d+)", Path("/etc/mongodb/mongod.conf").read_text(), re.MULTILINE
        ).group(1)
        said = subprocess.run(
            [python, "-c", _HELLO % port],
            capture_output=True,
            timeout=60,
            check=True,
        )
    except (OSError, AttributeError, subprocess.SubprocessError):
        return None
    found = json.loads(said.stdout.decode())
    return found if found["set"] else None


def stopped(service):
    """Return whether a service neither runs nor is to at the next boot, as where it was taken from a host."""
    said = subprocess.run(
        ["systemctl", "show", "-p", "ActiveState,UnitFileState", service], capture_output=True, check=False
    )
    return not {"ActiveState=inactive", "UnitFileState=disabled"} - set(said.stdout.decode().split())


def retired():
    """Return the services that keep data here of when this host was a member."""
    text = ""
    with contextlib.suppress(OSError):
        text = Path("/etc/mongodb/mongod.conf").read_text()
    path = re.search(r"^ *dbPath: *(\S+)", text, re.MULTILINE)
    kept = {
        "zookeeper": properties("/etc/zookeeper/zoo.cfg").get("dataDir", "/nonexistent") + "/version-2",
        "kafka": properties("/etc/kafka/server.properties").get("log.dirs", "/nonexistent").split(",")[0]
        + "/meta.properties",
        "mongodb": (path.group(1) if path else "/nonexistent") + "/WiredTiger",
    }
    return [name for name, path in kept.items() if Path(path).exists() and stopped(name)]


if __name__ == "__main__":
    said = {"zookeeper": zookeeper(), "kafka": kafka(), "mongodb": mongodb(), "retired": retired()}
    sys.stdout.write(json.dumps(said) + "\n")
