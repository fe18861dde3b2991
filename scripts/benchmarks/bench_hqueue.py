"""Time, requests and memory of a submission of many jobs, followed to its end.

The farm is the tests' stand-in: real XML-RPC over loopback; its jobs end at once and leave the
state files that a real job leaves, so that what is measured is this side.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription
from nvdiffrec_tops.cook.farm.scheduler import FarmSetup, HQueueScheduler
from nvdiffrec_tops.hqueue.jobspec import FarmOptions
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.server import Server
from nvdiffrec_tops.job.farmstate import DONE, STARTED
from topcook.cook import Cook, Watcher
from topcook.network.opening import open_network

ROOT = Path(__file__).resolve().parents[2]
STANDIN = ROOT / "tests" / "nvdiffrec_tops" / "hqueue"


def standin() -> Any:
    """The module of the stand-in farm."""
    for name in ("standinjobs", "standinfarm", "standin"):
        spec = importlib.util.spec_from_file_location(name, STANDIN / f"{name}.py")
        if spec is None or spec.loader is None:
            raise SystemExit(f"{STANDIN}/{name}.py is missing")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules["standin"]


def scene(folder: Path, count: int) -> Path:
    """A scene with so many independent commands."""
    run = NodeDescription("run", "genericgenerator", {"itemcount": count, "pdg_command": "true"})
    farm = NodeDescription("hqueuescheduler", "hqueuescheduler", {"pdg_workingdir": "$HIP"})
    top = NodeDescription(
        "topnet1",
        "topnet",
        {"topscheduler": "hqueuescheduler"},
        children=(farm, run),
        is_network=True,
    )
    path = folder / "many.hip"
    path.write_bytes(build(SceneDescription("many", (top,))))
    return path


def memory() -> int:
    """Bytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(count: int, rate: float) -> dict[str, float]:
    """One submission of ``count`` jobs, with at most ``rate`` requests per second on average."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def ended(job: Any) -> int:
            [line] = job.spec["command"].values()
            path = Path(line.rsplit(" ", 1)[-1].strip("'"))
            state = Path(json.loads(path.read_text())["state"])
            facts = json.dumps({"host": "client", "attempt": 1, "code": 0})
            for kind in (STARTED, DONE):
                part = state / f".{job.spec['name']}{kind}.part"
                part.write_text(facts)
                part.replace(state / (job.spec["name"] + kind))
            return 0

        with standin().StandIn(64, instant=ended) as farm:
            network = open_network(scene(folder, count))
            sent = threading.Event()
            setup = FarmSetup(
                server=Server(farm.address, patience=0.0, requests_per_second=rate),
                shared=SharedFolders.of([{"linux": "/"}]),
                options=FarmOptions(),
                given=frozenset(),
                token="bench",
                scene="many.hip",
                say=lambda _text: None,
            )
            peaks: list[int] = []
            stop = threading.Event()

            def watch() -> None:
                while not stop.wait(0.2):
                    peaks.append(memory())

            threading.Thread(target=watch, daemon=True).start()
            began = time.perf_counter()
            with HQueueScheduler(network.scheduler, setup) as scheduler:

                def wait() -> None:
                    while len(scheduler.submission.jobs) < count:
                        time.sleep(0.01)
                    times.append(time.perf_counter() - began)
                    sent.set()

                times: list[float] = []
                threading.Thread(target=wait, daemon=True).start()
                result = Cook(network.context, scheduler, Watcher()).run()
            seconds = time.perf_counter() - began
            stop.set()
            sent.wait(5.0)
            if not result.successful:
                raise SystemExit("the submission did not end well")
            return {
                "submitted": times[0],
                "seconds": seconds,
                "requests": farm.requests,
                "busiest": farm.busiest_second,
                "peak": max(peaks) / 2**20,
            }


def main() -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second")
    options = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, Python {platform.python_version()}\n"
    )
    print("| jobs | submitted in | followed to the end in | requests | most in a second | memory |")
    print("|---|---|---|---|---|---|")
    for count in options.counts:
        row = measure(count, options.rate)
        print(
            f"| {count:,} | {row['submitted']:.1f} s | {row['seconds']:.1f} s "
            f"| {row['requests']:.0f} | {row['busiest']:.0f} | {row['peak']:.0f} MiB |"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
