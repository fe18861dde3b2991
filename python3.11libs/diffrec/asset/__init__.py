"""An asset of a finished result: files that open right in other programs, beside nvdiffrec's own.

    NAME.usd, NAME.usdz     a component for Solaris, Karma and other readers of USD
    NAME.glb                glTF 2.0, for the web and for engines
    NAME.mtlx               the material alone
    NAME.obj, NAME.mtl      for importers of Wavefront files
    NAME_light.usda         the light, as a dome
    textures/, thumbnail.png, turntable/

World units, right-handed, y up. `docs/results.md` of the project has the conventions.
"""
