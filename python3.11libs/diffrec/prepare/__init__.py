"""From photographs or a film to a data set that a training reads, with its configuration.

``python -m diffrec.prepare INPUT --out FOLDER`` goes through the steps of :mod:`.run`, each in a
module of its own. A step that has been done stays done until something that it reads has changed;
one that was ended in the middle goes on. The folder in the end:

    photographs/          upright copies of what is used, reduced
    masks/                a grey picture for each; one that was painted by hand is kept
    images/               undistorted cut-outs (RGBA), all of one lens
    transforms_train.json, transforms_test.json, placement.json
    train.json            the configuration
    report/               masks.png, cameras.png, report.txt: to be looked at
    work/                 features, matches, cameras as a COLMAP model, stamps of the steps

The solver is pycolmap (BSD), the package extra ``photographs``. Where another tool has solved the
cameras, ``readers`` takes them out of its project, and the steps begin with masks.
"""

from __future__ import annotations
