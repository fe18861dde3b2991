"""An asset's textures over several UDIM tiles, each as large as one picture is otherwise.

`numbers` says which tile a triangle lies in and what the tile's files are called, `layout`
distributes charts over tiles, `resample` reads a tile's textures out of those that were trained,
and `tiles` has all of it: a mesh over tiles, and the files of its textures.
"""
