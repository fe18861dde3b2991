"""Every command in README.md, CONTRIBUTING.md and docs/ works, or is at least understood.

The documents are read. A command is run where that costs little, else its arguments are parsed by
the program's own parser. A command that no rule here knows fails: add it to a rule, with a reason
where it is neither run nor parsed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from diffrec import commandline
from nvdiffrec_tops import cli
from nvdiffrec_tops.cook import options

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = (
    r"nvdiffrec-tops|diffrec|hython|torchrun|git|pip3?|python3?|\$?PYTHON|conda|mamba|uv|export|cd|"
    r"source|sudo|apt(?:-get)?|docker|curl|bash|sh|ssh|\.{0,2}/?(?:scripts|examples)/[\w.-]+|"
    r"(?:\S*[/\\])?\.venv[/\\](?:bin|Scripts)[/\\][\w.-]+|\./[\w./-]+"
)
COMMAND = re.compile(rf"(?:{PROGRAMS})(?=\s|$)")
INLINE = re.compile(
    r"`((?:\.venv/bin/)?(?:nvdiffrec-tops|diffrec|torchrun|python -m|\./scripts/)[^`]*)`"
)

NEITHER = {
    "git clone URL": "the address is the reader's",
    "cd ": "part of a line about git clone",
    ".venv\\Scripts\\python -m pip install": "Windows, and installs from a package index",
    ".venv/bin/python -m pip install": "installs from a package index",
    "pip install": "installs from a package index",
    ".venv/bin/pre-commit install": "a tool of its own",
    "./scripts/test": "it runs this very test",
}
"""Beginnings of commands that are neither run nor parsed, and why."""


def lines_of(path: Path) -> list[str]:
    """Lines of code blocks, fenced or indented, those that go on joined."""
    found: list[str] = []
    fenced, after_blank = False, True
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
            continue
        indented = line.startswith("    ") and (after_blank or bool(found and found[-1]))
        if not fenced and not indented:
            found.append("")
            after_blank = not line.strip()
            continue
        text = line[4:] if indented and not fenced else line
        before = found[-1] if found else ""
        goes_on = before.endswith("\\") or bool(
            COMMAND.match(before) and re.match(r"\s+[\[-]", text)
        )
        if goes_on:
            found[-1] = f"{before.rstrip(chr(92)).rstrip()} {text.strip()}"
        else:
            found.append(text)
    return found


def commands_of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    blocks = [line.strip() for line in lines_of(path) if COMMAND.match(line.strip())]
    # What stands behind two spaces says what the command does.
    blocks = [re.split(r"\s{2,}(?![\[-])", line)[0] for line in blocks]
    parts = [part for line in blocks for part in line.split(" && ")]
    # A name alone, in a sentence, is none; nor is the beginning of a path or of a module's name.
    inline = [" ".join(one.split()) for one in INLINE.findall(text)]
    return [*parts, *(one for one in inline if COMMAND.match(one) and " " in one)]


ALL = sorted({(path.name, one) for path in DOCUMENTS for one in commands_of(path)})


def spelled(command: str) -> list[list[str]]:
    """The argument lists that a line of usage stands for, with every option that it shows."""
    text = re.sub(r"\[(?![-\]])[^\]]*\]", "", command)  # [nvdiffrec's flags]
    text = re.sub(r"(?<=[a-z]) \.\.\.$", " FILE", text)  # --config ...
    text = text.replace("\\", "/") if "Scripts" in text else text
    if "'" not in text and '"' not in text:
        text = text.replace("[", " ").replace("]", " ").replace("...", " ")
    first, *others = text.split(" | ")
    words = shlex.split(first)
    variants = [words]
    for other in others:
        own = shlex.split(other)
        stem = words[:2] if words[:2] == ["nvdiffrec-tops", "env"] else words[:1]
        variants.append([*stem, *own])
    return [[_value(word) for word in one] for one in variants]


def _value(word: str) -> str:
    if word in ("N", "SECONDS"):
        return "1"
    return word.split("|")[0] if re.fullmatch(r"[\w./-]+(\|[\w./-]+)+", word) else word


def understood(parser: argparse.ArgumentParser, words: list[str]) -> None:
    with open(os.devnull, "w") as nowhere:
        try:
            with contextlib.redirect_stdout(nowhere):
                parser.parse_args(words)
        except SystemExit as ended:
            assert ended.code == 0, words  # --help


def of_toolkit(words: list[str]) -> None:
    """A name alone, such as `nvdiffrec-tops env`, is one of a command."""
    understood(cli.parser(), words if len(words) > 1 else [*words, "--help"])


def of_trainer(words: list[str]) -> None:
    understood(commandline.parser(), words)


def of_cook(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    understood(parser, words)


def of_script(program: str, words: list[str]) -> None:
    path = ROOT / program.removeprefix("./")
    assert path.is_file() and os.access(path, os.X_OK), program
    subprocess.run(["bash", "-n", str(path)], check=True)
    if path.name == "cook" and words:
        of_cook(words)


def of_python(words: list[str]) -> None:
    if words[:1] == ["-m"]:
        name, rest = words[1], words[2:]
        assert importlib.util.find_spec(name) is not None, name
        if name == "diffrec":
            of_trainer(rest)
        elif name == "nvdiffrec_tops":
            of_toolkit(rest)
    else:
        assert (ROOT / words[0]).is_file(), words


def check(words: list[str]) -> bool:
    """Check a command; whether a rule knows it."""
    program, rest = words[0], words[1:]
    name = re.sub(r"^\.venv/(bin|Scripts)/", "", program)
    if name == "nvdiffrec-tops":
        of_toolkit(rest)
    elif name == "diffrec":
        of_trainer(rest)
    elif name in ("python", "python3"):
        of_python(rest)
    elif program == "hython":  # needs Houdini; the arguments are those of our cook
        assert (ROOT / rest[0]).is_file(), rest
        if rest[0].endswith("batch_cook.py"):
            of_cook(rest[1:])
    elif program == "torchrun":  # wants several graphics cards
        assert rest[rest.index("-m") + 1] == "diffrec"
        of_trainer(rest[rest.index("-m") + 2 :])
    elif re.fullmatch(r"(\./)?scripts/\S+", program):
        of_script(program, rest)
    else:
        return False
    return True


@pytest.mark.parametrize(("document", "command"), ALL)
def test_every_command_is_understood(document, command):
    if any(command.startswith(one) for one in NEITHER):
        return
    for words in spelled(command):
        assert check(words), f"{document}: no rule of this test knows: {command}"


def test_the_documents_are_read_and_a_new_command_is_not_passed_over(tmp_path):
    names = {command.split()[0] for _document, command in ALL}
    assert {"nvdiffrec-tops", "diffrec", "./scripts/cook", "hython", "torchrun"} <= names
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n\n    docker run tops\n    nvdiffrec-tops bake SCENE.hip   bakes\n\n```sh\n"
        "nvdiffrec-tops cook S.hip \\\n  --bogus\n```\n"
    )
    found = commands_of(page)
    assert found == [
        "docker run tops", "nvdiffrec-tops bake SCENE.hip", "nvdiffrec-tops cook S.hip --bogus",
    ]  # fmt: skip
    assert not check(spelled(found[0])[0])
    for command in found[1:]:
        with pytest.raises(AssertionError):
            check(spelled(command)[0])


def test_what_lies_in_the_environments_programs_is_what_the_readme_says():
    programs = Path(sys.executable).parent
    for name in ("nvdiffrec-tops", "diffrec"):
        suffix = ".exe" if os.name == "nt" else ""
        if not (programs / f"{name}{suffix}").is_file():
            pytest.skip("this environment does not hold the toolkit as a package")
        done = subprocess.run([programs / name, "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and "usage: " in done.stdout


@pytest.mark.parametrize(
    "words", [["env", "list"], ["status"], ["env", "list", "--json"], ["--help"]], ids=" ".join
)
def test_cheap_commands_run(words, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    try:
        assert cli.main(words) == 0
    except SystemExit as ended:
        assert ended.code == 0
    assert capsys.readouterr().out


def test_the_readmes_cook_runs_dry_on_the_sample(tmp_path, monkeypatch, capsys):
    """In a folder as a newcomer may have it; with the sample that ``./scripts/cook`` writes."""
    place = tmp_path / "Büste 胸像 (1)"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "diffrec.sample", str(place / "data")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(place)
    words = [
        "cook", str(ROOT / "hip/TOPs_nvdiffrec_Static.hip"), "--dry-run",
        "--set", f"attributes.working_dir={place}/data/",
        "--set", "attributes.config_name=sample.json",
        "--set", f"attributes.miniconda_env={sys.prefix}",
        "--set", f"attributes.output_dir={place}/result",
    ]  # fmt: skip
    assert cli.main([*words, "--override", "iter=20"]) == 0
    assert '"iter": 20' in capsys.readouterr().out
    for wrong, said in (
        (["--override", "diffrec.bogus=1"], 'unknown field "diffrec.bogus"'),
        (["--override", "ref_mesh=no.obj"], "does not exist"),
        (["--set", f"attributes.working_dir={place}/none/"], "does not exist"),
        (["--set", "attributes.iter=2"], "--override iter=2"),
        (["--set", f"attributes.output_dir={place}/{'n' * 300}"], "cannot be written"),
    ):
        assert cli.main([*words, *wrong]) == 1
        assert said in capsys.readouterr().err, wrong
    assert not (place / "result").exists()
