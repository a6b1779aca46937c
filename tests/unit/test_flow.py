"""The archive of the processors, and what tells a deployment that nothing is to do. No NiFi is asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import urllib3

pytest.importorskip("nipyapi")

import nipyapi

from opslib.dist import python
from opslib.flow import api, parameters
from opslib.flow.api import FlowError
from opslib.flow.definition import Definition, differences, mark_of
from opslib.flow.history import History
from opslib.packing import nar

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[2]
FLOW = ROOT / "flows" / "trendlake.json"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    (folder / "some" / "__pycache__").mkdir(parents=True)
    (folder / "some" / "__init__.py").write_text("x = 1\n")
    (folder / "some" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    return folder


def test_archive_holds_processors_and_packages_below_their_folders(packages: Path, tmp_path: Path) -> None:
    nar.build(tmp_path / "a.nar", packages, "1-abc")
    with zipfile.ZipFile(tmp_path / "a.nar") as archive:
        names = archive.namelist()
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    assert {"CollectTrends.py", "SearchTweets.py", "PublishToKafka.py"} <= set(names)
    assert "NAR-INF/bundled-dependencies/some/__init__.py" in names
    assert not [name for name in names if "__pycache__" in name]
    assert "Nar-Version: 1-abc\n" in manifest
    # NiFi makes no folder that the archive does not name before what is in it.
    for at, name in enumerate(names):
        parent = name.rstrip("/").rpartition("/")[0]
        assert not parent or f"{parent}/" in names[:at]


@pytest.mark.slow
def test_what_travels_in_the_archive_needs_nothing_that_does_not(tmp_path: Path) -> None:
    """What NiFi runs imports its own API, the packages of the lock, and what of opslib is there."""
    lock = (ROOT / "requirements" / "nar-py311.txt").read_text()
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)
    carried = tmp_path / "opslib"
    carried.mkdir()
    for part in python._IN_NAR:
        source = ROOT / "opslib" / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, carried / part)
    of_nifi = {carried / "x" / "nifi.py", carried / "x" / "carry.py"}
    modules = [
        ".".join(path.relative_to(carried.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(carried.rglob("*.py"))
        if path not in of_nifi and "__pycache__" not in path.parts
    ]
    assert "opslib.x.turns.search" in modules
    program = f"""
import importlib, sys
from importlib.metadata import distributions
allowed = {{name.lower().replace("_", "-") for name in {names!r}}}
kept = [d for d in distributions() if d.metadata["Name"].lower().replace("_", "-") not in allowed]
denied = {{str(file).split("/")[0].split(".")[0] for d in kept for file in d.files or ()}}
class Denied:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in denied - {{"opslib", ".."}}:
            raise ModuleNotFoundError(f"No module named {{name!r}} in NiFi", name=name)
# This checkout itself is installed for development: its finder would find what is not carried.
sys.meta_path[:] = [Denied, *(f for f in sys.meta_path if not f.__module__.startswith("__editable__"))]
assert "pydantic" in denied and "regex" in denied and "tweepy" not in denied
for name in {modules!r}:
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=carried.parent, env={**os.environ, "PYTHONPATH": str(carried.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_same_inputs_give_the_same_bytes(packages: Path, tmp_path: Path) -> None:
    for name in ("a.nar", "b.nar"):
        nar.build(tmp_path / name, packages, "1")
        (packages / "some" / "__init__.py").touch()
    assert (tmp_path / "a.nar").read_bytes() == (tmp_path / "b.nar").read_bytes()


def test_definition_of_the_checkout_uses_the_processors_of_the_archive() -> None:
    assert Definition.read(FLOW).types == {path.stem for path in nar.PROCESSORS.glob("*.py")}


def test_digest_is_of_the_contents_and_not_of_their_layout(tmp_path: Path) -> None:
    compact = tmp_path / "flow.json"
    snapshot = json.loads(FLOW.read_text(encoding="utf-8"))
    compact.write_text(json.dumps(snapshot))
    assert Definition.read(compact).digest == Definition.read(FLOW).digest
    snapshot["flowContents"]["processors"][0]["properties"] = {"changed": "by somebody"}
    compact.write_text(json.dumps(snapshot))
    assert Definition.read(compact).digest != Definition.read(FLOW).digest


def test_a_property_that_a_newer_processor_brings_is_no_change_by_hand(tmp_path: Path) -> None:
    flow = json.loads(FLOW.read_text())
    flow["flowContents"]["processors"][0]["properties"]["A New One"] = None
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(flow))
    assert Definition.read(newer).digest == Definition.read(FLOW).digest
    flow["flowContents"]["processors"][0]["properties"]["A New One"] = "5 s"
    newer.write_text(json.dumps(flow))
    assert Definition.read(newer).digest != Definition.read(FLOW).digest


def test_version_and_digest_are_read_back_from_the_group_that_they_were_written_on() -> None:
    flow = Definition.read(FLOW)
    assert mark_of(flow.comments) == (flow.version, flow.digest)
    assert mark_of("what somebody wrote") == mark_of(None) == (None, None)


def test_the_flow_of_the_checkout_is_in_the_normal_form() -> None:
    assert FLOW.read_text(encoding="utf-8") == Definition.read(FLOW).text(), "run `opslib flow export`"


def as_exported(snapshot: dict[str, Any]) -> str:
    """Return what NiFi exports of a flow made from *snapshot*: its own ids, fractions, order and values."""
    flow = Definition("trendlake", "7", snapshot)
    copy = json.loads(json.dumps(snapshot).replace(snapshot["flowContents"]["identifier"], "0" * 36))
    contents = copy["flowContents"]
    contents["comments"] = flow.comments
    for component in contents["processors"] + contents["connections"]:
        component["instanceIdentifier"] = "another"
    for processor in contents["processors"]:
        processor["propertyDescriptors"] = {"Topic": {"sensitive": False}}
        processor["position"] = {"x": 0.4, "y": 300.2}
    contents["processors"].reverse()
    copy["parameterContexts"]["trendlake"]["parameters"] = [{"name": "places", "value": "1:World"}]
    del copy["snapshotMetadata"]
    return json.dumps(copy)


def test_an_export_is_brought_back_to_what_was_deployed() -> None:
    flow = Definition.read(FLOW)
    exported = Definition.exported(as_exported(flow.snapshot))
    assert exported.version == "7"
    assert exported.digest == flow.digest
    assert differences(flow, exported) == []
    assert "World" not in exported.text()
    assert [p["name"] for p in exported.snapshot["flowContents"]["processors"]] == sorted(
        p["name"] for p in flow.snapshot["flowContents"]["processors"]
    )


def test_differences_name_component_and_property() -> None:
    flow = Definition.read(FLOW)
    other = json.loads(flow.text())
    processors = other["flowContents"]["processors"]
    processors[0]["penaltyDuration"] = "9 sec"
    gone = other["flowContents"]["connections"].pop()
    found = [str(difference) for difference in differences(flow, Definition("trendlake", "1", other))]
    name = processors[0]["name"]
    assert f"processor {name}: penaltyDuration is '9 sec', not '30 sec'" in found
    assert any(line.startswith(f"connection {gone['source']['name']} ->") for line in found)
    assert len(found) == 2


def test_history_goes_back_to_what_was_deployed_before(tmp_path: Path) -> None:
    history = History(tmp_path, "trendlake")
    with pytest.raises(FlowError, match="was not deployed from here"):
        history.before("")
    versions = []
    for number in ("1", "2", "3"):
        snapshot = json.loads(FLOW.read_text())
        snapshot["flowContents"]["processors"][0]["comments"] = number
        snapshot["snapshotMetadata"]["version"] = number
        versions.append(Definition("trendlake", number, snapshot))
        history.deployed(versions[-1])
    assert history.before(versions[2].digest).version == "2"
    assert history.before(versions[2].digest, "1").digest == versions[0].digest
    known = history.of_digest(versions[1].digest)
    assert known is not None
    assert known.version == "2"
    with pytest.raises(FlowError, match=r"version 9 was not deployed from here; .* has 1, 2, 3"):
        history.before("", "9")


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"flowContents": {"name": "x"}}'])
def test_file_that_is_no_definition_is_refused(tmp_path: Path, text: str) -> None:
    wrong = tmp_path / "flow.json"
    wrong.write_text(text)
    with pytest.raises(FlowError, match="is not a flow definition"):
        Definition.read(wrong)


def parameter(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"description": "", "value": None, **fields})


def test_secret_is_known_by_its_fingerprint_which_does_not_hold_it() -> None:
    kept = parameter(description=parameters._fingerprint("s3cret-token"))
    assert "s3cret" not in kept.description
    assert parameters._is_set(kept, "s3cret-token", secret=True)
    assert not parameters._is_set(kept, "another-token", secret=True)
    assert not parameters._is_set(parameter(), "s3cret-token", secret=True)


def test_plain_parameter_is_known_by_its_value() -> None:
    assert parameters._is_set(parameter(value="5 min"), "5 min", secret=False)
    assert not parameters._is_set(parameter(value="5 min"), "1 min", secret=False)
    assert not parameters._is_set(None, "5 min", secret=False)


def test_a_nifi_that_stops_answering_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It hung once while it made processors, and the deployment with it, without a word."""
    monkeypatch.setattr(api, "ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = nipyapi.nifi.ApiClient(f"http://127.0.0.1:{silent.getsockname()[1]}")
        api._bound(client)
        with pytest.raises(urllib3.exceptions.HTTPError):
            nipyapi.nifi.ProcessGroupsApi(client).import_process_group("root", body={})
