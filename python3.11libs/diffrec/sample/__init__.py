"""A sample scene made by our own code: a textured ring, an HDR sky, two training configurations.

``python -m diffrec.sample FOLDER`` writes ``sample.json``, ``sample_flexi.json``,
``sample.obj``, ``sample.mtl``, ``sample_kd.png``, ``sample_ks.png`` and ``sky.hdr``.
The same code always writes the same bytes.
"""

from __future__ import annotations

from diffrec.sample.scene import CONFIGURATION, write_sample

__all__ = ["CONFIGURATION", "write_sample"]
