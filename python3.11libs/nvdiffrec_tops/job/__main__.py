"""Starts the job process by path or with ``-m``, with nothing on the Python path."""

from __future__ import annotations

import gc
import os
import sys

if not __package__:
    # Started by path: this folder would be searched first and its module names would stand bare.
    _here = os.path.dirname(os.path.abspath(__file__))
    _libraries = os.path.dirname(os.path.dirname(_here))
    sys.path[:] = [_libraries] + [
        entry
        for entry in sys.path
        if not entry or os.path.realpath(entry) != os.path.realpath(_here)
    ]
    gc.disable()  # what is imported stays: looking for garbage in it takes time

from nvdiffrec_tops.job.commandline import main

gc.enable()

if __name__ == "__main__":
    sys.exit(main())
