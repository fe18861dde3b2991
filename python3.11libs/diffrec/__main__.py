"""``python -m diffrec --config FILE``."""

from __future__ import annotations

import sys

from diffrec.cli import main

sys.exit(main())
