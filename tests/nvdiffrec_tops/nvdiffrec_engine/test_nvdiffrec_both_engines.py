"""One job file, both engines: the real PyTorch and diffrec, an extension that is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("xatlas")

FIELDS = {
    "ref_mesh": "data/bob/bob_tri.obj", "envmap": "data/irrmaps/light.hdr", "iter": 2, "batch": 1,
    "train_res": [32, 32], "texture_res": [32, 32], "dmtet_grid": 32, "validate": False,
    "background": "white", "display_interval": 0, "learning_rate": [0.03, 0.003], "out_dir": "bob",
    "diffrec": {"light_res": 16, "hashgrid_size_log2": 10, "validation_views": 1},
}  # fmt: skip


@pytest.mark.skipif(not (shutil.which("ninja") and shutil.which("g++")), reason="no compiler")
@pytest.mark.skipif(" " in torch.__file__, reason="PyTorch cannot link extensions below a space")
def test_the_same_job_file_with_the_other_engines_name(make):
    studio = make(torch="real")
    (studio.checkout / "configs/both.json").write_text(json.dumps(FIELDS))
    made = {}
    for engine in ("nvdiffrec", "diffrec"):
        job = {
            "format": "tops-nvdiffrec-job", "version": 1, "engine": engine, "output": "results",
            "config": "configs/both.json", "working_dir": "nvdiffrec", "seed": 3,
            "python": str(studio.environment), "overrides": {"mesh_scale": 2.0},
            "environment": {"set": {"STANDIN_GPU": "1", "STANDIN_USES": "names"}},
        }  # fmt: skip
        path = studio.folder / "job.json"
        path.write_text(json.dumps(job))
        done = studio.run(str(path))
        assert done.code == 0, done.out + done.error
        assert done.result["engine"] == engine
        made[engine] = {
            entry["path"] for entry in done.result["outputs"] if Path(entry["path"]).parent.name
        }
        log = (studio.output / "job.log").read_text()
        assert "mesh_scale 2.0" in log and "Done exporting mesh" in log
        if engine == "nvdiffrec":
            assert "extension-name" in done.shims
            assert "nvdiffrec has no seed" in " ".join(done.result["notes"])
    # nvdiffrec's layout is common to both; the asset and the preview beside it are diffrec's own.
    own = {path for path in made["diffrec"] if path.startswith(("asset/", "preview/"))}
    assert {"asset/results.usd", "preview/mesh.glb"} <= own
    assert made["nvdiffrec"] == made["diffrec"] - own
    assert "mesh/mesh.obj" in made["diffrec"] and "dmtet_mesh/probe.hdr" in made["diffrec"]
    # The other engine's results replaced the first's, whole.
    assert "after 2 iterations" not in (studio.output / "mesh/mesh.obj").read_text()
