"""NVlabs nvdiffrec in the user's own, unmodified checkout and environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvdiffrec_tops.engines import Engine, ExpectedOutput
from nvdiffrec_tops.job import trainer


def outputs(config: Mapping[str, Any]) -> tuple[ExpectedOutput, ...]:
    """The final mesh's files, and the first pass's when ``config`` has two passes."""
    return tuple(ExpectedOutput(path, tag) for path, tag in trainer.outputs_of(config))


ENGINE = Engine(
    name="nvdiffrec",
    label="nvdiffrec (your checkout)",
    default_script="train.py",
    needs_checkout=True,
    devices=("auto", "cuda"),
    licence="NVIDIA Source Code License: non-commercial use only",
    outputs=outputs,
)
