"""NVlabs nvdiffrec in the user's own, unmodified checkout and environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.layout import Output
from nvdiffrec_tops.engines import Engine


def outputs(config: Mapping[str, Any]) -> tuple[Output, ...]:
    """The final mesh's files, the first pass's when ``config`` has two passes, the measured figures
    when it validates, the table of the training, and the result file."""
    return (
        *layout.meshes(config),
        *layout.figures(config),
        Output(layout.TABLE, layout.tag(layout.TABLE)),
        Output(layout.RESULT, layout.tag(layout.RESULT)),
    )


ENGINE = Engine(
    name="nvdiffrec",
    label="nvdiffrec (your checkout)",
    default_script="train.py",
    needs_checkout=True,
    devices=("auto", "cuda"),
    licence="NVIDIA Source Code License: non-commercial use only",
    outputs=outputs,
)
