"""What the toolkit reads, for the fuzzing of readers."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import bench_fuzz_damage as damage
from bench_fuzz_reader import ROOT, Reader, each


class Scenes(Reader):
    name, files = "scenes (.hip)", ("shot.hip",)

    def __init__(self) -> None:
        import nvdiffrec_tops.cook  # noqa: F401 - registers the toolkit
        from houfiles import HouFileError
        from topcook import pdg

        self.errors = (HouFileError, pdg.CookError)
        self.scenes = [path.read_bytes() for path in sorted((ROOT / "hip").glob("*.hip"))]

    def write(self, folder: Path, chance: Random) -> None:
        from houfiles.containers import cpio

        data = chance.choice(self.scenes)
        if chance.random() < 0.3:
            (folder / "shot.hip").write_bytes(damage.bytes_of(data, chance))
            return
        archive = cpio.decode(data)
        members = list(archive.members)
        at = chance.randrange(len(members))
        old = members[at]
        text = old.data.decode("latin-1")
        new = (
            damage.lines_of(text, chance).encode("utf-8", "surrogatepass")
            if chance.random() < 0.5
            else damage.bytes_of(old.data, chance)
        )
        members[at] = cpio.Member(old.name, new, old.header)
        (folder / "shot.hip").write_bytes(
            cpio.encode(cpio.Archive(tuple(members), archive.trailer))
        )

    def read(self, folder: Path) -> None:
        from houfiles import load
        from topcook.network.opening import open_network
        from topcook.planning import generate_all

        path = folder / "shot.hip"
        scene = load(path)

        def checked() -> None:
            for node in scene.walk():
                node.check()

        each(
            checked,
            lambda: generate_all(open_network(path), lambda _message: None),
            errors=self.errors,
            enough=2,
        )


class Configurations(Reader):
    name, files = "configurations", ("c.json",)

    def __init__(self) -> None:
        from nvdiffrec_contract.configuration import Config
        from nvdiffrec_contract.errors import UserError

        self.errors, self.sound = (UserError,), Config().to_json()

    def write(self, folder: Path, chance: Random) -> None:
        (folder / "c.json").write_bytes(damage.json_of(self.sound, chance))

    def read(self, folder: Path) -> None:
        from nvdiffrec_contract.configuration import load_config

        load_config(folder / "c.json").listing()


class JobFiles(Reader):
    name, files = "job files", ("job.json",)

    def __init__(self) -> None:
        from nvdiffrec_tops.job.environment import EnvironmentPolicy
        from nvdiffrec_tops.job.failures import JobError
        from nvdiffrec_tops.job.jobfile import JobFile

        self.errors = (JobError,)
        policy = EnvironmentPolicy(set={"A": "1"}, unset=("B",), keep=("C",))
        job = JobFile(
            engine="diffrec", config="c.json", output="o", overrides={"iter": 3},
            environment=policy, inputs=("a",), seed=1, timeout=60.0,
        )  # fmt: skip
        self.sound = job.document()

    def write(self, folder: Path, chance: Random) -> None:
        (folder / "job.json").write_bytes(damage.json_of(self.sound, chance))

    def read(self, folder: Path) -> None:
        from nvdiffrec_tops.job.jobfile import load

        load(str(folder / "job.json"))


class EnvironmentFiles(Reader):
    name, files = "environment YAML", ("env.yml",)

    def __init__(self) -> None:
        from nvdiffrec_tops.environment.description import EnvironmentProblem
        from nvdiffrec_tops.environment.specification import shipped

        self.errors = (EnvironmentProblem,)
        self.sound = [shipped(one).read_text("utf-8") for one in ("diffrec", "nvdiffrec")]
        bombs = "\n".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'] * 9)}]" for n in range(9)
        )
        self.sound.append(f"{bombs}\ndependencies: *a8\n")

    def write(self, folder: Path, chance: Random) -> None:
        text = chance.choice(self.sound)
        (folder / "env.yml").write_bytes(
            damage.lines_of(text, chance).encode("utf-8", "surrogatepass")
            if chance.random() < 0.6
            else damage.bytes_of(text.encode(), chance)
        )

    def read(self, folder: Path) -> None:
        from nvdiffrec_tops.environment.specification import read_specification

        read_specification(folder / "env.yml")


LOG = """Job: attempt 1
---------
iter                    20
base_mesh               None
---------
Base mesh has 1200 triangles and 650 vertices
iter=    0, img_loss=0.1, reg_loss=0.1, lr=0.02, time=101.0 ms, rem=2.00 s
iter=   10, img_loss=0.05, reg_loss=0.02, lr=0.01, time=99.1 ms, rem=1.00 m
Running validation
MSE,      PSNR
0.00100000, 30.500
    writing 650 vertices
    writing 1200 faces
Done exporting mesh
Resuming from iteration 10 of pass 2 (5 s so far; pass 1: MSE 0.1, PSNR 20)
ALF_PROGRESS 50%
PDG_RESULT: 1;mesh/mesh.obj;file/geo/obj
PDG_ATTRIB: 1;psnr;30.5
PDG_WARNING: 1;beware
PDG_FAILURE: 1;{"id": "x", "cause": "it broke", "cure": "mend it", "exit_code": 3}
RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB
ModuleNotFoundError: No module named 'thing'
FileNotFoundError: [Errno 2] No such file or directory: 'x'
"""


class Logs(Reader):
    name, files = "logs", ()

    def __init__(self) -> None:
        from nvdiffrec_tops.job import engines

        self.engines = [engines.engine(name) for name in engines.names()]

    def write(self, folder: Path, chance: Random) -> None:
        (folder / "log").write_bytes(
            damage.lines_of(LOG, chance).encode("utf-8", "surrogatepass")
            if chance.random() < 0.7
            else damage.bytes_of(LOG.encode(), chance)
        )

    def read(self, folder: Path) -> None:
        from nvdiffrec_contract import failureline
        from nvdiffrec_tops.job.failures import ended
        from nvdiffrec_tops.job.report.metricstable import MetricsTable
        from topcook.jobs import loglines

        lines = (folder / "log").read_text("utf-8", "replace").split("\n")
        (folder / "made").mkdir()
        for engine in self.engines:
            parser = engine.progress({})
            table = MetricsTable(str(folder / "made"), str(folder), False)
            for line in lines:
                progress = parser.feed(line)
                if progress is not None:
                    table.feed(line, progress)
                loglines.read(line, 1)
                failureline.read(line, 1)
            table.finish()
            failure = engine.explained(ended(1, lines, "log", engine.failures), {})
            json.dumps(failure.document())


class Results(Reader):
    name, files = "results and journals", ("result.json", ".job.journal.json")
    RUN = ".run-20260101-000000-abcdef"

    def __init__(self) -> None:
        from nvdiffrec_tops.job.failures import JobError
        from nvdiffrec_tops.results import ResultProblem

        self.errors = (JobError, ResultProblem)

    def write(self, folder: Path, chance: Random) -> None:
        from nvdiffrec_contract.failure import Failure
        from nvdiffrec_tops.job.outputs import placing, result

        made = folder / self.RUN / "out" / "1"
        for place in (folder / "mesh", made / "mesh", folder / self.RUN / "previous" / "mesh"):
            place.mkdir(parents=True)
            (place / "mesh.obj").write_text(f"of {place.parent.name}")
        failure = Failure("x", "it broke", "mend it", 3).document()
        document: Any = {
            "format": result.FORMAT, "version": result.VERSION, "status": "done",
            "engine": "diffrec", "seconds": 12.5, "metrics": {"psnr": 24.5, "faces": 1200},
            "notes": ["a note"], "versions": {"torch": "2"}, "failure": failure, "previous": None,
            "outputs": result.describe(str(folder), ["mesh/mesh.obj"], lambda _path: "file"),
        }  # fmt: skip
        entry = {"path": "mesh/mesh.obj", "new": True, "backup": "previous/mesh/mesh.obj"}
        journal: Any = {
            "run": self.RUN, "made": "out/1", "entries": [{**entry, "aside": None},
            {"path": "result.json", "new": True, "backup": None, "aside": None}],
        }  # fmt: skip
        finished: Any = {"made": "out/1", "sizes": {"mesh/mesh.obj": 4}, "facts": {"psnr": 1.0}}
        which = chance.randrange(4)
        documents = {
            "result.json": document,
            placing.JOURNAL: journal,
            f"{self.RUN}/finished.json": finished,
            "failure.json": failure,
        }
        for number, (name, one) in enumerate(documents.items()):
            if name != placing.JOURNAL or which == 1 or chance.random() < 0.3:
                data = damage.json_of(one, chance) if number == which else json.dumps(one).encode()
                (folder / name).write_bytes(data)

    def read(self, folder: Path) -> None:
        from nvdiffrec_contract import failurefile
        from nvdiffrec_tops.job.outputs import committed, placing, result, unfinished
        from nvdiffrec_tops.results import read_result

        output = str(folder)

        def told() -> None:
            document = result.read(output)
            for entry in result.entries(document):
                result.changed(output, entry)
            result.manifest(document)
            result.last_done(document)
            result.figures(output)
            result.up_to_date(output, document, "0" * 64)

        each(
            told,
            lambda: read_result(folder),
            lambda: failurefile.read(folder / "failure.json"),
            lambda: unfinished.is_kept(str(folder / self.RUN)),
            lambda: unfinished.matching([str(folder / self.RUN)], "0" * 64),
            lambda: committed.fault([str(folder / "mesh/mesh.obj")]),
            lambda: placing.recover(output),
            lambda: committed.tidy([str(folder / "mesh/mesh.obj")]),
            errors=self.errors,
            enough=8,
        )
