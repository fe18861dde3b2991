"""The real trainer with places to stop at, for `bench_cookkills`.

A small training of the sample, on one thread, so that whatever was killed ends with the very files
of one that was not.
"""

from __future__ import annotations

import json
from pathlib import Path

from diffrec.sample import write_sample

PHASES = (
    "data", "pass 1", "validation 1", "charting", "baking", "export 1", "pass 2", "validation 2",
    "export 2", "asset",
)  # fmt: skip
# No checkpoint has been written before these.
NOTHING_SAVED = ("data",)
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_THREADING_LAYER": "workqueue",
}
CONFIGURATION = {
    "ref_mesh": "data/sample.obj",
    "envmap": "data/sky.hdr",
    "iter": 12,
    "batch": 2,
    "save_interval": 0,
    "train_res": [24, 24],
    "texture_res": [32, 32],
    "dmtet_grid": 8,
    "learning_rate": [0.03, 0.01],
    "diffrec": {
        "device": "cpu",
        "light_res": 32,
        "validation_views": 1,
        "hashgrid_size_log2": 10,
        "checkpoint_interval": 4,
        "checkpoint_seconds": 0,
    },
}

# Stands where the job looks for the trainer; makes way for the real one.
PROGRAM = r"""
import json, os, sys
from pausing import HERE, begin, pause
modules = os.path.join(HERE, "modules")
sys.path[:] = [path for path in sys.path if os.path.realpath(path) != os.path.realpath(modules)]
sys.path.insert(0, %(libraries)r)
for name in [name for name in sys.modules if name.partition(".")[0] == "diffrec"]:
    del sys.modules[name]
begin("trainer")
with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as stream:
    out = os.path.join("out", json.load(stream)["out_dir"])
saved = os.path.exists(os.path.join(out, "checkpoint.pt"))
with open(os.path.join(HERE, "starts"), "a") as stream:
    stream.write("goes on\n" if saved else "anew\n")
from diffrec.training import between, run
from diffrec.training.iteration import Iteration
count = {}
def before(owner, name, *phases):
    function = getattr(owner, name)
    def paused(*arguments, **options):
        number = count[name] = count.get(name, -1) + 1
        # A run that goes on in the second pass has the first one's validation behind it.
        pause(phases[min(number, len(phases) - 1)] if not second[0] else phases[-1])
        return function(*arguments, **options)
    setattr(owner, name, paused)
second = [False]
before(run, "load_views", "data")
before(run, "validate", "validation 1", "validation 2")
before(between, "chart", "charting")
before(run, "bake", "baking")
before(run, "write_result", "export 1", "export 2")
before(run, "write_finished", "asset")
start = Iteration.begin
def starting(self, number):
    if type(self._pass).__name__ == "TexturePass":
        second[0] = True
    if number == 6:
        pause("pass 2" if second[0] else "pass 1")
    start(self, number)
Iteration.begin = starting
from diffrec.cli import main
from diffrec.runtime.process_end import end_process
end_process(main())
"""


def prepare(folder: Path, modules: Path, libraries: Path) -> None:
    """Put the trainer, the sample and its configuration where a cook looks for them."""
    (modules / "diffrec/__main__.py").write_text(PROGRAM % {"libraries": str(libraries)})
    write_sample(folder / "data")
    (folder / "scene.json").write_text(json.dumps(CONFIGURATION))
