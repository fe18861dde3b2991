"""Each known failure on a sample of the log in which it shows."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job import engines, failures

TRACE = 'Traceback (most recent call last):\n  File "/home/vfx/nvdiffrec/train.py", line 36\n'
SAMPLES = {
    "path-with-spaces": "/usr/bin/ld: cannot find envs/.venv/lib/python3.11/site-packages/torch/lib"
    ": No such file or directory\nninja: build stopped: subcommand failed.\n"
    "RuntimeError: Error building extension 'renderutils_plugin'",
    "extension-lost": TRACE + "ModuleNotFoundError: No module named 'renderutils_plugin'",
    "extension-unfinished": TRACE + "ImportError: /home/vfx/.cache/torch_extensions/py311_cu130/"
    "renderutils_plugin/renderutils_plugin.so: cannot open shared object file",
    "several-processes": TRACE + "ModuleNotFoundError: No module named 'apex'",
    "no-display": TRACE + "glfw.GLFWError: (65550) b'X11: The DISPLAY environment variable is "
    "missing'",
    "opengl-missing": TRACE + "RuntimeError: eglInitialize() failed",
    "tinycudann-crash": "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most "
    'recent call first):\n  File "/envs/nv/lib/python3.11/site-packages/tinycudann/modules.py", '
    "line 133 in forward",
    "torch-missing": TRACE + "ModuleNotFoundError: No module named 'torch'",
    "diffrec-missing": "/envs/nv/bin/python3: No module named diffrec",
    "diffrec-incomplete": TRACE + "ModuleNotFoundError: No module named 'diffrec.ops.texture'",
    "nvdiffrast-missing": TRACE + "ModuleNotFoundError: No module named 'nvdiffrast.torch'",
    "tinycudann-missing": TRACE + "ModuleNotFoundError: No module named 'tinycudann'",
    "numpy-mismatch": TRACE + "RuntimeError: Numpy is not available",
    "torch-without-cuda": TRACE + "OSError: Unknown compute capability. Ensure PyTorch with CUDA "
    "support is installed.",
    "no-gpu": TRACE + "RuntimeError: No CUDA GPUs are available",
    "gpu-busy": TRACE + "torch.AcceleratorError: CUDA error: all CUDA-capable devices are busy or "
    "unavailable",
    "gpu-architecture": TRACE + "RuntimeError: CUDA error: no kernel image is available for "
    "execution on the device",
    "out-of-gpu-memory": TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate "
    "2.00 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.02 GiB is free.",
    "empty-mesh": TRACE + "AssertionError: Got empty training triangle mesh (unrecoverable "
    "discontinuity)",
    "hdr-reader": TRACE
    + "imageio.core.fetching.NeedDownloadError: Need ths file for the freeimage "
    "plugin",
    "stale-build-lock": "waiting for lock /home/vfx/.cache/torch_extensions/py311_cu118/"
    "nvdiffrast_plugin_gl/lock\nKilled",
    "compiler-missing": TRACE + "RuntimeError: Ninja is required to load C++ extensions",
    "extension-build": TRACE + "RuntimeError: Error building extension 'renderutils_plugin'",
    "library-conflict": TRACE + "ImportError: /opt/hfs20.5/dsolib/libstdc++.so.6: version "
    "`GLIBCXX_3.4.30' not found (required by /envs/nv/lib/libtorch.so)",
    "disk-full": TRACE + "OSError: [Errno 28] No space left on device: 'out/bob/mesh/mesh.obj'",
    "network-disk": TRACE + "OSError: [Errno 116] Stale file handle: 'data/bob/bob_tri.obj'",
    "git-lfs": TRACE + "ValueError: Cannot load file containing pickled data when "
    "allow_pickle=False",
    "module-missing": TRACE + "ModuleNotFoundError: No module named 'xatlas'",
    "file-missing": TRACE + "FileNotFoundError: [Errno 2] No such file or directory: "
    "'data/irrmaps/none.hdr'",
    "host-memory": TRACE + "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . "
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes.",
}


FAILURES = {known.id: known for name in engines.names() for known in engines.engine(name).failures}


def recognise(lines, engine="nvdiffrec"):
    return failures.recognise(lines, engines.engine(engine).failures)


def ended(code, lines, log):
    return failures.ended(code, lines, log, engines.engine("nvdiffrec").failures)


def test_every_entry_has_a_sample():
    assert set(SAMPLES) == set(FAILURES)
    for name in engines.names():
        ids = [known.id for known in engines.engine(name).failures]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample(name):
    lines = ["iter=   10, img_loss=0.1", *SAMPLES[name].splitlines()]
    engine = "diffrec" if name.startswith("diffrec-") else "nvdiffrec"
    failure = recognise(lines, engine)
    assert failure is not None and failure.id == name
    assert failure.cause and failure.cure and failure.exit_code
    assert "{" not in failure.cause + failure.cure
    assert failure.lines[-1] == lines[-1]
    assert failure.retry == (name in ("gpu-busy", "network-disk", "extension-unfinished"))


def test_details_are_taken_from_the_log():
    lock = recognise(SAMPLES["stale-build-lock"].splitlines())
    assert lock is not None and lock.cause.endswith("nvdiffrast_plugin_gl/lock")
    quoted = recognise(['Waited on lock file "/home/v fx/torch_extensions/py311/x/lock" for 60 s'])
    assert quoted is not None and quoted.cause.endswith(
        ": /home/v fx/torch_extensions/py311/x/lock"
    )
    module = recognise(SAMPLES["module-missing"].splitlines())
    assert module is not None and "pip install xatlas" in module.cure


def test_a_good_log_shows_no_failure(shared):
    lines = (shared / "data/bob/nvdiffrec_h100_log.txt").read_text().splitlines()
    assert recognise(lines) is None


def test_what_the_launcher_says_is_no_failure():
    said = (
        "Shim extension-lock: waiting for the lock /c/torch_extensions/x/lock: process 4 compiles"
    )
    assert recognise([said, "Shim hdr-files: FreeImage"]) is None


@pytest.mark.parametrize(
    "line",
    ["/x" * 32000, "'" * 64000, "torch_extensions/" * 3500, '"' + "/torch_extensions " * 3000,
     "imageio" * 9000, 'File "' * 10000, "FileNotFoundError: " * 3000],
    ids=lambda line: line[:16],
)  # fmt: skip
def test_no_line_takes_long(line):
    begun = time.process_time()
    recognise([line] * 20)
    assert time.process_time() - begun < 5.0


@given(st.lists(st.text(), max_size=5), st.integers(-20, 300))
def test_any_log_can_be_explained(lines, code):
    failure = ended(code, lines, "/o/job.log")
    assert failure.cause and failure.cure and failure.exit_code


def test_braces_in_a_message_are_passed_on():
    failure = recognise(["FileNotFoundError: No such file or directory: 'a {x}/{}'"])
    assert failure is not None and "'a {x}/{}'" in failure.cause


def test_a_sentence_alone_is_no_known_failure():
    failure = ended(1, ["Error: 104 cameras, 103 masks"], "/o/job.log")
    assert failure.id == "unknown" and "104 cameras, 103 masks" in failure.cause


def test_unknown_ends():
    assert ended(7, ["a", "b "], "/o/job.log").cause.endswith("exit code 7; its last line: b")
    assert "/o/job.log" in ended(7, [], "/o/job.log").cure
    assert ended(-9, [], "").id == "killed"
    assert ended(-11, [], "").id == "crashed"
    assert ended(0xC0000005, [], "").id == "crashed"
    assert ended(-15, [], "").cause == "the trainer ended with signal 15"
