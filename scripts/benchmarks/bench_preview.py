"""What showing a training takes of its time: preview, progress pictures and table.

A configuration is trained once. What the training waits for is measured by the clock, what is
written beside it by its thread's processor time; all of it counts. How long after a checkpoint the
new mesh lies on the disk is measured, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench_machine import heading, table
from bench_runs import merged, placed

from diffrec.preview.model import Taken
from diffrec.preview.writer import Preview
from diffrec.scene import Scene
from nvdiffrec_contract import layout
from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.jsonfiles import read_object

HEADS = (
    "training",
    "both passes",
    "preview",
    "progress pictures",
    "table",
    "share of the passes' time",
    "checkpoints with a new mesh",
    "it is there after",
)
NOTES = (
    "Both passes: their iterations, without validation, charting and export. Preview: seconds and "
    "how often; the last one comes after the passes. Share: preview, then all three. The mesh is "
    "there after: median, most.",
)


@dataclass
class Spent:
    """Seconds, and how often; `waits`: from each checkpoint to its mesh, None where none came."""

    passes: float = 0.0
    preview: float = 0.0
    previews: int = 0
    pictures: float = 0.0
    table: float = 0.0
    waits: list[float | None] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        """The cells."""
        known = [wait for wait in self.waits if wait is not None]
        everything = self.preview + self.pictures + self.table
        shares = [f"{one / self.passes:.2%}" for one in (self.preview, everything)]
        return [
            name,
            f"{self.passes:.1f} s",
            f"{self.preview:.2f} s, {self.previews} times",
            f"{self.pictures:.2f} s",
            f"{self.table:.3f} s",
            ", ".join(shares),
            f"{len(known)} of {len(self.waits)}",
            f"{median(known):.1f} s, at most {max(known):.1f} s" if known else "—",
        ]


def measure(configuration: dict[str, Any], folder: Path, device: str | None) -> Spent:
    """Train, and say what was spent. Call it once in a process: it changes the trainer's parts."""
    import torch

    from diffrec.interface import train
    from diffrec.measure.metrics_table import MetricsTable
    from diffrec.training import run

    spent = Spent()

    def settled() -> float:
        """Now, when the card has done what was asked of it: its queue is nobody's cost."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **named: Any) -> Any:
            began = settled()
            try:
                return work(*arguments, **named)
            finally:
                setattr(spent, name, getattr(spent, name) + settled() - began)

        return measured

    class Measured(Preview):
        saved: float | None = None

        def after_iteration(self, scene: Scene, *, saved: bool) -> None:
            if saved:
                if self.saved is not None:
                    spent.waits.append(None)
                self.saved = time.perf_counter()
            super().after_iteration(scene, saved=saved)

        def _write(self, scene: Scene, largest: int) -> None:
            spent.previews += 1
            timed("preview", super()._write)(scene, largest)

        def _put(self, taken: Taken) -> None:
            since, began = self.saved, time.thread_time()
            super()._put(taken)
            spent.preview += time.thread_time() - began
            if since is not None and since == self.saved:
                spent.waits.append(time.perf_counter() - since)
                self.saved = None

        def _scene_file(self, *views: Any) -> None:
            began = time.thread_time()
            super()._scene_file(*views)
            spent.preview += time.thread_time() - began

    # The parts that a training is made of are looked up in the module of its order.
    parts: dict[str, Any] = vars(run)
    parts["Preview"] = Measured
    parts["write_progress"] = timed("pictures", parts["write_progress"])
    parts["train_pass"] = timed("passes", parts["train_pass"])
    for name in ("add", "pictured"):
        setattr(MetricsTable, name, timed("table", getattr(MetricsTable, name)))
    train(configuration, folder=folder, device=device)
    return spent


def main() -> int:
    """Measure, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path, metavar="CONFIG.json")
    parser.add_argument("--variant", type=Path, metavar="FILE.json", help="fields to change")
    parser.add_argument("--device", help="cpu, or cuda (the card where there is one)")
    options = parser.parse_args()
    name = options.configuration.stem
    try:
        configuration = placed(
            read_object(options.configuration, str(options.configuration)),
            options.configuration.parent,
        )
        if options.variant is not None:
            configuration = merged(
                configuration, read_object(options.variant, str(options.variant))
            )
            name += f", {options.variant.stem}"
        with tempfile.TemporaryDirectory(prefix="bench_preview_") as place:
            spent = measure(configuration, Path(place, "out"), options.device)
            size = Path(place, "out", layout.PREVIEW, layout.PREVIEW_MESH).stat().st_size
    except UserError as error:
        parser.error(str(error))
    print(heading("preview", NOTES) + "\n" + table(HEADS, [spent.row(name)]))
    print(f"The last preview has {size / 1e6:.1f} MB.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
