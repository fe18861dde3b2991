"""Whether the other packages that the trainer imports are there and work."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context, complaint
from nvdiffrec_tops.doctor.finding import Finding

# Module, and what pip installs it from.
PACKAGES = {
    "diffrec": {
        "warp": "warp-lang",
        "numba": "numba",
        "cv2": "opencv-python-headless",
    },
    "nvdiffrec": {"xatlas": "xatlas", "imageio": "imageio"},
}


def run(context: Context) -> list[Finding]:
    wanted = PACKAGES[context.engine]
    missing = [name for name in wanted if not context.importable(name)]
    findings = []
    if missing:
        packages = [wanted[name] for name in missing]
        cure = context.pip("install", *packages)
        findings.append(CHECK.error(f"not installed: {', '.join(packages)}", cure))
    for name in wanted:
        facts = context.facts(name)
        if facts.get("problem") and name not in missing:
            findings.append(
                CHECK.error(
                    f"import {name}: {complaint(facts)}",
                    context.pip("install", "--force-reinstall", wanted[name]),
                )
            )
    return findings or CHECK.ok(f"{', '.join(wanted.values())} are installed")


CHECK = Check("trainer_packages", "Other packages", "packages", run, needs=("interpreter_starts",))
