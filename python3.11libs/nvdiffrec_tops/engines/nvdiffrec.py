"""NVlabs nvdiffrec in the user's own, unmodified checkout and environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvdiffrec_tops.engines import METRICS, RESULT, Engine, ExpectedOutput, figures
from nvdiffrec_tops.job import trainer


def outputs(config: Mapping[str, Any]) -> tuple[ExpectedOutput, ...]:
    """The final mesh's files, the first pass's when ``config`` has two passes, the measured figures
    when it validates, the table of the training, and the result file."""
    return (
        *(ExpectedOutput(path, tag) for path, tag in trainer.outputs_of(config)),
        *figures(config),
        METRICS,
        RESULT,
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
