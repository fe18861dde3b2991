"""The processors of the digital assets, run by the snippets in the shipped assets themselves."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from houfiles.describe import NodeDescription, Token
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.job import commandline
from topcook import hou, pdg

Generate = Callable[..., dict[str, list[pdg.WorkItem]]]
Ours = Callable[..., NodeDescription]


def _values(item: pdg.WorkItem) -> dict[str, str]:
    names = ("MINICONDA_ENV", "WORKING_DIR", "SCRIPT_NAME", "CONFIG_NAME", "ENGINE", "OUTPUT_DIR")
    return {name: str(item.stringAttribValue(name)) for name in names}


def _job(item: pdg.WorkItem) -> Any:
    words = shlex.split(item.command)
    return commandline.parse(words[words.index("-X") + 3 :])[0]


def _stock_attributes(show: Path, environment: Path) -> NodeDescription:
    values = {
        "MINICONDA_ENV": f"{environment}/",
        "WORKING_DIR": f"{show}/",
        "SCRIPT_NAME": "train.py",
        "CONFIG_NAME": "bob.json",
        "ENGINE": "diffrec",
        "OUTPUT_DIR": f"{show}/out",
    }
    parms: dict[str, Any] = {"stringattribs": len(values)}
    for number, (name, value) in enumerate(values.items(), 1):
        parms |= {f"stringname{number}": name, f"stringvalue{number}": value}
    return NodeDescription("stock", "attributecreate", parms)


def _stock_environment(source: str) -> NodeDescription:
    parms = {
        "environment": 1,
        "varname1": "CUDA_HOME",
        "vartype1": Token("2"),
        "varconflict1": Token("0"),
        "strvarvalue1": "`@MINICONDA_ENV`",
    }
    return NodeDescription("edit", "environmentedit", parms, inputs=(source,))


def test_the_chain_carries_attributes_environment_command_and_outputs(
    ours: Ours, generate: Generate, environment: Path, show: Path
) -> None:
    items = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", {"export": Token("original")}, ("a",)),
        ours("t", "nvdiffrec_train", {"device": "cpu"}, ("e",)),
    )
    [train] = items["t"]
    assert _values(train) == {
        "MINICONDA_ENV": f"{environment}/",
        "WORKING_DIR": f"{show}/",
        "SCRIPT_NAME": "train.py",
        "CONFIG_NAME": "bob.json",
        "ENGINE": "diffrec",
        "OUTPUT_DIR": f"{show}/out",
    }
    assert {"PYTHONHOME", "PYTHONPATH"} <= set(train.environment)
    assert not train.environment.get("CUDA_HOME", "").startswith(str(environment))
    assert train.environment["PYTHONPATH"].endswith("site-packages")
    assert Path(train.environment["PYTHONPATH"]).is_dir()
    job = _job(train)
    assert (job.engine, job.device, job.output) == ("diffrec", "cpu", f"{show}/out")
    expected = {one.path: one.tag for one in train.expectedOutputFiles}
    assert expected[f"{show}/out/mesh/mesh.obj"] == "file/geo/obj"
    assert expected[f"{show}/out/result.json"] == "file/json"


def test_by_default_no_variable_reaches_other_items(ours: Ours, generate: Generate) -> None:
    items = generate(
        ours("a", "nvdiffrec_attributes"), ours("e", "nvdiffrec_environment", {}, ("a",))
    )
    assert items["e"][0].environment == {}


def _variables(value: str, **more: Any) -> dict[str, Any]:
    return {"variables": 1, "varname1": "TORCH_CUDA_ARCH_LIST", "varvalue1": value, **more}


def test_variables_go_to_the_training_alone(ours: Ours, generate: Generate) -> None:
    items = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", _variables("8.6"), ("a",)),
        ours("f", "nvdiffrec_environment", {**_variables("it's"), "varname1": "B"}, ("e",)),
        ours("t", "nvdiffrec_train", {}, ("f",)),
    )
    assert all(item.environment == {} for [item] in items.values())
    handed = {"TORCH_CUDA_ARCH_LIST": "8.6", "B": "it's"}
    assert json.loads(str(items["t"][0].stringAttribValue("TRAINING_VARIABLES"))) == handed
    assert _job(items["t"][0]).environment.set == handed


def test_variables_are_exported_where_the_artist_asks(ours: Ours, generate: Generate) -> None:
    parms = _variables("8.6", export=Token("item"))
    items = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", parms, ("a",)),
        ours("t", "nvdiffrec_train", {}, ("e",)),
    )
    assert items["t"][0].environment == {"TORCH_CUDA_ARCH_LIST": "8.6"}
    assert not items["t"][0].hasAttrib("TRAINING_VARIABLES")
    assert _job(items["t"][0]).environment.set == {}


@pytest.mark.parametrize("export", ["job", "item", "original"])
def test_resetting_drops_what_was_handed_over(ours: Ours, generate: Generate, export: str) -> None:
    items = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", _variables("8.6"), ("a",)),
        ours("r", "nvdiffrec_environment", {"reset": True, "export": Token(export)}, ("e",)),
        ours("t", "nvdiffrec_train", {}, ("r",)),
    )
    assert _job(items["t"][0]).environment.set == {}


def test_a_static_scene_takes_what_is_handed_over_from_above(
    ours: Ours, generate: Generate
) -> None:
    own = {**_variables("9.0"), "variables": 2, "varname2": "B", "varvalue2": "c"}
    items = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", _variables("8.6", variables=1), ("a",)),
        ours("s", "nvdiffrec_static", own, ("e",)),
    )
    assert _job(items["s"][0]).environment.set == {"TORCH_CUDA_ARCH_LIST": "9.0", "B": "c"}


@pytest.mark.parametrize("text", ["[1]", '{"A": 1}', "{", "x"])
def test_a_damaged_list_of_variables_is_named(ours: Ours, generate: Generate, text: str) -> None:
    parms = {"stringattribs": 1, "stringname1": "TRAINING_VARIABLES", "stringvalue1": text}
    stock = NodeDescription("v", "attributecreate", parms, inputs=("a",))
    train = ours("t", "nvdiffrec_train", {}, ("v",))
    with pytest.raises(pdg.CookError, match="TRAINING_VARIABLES must be a JSON object"):
        generate(ours("a", "nvdiffrec_attributes"), stock, train)


def test_our_nodes_and_stock_nodes_mix_in_either_order(
    ours: Ours, generate: Generate, environment: Path, show: Path
) -> None:
    stock = _stock_attributes(show, environment)
    first = generate(
        stock,
        ours("e", "nvdiffrec_environment", {}, ("stock",)),
        ours("t", "nvdiffrec_train", {}, ("e",)),
    )["t"]
    second = generate(
        ours("a", "nvdiffrec_attributes"),
        _stock_environment("a"),
        ours("t", "nvdiffrec_train", {}, ("edit",)),
    )["t"]
    command = '"`@MINICONDA_ENV`bin/python3" "`@WORKING_DIR``@SCRIPT_NAME`" "`@CONFIG_NAME`"'
    stock_train = NodeDescription("g", "genericgenerator", {"pdg_command": command}, inputs=("e",))
    third = generate(
        ours("a", "nvdiffrec_attributes"),
        ours("e", "nvdiffrec_environment", {}, ("a",)),
        stock_train,
    )["g"]
    assert _values(first[0]) == _values(second[0]) == _values(third[0])
    assert first[0].command == second[0].command
    assert second[0].environment == {"CUDA_HOME": f"{environment}/"}
    assert shlex.split(third[0].command) == [
        f"{environment}/bin/python3",
        f"{show}/train.py",
        "bob.json",
    ]


def test_an_attribute_in_a_parameter_is_that_of_the_upstream_item(
    ours: Ours, generate: Generate, show: Path
) -> None:
    shots = NodeDescription("shots", "genericgenerator", {"itemcount": 3})
    output = f"{show}/out/shot`@pdg_index`"
    items = generate(
        shots,
        ours("a", "nvdiffrec_attributes", {"output_dir": output}, ("shots",)),
        ours("t", "nvdiffrec_train", {}, ("a",)),
    )
    folders = [item.stringAttribValue("OUTPUT_DIR") for item in items["t"]]
    assert folders == [f"{show}/out/shot{index}" for index in range(3)]
    assert [item.index for item in items["t"]] == [0, 1, 2]
    assert len({item.name for item in items["t"]}) == 3


def test_two_trainings_in_one_folder_are_refused(
    ours: Ours, generate: Generate, show: Path
) -> None:
    shots = NodeDescription("shots", "genericgenerator", {"itemcount": 2})
    with pytest.raises(pdg.CookError, match="would both write to"):
        generate(shots, ours("a", "nvdiffrec_attributes", {}, ("shots",)))


def test_the_wedge_of_one_node(ours: Ours, generate: Generate, show: Path) -> None:
    parms = {
        "config_name": "*.json",
        "overrides": 2,
        "overridename1": "iter",
        "overridevalue1": "10; 20",
        "overrideenable2": False,
        "overridename2": "batch",
        "overridevalue2": "7",
        "variables": 1,
        "varname1": "TORCH_CUDA_ARCH_LIST",
        "varvalue1": "9.0",
        "useseed": True,
        "seed": 3,
    }
    items = generate(ours("s", "nvdiffrec_static", parms))["s"]
    assert [item.label for item in items] == [
        f"{name} iter={count}" for name in ("bob", "spot") for count in (10, 20)
    ]
    jobs = [_job(item) for item in items]
    assert [job.overrides for job in jobs] == [{"iter": 10}, {"iter": 20}] * 2
    assert len({job.output for job in jobs}) == 4
    assert all(job.seed == 3 for job in jobs)
    assert all(job.environment.set == {"TORCH_CUDA_ARCH_LIST": "9.0"} for job in jobs)


def test_one_after_another_on_each_card(ours: Ours, generate: Generate) -> None:
    parms = {
        "overrides": 1,
        "overridename1": "iter",
        "overridevalue1": "1;2;3;4",
        "gpumode": Token("turn"),
        "gpus": "0 1",
        "sequential": True,
    }
    items = generate(ours("s", "nvdiffrec_static", parms))["s"]
    cards = [_job(item).environment.set["CUDA_VISIBLE_DEVICES"] for item in items]
    assert cards == ["0", "1", "0", "1"]
    waits = [[one.index for one in item.dependencies] for item in items]
    assert waits == [[], [], [0], [1]]


def test_a_dynamic_node_keeps_names_unique_over_its_calls(
    ours: Ours, write_scene: Callable[..., Path], show: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = NodeDescription("shots", "genericgenerator", {"itemcount": 3})
    parms = {
        "output_dir": f"{show}/out/`@pdg_index`",
        "pdg_workitemgeneration": Token("0"),
        "overrides": 1,
        "overridename1": "iter",
        "overridevalue1": "1;2",
    }
    path = write_scene(shots, ours("a", "nvdiffrec_attributes", parms, ("shots",)))
    assert main(["cook", "--node", "a", "--json", str(path)]) == 0
    report = json.loads(capsys.readouterr().out)
    mine = [item for item in report["items"] if item["node"] == "a"]
    assert len({item["name"] for item in mine}) == len(mine) == 6
    assert sorted(item["index"] for item in mine) == list(range(6))


def test_generating_anew_gives_the_same_items(ours: Ours, generate: Generate) -> None:
    def made() -> list[tuple[str, int, dict[str, str], str]]:
        items = generate(
            ours("a", "nvdiffrec_attributes", {"config_name": "*.json"}),
            ours("t", "nvdiffrec_train", {}, ("a",)),
        )["t"]
        return [(item.name, item.index, _values(item), item.command) for item in items]

    assert made() == made()


@pytest.mark.parametrize(
    ("parms", "words"),
    [
        ({"config_name": "bib.json"}, "CONFIG_NAME: .*bib.json does not exist"),
        ({"config_name": "*.yaml"}, "nothing in .* matches"),
        ({"miniconda_env": "SHOW"}, "MINICONDA_ENV"),
        ({"preset": "huge"}, "Preset: there is no preset 'huge'"),
        ({"overrides": 1, "overridename1": "a b"}, "cannot be a configuration field"),
        ({"variables": 1, "varname1": "a=b"}, "cannot be the name of a variable"),
        ({"gpumode": Token("these"), "gpus": "all"}, None),
    ],
)
def test_mistakes_are_node_errors_in_the_artists_words(
    ours: Ours, generate: Generate, show: Path, parms: dict[str, Any], words: str | None
) -> None:
    if parms.get("miniconda_env"):
        parms = {"miniconda_env": str(show)}
    if words is None:
        assert generate(ours("s", "nvdiffrec_static", parms))["s"]
        return
    with pytest.raises(pdg.CookError, match=words) as caught:
        generate(ours("s", "nvdiffrec_static", parms))
    message = str(caught.value)
    assert message.startswith("/tasks/topnet1/s: ") and "Traceback" not in message


@pytest.mark.parametrize("folder", ["$HIP/out", "${HIP}/out", "/show/$HIPNAME", "`@dir`/$HIP"])
def test_a_folder_beside_an_unsaved_scene_says_to_save(
    ours: Ours, generate: Generate, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = (
        ours("a", "nvdiffrec_attributes", {"output_dir": folder}),
        ours("t", "nvdiffrec_train", {"output_dir": folder}, ("a",)),
    )
    if "@" not in folder:
        assert generate(*nodes)["t"]
    monkeypatch.setattr(hou.hipFile, "isNewFile", lambda: True)
    with pytest.raises(pdg.CookError, match="Save it, then cook again") as caught:
        generate(*nodes)
    assert folder in str(caught.value)


def test_another_folder_works_in_an_unsaved_scene(
    ours: Ours, generate: Generate, show: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training's own folder counts only for items that name none."""
    monkeypatch.setattr(hou.hipFile, "isNewFile", lambda: True)
    nodes = (ours("a", "nvdiffrec_attributes"), ours("t", "nvdiffrec_train", {}, ("a",)))
    assert _job(generate(*nodes)["t"][0]).output == f"{show}/out"


def test_train_without_attributes_says_which_node_is_missing(
    ours: Ours, generate: Generate
) -> None:
    shots = NodeDescription("shots", "genericgenerator", {})
    with pytest.raises(pdg.CookError, match="put an nvdiffrec Attributes node"):
        generate(shots, ours("t", "nvdiffrec_train", {}, ("shots",)))


def test_results_of_other_settings_are_not_taken_for_these(
    ours: Ours, generate: Generate, show: Path, environment: Path
) -> None:
    from nvdiffrec_tops.job.outputs import result

    def expected(iterations: str) -> tuple[int, float | None]:
        parms = {"overrides": 1, "overridename1": "iter", "overridevalue1": iterations}
        [item] = generate(ours("s", "nvdiffrec_static", parms))["s"]
        return len(item.expectedOutputFiles), item.floatAttribValue("psnr")

    everything, _psnr = expected("10")
    assert everything > 6
    [item] = generate(
        ours(
            "s",
            "nvdiffrec_static",
            {"overrides": 1, "overridename1": "iter", "overridevalue1": "10"},
        )
    )["s"]
    (show / "bob.obj").write_text("v 0 0 0\n")
    document = {
        "format": result.FORMAT,
        "version": result.VERSION,
        "status": "done",
        "settings": result.settings_digest(_job(item)),
        "metrics": {"psnr": 31.5, "faces": 12},
        "seconds": 9.0,
    }
    (show / "out").mkdir()
    (show / "out" / "result.json").write_text(json.dumps(document))
    assert expected("10") == (everything, 31.5)
    assert expected("11") == (0, None)


def test_check_when_cooking_fails_the_item_of_a_broken_environment(
    ours: Ours, write_scene: Callable[..., Path], show: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = show / "broken"
    (broken / "bin").mkdir(parents=True)
    (broken / "pyvenv.cfg").write_text("home = /nowhere\nversion = 3.11.4\n")
    python = broken / "bin" / "python3"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    path = write_scene(
        ours("a", "nvdiffrec_attributes", {"miniconda_env": str(broken)}),
        ours("e", "nvdiffrec_environment", {"checkwhencooking": True}, ("a",)),
    )
    assert main(["cook", "--node", "e", "--json", str(path)]) == 1
    report = json.loads(capsys.readouterr().out)
    [item] = [one for one in report["items"] if one["node"] == "e"]
    assert item["stateName"] == "CookedFail" and str(broken) in item["cause"]


def test_code_of_a_scene_is_never_run(
    write_scene: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trap = tmp_path / "trap"
    code = f"open({str(trap)!r}, 'w')"
    for name in ("generate", "cooktask"):
        node = NodeDescription("p", "pythonprocessor", {name: code})
        assert main(["cook", str(write_scene(node))]) == 1
        assert "is not run outside Houdini" in capsys.readouterr().err
    assert not trap.exists()
