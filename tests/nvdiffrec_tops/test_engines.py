"""Both engines behind one description."""

from __future__ import annotations

import pytest

from nvdiffrec_tops import engines
from nvdiffrec_tops.job.jobfile import DEVICES, ENGINES
from nvdiffrec_tops.job.trainer import REQUIRED


@pytest.mark.parametrize("name", engines.names())
def test_descriptions_fit_the_job_process(name):
    engine = engines.engine(name)
    assert engine.name == name and name in ENGINES
    assert set(engine.devices) <= set(DEVICES)
    assert engine.needs_checkout == (engine.default_script is not None)
    paths = [output.path for output in engine.outputs({})]
    assert set(REQUIRED) < set(paths) and len(set(paths)) == len(paths) == 12
    assert [o.path for o in engine.outputs({"base_mesh": "x.obj"})] == list(REQUIRED)
    assert {o.tag for o in engine.outputs({}) if o.path.endswith(".obj")} == {"file/geo/obj"}


def test_all_engines_of_the_job_process_are_described():
    assert set(engines.names()) == set(ENGINES)


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(engines.EngineError, match='did you mean "nvdiffrec"'):
        engines.engine("nvdifrec")
    with pytest.raises(engines.EngineError, match="engines: diffrec, nvdiffrec"):
        engines.engine("os")
