import os

import torch

if "+cu" not in torch.__version__ and not os.environ.get("STANDIN_GPU"):
    raise OSError("Unknown compute capability. Ensure PyTorch with CUDA support is installed.")


def Encoding(dimensions):
    if os.environ.get("STANDIN_FAIL") == "crash":
        import faulthandler

        faulthandler._sigsegv()
