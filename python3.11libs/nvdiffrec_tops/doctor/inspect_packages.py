"""Run by the examined interpreter for one section: imports a package and tries what it is for.

``python -I inspect_packages.py SECTION [--NAME=VALUE ...]``, started by inspect_environment.py. The
process may crash, hang or end: that is what is being found out. No syntax newer than Python 3.6.
"""

# ruff: noqa: UP006, UP035

import importlib
import json
import os
import sys
import tempfile
from typing import Any, Dict, List

Facts = Dict[str, Any]


def _version(module: Any) -> str:
    return str(getattr(module, "__version__", ""))


def torch(options: Dict[str, str]) -> Facts:
    module = importlib.import_module("torch")
    facts: Facts = {
        "version": _version(module),
        "cuda": getattr(module.version, "cuda", None),
        "hip": getattr(module.version, "hip", None),
    }
    # Each in its own guard: what a broken build can still say is worth having.
    for name, ask in (
        ("cuda_home", lambda: _cuda_home() or ""),
        ("available", lambda: bool(module.cuda.is_available())),
        ("arch_list", lambda: list(module.cuda.get_arch_list())),
        ("devices", lambda: _devices(module)),
        ("numpy", lambda: [float(one) for one in module.zeros(2).numpy()]),
    ):
        try:
            facts[name] = ask()
        except Exception as error:
            facts[name + "_problem"] = _said(error)
    if facts.get("available"):
        try:
            facts["computed"] = float(module.ones(8, device="cuda").sum().item())
        except Exception as error:
            facts["computed_problem"] = _said(error)
    return facts


def _cuda_home() -> Any:
    """The folder that PyTorch builds extensions with."""
    return importlib.import_module("torch.utils.cpp_extension").CUDA_HOME


def _devices(module: Any) -> List[Facts]:
    found = []
    for index in range(module.cuda.device_count()):
        properties = module.cuda.get_device_properties(index)
        device = {
            "name": str(properties.name),
            "capability": [int(properties.major), int(properties.minor)],
            "memory": int(properties.total_memory),
        }
        try:
            device["free"] = int(module.cuda.mem_get_info(index)[0])
        except Exception as error:
            device["free_problem"] = _said(error)
        found.append(device)
    return found


def tinycudann(options: Dict[str, str]) -> Facts:
    module = importlib.import_module("tinycudann")
    facts = {"version": _version(module)}
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            # Libraries with a second C++ runtime crash in the first call, not in the import.
            encoding = module.Encoding(3, {"otype": "Identity"})
            points = torch.rand(128, 3, device="cuda")
            facts["called"] = str(list(encoding(points).shape))
    except Exception as error:
        facts["call_problem"] = _said(error)
    return facts


# A Radiance picture of 8 x 8 pixels, brighter than white (RGBE, flat): red is 4.
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n" + bytes([128, 64, 32, 131]) * 64


def imageio(options: Dict[str, str]) -> Facts:
    module = importlib.import_module("imageio")
    facts: Facts = {"version": _version(module)}
    handle, path = tempfile.mkstemp(suffix=".hdr")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(HDR)
        try:
            try:
                reader = importlib.import_module("imageio.v2")
            except ImportError:
                reader = module
            facts["brightest"] = float(reader.imread(path).max())
        except Exception as error:
            facts["hdr_problem"] = _said(error)
    finally:
        os.unlink(path)
    return facts


def diffrec(options: Dict[str, str]) -> Facts:
    """The trainer that a job would start, and what it says of the configuration."""
    facts: Facts = {}
    try:
        importlib.import_module("diffrec")
        facts["installed"] = True
    except ImportError:
        # A job then uses the trainer beside the toolkit.
        sys.path.append(options["toolkit"])
        importlib.import_module("diffrec")
        facts["installed"] = False
    importlib.import_module("diffrec.cli")
    if options.get("config"):
        configuration = importlib.import_module("nvdiffrec_contract.configuration")
        errors = importlib.import_module("nvdiffrec_contract.errors")
        try:
            configuration.load_config(options["config"])
            facts["accepted"] = True
        except errors.ConfigError as error:
            facts["refused"] = str(error)
    return facts


def _said(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return type(error).__name__ + (": " + " ".join(text)[:600] if text else "")


SECTIONS = {"torch": torch, "tinycudann": tinycudann, "imageio": imageio, "diffrec": diffrec}
IMPORTS = {"nvdiffrast": "nvdiffrast.torch"}


def main(argv: List[str]) -> int:
    section = argv[0]
    options = {}
    for one in argv[1:]:
        name, _, value = one[2:].partition("=")
        options[name] = value
    try:
        if section in SECTIONS:
            facts = SECTIONS[section](options)
        else:
            facts = {"version": _version(importlib.import_module(IMPORTS.get(section, section)))}
    except BaseException as error:
        facts = {"problem": _said(error), "missing": getattr(error, "name", None)}
    line = json.dumps({"section": section, "facts": facts}, default=str)
    sys.stdout.write("\n@fact " + line + "\n")
    sys.stdout.flush()
    # Libraries that crash when a process ends have said all they have to say.
    os._exit(0)


if __name__ == "__main__":
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [one for one in sys.path if os.path.abspath(one) != _here]
    if sys.prefix == getattr(sys, "base_prefix", sys.prefix):
        import site as _site

        _user = _site.getusersitepackages()
        if os.path.isdir(_user) and _user not in sys.path:
            _site.addsitedir(_user)
    main(sys.argv[1:])
