"""The job process: trains one scene, started by a scheduler on the artist's or a farm machine.

Standard library only, Python 3.9 or newer, and nothing else of this package: it also runs under the
interpreter of the training environment. ``__main__.py`` is started by path.

What it promises to its callers:

* standard output carries the trainer's own lines, ``ALF_PROGRESS n%``, when ``PDG_ITEM_ID`` is set
  what the work item is to carry (``pdgreport`` lists the lines), and a last line that begins with
  ``Job:``;
* the output folder holds either the previous results or the new ones, never half of each;
* a finished training is kept until its results are there (``unfinished``), and which files are
  there by a job's doing is told by ``committed``;
* ``result.json`` there lists what was made, from what, by which versions, or why it failed;
* no process of the trainer outlives the job, however the job ends.
"""

from __future__ import annotations
