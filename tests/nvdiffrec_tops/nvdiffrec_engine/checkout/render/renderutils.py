import os

import torch.utils.cpp_extension


def plugin(fail):
    """Compile the extension, then import it by its name."""
    source = os.path.join(os.path.dirname(__file__), "mesh.cpp")
    if fail == "lock":
        build = os.path.join(os.environ["TORCH_EXTENSIONS_DIR"], "renderutils_plugin")
        if os.path.exists(os.path.join(build, "lock")):
            raise RuntimeError("the lock file " + os.path.join(build, "lock") + " exists")
        return
    torch.utils.cpp_extension.load("renderutils_plugin", sources=[source], verbose=True)
    import renderutils_plugin

    assert renderutils_plugin.prepared
