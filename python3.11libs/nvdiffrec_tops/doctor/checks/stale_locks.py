"""Locks that an ended compilation left in PyTorch's cache of extensions."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.environment import Environment
from nvdiffrec_tops.job.engines.nvdiffrec.extensionlock import PRIVATE, Verdict, clear, judge, locks
from nvdiffrec_tops.job.failures import quoted


def run(context: Context) -> list[Finding]:
    verdicts = found(context)
    findings = []
    for verdict in verdicts:
        if verdict.stale:
            word = "del" if os.name == "nt" else "rm"
            findings.append(
                CHECK.warning(
                    f"{verdict.lock} was left by an ended compilation ({verdict.reason}): a "
                    "training that needs this extension waits for it without end",
                    f"{word} {quoted(verdict.lock)}",
                    repair=True,
                )
            )
        else:
            findings.append(
                CHECK.note(
                    f"{verdict.lock} is in use: {verdict.reason}",
                    "wait until it is compiled, then examine again",
                )
            )
    looked = [folder for folder in caches(context) if os.path.isdir(folder)]
    return findings or CHECK.ok(
        f"no lock in {', '.join(looked)}" if looked else "nothing was compiled here yet"
    )


def found(context: Context) -> list[Verdict]:
    """What is known of each lock in the caches."""
    verdicts = []
    for folder in caches(context):
        for inner in (folder, *_inside(folder)):
            verdicts += [verdict for lock in locks(inner) if (verdict := judge(lock))]
    return list({one.lock: one for one in verdicts}.values())


def caches(context: Context) -> list[str]:
    """Where PyTorch keeps compiled extensions: its own place and that of the toolkit's jobs."""
    described = context.described
    environ = context.variables if isinstance(described, Environment) else context.environ
    home = environ.get("HOME") or os.path.expanduser("~")
    base = environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    base = base if os.path.isabs(base) else os.path.join(home, ".cache")
    places = [
        environ.get("TORCH_EXTENSIONS_DIR", ""),
        os.path.join(home, ".cache", "torch_extensions"),
        os.path.join(base, "torch_extensions"),
        os.path.join(base, PRIVATE, "torch_extensions"),
    ]
    return list(dict.fromkeys(os.path.abspath(one) for one in places if one and "\0" not in one))


def _inside(folder: str) -> list[str]:
    """The folders in it: the toolkit's cache has one more level, a machine's name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(one.path for one in entries if one.is_dir(follow_symlinks=False))[:1000]
    except OSError:
        return []


def repair(context: Context) -> list[str]:
    """Remove the locks that nobody holds."""
    done = []
    for verdict in found(context):
        if verdict.stale:
            gone = clear(verdict)
            done.append(f"removed {verdict.lock}" if gone else f"not removed: {verdict.lock}")
    return done


CHECK = Check(
    "stale_locks",
    "Locks of compiled extensions",
    "packages",
    run,
    repair=repair,
    by_engine=True,
)
