"""Job process, launcher, an unmodified training script, results: in real processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ALL = "names hdr gl"


def test_an_unmodified_checkout_trains_with_todays_libraries(studio):
    before = studio.digest()
    record = studio.folder / "record.json"
    done = studio.run(STANDIN_USES=ALL, STANDIN_RECORD=str(record))
    assert done.code == 0, done.out + done.error
    assert done.result["metrics"]["psnr"] == 30.5
    assert set(done.shims) == {
        "extension-cache", "extension-name", "hdr-files", "numpy-names", "rasterizer-names",
    }  # fmt: skip
    assert "light: float32 8x4 peak 16" in done.out
    assert "attempting a download" not in done.out
    assert (studio.output / "mesh/probe.hdr").stat().st_size > 4 * 8 * 4
    assert studio.digest() == before
    seen = json.loads(record.read_text())
    assert seen["file"] == str(studio.checkout / "train.py")
    assert seen["argv"] == [seen["file"], "--config", seen["cwd"] + "/config.json"]
    assert seen["path"][0] == str(studio.checkout)
    assert not [entry for entry in seen["path"] if "nvdiffrec_tops" in entry]
    assert Path(seen["cwd"]).parent == studio.output and not Path(seen["cwd"]).exists()
    assert list(studio.output.glob(".run-*")) == []


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ("", "ModuleNotFoundError: No module named 'renderutils_plugin'"),
        ("names", "has no attribute 'float'"),
        ("hdr", "NeedDownloadError"),
        ("gl", "has no attribute 'RasterizeGLContext'"),
    ],
)
def test_without_the_launcher_the_same_start_fails(make, uses, said):
    studio = make() if not uses else make(torch="2.10.0+cu128")
    done = studio.by_hand("--config", "configs/bob.json", STANDIN_USES=uses)
    assert done.returncode == 1 and said in done.stderr


def test_what_fits_is_left_alone(make):
    done = make(torch="2.10.0+cu128").run()
    assert done.code == 0, done.error
    assert set(done.shims) == {"extension-cache"}


def test_a_cache_that_the_artist_chose_is_kept(studio):
    mine = studio.folder / "mine"
    done = studio.run(f"--env=TORCH_EXTENSIONS_DIR={mine}")
    assert done.code == 0, done.error
    assert "extension-cache" not in done.shims
    assert (mine / "renderutils_plugin/renderutils_plugin.py").is_file()


def test_wedges_reach_the_script_and_the_json_wins_over_flags(studio):
    record = studio.folder / "record.json"
    done = studio.by_hand(
        "--config", "configs/bob.json", "--iter", "50", STANDIN_RECORD=str(record)
    )
    assert json.loads(record.read_text())["flags"]["iter"] == 20, done.stderr
    record.unlink()
    wedge = ["--set", "iter=50", "--set", "train_res=[64, 32]", "--set", "background=white"]
    assert studio.run(*wedge, "--set", "envmap=null", STANDIN_RECORD=str(record)).code == 0
    seen = json.loads(record.read_text())["flags"]
    assert (seen["iter"], seen["train_res"], seen["background"]) == (50, [64, 32], "white")
    assert seen["envmap"] is None and seen["batch"] == 8
    assert seen["ref_mesh"] == str(studio.checkout / "data/bob/bob_tri.obj")


def test_two_jobs_with_one_out_dir_do_not_meet(studio):
    jobs = {}
    for count in (10, 30):
        output = studio.folder / str(count)
        words = [*studio.words(), f"--output={output}", f"--set=iter={count}"]
        jobs[output] = subprocess.Popen(
            words, env=studio.variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    for output, job in jobs.items():
        said = job.communicate(timeout=60)[0]
        assert job.returncode == 0, said
        assert f"after {output.name} iterations" in (output / "mesh/mesh.obj").read_text()
    assert not (studio.checkout / "out").exists()


def test_a_preview_is_not_asked_for_where_there_is_no_display(studio):
    done = studio.run("--set", "display_interval=10")
    assert done.code == 0, done.error
    assert any("display_interval is 10" in note for note in done.result["notes"])
    shown = studio.run("--set", "display_interval=10", "--force", DISPLAY=":7")
    assert shown.code == 0 and "window on :7" in shown.out, shown.error


def test_a_machine_set_up_for_several_processes_trains_with_one(studio):
    done = studio.run(WORLD_SIZE="4")
    assert done.code == 0, done.error
    assert "WORLD_SIZE was 4" in done.shims["single-process"]
