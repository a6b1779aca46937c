"""The lake of the scenario `alarms`, the host that watches it, and what is done to them."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from chaos import ROOT, Machine, Producer, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kazoo.client import KazooClient
from kazoo.security import make_acl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "out/molecule/alarms"
_CALL = (
    "import sys, urllib.request as u; b = sys.stdin.buffer.read() or None; "
    "r = u.Request(sys.argv[1], data=b, method=sys.argv[2]); print(u.urlopen(r, timeout=60).read().decode())"
)
_MAIL = "/root/mail"
# Of Debian's package, which is not installed: what is on the host is to be the lake's alone.
_LISTENER = (
    "set -e; mkdir -p /root/smtp/new; cd /root/smtp/new; apt-get -qq download $(apt-cache depends --recurse "
    "--important python3-aiosmtpd | grep ^python3-); for one in *.deb; do dpkg -x $one ..; done; "
    "mv ../usr /root/mailer; rm -r /root/smtp"
)


@dataclass
class Lake(Machine):
    """The machines."""

    folder: Path = FOLDER

    @property
    def watch(self) -> str:
        return f"{self.name}-watch"

    def on_watch(self, command: str) -> str:
        """Run a shell command on the host that watches."""
        done = subprocess.run(
            ["ssh", "-F", self.folder / "ssh_config", self.watch, command],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr[-1500:]}"
        return done.stdout

    # ---- who is told

    def listen_for_mail(self) -> None:
        """Start a mail server on the host that watches."""
        self.on_watch(
            f"[ -d /root/mailer ] || ({_LISTENER}) && systemctl is-active -q smtp || "
            "systemd-run -q --unit=smtp -E PYTHONPATH=/root/mailer/lib/python3/dist-packages "
            f"python3 -m aiosmtpd -n -l 127.0.0.1:2525 -c aiosmtpd.handlers.Mailbox {_MAIL}"
        )

    def mails(self) -> str:
        """Return the subjects of all mails."""
        return self.on_watch(f"grep -rhi ^subject: {_MAIL} || true")

    def firing(self) -> set[str]:
        """Return the alarms that Alertmanager has."""
        code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        url = "http://127.0.0.1:9303/api/v2/alerts"
        found = json.loads(self.on_watch(f"python3 -c {shlex.quote(code)} {url}"))
        return {one["labels"]["alertname"] for one in found}

    # ---- X and NiFi

    def let_x_fail(self, **faults: Any) -> None:
        """Let the local X API do what its control API says; without *faults* all is well again."""
        command = shlex.join(["python3", "-c", _CALL, "http://127.0.0.1:8090/_control/faults", "PUT"])
        self.run(f"printf %s {shlex.quote(json.dumps(faults))} | {command}")

    def nifi(self, method: str, path: str, body: Any = None) -> Any:
        """Call NiFi's API as the operator."""
        answer = requests.request(
            method, f"https://{self.address}:8443/nifi-api/{path}", json=body, timeout=60,
            cert=(self.kafka["ssl_certfile"], self.kafka["ssl_keyfile"]), verify=self.kafka["ssl_cafile"],
        )  # fmt: skip
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def _flow(self) -> dict[str, Any]:
        root = self.nifi("GET", "flow/process-groups/root")["processGroupFlow"]["flow"]["processGroups"]
        flow: dict[str, Any] = self.nifi("GET", f"flow/process-groups/{root[0]['id']}")["processGroupFlow"]
        return flow["flow"]

    def publish(self, run: bool, most: int) -> None:
        """Start or stop what publishes tweets, with room for *most* pages before it."""
        flow = self._flow()
        (publisher,) = (one for one in flow["processors"] if one["component"]["name"] == "Publish tweets")
        if not run:
            self._run(publisher, "STOPPED")
        for one in flow["connections"]:
            if one["destinationId"] == publisher["id"] != one["sourceId"]:
                component = {"id": one["id"], "backPressureObjectThreshold": most}
                body = {"revision": one["revision"], "component": component}
                self.nifi("PUT", f"connections/{one['id']}", body)
        if run:
            self._run(publisher, "RUNNING")

    def _run(self, processor: dict[str, Any], state: str) -> None:
        path = f"processors/{processor['id']}/run-status"
        self.nifi("PUT", path, {"revision": processor["revision"], "state": state})

    def spend(self, part: float) -> None:
        """Let the day's budget be such that *part* of it is spent."""
        parameters = json.loads(self.run("cat /etc/opslib/flow/parameters.json"))
        spent = json.loads(self.run("opslib stats --format json"))["budget"]["today"]["usd"]
        # A budget that trends would use up by themselves is refused.
        few = {"trends_interval": "60 min"} if part > 0.5 else {}
        parameters |= {"x_budget_usd_day": f"{spent / part:.2f}", **few}
        changed = shlex.quote(json.dumps(parameters))
        self.run(
            f"(umask 077; printf %s {changed} > /root/parameters.json); opslib flow deploy --parameters "
            "/root/parameters.json /etc/opslib/flow/definition.json",
            seconds=300,
        )

    # ---- Kafka and ZooKeeper

    def hold_rollups(self) -> None:
        """Stop counting, and let tweets come that are to be counted."""
        self.run("systemctl disable -q --now opslib-rollup")
        producer = Producer(self, number=20, seconds=1, seed=1)
        producer.start()
        producer.finish(120)

    def spoil(self) -> None:
        """Put a message into tweets.raw that cannot be stored."""
        producer = KafkaProducer(**self.kafka, acks="all")
        producer.send("tweets.raw", b"no tweet").get(60)
        producer.close()

    @contextlib.contextmanager
    def as_kafka(self) -> Iterator[KazooClient]:
        """Connect to ZooKeeper as the broker does."""
        for file in ("cert.pem", "key.pem"):
            path = self.folder / f"kafka-{file}"
            path.touch(0o600)
            path.write_text(self.run(f"cat /etc/kafka/tls/{file}"))
        client = KazooClient(
            f"{self.address}:2182", use_ssl=True, ca=self.kafka["ssl_cafile"], verify_certs=True, timeout=10,
            certfile=str(self.folder / "kafka-cert.pem"), keyfile=str(self.folder / "kafka-key.pem"),
        )  # fmt: skip
        client.start(timeout=30)
        try:
            yield client
        finally:
            client.stop()
            client.close()

    def add_topic(self, name: str, replicas: list[int], leader: int) -> None:
        """Put a topic onto brokers, some of which are dead, as it is once they have died."""
        acl = [make_acl("auth", "", all=True)]
        topic = {"version": 1, "partitions": {"0": replicas}}
        state = {"controller_epoch": 1, "leader": leader, "version": 1, "leader_epoch": 0, "isr": [leader]}
        path = f"/brokers/topics/{name}"
        with self.as_kafka() as zookeeper:
            steps = zookeeper.transaction()
            steps.create(path, json.dumps(topic).encode(), acl=acl)
            steps.create(f"{path}/partitions", b"", acl=acl)
            steps.create(f"{path}/partitions/0", b"", acl=acl)
            steps.create(f"{path}/partitions/0/state", json.dumps(state).encode(), acl=acl)
            # A new controller looks at what there is.
            steps.delete("/controller")
            assert not any(isinstance(one, Exception) for one in steps.commit())

    def drop_topic(self, name: str) -> None:
        """Take it away again."""
        with self.as_kafka() as zookeeper:
            zookeeper.delete(f"/brokers/topics/{name}", recursive=True)
        # It goes on telling of it otherwise.
        self.run("systemctl restart kafka", seconds=300)

    def heal_topic(self, name: str, broker: int) -> None:
        """Let a topic be on a broker that lives alone, and take it away."""
        moves = {"version": 1, "partitions": [{"topic": name, "partition": 0, "replicas": [broker]}]}
        with self.as_kafka() as zookeeper:
            zookeeper.create("/admin/reassign_partitions", json.dumps(moves).encode())
            path = "/admin/reassign_partitions"
            wait_until("Kafka has moved it", lambda: not zookeeper.exists(path), 60)
        admin = KafkaAdminClient(**self.kafka)
        admin.delete_topics([name])
        admin.close()

    def broker(self) -> int:
        """Return the broker's id."""
        with self.as_kafka() as zookeeper:
            return int(zookeeper.get_children("/brokers/ids")[0])

    def take_controller(self) -> None:
        """Let a broker that is not there be the controller, until :meth:`give_controller`."""
        self._held = contextlib.ExitStack()
        zookeeper = self._held.enter_context(self.as_kafka())
        value = json.loads(zookeeper.get("/controller")[0])
        steps = zookeeper.transaction()
        steps.delete("/controller")
        acl = [make_acl("auth", "", all=True)]
        steps.create("/controller", json.dumps({**value, "brokerid": 99}).encode(), acl=acl, ephemeral=True)
        assert not any(isinstance(one, Exception) for one in steps.commit())

    def give_controller(self) -> None:
        """Let the broker be it again."""
        self._held.close()

    # ---- MongoDB

    def cut_from_mongodb(self, *accounts: str) -> None:
        """Let nothing that *accounts* send get to MongoDB."""
        rules = (
            "add table inet verify",
            "add chain inet verify cut { type filter hook output priority 0; }",
            f"add rule inet verify cut meta skuid {{ {', '.join(accounts)} }} tcp dport 27017 drop",
        )
        self.run(f"printf '%s\\n' {' '.join(map(shlex.quote, rules))} | nft -f -")

    def let_to_mongodb(self) -> None:
        """Let them again."""
        self.run("nft delete table inet verify")

    # ---- files

    def shorten_certificate(self, days: int) -> None:
        """Let the page's certificate be one of *days* days, of the lake's authority."""
        path = "/etc/opslib-web/tls/cert.pem"
        self.run(f"cp -a {path} /root/page-cert.pem")
        old = x509.load_pem_x509_certificate(self.run(f"cat {path}").encode())
        authority = x509.load_pem_x509_certificate((self.folder / "ca/ca.pem").read_bytes())
        secret = self.secrets["tls_ca_passphrase"].encode()
        key: Any = serialization.load_pem_private_key((self.folder / "ca/ca.key").read_bytes(), secret)
        now = dt.datetime.now(dt.timezone.utc)
        made = (
            x509.CertificateBuilder()
            .subject_name(old.subject)
            .issuer_name(authority.subject)
            .public_key(old.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=days))
        )
        for extension in old.extensions:
            made = made.add_extension(extension.value, extension.critical)
        new = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        self.run(f"printf %s {shlex.quote(new)} > {path}; systemctl reload nginx")

    def restore_certificate(self) -> None:
        """Let it be the one that it was."""
        self.run("cp -a /root/page-cert.pem /etc/opslib-web/tls/cert.pem; systemctl reload nginx")

    def fill(self, path: str, options: str, fill: str) -> None:
        """Mount a small disk, and run *fill* in it."""
        self.run(f"mkdir -p {path}; mount -t tmpfs -o {options} verify {path}; cd {path}; {fill}")

    def empty(self, path: str) -> None:
        """Take it away again."""
        self.run(f"umount {path}; rmdir {path}")

    def is_well(self) -> bool:
        """Tell whether the doctor finds everything well."""
        return "failed " not in self.run("opslib doctor", check=False)

    def settle(self, seconds: float) -> None:
        """Wait until all is well, and nobody is to be told of anything."""
        wait_until("the doctor is content", self.is_well, seconds)
        wait_until("no alarm is up", lambda: self.firing() == {"DeadMansSwitch"}, seconds)
        time.sleep(1)
