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
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
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
# What machines that share one clock, and one member of a set, cannot have: told as exporters tell it.
_PRETENDED = """
import http.server, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        now = time.time()
        self.send_response(200)
        self.end_headers()
        member = 'figure="repl.lastWrite.lastWriteDate",member="mongodb-2"'
        told = f"node_time_seconds {now - 60}\\ntrendlake_stats_mongodb_status{{{member}}} {now - 120}\\n"
        self.wfile.write(told.encode())

http.server.HTTPServer(("127.0.0.1", 9481), Handler).serve_forever()
"""
_PRETENDED_TARGET = [{"targets": ["127.0.0.1:9481"], "labels": {"host": "pretended", "job": "pretended"}}]


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
        return {one["labels"]["alertname"] for one in self._asked("http://127.0.0.1:9303/api/v2/alerts")}

    def noticed(self) -> set[str]:
        """Return the alarms that Prometheus has, those too that have not lasted for long enough yet."""
        found = self._asked("http://127.0.0.1:9090/api/v1/alerts")["data"]["alerts"]
        return {one["labels"]["alertname"] for one in found}

    def _asked(self, url: str) -> Any:
        """Return what something on loopback of the host that watches answers."""
        code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        return json.loads(self.on_watch(f"python3 -c {shlex.quote(code)} {url}"))

    def pretend(self) -> None:
        """Let Prometheus look at a host with a wrong clock that has a member of MongoDB's set far behind."""
        target = shlex.quote(json.dumps(_PRETENDED_TARGET))
        self.on_watch(
            f"systemd-run -q --unit=pretended python3 -c {shlex.quote(_PRETENDED)}; sleep 2; "
            f"printf %s {target} > /etc/prometheus/targets/pretended.json"
        )

    def pretend_no_longer(self) -> None:
        """Let it go."""
        self.on_watch("rm /etc/prometheus/targets/pretended.json; systemctl stop pretended")

    def shorten(self, alarm: str, lasts: str, less: str) -> None:
        """Let an alarm have to last for *less* than it *lasts* by its rule."""
        rules = "/etc/prometheus/trendlake-rules.yml"
        self.on_watch(
            f"sed -i '/alert: {alarm}$/,/for:/ s/for: {lasts}$/for: {less}/' {rules}; "
            f"grep -q 'for: {less}' {rules} && systemctl reload prometheus"
        )

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

    def _group(self) -> dict[str, Any]:
        root = self.nifi("GET", "flow/process-groups/root")["processGroupFlow"]["flow"]["processGroups"]
        group: dict[str, Any] = self.nifi("GET", f"flow/process-groups/{root[0]['id']}")["processGroupFlow"]
        return group

    def _collector(self) -> dict[str, Any]:
        processors = self._group()["flow"]["processors"]
        return next(one for one in processors if one["component"]["name"] == "Collect trends")

    def fill_queue(self) -> None:
        """Let what is collected run into a queue as well that has room for one and that nobody takes from.

        Behind a queue with more room, so that collecting goes on.
        """
        group = f"process-groups/{self._group()['id']}"
        new = {"revision": {"version": 0}}
        first, last = (
            self.nifi("POST", f"{group}/funnels", {**new, "component": {"position": {"x": at, "y": -400}}})
            for at in (0, 400)
        )
        ends = (
            (self._collector()["id"], "PROCESSOR", first["id"], {"selectedRelationships": ["success"]}),
            (first["id"], "FUNNEL", last["id"], {"backPressureObjectThreshold": 1}),
        )
        for source, kind, destination, more in ends:
            ends_of = {
                "source": {"id": source, "groupId": self._group()["id"], "type": kind},
                "destination": {"id": destination, "groupId": self._group()["id"], "type": "FUNNEL"},
            }
            self.nifi("POST", f"{group}/connections", {**new, "component": {**ends_of, **more}})

    def drop_queue(self) -> None:
        """Take the queue away again."""
        self._run("STOPPED")
        flow = self._group()["flow"]
        funnels = {one["id"] for one in flow["funnels"]}
        for one in flow["connections"]:
            if one["destinationId"] in funnels:
                request = self.nifi("POST", f"flowfile-queues/{one['id']}/drop-requests")["dropRequest"]
                path = f"flowfile-queues/{one['id']}/drop-requests/{request['id']}"
                wait_until(
                    "the queue is empty",
                    lambda path=path: self.nifi("GET", path)["dropRequest"]["finished"],  # type: ignore[misc]
                    60,
                )
                self.nifi("DELETE", f"connections/{one['id']}?version={one['revision']['version']}")
        for one in flow["funnels"]:
            self.nifi("DELETE", f"funnels/{one['id']}?version={one['revision']['version']}")
        self._run("RUNNING")

    def _run(self, state: str) -> None:
        one = self._collector()
        body = {"revision": one["revision"], "state": state}
        self.nifi("PUT", f"processors/{one['id']}/run-status", body)
        wait_until(f"it is {state}", lambda: self._is(state), 60)

    def _is(self, state: str) -> bool:
        one = self._collector()
        at_work = one["status"]["aggregateSnapshot"]["activeThreadCount"] > 0
        return bool(one["component"]["state"] == state and (state == "RUNNING" or not at_work))

    def restart_collecting(self) -> None:
        """Let X be asked at once: NiFi has it wait otherwise, after an error for longer and longer."""
        self._run("STOPPED")
        self._run("RUNNING")

    def spend(self) -> None:
        """Let there be a budget of which a twentieth is left."""
        spent = self._budget("INSERT INTO spent VALUES (date('now'), 'count_all', 40000, 400000000)")
        parameters = json.loads(self.run("cat /etc/opslib/flow/parameters.json"))
        changed = shlex.quote(json.dumps({**parameters, "x_budget_usd_day": f"{spent / 0.95:.2f}"}))
        self.run(f"(umask 077; printf %s {changed} > /root/parameters.json)")
        self._deploy("/root/parameters.json")

    def give_back(self) -> None:
        """Let most of it be left."""
        self._budget("DELETE FROM spent WHERE kind = 'count_all'")

    def lift_budget(self) -> None:
        """Let there be none, as before."""
        self._deploy("/etc/opslib/flow/parameters.json")

    def _budget(self, statement: str) -> float:
        """Change the file of the budget, and return the USD that today has cost by it."""
        code = (
            "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], 60); d.execute(sys.argv[2]); d.commit(); "
            "print(d.execute(\"SELECT sum(micro_usd) FROM spent WHERE day = date('now')\").fetchone()[0])"
        )
        path = json.loads(self.run("opslib settings --format json"))["settings"]["x"]["budget_file"]
        command = ["runuser", "-u", "nifi", "--", "python3", "-c", code, path, statement]
        return int(self.run(shlex.join(command))) / 1e6

    def _deploy(self, parameters: str) -> None:
        command = f"opslib flow deploy --parameters {parameters} /etc/opslib/flow/definition.json"
        self.run(command, seconds=600)

    def promise_place(self) -> None:
        """Promise trends of a place that nobody asks X for."""
        self.run(
            "cp -a /etc/opslib/opslib.toml /root/; "
            "sed -i '/^.schedule.places.$/a 742676 = \"Lisboa\"' /etc/opslib/opslib.toml; "
            "grep -q Lisboa /etc/opslib/opslib.toml"
        )

    def take_back_place(self) -> None:
        """Promise it no longer."""
        self.run("cp -a /root/opslib.toml /etc/opslib/")

    # ---- Kafka and ZooKeeper

    def hold_rollups(self) -> None:
        """Stop counting, and let a minute have waited for it for ten minutes."""
        self.run("systemctl disable -q --now opslib-rollup")
        now = dt.datetime.now(dt.timezone.utc)
        minute = now.replace(second=0, microsecond=0) - dt.timedelta(minutes=12)
        touched = {"$set": {"touched_at": now - dt.timedelta(minutes=10)}, "$inc": {"touches": 1}}
        mark = {"_id": {"unit": "minute", "at": minute}}
        self.database.rollup_marks.update_one(mark, touched, upsert=True)

    def produce(self) -> None:
        """Let tweets come."""
        producer = Producer(self, number=20, seconds=1, seed=1)
        producer.start()
        producer.finish(120)

    def lose_clouds(self) -> None:
        """Take away all clouds, and draw none."""
        self.run("systemctl disable -q --now opslib-report.timer")
        self.database.clouds.delete_many({})

    def hide_from_doctor(self, prefix: str, hidden: bool) -> None:
        """Let the doctor not see topics: what it finds wrong about Kafka explains what is behind Kafka."""
        pattern = ResourcePattern(ResourceType.TOPIC, prefix, ACLResourcePatternType.PREFIXED)
        rule = ("User:opslib-doctor", "*", ACLOperation.DESCRIBE, ACLPermissionType.DENY, pattern)
        admin = KafkaAdminClient(**self.kafka)
        if hidden:
            admin.create_acls([ACL(*rule)])
        else:
            admin.delete_acls([ACLFilter(*rule)])
        admin.close()

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

    def cut_from_mongodb(self, account: str) -> None:
        """Let nothing that *account* sends get to MongoDB."""
        table = f"inet verify-{account}"
        rules = (
            f"add table {table}",
            f"add chain {table} cut {{ type filter hook output priority 0; }}",
            f"add rule {table} cut meta skuid {account} tcp dport 27017 drop",
        )
        self.run(f"printf '%s\\n' {' '.join(map(shlex.quote, rules))} | nft -f -")

    def let_to_mongodb(self, account: str) -> None:
        """Let it again."""
        self.run(f"nft delete table inet verify-{account}")

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

    def silence_doctor(self) -> None:
        """Stop its timer, as if it had looked nearly a quarter of an hour ago for the last time."""
        self.run(
            "systemctl stop opslib-doctor.timer; systemctl stop opslib-doctor; "
            "then=$(($(date +%s) - 890)); file=/var/lib/opslib/metrics/doctor.prom; "
            'sed "s/^\\(trendlake_doctor_looked_timestamp_seconds\\) .*/\\1 $then/" $file > $file.new; '
            "chown --reference=$file $file.new; chmod --reference=$file $file.new; mv $file.new $file; "
            'grep -q " $then$" $file'
        )

    def settle(self, seconds: float) -> None:
        """Wait until all is well, and nobody is to be told of anything, now or once it has lasted."""
        wait_until("the doctor is content", self.is_well, seconds)
        none = {"DeadMansSwitch"}
        wait_until("no alarm is up", lambda: self.noticed() == self.firing() == none, seconds)
        time.sleep(1)
