"""The embedded trainer: ``python -m diffrec``, on a CPU or with CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvdiffrec_tops.engines import METRICS, RESULT, Engine, ExpectedOutput, figures
from nvdiffrec_tops.job import trainer


def outputs(config: Mapping[str, Any]) -> tuple[ExpectedOutput, ...]:
    """The final mesh's files, the first pass's when ``config`` has two passes, the measured figures
    when it validates, the contact sheet, the table of the training, and the result file."""
    return (
        *(ExpectedOutput(path, tag) for path, tag in trainer.outputs_of(config)),
        ExpectedOutput("contact_sheet.png", "file/image/png"),
        *figures(config),
        METRICS,
        RESULT,
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
