r"""Cooks a scene without Houdini and says what came of it.

    .venv/bin/python examples/cook_from_python.py hip/TOPs_nvdiffrec_Static.hip \
        attributes.working_dir=sample/ attributes.output_dir=out/from_python

``python -m diffrec.sample sample`` writes the sample that these arguments train.
"""

from __future__ import annotations

import sys

from nvdiffrec_tops import CookProblem, CookProgress, cook_scene


def show(progress: CookProgress) -> None:
    """Print one line for whatever happens during the cook."""
    count = f"{progress.ended}/{progress.total}"
    print(
        f"[{count}] {progress.item}: {progress.state} {progress.percent:.0f} % {progress.message}"
    )


def main(arguments: list[str]) -> int:
    """Cook the scene that the first argument names; the others are NODE.PARAMETER=VALUE."""
    scene, *settings = arguments or ["hip/TOPs_nvdiffrec_Static.hip"]
    overrides = dict(setting.split("=", 1) for setting in settings)
    try:
        cooked = cook_scene(scene, overrides=overrides, on_progress=show)
    except CookProblem as problem:
        print(problem, file=sys.stderr)
        return 1

    for item in cooked.items:
        if not item.successful:
            print(f"{item.name} is not cooked: {item.cause}", file=sys.stderr)
        # An item that trained leaves result.json; read_result(folder) reads it at any later time.
        result = item.training()
        if result is not None:
            print(f"{item.name}: {result.faces} faces, PSNR {result.psnr} dB, mesh {result.mesh}")
    return 0 if cooked.successful else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
