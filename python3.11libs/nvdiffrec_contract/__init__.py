"""What the cook process, the job process and the training process agree on.

Each fact that two of them need stands in one module of this package, and nowhere else:

* ``configuration``: every field of a training configuration, with default, allowed values and help
* ``dataset``: what a data set holds, as each data format describes itself
* ``options``: every option of one training, as job files and the command line name it
* ``layout``: the files of a result, and the PDG tag of each kind of file
* ``failure``, ``failurefile``, ``failureline``, ``errors``: what a failure is, how a failed
  training tells the job of it (``failure.json``) and the job the cook (a line of its standard
  output), and the exceptions behind it
* ``memory``: how much of a graphics card's memory a training takes
* ``jsonfiles``, ``files``: strict reading of JSON, and files that appear whole or not at all
* ``checks``, ``wording``: what a value may be, and how a message shows one
* ``schemas``: JSON Schemas of these documents, written to ``docs/schemas``

Standard library only, Python 3.9 or newer: it also runs under the interpreter of a training
environment. It imports nothing else of this project.
"""

from __future__ import annotations

VERSION = "0.2.0"
"""The toolkit's version, in the form MAJOR.MINOR.PATCH."""
