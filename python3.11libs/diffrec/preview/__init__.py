"""What a training shows of itself while it runs: its mesh, material, light and cameras.

Files below ``preview/`` of the output folder, for the page of ``nvdiffrec-tops monitor``. They are
small copies: what is to be used lies in ``mesh/`` and ``asset/``.
"""
