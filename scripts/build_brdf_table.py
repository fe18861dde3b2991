#!/usr/bin/env python3
"""Makes the table of the split sum's second factor that the trainer reads.

Run it in the trainer's environment after a change of `diffrec.shading.split_sum.brdf_table`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python3.11libs"))

from diffrec.shading.split_sum import brdf_table

if __name__ == "__main__":
    brdf_table.write()
    print(brdf_table.FILE)
