"""``python -m diffrec.asset RESULT``."""

import sys

from diffrec.asset.command import main

if __name__ == "__main__":
    sys.exit(main())
