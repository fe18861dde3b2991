"""Masks by a model of the user's own: an ONNX file, run with onnxruntime on the processor.

What U²-Net and its kin have: one input [1, 3, H, W], the picture in RGB, less ImageNet's mean, by
its deviation (H and W as the file says, else 320); the first output [1, 1, h, w] is the object's
coverage, stretched to 0 to 1. Nothing is downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare import pictures
from diffrec.prepare.errors import MasksError, SolverMissingError

if TYPE_CHECKING:
    from diffrec.prepare.frames import Frame
    from diffrec.prepare.steps import Progress
    from nvdiffrec_contract.preparation import Preparation

SIDE = 320
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def masks(
    asked: Preparation, frames: Sequence[Frame], progress: Progress
) -> dict[str, NDArray[np.uint8]]:
    """The model's masks of photographs, by name, in the photographs' size.

    Raises:
        SolverMissingError: onnxruntime is not installed.
        MasksError: the file is no such model.
    """
    try:
        import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise SolverMissingError(
            "a model of masks is run with onnxruntime, which is not installed",
            f"install it: {sys.executable} -m pip install onnxruntime, or leave --mask-model out",
        ) from None
    path = asked.mask_model
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        given = session.get_inputs()[0]
        _one, _channels, height, width = given.shape
    except Exception as error:  # whatever onnxruntime says of a file that it does not know
        raise MasksError(
            f"{path} is no ONNX model with one picture as its input: {error}",
            "name a model such as U²-Net's, or leave --mask-model out",
        ) from None
    size = tuple(one if isinstance(one, int) and one > 0 else SIDE for one in (width, height))
    found = {}
    for number, frame in enumerate(frames):
        picture = pictures.read(asked.out / "photographs" / f"{frame.name}.png")[0][..., :3]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1] / 255.0
        tensor = ((small - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)
        try:
            answer = np.asarray(session.run(None, {given.name: tensor})[0], np.float32)
        except Exception as error:
            raise MasksError(f"the model {path} fails on {frame.name}: {error}") from None
        coverage = answer.reshape(answer.shape[-2:])
        low, high = float(coverage.min()), float(coverage.max())
        unit = (coverage - low) / max(high - low, 1e-6)
        full = cv2.resize(unit, (frame.size[1], frame.size[0]), interpolation=cv2.INTER_LINEAR)
        found[frame.name] = np.asarray(full * 255 + 0.5, np.uint8)
        progress.of(number + 1, len(frames))
    return found
