"""What a job asks the doctor before it trains: settings as JSON in, findings as JSON out.

Started by path, with nothing but the toolkit's own folder on the search path; the job process
itself imports nothing of the doctor.
"""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict
from pathlib import Path


def main() -> int:
    """Examine quickly what standard input describes; the findings go to standard output."""
    gc.disable()  # a short life: what there is to collect goes with it
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from nvdiffrec_tops.doctor import examine

    settings = json.load(sys.stdin)
    json.dump([asdict(one) for one in examine(**settings, quick=True)], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
