"""Every word reaches the program as it is, through real POSIX shells and a strict cmd.exe."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.quoting import (
    LONGEST_POSIX,
    LONGEST_WINDOWS,
    FromRoot,
    QuotingProblem,
    posix,
    windows_cmd,
)

HOSTILE = [
    "", " ", "-o", "--", "it's", 'say "hi"', '"', "'", '\\"', "\\", "C:\\a b\\", "a\\\\", "$(id)",
    "`id`", "$HOME", "${x}", "$x", "%x%", "%%x%%", "100%", "%x:~0,1%", "!x!", "!", "a!b", "^", "^^",
    "^!x!", "^&", "&", "&& calc", "|", "||", "<", ">", ">>f", ";", "(", ")", "{a,b}", "*", "[a]",
    "~", "~root", "#c", "=", "A=b", "@", ",", "a\nb", "\n", "\r\n", "\t", "\x1b[31m", "\x1a", "雪",
    "\u202e", "🦆", "'\"$x`%x%!x!^&\\", "if", "time", "//server/share/a b", "/c", "H:/a b.json",
]  # fmt: skip
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.lists(st.sampled_from(HOSTILE) | st.text(letters), min_size=1, max_size=4).map("".join)
argvs = st.lists(words, max_size=5)

SHELLS = [shell for shell in ("/bin/sh", shutil.which("bash")) if shell and os.path.exists(shell)]
PRINTF = "/usr/bin/printf"
posix_only = pytest.mark.skipif(
    not SHELLS or not os.path.exists(PRINTF), reason="there is no POSIX shell and printf"
)


def through(shell: str, line: str, **variables: str) -> list[str]:
    """The arguments that printf gets from a command line; nothing else may have been said."""
    environment = {"PATH": "/usr/bin:/bin", "x": "EXPANDED", "HOME": "/expanded", **variables}
    done = subprocess.run(
        [shell, "-c", line], capture_output=True, env=environment, timeout=20, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@posix_only
@settings(max_examples=60, deadline=None)
@given(argvs)
def test_words_come_through_posix_shells(argv):
    line = posix([PRINTF, "%s\\0", *argv, "end"])
    for shell in SHELLS:
        assert through(shell, line) == [*argv, "end"]


@posix_only
@settings(max_examples=40, deadline=None)
@given(words, words)
def test_of_a_path_from_the_root_only_the_variable_expands(rest, root):
    line = posix([PRINTF, "%s\\0", FromRoot("/" + rest)])
    for shell in SHELLS:
        assert through(shell, line, HQROOT="/" + root) == [f"/{root}/{rest}"]


@posix_only
@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_without_hqroot_says_so(shell):
    line = posix([PRINTF, "%s", FromRoot("/projects")])
    done = subprocess.run([shell, "-c", line], capture_output=True, env={}, timeout=20, text=True)
    assert done.returncode != 0 and done.stdout == "" and "HQROOT" in done.stderr


@posix_only
@pytest.mark.parametrize(
    "name",
    ["A=b", "if", "-x", "--", "{", "!", "a b", "it's", "$(id)", "`id`", "a;b", "\n", "\\", '"'],
)  # fmt: skip
def test_any_name_of_a_program_is_one(tmp_path, name):
    program = tmp_path / name
    program.write_text('#!/bin/sh\nprintf \'%s\\0\' "$0" "$@"\n')
    program.chmod(0o755)
    for shell in SHELLS:
        assert through(shell, posix([str(program), name])) == [str(program), name]


@posix_only
@pytest.mark.parametrize("name", ["A=b", "if", "-x", "{", "!", "a b", "it's", "$(id)", "#", "~"])
def test_a_program_of_the_search_path_is_no_keyword_and_no_assignment(tmp_path, name):
    program = tmp_path / name
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    program.chmod(0o755)
    for shell in SHELLS:
        assert through(shell, posix([name, "word"]), PATH=str(tmp_path)) == ["word"]


# -- cmd.exe ------------------------------------------------------------------------------------
VARIABLES = {"X": "EXPANDED & calc", "PATH": 'C:\\" & calc', "HQROOT": "H:\\hq root", "A": ""}
MODES = [
    {"batch": batch, "delayed": delayed, "s": s}
    for batch, delayed, s in itertools.product((False, True), repeat=3)
]


# With the letters that cmd.exe lets follow them without a space: cd\x.
OWN = re.compile(
    r"(?i)(call|cd|copy|del|echo|exit|for|goto|if|move|rem|ren|set|start|type)([.\\]|$)"
)


class Broken(Exception):
    """cmd.exe would do something else than start one program."""


def cmd_exe(line: str, *, batch: bool, delayed: bool, s: bool) -> str:
    """The command line that cmd.exe hands to the one program of ``line``.

    ``batch``: the line stands in a batch file, else after ``/c`` (with ``s``: in quotation marks
    after ``/s /c``). ``delayed``: with ``/v:on``.
    """
    if not batch:
        line = _after_c(f'"{line}"' if s else line, s)
    line = _percent(line, batch)
    if line.startswith("@"):
        line = line[1:]
    line = _special(line)
    program, rest = _program(line)
    if delayed:
        program, rest = _delayed(program, batch), _delayed(rest, batch)
    return program + rest


def _after_c(line: str, s: bool) -> str:
    """``cmd /?``: what becomes of quotation marks in the command after /c."""
    if not line.startswith('"'):
        return line
    kept = not s and line.count('"') == 2 and not re.search(r"[&<>()@^|]", line) and " " in line
    if kept:
        raise Broken("depends on whether a file of that name exists")
    head, _mark, tail = line[1:].rpartition('"')
    return head + tail


def _percent(line: str, batch: bool) -> str:
    found, rest = "", line
    while "%" in rest:
        before, _, rest = rest.partition("%")
        found += before
        if batch and rest[:1] == "%":
            found, rest = found + "%", rest[1:]
        elif batch and rest[:1] and rest[0] in "0123456789*":
            rest = rest[1:]
        elif "%" in rest:
            name, _, after = rest.partition("%")
            key = name.partition(":")[0].upper()
            if key in VARIABLES:
                found, rest = found + VARIABLES[key], after
            elif batch:
                rest = after
            else:
                found += "%"
        elif not batch:
            found += "%"
    return found + rest


def _special(line: str) -> str:
    """Carets and quotation marks; anything that ends or redirects a command is Broken."""
    found, quoted, index = "", False, 0
    while index < len(line):
        letter = line[index]
        if letter in "\r\n\x1a\0":
            raise Broken("the line ends")
        if letter == '"':
            quoted = not quoted
        elif not quoted and letter == "^":
            index += 1
            if index >= len(line):
                raise Broken("the line goes on")
            letter = line[index]
        elif not quoted and letter in "&|<>()":
            raise Broken(f"{letter} outside quotation marks")
        found += letter
        index += 1
    if quoted:
        raise Broken("a quotation without an end")
    return found


def _program(line: str) -> tuple[str, str]:
    """The word that names the program, which ends at any separator outside quotation marks."""
    quoted = False
    for index, letter in enumerate(line):
        quoted ^= letter == '"'
        if not quoted and letter in " \t,;=/+[]:" and not (letter == ":" and index == 1):
            if letter not in " \t":
                raise Broken(f"the program's name ends at {letter}")
            break
    else:
        index = len(line)
    if OWN.match(line[:index]):
        raise Broken("a command of cmd.exe's own")
    return line[:index], line[index:]


def _delayed(text: str, batch: bool) -> str:
    """Only where there is an exclamation mark; then carets go, also in quotation marks."""
    if "!" not in text:
        return text
    found, index = "", 0
    while index < len(text):
        letter = text[index]
        if letter == "^":
            found += text[index + 1 : index + 2]
            index += 2
            continue
        if letter == "!":
            end = text.find("!", index + 1)
            if end < 0:
                index += 1
                continue
            name = text[index + 1 : end]
            kept = "" if batch else f"!{name}!"
            found += VARIABLES.get(name.partition(":")[0].upper(), kept)
            index = end + 1
            continue
        found += letter
        index += 1
    return found


def runtime(line: str) -> list[str]:
    """Microsoft's documented rules for argv: 2n backslashes before a quotation mark are n."""
    first = re.match(r'"([^"]*)"|([^ \t"]*)', line)
    assert first is not None
    argv, word, quoted, started = [first[1] if first[1] is not None else first[2]], "", False, False
    index = first.end()
    if line[index : index + 1] not in ("", " ", "\t"):
        raise Broken("the program's name goes on behind its quotation")
    while index < len(line):
        slashes = len(line[index:]) - len(line[index:].lstrip("\\"))
        index += slashes
        letter = line[index : index + 1]
        if letter == '"':
            word += "\\" * (slashes // 2)
            started = True
            if slashes % 2:
                word += '"'
            elif quoted and line[index + 1 : index + 2] == '"':
                word += '"'
                index += 1
            else:
                quoted = not quoted
            index += 1
            continue
        word += "\\" * slashes
        started = started or slashes > 0
        if not letter or (letter in " \t" and not quoted):
            if started:
                argv.append(word)
            word, started = "", False
        else:
            word, started = word + letter, True
        index += 1
    return [*argv, word] if started else argv


@pytest.mark.parametrize(
    "line",
    ["py a&b", 'py "a\\"&b"', 'py "%PATH%"', "py a^", 'py "a', "H:/p.exe a", "py a\nb", "a=b c",
     "a+ b", "ab:c d", "if a", "cd\\a b"],
)  # fmt: skip
def test_the_strict_cmd_exe_is_strict(line):
    for mode in MODES:
        with pytest.raises(Broken):
            cmd_exe(line, **mode)


def test_the_strict_cmd_exe_knows_what_cmd_exe_does():
    on, off = (
        {"batch": False, "delayed": True, "s": True},
        {"batch": False, "delayed": False, "s": True},
    )
    assert cmd_exe('py "!HQROOT!\\a"', **on) == 'py "H:\\hq root\\a"'
    assert cmd_exe('py "!HQROOT!"', **off) == 'py "!HQROOT!"'
    assert cmd_exe('py "a^b!"', **on) == 'py "ab"'
    assert cmd_exe('py "a^b"', **on) == 'py "a^b"'
    assert cmd_exe("py a^&b", **on) == "py a&b"
    assert cmd_exe("py 100%", **off) == "py 100%"
    assert cmd_exe("py 100%", **{**off, "batch": True}) == "py 100"
    # The trap of /c without /s: the first and the last mark are taken away.
    with pytest.raises(Broken):
        cmd_exe('"C:\\my py.exe" "a & b"', batch=False, delayed=False, s=False)
    assert (
        cmd_exe('@"C:\\my py.exe" "a b"', batch=False, delayed=False, s=False)
        == '"C:\\my py.exe" "a b"'
    )


def test_the_strict_runtime_knows_the_documented_examples():
    # Microsoft: "Parsing C command-line arguments", table of results.
    assert runtime('py "a b c" d e') == ["py", "a b c", "d", "e"]
    assert runtime(r'py "ab\"c" "\\" d') == ["py", 'ab"c', "\\", "d"]
    assert runtime(r'py a\\\b d"e f"g h') == ["py", r"a\\\b", "de fg", "h"]
    assert runtime(r"py a\\\"b c d") == ["py", r"a\"b", "c", "d"]
    assert runtime(r'py a\\\\"b c" d e') == ["py", r"a\\b c", "d", "e"]
    assert runtime('py a"b"" c d') == ["py", 'ab" c d']


REFUSED = re.compile(r'[%!"\x00-\x08\x0a-\x1f\x7f]')
programs = words | st.sampled_from(
    [
        "a+b",
        "a:b",
        "if",
        "cd\\a",
        "echo.py",
        "H:/a+b",
        "H:",
        ":a",
        "H:/py/python.exe",
        "C:\\Program Files\\py\\python.exe",
        "\\\\nas\\py\\python.exe",
    ]
)


@settings(max_examples=400, deadline=None)
@given(programs, argvs)
def test_words_come_through_cmd_exe_or_are_refused(program, argv):
    given_words = [program, *argv]
    refused = not program or any(REFUSED.search(word) for word in given_words)
    try:
        line = windows_cmd(given_words)
    except QuotingProblem as problem:
        assert refused and problem.cure
        return
    assert not refused
    assert not line.startswith('"')
    for mode in MODES:
        assert runtime(cmd_exe(line, **mode)) == [program.replace("/", "\\"), *argv]


@settings(max_examples=200, deadline=None)
@given(words, words, st.booleans())
def test_only_hqroot_expands_in_cmd_exe(rest, other, first):
    path = FromRoot("/" + rest, windows=True)
    argv = [path, other] if first else ["H:\\py.exe", path, other]
    refused = any(REFUSED.search(one) or "^" in one for one in (rest, other))
    try:
        line = windows_cmd(argv)
    except QuotingProblem:
        assert refused
        return
    assert not refused
    inside = "/" + rest
    for mode in MODES:
        root = VARIABLES["HQROOT"] if mode["delayed"] else "!HQROOT!"
        expected = (
            [root + inside.replace("/", "\\"), other]
            if first
            else ["H:\\py.exe", root + inside, other]
        )
        assert runtime(cmd_exe(line, **mode)) == expected


def test_plain_commands_stay_readable():
    argv = [
        "H:/envs/py/python.exe",
        "-I",
        "-X",
        "utf8",
        "H:/tops/__main__.py",
        "--farm",
        "H:/a b.json",
    ]
    assert windows_cmd(argv) == (
        'H:\\envs\\py\\python.exe -I -X utf8 H:/tops/__main__.py --farm "H:/a b.json"'
    )
    argv[0] = "C:/Program Files/py/python.exe"
    assert windows_cmd(argv).startswith('@"C:\\Program Files\\py\\python.exe" -I ')
    assert posix(["/envs/py/python", "-I", "/a b.json"]) == "'/envs/py/python' -I '/a b.json'"


def test_a_path_from_the_root_reads_as_the_platform_writes_it():
    assert str(FromRoot("/a b")) == "$HQROOT/a b"
    assert str(FromRoot("/a b", windows=True)) == "!HQROOT!/a b"
    # Changed text is no such path any more, and only a text.
    assert posix(["p", FromRoot("/a") + "b"]) == "'p' '$HQROOT/ab'"


@pytest.mark.parametrize("quote", [posix, windows_cmd])
def test_what_no_shell_takes_is_refused_in_a_sentence(quote):
    for argv in ([], [""], ["p", "a\0b"], ["p", "x" * (LONGEST_POSIX + 1)]):
        with pytest.raises(HQueueProblem) as caught:
            quote(argv)
        assert caught.value.cure and "\0" not in str(caught.value)
        assert len(str(caught.value)) < 400


def test_the_longest_lines_are_those_that_shells_take():
    with pytest.raises(QuotingProblem, match="8000"):
        windows_cmd(["p", "x" * LONGEST_WINDOWS])
    assert len(windows_cmd(["H:\\p", "x" * (LONGEST_WINDOWS - 5)])) == LONGEST_WINDOWS
    line = posix([PRINTF, "%s\\0", "x" * (LONGEST_POSIX - 40)])
    for shell in SHELLS if os.path.exists(PRINTF) else ():
        assert len(through(shell, line)[0]) == LONGEST_POSIX - 40
