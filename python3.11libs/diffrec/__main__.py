"""``python -m diffrec --config FILE``."""

from __future__ import annotations

import gc

from diffrec.cli import main
from diffrec.runtime.process_end import end_process

if __name__ == "__main__":
    gc.disable()  # until all is loaded: what is imported stays, and looking through it takes time
    end_process(main())
