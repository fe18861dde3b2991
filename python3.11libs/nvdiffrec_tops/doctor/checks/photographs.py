"""Whether every camera has its photograph, and every photograph its mask."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None or dataset.kind not in ("llff", "nerf"):
        return CHECK.skipped("the data are no photographs")
    if dataset.kind == "nerf":
        missing = [path for path in dataset.pictures if not os.path.isfile(path)]
        if missing:
            return [
                CHECK.error(
                    f"{len(missing)} of the {len(dataset.pictures)} pictures that "
                    f"transforms_train.json names do not exist, first {missing[0]}",
                    "put them there, or correct file_path (relative, without an ending)",
                )
            ]
        return CHECK.ok(f"{len(dataset.pictures)} pictures")
    photos, masks = len(dataset.pictures), len(dataset.masks)
    if not photos:
        return [
            CHECK.error(
                f"{dataset.path} has no photographs in its folder images",
                "put the photographs there, in the order of poses_bounds.npy",
            )
        ]
    if photos != masks:
        return [
            CHECK.error(
                f"{photos} photographs and {masks} masks in {dataset.path}{_odd(context)}",
                "each photograph needs its mask, matched by sorted names: add those that are "
                "missing (white is the object), or take out what has none",
            )
        ]
    cameras = len(dataset.cameras)
    if cameras and cameras != photos:
        return [
            CHECK.error(
                f"{photos} photographs and {cameras} cameras in poses_bounds.npy",
                "put back the photographs that the cameras were solved from, all of them",
            )
        ]
    strangers = _pairs(context)
    if strangers:
        return [CHECK.error(strangers, "name each mask like its photograph, with leading zeros")]
    return CHECK.ok(f"{photos} photographs with masks")


def _stems(paths: tuple[str, ...]) -> list[str]:
    return [os.path.splitext(os.path.basename(path))[0] for path in paths]


def _odd(context: Context) -> str:
    assert context.dataset is not None
    photos, masks = _stems(context.dataset.pictures), _stems(context.dataset.masks)
    alone = sorted(set(photos) ^ set(masks))
    return f", unpaired: {', '.join(alone[:3])}" if 0 < len(alone) < len(photos) else ""


def _pairs(context: Context) -> str:
    """Photographs and masks are matched by order: where the same numbers sort otherwise, one gets
    another's mask. What all names of a folder have in common tells nothing."""
    assert context.dataset is not None
    pictures, masks = context.dataset.pictures, context.dataset.masks
    ours, theirs = _told(_stems(pictures)), _told(_stems(masks))
    if ours == theirs or len(set(ours)) < len(ours) or set(ours) != set(theirs):
        return ""
    first = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    photo, mask = os.path.basename(pictures[first]), os.path.basename(masks[first])
    return f"in sorted order the photograph {photo} meets the mask {mask}"


def _told(stems: list[str]) -> list[str]:
    """The names without the beginning and the end that they share."""
    begin = _shared(stems)
    rest = [stem[begin:] for stem in stems]
    end = _shared([one[::-1] for one in rest])
    return [one[: len(one) - end] for one in rest]


def _shared(names: list[str]) -> int:
    """How many characters at their beginning all names share."""
    count = 0
    for column in zip(*names, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count


CHECK = Check("photographs", "Photographs and masks", "data", run, needs=("data_present",))
