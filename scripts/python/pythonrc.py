"""Houdini runs this file when it starts. A version that the toolkit is not made for is told so.

That can be any version with any Python, so this is written for all of them. It may be run without
__file__, in the namespace of others: it leaves no name behind.
"""


def _nvdiffrec_at_start():
    import sys

    import hou

    version = hou.applicationVersion()
    python = str(sys.version_info[0]) + "." + str(sys.version_info[1])
    served = python in ("3.11", "3.13")
    if served and (20, 5) <= tuple(version[:2]) < (23, 0):
        return
    root = hou.getenv("TOPS_NVDIFFREC")
    if root and not served:
        # Houdini reads pythonX.Ylibs of its own Python only: without the newest one of ours its
        # nodes could say nothing but that a module is missing.
        sys.path.append(root + "/python3.13libs")
    said = "nvdiffrec is made for Houdini 20.5 to 22 with Python 3.11 or 3.13, and this is Houdini "
    said += ".".join(str(one) for one in version) + " with Python " + python + ": "
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Houdini
        said += "its nodes do not work here; use one of those versions.\n"
    else:
        said += "its nodes are loaded all the same; get a newer nvdiffrec if something fails.\n"
    sys.stderr.write(said)


_nvdiffrec_at_start()
del _nvdiffrec_at_start
