"""Commands of work items come through a scheduler unchanged."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.command import (
    CommandError,
    TrainingCommand,
    command_line,
    job_argv,
)
from nvdiffrec_tops.job.commandline import ESCAPED, escape, parse, unescape
from nvdiffrec_tops.job.failures import JobError

AWKWARD = [
    "/with space/x", "it's", 'say "hi"', "$HOME/$(id)", "`id`", "a\nb", "grün 雪", "100%PATH%",
    "__PDG_DIR__", "~/x", "a;b&c|d", "-o", "back\\slash\\", "*?[a]", "!x", "",
]  # fmt: skip

paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def scheduler(line: str) -> list[str]:
    """What the local scheduler makes of a command: tokens, then variables, then words."""
    line = re.sub(r"__PDG_[A-Z_]+__", "TOKEN", line)
    line = re.sub(r"\$\{?\w+\}?", "EXPANDED", line)
    return shlex.split(line)


@given(st.lists(paths | st.sampled_from(AWKWARD)))
def test_arguments_come_through_a_posix_scheduler(words):
    argv = job_argv("/usr/bin/python3", words, "/opt/toolkit/job/__main__.py")
    back = scheduler(command_line(argv, windows=False))
    assert back[:5] == ["/usr/bin/python3", "-I", "-X", "utf8", "/opt/toolkit/job/__main__.py"]
    rest = back[5:]
    if rest[:1] == [ESCAPED]:
        rest = [unescape(word) for word in rest[1:]]
    assert rest == words


def split_windows(line: str) -> list[str]:
    """Microsoft's rules for argv, as documented for its C runtime."""
    words: list[str] = []
    word = ""
    quoted = started = False
    index = 0
    while index < len(line):
        slashes = 0
        while index < len(line) and line[index] == "\\":
            slashes += 1
            index += 1
        if index < len(line) and line[index] == '"':
            word += "\\" * (slashes // 2)
            started = True
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            index += 1
            continue
        word += "\\" * slashes
        started = started or slashes > 0
        if index < len(line):
            if line[index] in " \t" and not quoted:
                if started:
                    words.append(word)
                word, started = "", False
            else:
                word += line[index]
                started = True
            index += 1
    return [*words, word] if started else words


@given(st.lists(paths | st.sampled_from(AWKWARD)))
def test_arguments_come_through_windows(words):
    argv = job_argv(r"C:\Program Files\py\python.exe", words, r"D:\tool kit\__main__.py")
    line = command_line(argv, windows=True)
    assert "%" not in line and "$" not in line and "\n" not in line
    back = split_windows(line)
    rest = back[5:]
    if rest[:1] == [ESCAPED]:
        rest = [unescape(word) for word in rest[1:]]
    assert back[0] == r"C:\Program Files\py\python.exe"
    assert rest == words


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaping_is_undone(text):
    escaped = escape(text)
    assert unescape(escaped) == text
    assert re.fullmatch(r"[\x20-\x7e]*", escaped)
    assert not re.search(r"[$`%!^\"'\\*?;&|<>]|__", escaped)


@pytest.mark.parametrize("text", ["~", "~4", "~GG", "a~", "~ 4", "~+4"])
def test_damaged_escapes_are_refused(text):
    with pytest.raises(JobError, match="damaged"):
        unescape(text)


def test_a_plain_command_stays_readable():
    command = TrainingCommand(
        python="/envs/nv/bin/python3", engine="diffrec", config="/show/my bob/bob.json",
        output="/show/out/bob", seed=3, overrides={"iter": 500, "background": "white"},
        job_script="/opt/t/job/__main__.py", force=True,
    )  # fmt: skip
    assert command.line(windows=False) == (
        "/envs/nv/bin/python3 -I -X utf8 /opt/t/job/__main__.py --engine=diffrec "
        "'--config=/show/my bob/bob.json' --output=/show/out/bob --seed=3 "
        "--set=iter=500 '--set=background=\"white\"' --force"
    )


@given(
    paths, paths, paths, st.dictionaries(st.sampled_from(["iter", "loss", "diffrec.seed"]), paths)
)
def test_the_job_process_understands_every_command(config, output, folder, overrides):
    command = TrainingCommand(
        python="python3", engine="nvdiffrec", config=config, output="/o/" + output,
        working_dir="/w/" + folder, overrides=overrides, variables={"A": folder}, unset=("B",),
        device="cuda", retries=2, timeout=7.5, inputs=("/i/" + output,), environment="/envs/nv",
        on_failure="warn",
    )  # fmt: skip
    job, force = parse(scheduler(command.line(windows=False))[5:])
    assert not force and job.engine == "nvdiffrec"
    assert job == command.job()
    assert job.overrides == overrides and job.on_failure == "warn"
    assert job.environment.set == {"A": folder} and job.environment.unset == ("B",)
    assert (job.device, job.retries, job.timeout, job.python) == ("cuda", 2, 7.5, "/envs/nv")
    import os

    assert job.output == os.path.abspath("/o/" + output)
    assert job.working_dir == os.path.abspath("/w/" + folder)


def test_a_command_that_says_little_is_the_same_job():
    command = TrainingCommand(python="python3", engine="diffrec", config="c.json", output="o")
    assert parse(scheduler(command.line(windows=False))[5:]) == (command.job(), False)


def test_tokens_may_name_the_interpreter():
    argv = job_argv("__PDG_PYTHON__", ["x"], "/opt/__main__.py")
    assert command_line(argv, windows=False).startswith("__PDG_PYTHON__ -I ")


def test_paths_that_no_quotation_carries_are_refused():
    with pytest.raises(CommandError, match="move the toolkit"):
        command_line(job_argv("/opt/$HFS/python", []), windows=False)
    with pytest.raises(CommandError, match="move the toolkit"):
        command_line(job_argv("python", [], "/opt/a\nb.py"), windows=False)


def test_a_job_file_command_runs(tmp_path):
    path = str(tmp_path / "a $HOME 'job'.json")
    line = command_line(job_argv(sys.executable, [path, "--force"]), windows=False)
    done = subprocess.run(scheduler(line), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2 and f"{path} cannot be read" in done.stderr
