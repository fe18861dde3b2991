"""``python -m diffrec --config FILE``."""

from __future__ import annotations

from diffrec.cli import main
from diffrec.runtime.process_end import end_process

if __name__ == "__main__":
    end_process(main())
