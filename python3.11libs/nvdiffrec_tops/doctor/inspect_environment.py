"""Run by the examined interpreter: tells what is installed and what works, as lines of JSON.

``python -I inspect_environment.py SECTION ... [--each=SECONDS] [--NAME=VALUE ...]``.
Each section is guarded by itself. A section that imports much runs in a process of its own, so that
a crash or a hang there costs that section alone; its answer is a line of its own as soon as it
is known.

Standard library only, and no syntax newer than Python 3.6: the environment may be anything.
"""

# ruff: noqa: UP006, UP031, UP035, B905, RUF005

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any, Callable, Dict, List, Tuple

MARK = "@fact "
EACH = 90.0  # seconds for a section with a process of its own
AT_ONCE = 2

Facts = Dict[str, Any]

DISTRIBUTIONS = (
    "torch", "numpy", "nvdiffrast", "tinycudann", "imageio", "imageio-freeimage", "xatlas",
    "slangtorch", "warp-lang", "numba", "ninja", "opencv-python", "opencv-python-headless",
    "tops-nvdiffrec", "setuptools", "triton",
)  # fmt: skip
MODULES = (
    "torch", "numpy", "nvdiffrast", "tinycudann", "tinycudann_bindings", "imageio", "xatlas",
    "slangtorch", "warp", "numba", "cv2", "diffrec", "setuptools",
)  # fmt: skip


def user_site() -> str:
    """The user's own package folder, where this interpreter would look when it is started plainly.

    ``-I`` hides it, but a conda environment's or a system's Python uses it in a training.
    """
    import site

    base = getattr(sys, "base_prefix", sys.prefix)
    if sys.prefix != base or not hasattr(site, "getusersitepackages"):
        return ""
    try:
        folder = site.getusersitepackages()
    except Exception:
        return ""
    return folder if os.path.isdir(folder) else ""


def python() -> Facts:
    import platform

    return {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", sys.prefix),
        "platform": sys.platform,
        "machine": platform.machine(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "user_site": user_site(),
    }


def packages() -> Facts:
    """Versions and places by metadata, and where modules would be imported from. Imports none."""
    import importlib.util

    found: Facts = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = _distribution(name)
        except Exception as error:
            if type(error).__name__ != "PackageNotFoundError":
                found[name] = {"problem": _said(error)}
    modules: Facts = {}
    for name in MODULES:
        try:
            spec = importlib.util.find_spec(name)
        except Exception as error:
            modules[name] = {"problem": _said(error)}
            continue
        if spec is not None:
            origin = spec.origin or next(iter(spec.submodule_search_locations or []), "")
            modules[name] = {"origin": origin}
    return {
        "distributions": found,
        "modules": modules,
        "torch_build": _torch_build(modules.get("torch", {}).get("origin", "")),
        "nvdiffrast_compiled": _compiled(("nvdiffrast", "_nvdiffrast_c"), modules),
        "tinycudann_compiled": _compiled(("tinycudann", "tinycudann_bindings"), modules),
        "freeimage": _freeimage(),
    }


def _distribution(name: str) -> Facts:
    import importlib.metadata as metadata  # Python 3.8; older ones report the problem

    distribution = metadata.distribution(name)
    place = str(getattr(distribution, "_path", "") or "")
    return {"version": str(distribution.version), "folder": os.path.dirname(place)}


def _torch_build(origin: str) -> Facts:
    """What the file that PyTorch writes of its own build says, read as text."""
    with_value = re.compile(r"^(\w+)\s*(?::[^=]+)?=\s*['\"]([^'\"]*)['\"]", re.MULTILINE)
    try:
        path = os.path.join(os.path.dirname(origin), "version.py")
        with open(path, encoding="utf-8", errors="replace") as stream:
            values = dict(with_value.findall(stream.read(65536)))
    except (OSError, ValueError):
        return {}
    return {
        "version": values.get("__version__"), "cuda": values.get("cuda"), "hip": values.get("hip"),
        "known": "__version__" in values,
    }  # fmt: skip


def _compiled(names: Any, modules: Facts) -> List[str]:
    """Names of compiled modules that belong to a package, by listing its folders alone."""
    found = []
    origin = next((modules[name].get("origin") for name in names if name in modules), None)
    if not origin:
        return []
    folder = os.path.dirname(origin)
    parent = os.path.dirname(folder)
    for root in [folder] + [os.path.join(parent, name) for name in names]:
        for _here, folders, files in os.walk(root):
            folders[:] = [one for one in folders if one != "__pycache__"][:50]
            found += [one for one in files if one.endswith((".so", ".pyd"))]
    try:
        beside = os.listdir(parent)
    except OSError:
        beside = []
    found += [one for one in beside if one.startswith(names) and one.endswith((".so", ".pyd"))]
    return sorted(set(found))


def _freeimage() -> List[str]:
    """FreeImage libraries where imageio looks for them."""
    import glob

    places = [os.path.join(sys.prefix, "lib"), os.path.join(sys.prefix, "Library", "bin")]
    places += [os.path.join(os.path.expanduser("~"), ".imageio", "freeimage")]
    places += [os.path.join(one, "imageio_freeimage") for one in sys.path]
    places += [os.path.join(one, "imageio", "resources", "freeimage") for one in sys.path]
    places += ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
    return [
        one
        for place in places
        for one in glob.glob(os.path.join(glob.escape(place), "*[fF]ree[iI]mage*[.-]*"))
        if re.search(r"\.(so[.\d]*|dylib|dll)$", one)
    ]


def _cuda_home() -> Tuple[str, str]:
    """The CUDA toolkit as torch.utils.cpp_extension finds it, and what names it: a variable is
    taken as it is, even where no compiler is there."""
    import glob

    for name in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(name):
            return os.environ[name], name
    nvcc = shutil.which("nvcc")
    if nvcc:
        return os.path.dirname(os.path.dirname(nvcc)), "PATH"
    if os.name == "nt":
        base = "C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA"
        usual = (glob.glob(base + "/v*.*") or [""])[0]
    else:
        usual = "/usr/local/cuda"
    return (usual, "the usual folder") if usual and os.path.exists(usual) else ("", "")


def tools() -> Facts:
    """The build tools that PyTorch's extension builder would use, with their versions."""
    home, named_by = _cuda_home()
    suffix = ".exe" if os.name == "nt" else ""
    wanted = os.path.join(home, "bin", "nvcc" + suffix) if home else ""
    nvcc = wanted if os.path.isfile(wanted) else ""
    if not nvcc and named_by == "PATH":
        wanted = nvcc = shutil.which("nvcc") or ""
    cxx = os.environ.get("CXX") or ("cl" if os.name == "nt" else "c++")
    compiler = shutil.which(cxx) or ("" if os.environ.get("CXX") else shutil.which("g++") or "")
    found: Facts = {"cuda_home": home, "named_by": named_by}
    found["nvcc"] = _tool(nvcc, ["--version"], r"release (\d+\.\d+)")
    found["nvcc"]["wanted"] = wanted
    found["ninja"] = _tool(shutil.which("ninja") or "", ["--version"], r"(\d+(?:\.\d+)+)")
    if os.name == "nt":
        found["compiler"] = _tool(compiler, [], r"(\d+\.\d+(?:\.\d+)*)")
        found["compiler"]["kind"] = "msvc"
    else:
        found["compiler"] = _tool(
            compiler, ["--version"], r"(\d+\.\d+(?:\.\d+)*)\s*$|(\d+\.\d+\.\d+)"
        )
        said = found["compiler"].get("said", "").lower()
        found["compiler"]["kind"] = "clang" if "clang" in said else "gcc"
    return found


def _tool(path: str, arguments: List[str], pattern: str) -> Facts:
    if not path:
        return {"path": ""}
    found = {"path": path}
    try:
        said = _run([path] + arguments, 10.0)
    except Exception as error:
        found["problem"] = _said(error)
        return found
    found["said"] = said[:2000]
    match = re.search(pattern, said, re.MULTILINE)
    if match:
        found["version"] = next(group for group in match.groups() if group)
    return found


def _run(command: List[str], timeout: float) -> str:
    process = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=timeout, check=False,
    )  # fmt: skip
    return process.stdout.decode("utf-8", "replace")


def driver() -> Facts:
    """NVIDIA's driver and cards as nvidia-smi tells them; MiB as it counts them."""
    fields = "name,driver_version,memory.total,memory.free,compute_cap"
    path = shutil.which("nvidia-smi") or ""
    if not path:
        try:
            with open("/proc/driver/nvidia/version", encoding="utf-8") as stream:
                match = re.search(r"\s(\d{3}\.\d+(?:\.\d+)?)\s", stream.read(4096))
            return {"tool": "", "cards": [], "version": match.group(1) if match else ""}
        except OSError:
            return {"tool": "", "cards": [], "version": ""}
    said = _run([path, "--query-gpu=" + fields, "--format=csv,noheader,nounits"], 8.0)
    cards = []
    for line in said.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 5 and re.match(r"\d+\.\d", parts[1]):
            cards.append(dict(zip(fields.split(","), parts)))
    return {
        "tool": path, "cards": cards, "said": said[:500],
        "version": cards[0]["driver_version"] if cards else "",
    }  # fmt: skip


LIGHT = {"python": python, "packages": packages, "tools": tools, "driver": driver}
"""Sections of this process: none imports what is installed."""


def _said(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return type(error).__name__ + (": " + " ".join(text)[:600] if text else "")


def answer(section: str, run: Callable[[], Facts]) -> None:
    """Print the section's facts as one line, whatever happens to it."""
    try:
        facts = run()
    except BaseException as error:  # SystemExit of a package that ends its importer, too
        facts = {"problem": _said(error)}
    tell(section, facts)


def tell(section: str, facts: Facts) -> None:
    line = "\n" + MARK + json.dumps({"section": section, "facts": facts}, default=str) + "\n"
    with _PRINTING:
        sys.stdout.write(line)
        sys.stdout.flush()


_PRINTING = threading.Lock()


def apart(section: str, more: List[str], each: float = EACH) -> None:
    """Run a section in a process of its own and pass its answer on."""
    environ = dict(os.environ, IMAGEIO_NO_INTERNET="1")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inspect_packages.py")
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "faulthandler", script, section] + more,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environ,
        )  # fmt: skip
        try:
            code: Any = process.wait(each)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        out.seek(0)
        err.seek(0)
        said = out.read().decode("utf-8", "replace").splitlines()
        last = err.read().decode("utf-8", "replace").strip().splitlines()[-40:]
    for line in reversed(said):
        if line.startswith(MARK):
            with _PRINTING:
                sys.stdout.write("\n" + line + "\n")
                sys.stdout.flush()
            return
    if code is None:
        problem = "no answer within %.0f s" % each
    elif code < 0 or code > 128:
        problem = "crashed with %s" % (
            ("signal %d" % -code) if code < 0 else hex(code & 0xFFFFFFFF)
        )
    else:
        problem = "ended with exit code %d" % code
    tell(section, {"problem": problem, "crashed": code is not None and code != 0, "stderr": last})


def main(argv: List[str]) -> int:
    sections = [one for one in argv if not one.startswith("--")]
    more = [one for one in argv if one.startswith("--")]
    each = [float(one[7:]) for one in more if one.startswith("--each=")] or [EACH]
    waiting = []
    for section in sections:
        if section in LIGHT:
            answer(section, LIGHT[section])
        else:
            waiting.append(section)

    def work() -> None:
        while waiting:
            try:
                section = waiting.pop(0)
            except IndexError:
                return
            try:
                apart(section, more, each[0])
            except BaseException as error:
                tell(section, {"problem": _said(error)})

    threads = [threading.Thread(target=work, daemon=True) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    # -I leaves this out already; a later Python might not.
    sys.path[:] = [
        one
        for one in sys.path
        if os.path.abspath(one) != os.path.dirname(os.path.abspath(__file__))
    ]
    _user = user_site()
    if _user and _user not in sys.path:
        import site as _site

        _site.addsitedir(_user)
    sys.exit(main(sys.argv[1:]))
