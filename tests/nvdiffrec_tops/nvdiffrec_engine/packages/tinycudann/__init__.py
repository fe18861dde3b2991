import os

import torch

if "+cu" not in torch.__version__:
    raise OSError("Unknown compute capability. Ensure PyTorch with CUDA support is installed.")


def Encoding(dimensions):
    if os.environ.get("STANDIN_FAIL") == "crash":
        import faulthandler

        faulthandler._sigsegv()
