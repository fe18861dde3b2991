"""Hollows that no outline shows: what photographs that agree on a point have seen past.

A visual hull is a solid cup where the object is a cup. Where several photographs show the same
pattern at one depth, the space before it is empty (`sweep`, `agreement`); a surface of least area
through what they leave open bounds the hollow (`hollows`). Method: free space from depth maps, with
a convex relaxation, after Hernandez, Vogiatzis, Cipolla, "Probabilistic visibility for multi-view
stereo" (2007), and Kolev, Klodt, Brox, Cremers, "Continuous global optimization in multiview 3D
reconstruction" (2009).
"""
