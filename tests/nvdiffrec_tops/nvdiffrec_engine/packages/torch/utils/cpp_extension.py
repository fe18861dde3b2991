"""Builds an extension below TORCH_EXTENSIONS_DIR, under a lock that is waited for without end."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time

import torch


def get_default_build_root():
    return os.path.join(os.path.expanduser("~"), ".cache", "torch_extensions")


def cuda_home():
    """CUDA_HOME, else CUDA_PATH, else where the nvcc on PATH lies."""
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    nvcc = shutil.which("nvcc")
    return named or (nvcc and os.path.dirname(os.path.dirname(nvcc)))


def compile_with_cuda(name):
    home = cuda_home()
    if home is None:
        raise OSError("CUDA_HOME environment variable is not set.")
    nvcc = os.path.join(home, "bin", "nvcc")
    if not os.path.exists(nvcc):
        print("/bin/sh: 1: " + nvcc + ": not found", flush=True)
        raise RuntimeError("Error building extension '" + name + "'")
    subprocess.run([nvcc, name], check=True)


def load(name, sources, verbose=False, build_directory=None):
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()
    folder = build_directory or os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    lock, library = os.path.join(folder, "lock"), os.path.join(folder, name + ".py")
    try:
        held = os.open(lock, os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        while os.path.exists(lock):
            time.sleep(0.02)
        if not os.path.exists(library):
            raise ImportError(
                os.path.join(folder, name + ".so") + ": cannot open shared object file"
            ) from None
    else:
        print("compiling", name, flush=True)
        if os.environ.get("STANDIN_FAIL") == "slow":
            time.sleep(600)
        if os.environ.get("STANDIN_FAIL") == "compiler":
            raise RuntimeError(f"Error building extension '{name}'")
        if os.environ.get("STANDIN_CUDA"):
            compile_with_cuda(name)
        with open(library, "w") as stream:
            stream.write("prepared = True\n")
        os.close(held)
        os.remove(lock)
    spec = importlib.util.spec_from_file_location(name, library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 11):
        sys.modules[name] = module
    return module
