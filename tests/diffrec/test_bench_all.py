"""`scripts/bench all`: which parts there are, what becomes of one that fails."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks"


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


def _part(code: str, monkeypatch: pytest.MonkeyPatch) -> object:
    bench = _script("bench_all")
    monkeypatch.setattr(
        bench.Part,
        "command",
        lambda self, seconds, output: [sys.executable, "-c", code, "--output", str(output)],
    )
    return bench.Part("A part", "ops", lambda *_: [], 1.0)


def test_the_parts_in_their_order() -> None:
    bench = _script("bench_all")
    paths = [Path("bob.json"), Path("gold.json")]
    found = bench.parts(paths, [Path("dssim.json")], cuda=True, logs=Path("logs"))
    names = ["ops", "", "runs", "kills", "kernels", "kernels", "charts"]
    assert [part.name for part in found] == names
    commands = [part.command(60.0, Path("o.md")) for part in found]
    assert all(Path(command[1]).is_file() for command in commands)
    assert commands[0][2:] == ["--device", "cuda", "--seconds", "60", "--output", "o.md"]
    assert commands[2][2:] == [
        "bob.json",
        "gold.json",
        "--variants",
        "dssim.json",
        "--first",
        "--logs",
        "logs",
        "--seconds",
        "60",
        "--output",
        "o.md",
    ]
    assert commands[3][2:] == ["bob.json", "--seconds", "60", "--output", "o.md"]
    assert [command[2] for command in commands[4:6]] == ["bob.json", "gold.json"]


def test_every_program_knows_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    text = {
        name: (SCRIPTS / name).read_text(encoding="utf-8")
        for name in (
            "bench.py",
            "bench_ops.py",
            "bench_runs.py",
            "bench_kills.py",
            "bench_kernels.py",
            "bench_charts.py",
        )
    }
    bench = _script("bench_all")
    for quick in (False, True):
        for part in bench.parts([Path("a.json")], [Path("v.json")], cuda=False, quick=quick):
            command = part.command(1.0, Path("o.md"))
            for flag in (one for one in command[2:] if one.startswith("--")):
                assert f'"{flag}"' in text[Path(command[1]).name], (part.title, flag)


def test_the_cards_of_a_machine_are_counted() -> None:
    cards = _script("bench_machine").cards
    assert cards("2 x NVIDIA H200") == 2
    assert cards("NVIDIA H200") == 1
    assert cards("CPU, 2 threads") == 1


def test_a_part_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; print('| a | b |'); sys.exit('no such card')"
    text = _script("bench_all").measure(_part(code, monkeypatch), 60.0, tmp_path)
    assert text.startswith("`./scripts/bench ops ")
    assert "| a | b |\n\nNot complete: no such card\n" in text
    assert str(tmp_path) not in text


def test_what_was_written_before_the_time_was_up_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, time; open(sys.argv[2], 'w').write('`./scripts/bench ops`\\n## Found'); "
        "time.sleep(60)"
    )
    bench = _script("bench_all")
    text = bench.measure(_part(code, monkeypatch), 2.0, tmp_path)
    assert text.startswith("`./scripts/bench ops`\n## Found")
    assert "Not complete: ended after 2 s" in text
    assert "### Found" in bench.nested(text)


def test_all_goes_on_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _script("bench_all")
    target, file = tmp_path / "all.md", tmp_path / "a.json"
    file.write_text("{")
    arguments = ["bench_all.py", str(file), "--output", str(target), "--seconds", "100"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--only", "runs", "charts", "--quick"])
    monkeypatch.setattr(bench, "machine", lambda: ("CPU, 1 threads", "Python"))
    assert bench.main() == 0
    text = target.read_text(encoding="utf-8")
    assert "## Whole trainings" in text
    assert "Not complete: bench_runs.py: error" in text
    assert "| rough ball |" in text.partition("## Charting")[2]
    assert f"`./scripts/bench all {file} --output {target}" in text


def test_a_configuration_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = _script("bench_all")
    monkeypatch.setattr(bench, "machine", lambda: ("CPU, 1 threads", "Python"))
    arguments = ["bench_all.py", "gone.json", "--output", str(tmp_path / "all.md")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        bench.main()
    assert "gone.json is no file" in capsys.readouterr().err
