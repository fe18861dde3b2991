"""Each known failure on samples of the logs in which it shows, and on one that looks like it."""

from __future__ import annotations

import importlib.util
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job import engines, failures
from nvdiffrec_tops.job.knownfailures.logtext import Kind, read

_SPEC = importlib.util.spec_from_file_location(
    "failure_samples", Path(__file__).with_name("failure_samples.py")
)
assert _SPEC is not None and _SPEC.loader is not None
samples = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(samples)

ENTRIES = [one for name in engines.names() for one in engines.engine(name).failures]
EACH = [(name, text, word) for name, found in samples.SAMPLES.items() for text, word in found]
RETRIED = {"gpu-busy", "network-disk", "extension-unfinished", "file-in-use"}


def engine_of(name):
    return "diffrec" if name.startswith("diffrec-") else "nvdiffrec"


def recognise(lines, engine="nvdiffrec", **more):
    table = engines.engine(engine).failures
    return failures.recognise(lines, table, python="/e/bin/python", **more)


def ended(code, lines, log):
    return failures.ended(code, lines, log, engines.engine("nvdiffrec").failures)


def test_every_kind_has_samples_and_something_alike():
    kinds = {one.id for one in ENTRIES}
    assert set(samples.SAMPLES) == kinds == set(samples.OTHERS)


def test_every_entry_has_a_sample():
    for entry in ENTRIES:
        told = [text for text, _ in samples.SAMPLES[entry.id]]
        assert any(re.search(entry.pattern, text, re.MULTILINE) for text in told), entry


@pytest.mark.parametrize(("name", "text", "word"), EACH, ids=lambda one: str(one)[:20])
def test_sample(name, text, word):
    lines = ["iter=   10, img_loss=0.1", *text.splitlines()]
    failure = recognise(lines, engine_of(name))
    assert failure is not None and failure.id == name
    assert word in f"{failure.cause} {failure.cure}"
    assert failure.exit_code and "{" not in failure.cause + failure.cure
    assert "  " not in failure.cause and not failure.cause.endswith((":", " "))
    assert failure.lines[-1] == lines[-1]
    unlinked = name == "stale-extension" and "cannot open shared" in text
    assert failure.retry == (name in RETRIED or unlinked)


@pytest.mark.parametrize("name", samples.OTHERS)
def test_what_looks_like_it_is_something_else(name):
    failure = recognise(samples.OTHERS[name].splitlines(), engine_of(name))
    assert failure is None or failure.id != name


# -- what a log holds beside the failure ---------------------------------------------------------

NOISE = (
    "",
    "Loading extension module renderutils_plugin...",
    "Using /home/vfx/.cache/torch_extensions/py311_cu130 as PyTorch extensions root...",
    "/e/torch/utils/cpp_extension.py:382: UserWarning: Error checking compiler version for cl: "
    "'utf-8' codec can't decode byte 0xd3 in position 0: invalid continuation byte",
    "  warnings.warn(f'Error checking compiler version for {compiler}: {error}')",
    "/e/tinycudann/modules.py:52: UserWarning: tinycudann was built for lower compute capability "
    "(70) than the system's (80). Performance may be suboptimal.",
    "[W CUDACachingAllocator.cpp:99] Warning: CUDA out of memory was avoided",
    "[WARNING] No space left on device is near",
    "W1129 21:53:12.000000 140 x.cpp:1] Permission denied, trying again",
    "---> WARNING: Picked a texture resolution lower than the reference mesh [9, 9] < [99, 99]",
    "DeprecationWarning: `np.float` is a deprecated alias for the builtin `float`.",
    "mesh.cpp:7:1: warning: unused variable 'p' [-Wunused-variable]",
    "Shim extension-lock: waiting for the lock /c/torch_extensions/x/lock: process 4 compiles",
    "\x1b[32mvalidating\x1b[0m:  40%|####      | 20/50 [00:02<00:03,  9.8it/s]\r",
    "100%|##########| 50/50 [00:05<00:00,  9.9it/s]",
    "MSE,      PSNR",
    "0.00100000, 30.500",
)
PROGRESS = "iter=   20, img_loss=0.007175, reg_loss=0.0155, lr=0.0266, time=247.0 ms, rem=3.05 m"
AFTER = (
    ["Exception ignored in: <function Image.__del__ at 0x7f>", "Traceback (most recent call last):",
     '  File "/e/lib/python3.11/tkinter/__init__.py", line 4017, in __del__',
     "ImportError: sys.meta_path is None, Python is likely shutting down"],
    ["[W CudaIPCTypes.cpp:15] Producer process has been terminated before all shared CUDA tensors"
     " released."],
)  # fmt: skip
PREFIXES = ("[rank0]: ", "[1,0]<stderr>:", "2026-11-29 21:53:12,104 ", "[21:53:12] ", "0: ",
            "(train pid=1234) ", "\x1b[31m", "rank 0: ", "ERROR: ")  # fmt: skip


@given(
    st.sampled_from(EACH),
    st.lists(st.sampled_from(NOISE), max_size=8),
    st.lists(st.sampled_from(NOISE), max_size=4),
    st.lists(st.sampled_from(AFTER), max_size=2),
)
def test_noise_changes_nothing(sample, before, after, ends):
    name, text, word = sample
    lines = [*before, PROGRESS, *text.splitlines(), *after, *[line for end in ends for line in end]]
    failure = recognise(lines, engine_of(name), windows=None)
    assert failure is not None and failure.id == name
    assert word in f"{failure.cause} {failure.cure}"


@given(st.sampled_from(EACH), st.sampled_from(PREFIXES), st.sampled_from(["", "\r", "\x1b[0m"]))
def test_what_launchers_put_before_a_line_changes_nothing(sample, prefix, end):
    name, text, _ = sample
    failure = recognise([prefix + line + end for line in text.splitlines()], engine_of(name))
    assert failure is not None and failure.id == name


@given(st.sampled_from(EACH), st.sampled_from(EACH))
def test_the_last_error_decides(first, second):
    if engine_of(first[0]) != engine_of(second[0]):
        return
    lines = [*first[1].splitlines(), PROGRESS, *second[1].splitlines()]
    failure = recognise(lines, engine_of(second[0]))
    assert failure is not None and failure.id == second[0]


def test_a_progress_line_after_the_error_does_not_hide_it():
    lines = [*samples.SAMPLES["gpu-illegal-access"][0][0].splitlines(), PROGRESS]
    failure = recognise(lines)
    assert failure is not None and failure.id == "gpu-illegal-access"


@pytest.mark.parametrize(
    "phrase",
    [
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ],
)
def test_chained_tracebacks(phrase):
    memory = samples.TRACE + "RuntimeError: Cuda error: 2[cudaMalloc(&p, n);]"
    unknown = samples.TRACE + "ValueError: the view could not be drawn"
    failure = recognise([*memory.splitlines(), "", phrase, "", *unknown.splitlines()])
    assert failure is not None and failure.id == "out-of-gpu-memory"
    assert recognise([*memory.splitlines(), "", *unknown.splitlines()]) is None
    failure = recognise([*unknown.splitlines(), "", phrase, "", *memory.splitlines()])
    assert failure is not None and failure.id == "out-of-gpu-memory"


def test_what_was_survived_does_not_explain_a_killed_process():
    lines = [*samples.SAMPLES["stale-extension"][0][0].splitlines(), PROGRESS]
    assert ended(-9, lines, "/o/job.log").id == "killed"
    assert ended(1, lines, "/o/job.log").id == "stale-extension"


def test_another_process_tells_what_it_failed_of():
    memory = samples.TRACE + "torch.OutOfMemoryError: CUDA out of memory."
    passed = [
        "torch.multiprocessing.spawn.ProcessRaisedException: ",
        "",
        "-- Process 0 terminated with the following error:",
        *memory.splitlines(),
        "",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
    ]
    failure = recognise(passed)
    assert failure is not None and failure.id == "out-of-gpu-memory"


def test_the_cure_is_for_the_system_that_the_log_tells_of():
    text = samples.SAMPLES["tinycudann-missing"][0][0].splitlines()
    assert "CC=" not in recognise(text, windows=True).cure
    assert "x64 Native Tools" in recognise(text, windows=True).cure
    assert "conda install" in recognise(text, windows=False).cure


def test_kinds_of_lines():
    trace = [
        "Traceback (most recent call last):",
        '  File "/n/train.py", line 3, in f',
        "    raise ValueError('x')",
        "    ^^^^^^^^^^^^^^^^^^^^^",
        "ValueError: x",
    ]
    assert [one.kind for one in read(trace)] == [Kind.FRAME] * 4 + [Kind.MESSAGE]


# -- the rest ------------------------------------------------------------------------------------


def test_real_logs_are_told_apart(shared):
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip("no cases beside the project")
    right = {
        "log-cl-warning-misleads": "texture-size",
        "log-cuda-versions-differ": "cuda-mismatch",
        "log-dll-load-failed": "dll-load",
        "log-gcc-too-new": "gcc-too-new",
        "log-gpu-memory-other-wording": "out-of-gpu-memory",
        "log-imageio-old-wording": "hdr-reader",
        "log-nerf-file-ending": "nerf-name-ending",
        "log-nerf-no-alpha": "photographs-without-alpha",
        "log-opengl-interop": "opengl-missing",
        "log-photo-with-alpha": "mixed-alpha",
        "log-stale-extension-symbol": "stale-extension",
        "log-texture-size": "texture-size",
        "log-tinycudann-wrong-card": "gpu-architecture",
    }
    for case, id in right.items():
        for path in sorted((folder / case).glob("*.txt")):
            assert ended(1, path.read_text().splitlines(), "/o/job.log").id == id, path


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
     "imageio" * 9000, 'File "' * 10000, "FileNotFoundError: " * 3000, "error: " * 9000,
     "a" * 64000, " " * 64000, "ImportError: torch_extensions" * 2000, "cudaMalloc" * 6000,
     "loss " * 12000, "[1, " * 16000],
    ids=lambda line: line[:16],
)  # fmt: skip
def test_no_line_takes_long(line):
    begun = time.process_time()
    recognise([line] * 10)
    recognise([*[line] * 10, "RuntimeError: Error building extension 'p'"])
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
    assert ended(-11, [], "").id == ended(139, [], "").id == "crashed"
    assert ended(137, [], "").id == "killed"
    assert ended(0xC0000005, [], "").id == "crashed"
    assert ended(-15, [], "").cause == "the trainer ended with signal 15"
