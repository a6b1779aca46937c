"""The archive of the processors, and what tells a deployment that nothing is to do. No NiFi is asked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("nipyapi")

from opslib.flow import deploy, nar
from opslib.flow.api import FlowError

if TYPE_CHECKING:
    from typing import Any

FLOW = Path(__file__).parents[2] / "flows" / "trendlake.json"


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


def test_same_inputs_give_the_same_bytes(packages: Path, tmp_path: Path) -> None:
    for name in ("a.nar", "b.nar"):
        nar.build(tmp_path / name, packages, "1")
        (packages / "some" / "__init__.py").touch()
    assert (tmp_path / "a.nar").read_bytes() == (tmp_path / "b.nar").read_bytes()


def test_definition_of_the_checkout_uses_the_processors_of_the_archive() -> None:
    assert deploy.Definition.read(FLOW).types == {path.stem for path in nar.PROCESSORS.glob("*.py")}


def test_digest_is_of_the_contents_and_not_of_their_layout(tmp_path: Path) -> None:
    compact = tmp_path / "flow.json"
    snapshot = json.loads(FLOW.read_text(encoding="utf-8"))
    compact.write_text(json.dumps(snapshot))
    assert deploy.Definition.read(compact).digest == deploy.Definition.read(FLOW).digest
    snapshot["flowContents"]["processors"][0]["properties"] = {"changed": "by somebody"}
    compact.write_text(json.dumps(snapshot))
    assert deploy.Definition.read(compact).digest != deploy.Definition.read(FLOW).digest


def test_digest_is_read_back_from_the_group_that_it_was_written_on() -> None:
    flow = deploy.Definition.read(FLOW)
    group = SimpleNamespace(component=SimpleNamespace(comments=flow.comments))
    assert deploy.digest_of(group) == flow.digest
    assert deploy.digest_of(SimpleNamespace(component=SimpleNamespace(comments=None))) is None


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"flowContents": {"name": "x"}}'])
def test_file_that_is_no_definition_is_refused(tmp_path: Path, text: str) -> None:
    wrong = tmp_path / "flow.json"
    wrong.write_text(text)
    with pytest.raises(FlowError, match="is not a flow definition"):
        deploy.Definition.read(wrong)


def parameter(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"description": "", "value": None, **fields})


def test_secret_is_known_by_its_fingerprint_which_does_not_hold_it() -> None:
    kept = parameter(description=deploy._fingerprint("s3cret-token"))
    assert "s3cret" not in kept.description
    assert deploy._is_set(kept, "s3cret-token", secret=True)
    assert not deploy._is_set(kept, "another-token", secret=True)
    assert not deploy._is_set(parameter(), "s3cret-token", secret=True)


def test_plain_parameter_is_known_by_its_value() -> None:
    assert deploy._is_set(parameter(value="5 min"), "5 min", secret=False)
    assert not deploy._is_set(parameter(value="5 min"), "1 min", secret=False)
    assert not deploy._is_set(None, "5 min", secret=False)
