"""``python -m diffrec.asset RESULT``."""

import sys

from diffrec.asset.command import main
from diffrec.runtime import freed_memory

if __name__ == "__main__":
    freed_memory.keep()
    sys.exit(main())
