"""Both engines behind one description."""

from __future__ import annotations

import pytest

from nvdiffrec_contract.layout import REQUIRED
from nvdiffrec_contract.options import DEVICES
from nvdiffrec_tops.job import engines


@pytest.mark.parametrize("name", engines.names())
def test_descriptions_fit_the_job_process(name):
    engine = engines.engine(name)
    assert engine.name == name
    assert set(engine.devices) <= set(DEVICES)
    assert engine.needs_checkout == (engine.default_script is not None)
    paths = [output.path for output in engine.outputs({})]
    own = {"contact_sheet.png"} if name == "diffrec" else set()
    first = {path.replace("mesh/", "dmtet_mesh/") for path in REQUIRED}
    assert set(paths) == {*REQUIRED, *first, *own, "metrics.csv", "result.json"}
    assert len(set(paths)) == len(paths)
    once = {o.path for o in engine.outputs({"base_mesh": "x.obj", "validate": False})}
    assert once == {*REQUIRED, *own, "metrics.csv", "result.json"}
    tags = {o.path: o.tag for o in engine.outputs({"ref_mesh": "x.obj"})}
    assert tags["mesh/mesh.obj"] == tags["dmtet_mesh/mesh.obj"] == "file/geo/obj"
    assert tags["mesh/mesh.mtl"] == "file/text/mtl"
    assert tags["mesh/texture_n.png"] == "file/image/png"
    assert tags["mesh/probe.hdr"] == "file/image/hdr"
    assert tags["result.json"] == "file/json" and tags["metrics.csv"] == "file/csv"
    assert tags["validate/metrics.txt"] == tags["dmtet_validate/metrics.txt"] == "file/text"
    measured = {o.path for o in engine.outputs({"base_mesh": "x.obj"})} - once
    assert measured == {"validate/metrics.txt"}


def test_the_shipped_engines_are_found_the_default_first():
    assert engines.names() == (engines.DEFAULT, "nvdiffrec")


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(engines.EngineError, match='did you mean "nvdiffrec"'):
        engines.engine("nvdifrec")
    with pytest.raises(engines.EngineError, match="engines: diffrec, nvdiffrec"):
        engines.engine("os")
