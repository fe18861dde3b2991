"""What a preparation is asked for survives its way through a command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import preparation
from nvdiffrec_contract.preparation import MATCHING, Preparation

PATHS = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda text: text not in (".", ".."))
ROOT = Path("/a").absolute()


def parsed(words: list[str]) -> Preparation:
    parser = argparse.ArgumentParser()
    preparation.add_arguments(parser)
    return preparation.given(parser.parse_args(words))


@given(
    st.builds(
        Preparation,
        PATHS.map(ROOT.joinpath),
        PATHS.map(ROOT.joinpath),
        st.none() | PATHS.map(ROOT.joinpath),
        st.none() | PATHS.map(ROOT.joinpath),
        st.integers(8, 5000),
        st.integers(256, 8192),
        st.integers(64, 4096),
        st.sampled_from(MATCHING),
        st.integers(0, 64),
        st.none() | PATHS.map(ROOT.joinpath),
    )
)
def test_words_say_the_same(asked: Preparation) -> None:
    assert parsed(preparation.words(asked)) == asked


def test_paths_are_those_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = parsed(["shoot", "--out", "vase"])
    assert asked == Preparation(tmp_path / "shoot", tmp_path / "vase")
    assert preparation.words(asked) == [f"--out={tmp_path / 'vase'}", "--", str(asked.source)]


@pytest.mark.parametrize(
    "wrong", [["--most", "3"], ["--longest", "x"], ["--matching", "best"], ["--train-size", "0"]]
)
def test_values_that_make_no_sense_are_refused(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(["shoot", "--out", "vase", *wrong])
    assert wrong[0] in capsys.readouterr().err
