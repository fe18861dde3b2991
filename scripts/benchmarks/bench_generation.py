"""Time and memory of generating work items without Houdini.

Our three nodes (attributes, environment, train) make one training per value of a wedge; the named
baseline is the same number of items from the stock nodes of the original workflow. Every count
runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nvdiffrec_tops.cook.command import generate_all
from nvdiffrec_tops.cook.options import Override
from topcook.network.opening import open_network

ROOT = Path(__file__).resolve().parents[2]
CHAINS = {
    "ours": ("TOPs_nvdiffrec_Static", "train"),
    "stock": ("TOPs_nvdiffrec_Static_Stock", "train_genericgenerator1"),
}


def overrides(chain: str, count: int, folder: str) -> list[str]:
    """The parameters that make a shipped scene generate ``count`` trainings."""
    if chain == "stock":
        return [f"train_genericgenerator1.itemcount={count}"]
    values = ";".join(str(number) for number in range(1, count + 1))
    return [
        f"attributes.working_dir={folder}",
        f"attributes.output_dir={folder}/out",
        "attributes.overrides=1",
        "attributes.overridename1=diffrec.seed",
        f"attributes.overridevalue1={values}",
    ]


def measure(chain: str, count: int, folder: str) -> dict[str, Any]:
    """Seconds to generate, and the memory that the items take above an empty network."""
    name, end = CHAINS[chain]
    network = open_network(
        ROOT / "hip" / f"{name}.hip",
        ends=[end],
        overrides=[Override.parse(one) for one in overrides(chain, count, folder)],
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    items = generate_all(network, lambda message: None)
    seconds = time.perf_counter() - began
    trained = sum(item.node.name == end for item in items)
    if trained != count:
        raise SystemExit(f"{trained} trainings were generated, not {count}")
    scale = 1 if sys.platform == "darwin" else 1024
    bytes_used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * scale
    return {"chain": chain, "count": count, "seconds": seconds, "bytes": bytes_used}


def main() -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 2000, 5000, 10000])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        chain, count, folder = options.one
        print(json.dumps(measure(chain, int(count), folder)))
        return 0
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, Python {platform.python_version()}\n"
    )
    print("| trainings | ours | memory per training | stock nodes | ours / stock |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.json").write_text('{"ref_mesh": "sample.obj"}')
        for count in options.counts:
            rows = {}
            for chain in CHAINS:
                child = [sys.executable, __file__, "--one", chain, str(count), folder]
                done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
                rows[chain] = json.loads(done.stdout.splitlines()[-1])
            ours, stock = rows["ours"], rows["stock"]
            print(
                f"| {count} | {ours['seconds']:.2f} s | {ours['bytes'] / count / 1024:.1f} KiB "
                f"| {stock['seconds']:.2f} s | {ours['seconds'] / stock['seconds']:.2f} |"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
