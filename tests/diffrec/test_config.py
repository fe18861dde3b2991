"""The configuration and the command line, with nvdiffrec's own files as the measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.commandline import parse, print_flags
from nvdiffrec_contract.configuration import Config, Extensions, load_config
from nvdiffrec_contract.errors import ConfigError


def _file(folder: Path, values: Any) -> Path:
    path = folder / "job.json"
    text = values if isinstance(values, str | bytes) else json.dumps(values)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _refusal(folder: Path, values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(_file(folder, values))
    text = str(caught.value)
    assert "job.json" in text
    assert "\n" not in text
    assert len(text) < 1200
    return text


# nvdiffrec's own files


def test_the_stock_files_load_unchanged(shared: Path) -> None:
    files = sorted((shared / "data/nvdiffrec_configs").glob("*.json"))
    assert len(files) == 15
    for path in files:
        config = load_config(path)
        for name, value in json.loads(path.read_text(encoding="utf-8")).items():
            got = getattr(config, name)
            assert (list(got) if isinstance(got, tuple) else got) == value, (path.name, name)
        assert config.diffrec == Extensions()


def test_the_listing_is_that_of_the_recorded_run(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = (shared / "data/bob/nvdiffrec_h100_log.txt").read_text(encoding="utf-8")
    recorded = log[: log.index("DatasetMesh")].splitlines()
    values = json.loads((shared / "data/nvdiffrec_configs/bob.json").read_text(encoding="utf-8"))
    config = load_config(_file(tmp_path, {**values, "validate": True}))
    print_flags(config)
    printed = capsys.readouterr().out.splitlines()
    assert printed[2] == f"config {tmp_path / 'job.json'}"
    printed[2] = recorded[2]
    assert printed == recorded


# Values


def test_an_empty_object_has_the_defaults(tmp_path: Path) -> None:
    config = load_config(_file(tmp_path, {}))
    assert config == Config(config=str(tmp_path / "job.json"))
    assert (config.iter, config.batch, config.spp, config.layers) == (5000, 1, 1, 1)
    assert config.display_res == config.train_res == (512, 512)
    assert config.ks_min == (0.0, 0.08, 0.0)
    assert config.diffrec == Extensions()
    assert (config.diffrec.device, config.diffrec.light_res) == ("auto", 512)
    assert (config.diffrec.start, config.diffrec.uv_method) == ("auto", "projection")


@pytest.mark.parametrize(
    ("rate", "first", "second"),
    [
        (0.01, (0.01, 0.01), (0.01, 0.01)),
        ([0.02], (0.02, 0.02), (0.02, 0.02)),
        ([0.03, 0.003], (0.03, 0.03), (0.003, 0.003)),
        ([[0.1, 0.2], [0.3, 0.4]], (0.1, 0.2), (0.3, 0.4)),
        ([0.1, [0.3, 0.4]], (0.1, 0.1), (0.3, 0.4)),
    ],
)
def test_learning_rates(
    tmp_path: Path, rate: Any, first: tuple[float, float], second: tuple[float, float]
) -> None:
    config = load_config(_file(tmp_path, {"learning_rate": rate}))
    assert config.learning_rates(0) == first
    assert config.learning_rates(1) == second


def test_albedo_bounds_may_have_three_or_four_components(tmp_path: Path) -> None:
    config = load_config(_file(tmp_path, {"kd_min": [0.1, 0.1, 0.1], "kd_max": [1, 1, 1, 1]}))
    assert config.kd_min == (0.1, 0.1, 0.1)
    assert config.kd_max == (1, 1, 1, 1)


def test_our_own_fields_and_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = json.dumps({"diffrec": {"holdout": 8, "photo_res": [256, 128]}, "out_dir": "möbel"})
    config = load_config(_file(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert config.diffrec.holdout == 8
    assert config.diffrec.photo_res == (256, 128)
    assert config.output_folder == Path("out/möbel")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("bob", "out/bob"), ("/tmp/x/y", "out/tmp/x/y"), ("C:\\a\\b", "out/C_/a/b"), ("./a", "out/a")],
)
def test_results_stay_below_out(name: str, folder: str) -> None:
    assert Config(out_dir=name).output_folder == Path(folder)


def test_results_are_named_after_the_file_when_nothing_else_is(tmp_path: Path) -> None:
    assert load_config(_file(tmp_path, {})).output_folder == Path("out/job")


def test_a_configuration_survives_the_way_through_json(tmp_path: Path) -> None:
    config = Config(
        learning_rate=(0.1, (0.2, 0.3)),
        display=({"latlong": True}, {"relight": "a.hdr"}),
        diffrec=Extensions(seed=4, photo_res=(3, 4)),
    )
    again = load_config(_file(tmp_path, config.to_json()))
    assert again.to_json() == config.to_json()
    assert again.learning_rates(1) == (0.2, 0.3)


# Refusals


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"itr": 5}, ['"itr"', 'did you mean "iter"']),
        ({"diffrec": {"hold_out": 5}}, ['"diffrec.hold_out"', '"diffrec.holdout"']),
        ({"uv_timeout": 5}, ['"diffrec": {"uv_timeout"']),
        ({"zzzz": 5}, ["known fields", "mesh_scale"]),
        ({"config": "x"}, ['"config"']),
        ({"iter": "500"}, ['"iter"', 'found "500"', "whole number"]),
        ({"iter": 0}, ['"iter"', "found 0", "from 1"]),
        ({"iter": True}, ['"iter"', "found true"]),
        ({"iter": 1.5}, ["found 1.5"]),
        ({"iter": 1e308}, ['"iter"']),
        ({"mesh_scale": 10**400}, ['"mesh_scale"', "a huge number"]),
        ({"batch": None}, ['"batch"', "found null"]),
        ({"train_res": [512]}, ['"train_res"', "[height, width]"]),
        ({"train_res": [512, 0]}, ["[height, width]"]),
        ({"learning_rate": []}, ['"learning_rate"']),
        ({"learning_rate": [1, 2, 3]}, ['"learning_rate"', "[pass 1, pass 2]"]),
        ({"learning_rate": [[1, 2, 3]]}, ['"learning_rate"']),
        ({"learning_rate": -1}, ['"learning_rate"']),
        ({"validate": "yes"}, ['"validate"', "true or false"]),
        ({"loss": "l1"}, ['"loss"', '"logl1"']),
        ({"background": ["white"]}, ['"background"']),
        ({"isosurface": "mc"}, ['"flexicubes"']),
        ({"kd_min": [0, 0]}, ['"kd_min"', "3 or 4"]),
        ({"kd_min": [0.9, 0.9, 0.9], "kd_max": [0.1, 1, 1, 1]}, ['"kd_min"', '"kd_max"']),
        ({"cam_near_far": [1, 0.5]}, ["0 < near < far"]),
        ({"display": {"latlong": True}}, ['"display"']),
        ({"display": [{"bsdf": "rough"}]}, ['"display"', '"kd"']),
        ({"display": [{"latlong": True, "bsdf": "kd"}]}, ['"display"']),
        ({"out_dir": "../../x"}, ['"out_dir"', '".."']),
        ({"ref_mesh": "a\u0000b"}, ['"ref_mesh"', "control characters"]),
        ({"diffrec": 5}, ['"diffrec"', "found 5"]),
        ({"diffrec": {"device": "tpu"}}, ['"diffrec.device"', '"cuda"']),
        ({"diffrec": {"light_res": 100}}, ['"diffrec.light_res"', "power of two"]),
        ({"diffrec": {"seed": -1}}, ['"diffrec.seed"']),
        ({"diffrec": {"dssim": 1.5}}, ['"diffrec.dssim"', "found 1.5", "from 0 to 1"]),
        ({"diffrec": {"light_tv": -0.1}}, ['"diffrec.light_tv"', "from 0"]),
        ({"diffrec": {"texture_tv": "0.1"}}, ['"diffrec.texture_tv"', "a number"]),
        ({"diffrec": {"coarse_to_fine": 2}}, ['"diffrec.coarse_to_fine"', "from 0 to 1"]),
        (
            {"diffrec": {"coarse_to_fine": 0.5, "field_backend": "tiny-cuda-nn"}},
            ['"diffrec.coarse_to_fine"', '"field_backend" "own"'],
        ),
    ],
)
def test_a_refusal_names_file_field_value_and_what_is_allowed(
    tmp_path: Path, values: dict[str, Any], parts: list[str]
) -> None:
    text = _refusal(tmp_path, values)
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b'{"iter": 5,}', "line 1, column"),
        (b'{"iter": 5} {}', "line 1, column 13"),
        (b"", "line 1"),
        (b'{"iter": NaN}', "NaN"),
        (b'{"env_scale": -Infinity}', "-Infinity"),
        (b'{"env_scale": 1e999}', "1e999 is too large a number"),
        (b'{"iter": 1, "iter": 2}', "twice"),
        (b'{"iter": ' + b"9" * 5000 + b"}", "digits"),
        (b"[" * 200_000, "nested"),
        (b'{"display": ' + b"[" * 200_000, "nested"),
        (b"[1, 2]", "an object"),
        (b'"text"', "an object"),
        ('{"iter": 5}'.encode("utf-16"), "UTF-8"),
        (b'{"out_dir": "\xff"}', "UTF-8"),
        (b" " * (4 << 20) + b"{}", "larger than 4 MB"),
    ],
)
def test_hostile_files(tmp_path: Path, data: bytes, part: str) -> None:
    assert part in _refusal(tmp_path, data)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(ConfigError, match=r"cannot be read|is no file"):
            load_config(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from([*(f for f in Config.__dataclass_fields__), "unknown"])


@settings(max_examples=150, deadline=None)
@given(values=st.dictionaries(_NAMES, _JSON, max_size=6))
def test_any_json_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    try:
        config = load_config(path)
    except ConfigError as error:
        assert str(path) in str(error)
    else:
        assert config.output_folder.parts[0] == "out"
        config.listing()


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.json"
    path.write_bytes(data)
    try:
        load_config(path)
    except ConfigError as error:
        assert str(path) in str(error)


# Command line


def test_the_file_wins_over_flags_but_not_over_our_own(tmp_path: Path) -> None:
    path = _file(tmp_path, {"iter": 7, "diffrec": {"seed": 1, "holdout": 3, "device": "cuda"}})
    argv = ["--config", str(path), "-i", "9", "-b", "6", "--seed", "5", "--device", "cpu"]
    config = parse(argv)
    assert (config.iter, config.batch) == (7, 6)
    assert config.diffrec == Extensions(seed=5, device="cpu", holdout=3)


def _words(line: str) -> Config:
    return parse(line.split())


def test_every_flag_in_both_forms() -> None:
    short = _words(
        "-i 2 -b 3 -s 4 -l 5 -r 6 7 -dr 8 9 -tr 10 11 -di 12 -si 13 -lr 0.5 -mr 0.25 -mip -rt "
        "-bg white --loss mse -o o -rm r -bm b --validate x --isosurface flexicubes"
    )
    long = _words(
        "--iter 2 --batch 3 --spp 4 --layers 5 --train-res 6 7 --display-res 8 9 "
        "--texture-res 10 11 --display-interval 12 --save-interval 13 --learning-rate 0.5 "
        "--min-roughness 0.25 --custom-mip --random-textures --background white --loss mse "
        "--out-dir o --ref_mesh r --base-mesh b --validate x --isosurface flexicubes"
    )
    assert short == long
    assert short == Config(
        iter=2, batch=3, spp=4, layers=5, train_res=(6, 7), display_res=(8, 9),
        texture_res=(10, 11), display_interval=12, save_interval=13, learning_rate=0.5,
        min_roughness=0.25, custom_mip=True, random_textures=True, background="white",
        loss="mse", out_dir="o", ref_mesh="r", base_mesh="b", validate=True,
        isosurface="flexicubes",
    )  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("false", True), ("0", True), ("", False)])
def test_any_text_validates(text: str, value: bool) -> None:
    assert parse(["--validate", text]).validate is value


@pytest.mark.parametrize(
    "argv",
    [
        ["--itr", "5"],
        ["-i", "many"],
        ["-i"],
        ["stray"],
        ["--loss", "l1"],
        ["-i", "0"],
        ["--ite", "5"],
    ],
)
def test_mistyped_flags(argv: list[str]) -> None:
    with pytest.raises(ConfigError, match="command line"):
        parse(argv)


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for flag in ("--config", "-mr", "--isosurface", "--device", "--seed", "out/<out-dir>"):
        assert flag in text
