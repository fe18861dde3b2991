"""The layer with a training's cameras: written at its end, or later by what it has recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from diffrec.asset.source import AssetError
from diffrec.asset.upright import Standing
from diffrec.data.views import ImageViews
from nvdiffrec_contract import jsonfiles, layout
from nvdiffrec_contract.configuration import from_mapping

RECORD = f"{layout.PREVIEW}/{layout.PREVIEW_SCENE}"
"""The file of a result that holds its configuration."""


def write(
    views: ImageViews,
    held_out: ImageViews | None,
    place: Path,
    name: str,
    standing: Standing,
    log: Callable[[str], None],
) -> Path | None:
    """Write the layer of an asset into its folder; its path. What stops it is a warning.

    Args:
        views: what was trained on.
        held_out: what it was judged by; None for none.
        place: the asset's folder.
        name: the asset's.
        standing: how the asset is placed.
        log: takes the warning.
    """
    file = f"{name}{layout.ASSET_CAMERAS}"
    try:
        from diffrec.asset import usdcameras

        return usdcameras.write(views, place, name, standing, held_out)
    except ImportError:
        log(
            f"Warning: {file} is not written: the package usd-core is not installed in this "
            "environment; python -m pip install usd-core, then nvdiffrec-tops export --cameras"
        )
    except OSError as error:
        log(f"Warning: {file} cannot be written to {place}: {error.strerror or error}")
    return None


def remove(place: Path, name: str) -> None:
    """Remove the layer that an earlier run has left of an asset: its cameras may be others.

    Raises:
        OSError: it cannot be removed.
    """
    (place / f"{name}{layout.ASSET_CAMERAS}").unlink(missing_ok=True)


def recorded(result: Path, log: Callable[[str], None]) -> tuple[ImageViews, ImageViews | None]:
    """What a finished training was trained on, and judged by, read anew.

    Args:
        result: its output folder.
        log: takes what the data set's reader tells.

    Raises:
        AssetError: the folder does not say, or there were no photographs.
        UserError: the configuration or the data set cannot be read.
    """
    from diffrec.data.load import load_views  # readers of all formats: only where it is asked for

    path = result / RECORD
    if not path.is_file():
        raise AssetError(
            f"{result} does not record what it was trained on ({RECORD} is missing), so its "
            "cameras are not known",
            "export without --cameras",
        )
    try:
        document = jsonfiles.read_object(path)
        configuration = document["configuration"]
    except (jsonfiles.JsonError, OSError, KeyError) as error:
        raise AssetError(
            f"{path} cannot be read as what a training records ({error})",
            "export without --cameras",
        ) from None
    config = replace(from_mapping(configuration, str(path)), pre_load=False)
    views, held_out = load_views(config, torch.device("cpu"), log)
    if not isinstance(views, ImageViews):
        raise AssetError(
            f"{config.ref_mesh} is a mesh: this training had no photographs, and no cameras of any",
            "export without --cameras",
        )
    return views, held_out if isinstance(held_out, ImageViews) else None
