"""The embedded trainer: ``python -m diffrec``, on a CPU or with CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.layout import Output
from nvdiffrec_tops.engines import Engine


def outputs(config: Mapping[str, Any]) -> tuple[Output, ...]:
    """The final mesh's files, the first pass's when ``config`` has two passes, the measured figures
    when it validates, the contact sheet, the table of the training, and the result file."""
    return (
        *layout.meshes(config),
        Output(layout.CONTACT_SHEET, layout.tag(layout.CONTACT_SHEET)),
        *layout.figures(config),
        Output(layout.TABLE, layout.tag(layout.TABLE)),
        Output(layout.RESULT, layout.tag(layout.RESULT)),
    )


ENGINE = Engine(
    name="diffrec",
    label="diffrec (built in)",
    default_script=None,
    needs_checkout=False,
    devices=("auto", "cpu", "cuda"),
    licence="Apache-2.0: free for commercial use",
    outputs=outputs,
)
