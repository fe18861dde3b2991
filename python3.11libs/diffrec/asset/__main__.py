"""``python -m diffrec.asset RESULT``."""

import gc

from diffrec.asset.command import main
from diffrec.runtime import freed_memory
from diffrec.runtime.process_end import end_process

if __name__ == "__main__":
    gc.disable()  # what is imported stays: looking for garbage in it takes time
    freed_memory.keep()
    end_process(main())
