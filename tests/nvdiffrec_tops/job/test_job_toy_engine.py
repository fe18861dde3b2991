"""An engine is one folder: nothing else has to name it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from nvdiffrec_contract import schemas
from nvdiffrec_contract.layout import REQUIRED
from nvdiffrec_tops import training
from nvdiffrec_tops.doctor import context as context_module
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.examination import examined
from nvdiffrec_tops.environment.specification import read_specification, shipped
from nvdiffrec_tops.job import commandline, engines

TOY = """
import os, sys
from nvdiffrec_tops.job.engines.engine import Engine
from nvdiffrec_tops.job.failures import KnownFailure

ENVIRONMENT = os.path.join(os.path.dirname(__file__), "environment.yml")

class Toy(Engine):
    name = "toy"
    label = "Toy"
    licence = "free"
    devices = ("auto", "cpu")
    checkpoint = "toy.state"
    imports = ("numpy", "imageio")
    checks = ("plain_path",)
    environment_file = ENVIRONMENT
    failures = (KnownFailure("toy-broke", "spring .* broke", "it broke", "wind it up"),)

    def command(self, job, training, python, config):
        return [python, "-c", PROGRAM, config]

    def memory(self, config, number, size, batch):
        return 1.0

PROGRAM = '''
import json, os, sys
config = json.load(open(sys.argv[1]))
if config["iter"] == 13:
    sys.exit("the spring of the toy broke")
for name in FILES:
    path = os.path.join("out", config["out_dir"], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write("toy")
'''.replace("FILES", repr(FILES))
ENGINE = Toy()
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scene; the engine lies in another one that is on the package's path."""
    package = tmp_path / "more engines" / "toy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"FILES = {list(REQUIRED)!r}\n{TOY}")
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(package.parent)])
    monkeypatch.delitem(sys.modules, f"{engines.__name__}.toy", raising=False)
    (tmp_path / "mesh.obj").write_text("v 0 0 0\n")
    (tmp_path / "scene.json").write_text('{"ref_mesh": "mesh.obj", "iter": 5}')
    return tmp_path


def words(folder: Path, *more: str) -> list[str]:
    return [
        "--engine=toy", f"--config={folder / 'scene.json'}", f"--output={folder / 'out'}",
        f"--working-dir={folder}", *more,
    ]  # fmt: skip


def test_a_job_runs_with_it(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert engines.names() == ("diffrec", "nvdiffrec", "toy")
    assert commandline.main(words(toy)) == 0, capfd.readouterr().err
    document = json.loads((toy / "out/result.json").read_text())
    assert document["engine"] == "toy" and document["status"] == "done"
    jsonschema.validate(document, schemas.of_result())
    assert document["outputs"] and document["inputs"]
    assert (toy / "out/mesh/mesh.obj").read_text() == "toy"
    assert commandline.main(words(toy)) == 0
    assert "up to date" in capfd.readouterr().out


def test_its_failures_are_its_own(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert commandline.main(words(toy, "--set=iter=13")) == 1
    assert "Job: failed: it broke\nCure: wind it up" in capfd.readouterr().err
    document = json.loads((toy / "out/result.json").read_text())
    jsonschema.validate(document, schemas.of_result())
    assert document["failure"]["id"] == "toy-broke"


def test_a_cook_and_the_doctor_know_it(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = {
        "MINICONDA_ENV": sys.prefix, "CONFIG_NAME": "scene.json", "WORKING_DIR": str(toy),
        "ENGINE": "toy", "OUTPUT_DIR": str(toy / "out"),
    }  # fmt: skip
    plan = training.plan(item, 0, training.TrainingSettings())
    assert "--engine=toy" in plan.command.arguments()
    assert {one.path for one in plan.outputs} >= set(REQUIRED)
    with pytest.raises(training.TrainingError, match="toy trains on auto or cpu, not on cuda"):
        training.plan(item, 0, training.TrainingSettings(device="cuda"))
    context = Context(sys.prefix, str(toy), "scene.json", "toy", quick=True)
    found = {one.check: one.severity for one in examined(context)}
    assert found["memory_needed"] in ("ok", "skipped", "warning")
    assert "tiny_cuda_nn" not in found and "plain_path" in found
    asked = []

    def inspect(python: str, sections: tuple[str, ...], *rest: object, **more: object) -> object:
        asked.append(sections)
        return {section: {} for section in sections}

    monkeypatch.setattr(context_module, "inspect", inspect)
    thorough = Context(sys.prefix, str(toy), "scene.json", "toy")
    assert thorough.facts("imageio") == {} and asked[-1] == ("numpy", "imageio")


def test_its_environment_is_made_from_its_own_file(toy: Path) -> None:
    file = toy / "more engines" / "toy" / "environment.yml"
    file.write_text("name: toy\nchannels: [conda-forge]\ndependencies: [python, pip]\n")
    assert read_specification(shipped("toy")).name == "toy"
