"""Each shim alone, on modules that are as it expects them."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job.engines.nvdiffrec import launcher, shims
from nvdiffrec_tops.job.engines.nvdiffrec.shims import (
    display_window,
    extension_cache,
    extension_name,
    hdr_files,
    imports,
    numpy_names,
    radiance,
    rasterizer_names,
    single_process,
    start,
)

Made = Callable[..., ModuleType]
SOURCES = sorted(Path(shims.__file__).parent.glob("*.py"))


@pytest.fixture(autouse=True)
def _imports_as_before() -> Iterator[None]:
    modules, environ_path = dict(sys.modules), list(sys.path)
    imports.forget()
    yield
    imports.forget()
    sys.path[:] = environ_path
    for name in set(sys.modules) - set(modules):
        if name.split(".")[0] in ("standin", "imageio", "glfw"):
            del sys.modules[name]


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., shims.Start]:
    """A start of a script; ``said`` of it collects what the log would show."""

    def make(*arguments: str, platform: str = "linux", **environ: str) -> shims.Start:
        said: list[tuple[str, str]] = []
        made = shims.Start(
            str(tmp_path / "train.py"), arguments, dict(environ), platform,
            lambda name, text: said.append((name, text)),
        )  # fmt: skip
        made.said = said  # type: ignore[attr-defined]
        return made

    return make


def changed(monkeypatch: pytest.MonkeyPatch, shim: shims.Shim, begun: Any, **contents: Any) -> Any:
    """The module that ``shim`` waits for, with these contents, changed by it."""
    module = ModuleType("standin")
    for name, value in contents.items():
        setattr(module, name, value)
    where = sys.modules[shim.install.__module__]
    monkeypatch.setattr(where, "after_import", lambda _, change: change(module))
    shim.install(begun)
    return module


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_shims_are_python_3_9_and_import_nothing_when_loaded(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    for node in tree.body:
        if isinstance(node, ast.Import):
            assert all(one.name.split(".")[0] in sys.stdlib_module_names for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            top = (node.module or "").split(".")
            assert top[:2] == ["nvdiffrec_tops", "job"] or top[0] in sys.stdlib_module_names


def test_the_list_names_every_shim(capsys):
    assert launcher.main(["--list-shims"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n  when: ") == said.count("\n  does: ") == len(shims.SHIMS)
    names = [one.name for one in shims.SHIMS]
    assert [line for line in said.splitlines() if not line.startswith(" ")] == names
    assert len(set(names)) == len(names)


def test_a_module_is_changed_after_its_import_and_looks_untouched(tmp_path):
    (tmp_path / "standin_late.py").write_text("value = 1\nassert __spec__.loader is __loader__\n")
    sys.path.insert(0, str(tmp_path))
    seen = []
    imports.after_import("standin_late", lambda module: seen.append(module.value))
    imports.after_import("standin_late", lambda module: setattr(module, "value", 2))
    found = importlib.util.find_spec("standin_late")
    assert found is not None and "value = 1" in found.loader.get_source("standin_late")
    module = importlib.import_module("standin_late")
    assert seen == [1] and module.value == 2
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    imports.after_import("standin_late", lambda module: seen.append(module.value))
    assert seen == [1, 2]  # at once, as it is imported already
    imports.after_import("standin_absent", seen.append)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("standin_absent")
    del sys.modules["standin_late"]


def test_a_module_that_fails_to_import_fails_as_ever(tmp_path):
    (tmp_path / "standin_broken.py").write_text("raise OSError('broken')")
    sys.path.insert(0, str(tmp_path))
    imports.after_import("standin_broken", lambda _: pytest.fail("changed"))
    with pytest.raises(OSError, match="broken"):
        importlib.import_module("standin_broken")
    assert "standin_broken" not in sys.modules


def test_extension_name(begin, monkeypatch):
    built = ModuleType("standin_plugin_v1")
    begun = begin()
    module = changed(monkeypatch, extension_name.SHIM, begun, load=lambda name, **_: built)
    assert module.load(name="standin_plugin", sources=[]) is built
    assert importlib.import_module("standin_plugin") is built
    module.load("standin_plugin", sources=[])
    assert len(begun.said) == 1
    sys.modules["standin_other"] = other = ModuleType("standin_other")
    module.load("standin_other")
    assert sys.modules["standin_other"] is other and len(begun.said) == 1
    path = changed(monkeypatch, extension_name.SHIM, begun, load=lambda name: "/a/path")
    assert path.load("standin_path") == "/a/path" and "standin_path" not in sys.modules
    for name in ("standin_plugin", "standin_other"):
        del sys.modules[name]


def test_extension_cache(begin, monkeypatch, tmp_path):
    monkeypatch.setattr(extension_cache, "torch_version", lambda: "2.11.0+cu130")
    monkeypatch.setattr("platform.node", lambda: "farm/07 é")
    begun = begin(XDG_CACHE_HOME=str(tmp_path))
    extension_cache.install(begun)
    path = Path(begun.environ["TORCH_EXTENSIONS_DIR"])
    assert path.is_dir() and path.parent.parent == tmp_path / "tops_nvdiffrec/torch_extensions"
    assert path.parent.name == "farm_07_" and path.name.endswith("_torch2.11.0+cu130")
    assert path.stat().st_mode & 0o077 == 0
    assert str(path) in begun.said[0][1]
    chosen = begin(TORCH_EXTENSIONS_DIR="/mine")
    extension_cache.install(chosen)
    assert chosen.environ == {"TORCH_EXTENSIONS_DIR": "/mine"} and chosen.said == []
    (tmp_path / "file").touch()
    blocked = begin(XDG_CACHE_HOME=str(tmp_path / "file"))
    extension_cache.install(blocked)
    assert "TORCH_EXTENSIONS_DIR" not in blocked.environ and "not used" in blocked.said[0][1]
    monkeypatch.setattr(extension_cache, "torch_version", lambda: None)
    absent = begin(XDG_CACHE_HOME=str(tmp_path))
    extension_cache.install(absent)
    assert "TORCH_EXTENSIONS_DIR" not in absent.environ


@given(host=st.text(), torch=st.text(min_size=1))
def test_the_cache_stays_where_it_belongs(host, torch):
    path = extension_cache.folder({"XDG_CACHE_HOME": "/c"}, host=host, torch=torch, windows=False)
    parts = path.split("/")
    assert parts[:4] == ["", "c", "tops_nvdiffrec", "torch_extensions"] and len(parts) == 6
    assert ".." not in parts and "." not in parts and all(parts[1:])


def test_two_machines_and_two_versions_have_two_caches():
    made = {
        extension_cache.folder({}, host=host, torch=torch, python=python)
        for host in ("a", "b")
        for torch in ("2.10.0+cu128", "2.11.0+cu130")
        for python in ((3, 11), (3, 12))
    }
    assert len(made) == 8


def test_machines_without_a_name_are_told_apart(monkeypatch):
    for host in ("", "localhost", "localhost.localdomain"):
        monkeypatch.setattr("platform.node", lambda host=host: host)
        seen = set()
        for number in (0xA1, 0xB2):
            monkeypatch.setattr("uuid.getnode", lambda number=number: number)
            seen.add(extension_cache.machine())
        assert len(seen) == 2
    monkeypatch.setattr("platform.node", lambda: "farm07.studio")
    assert extension_cache.machine() == "farm07.studio"


def test_numpy_names(begin, monkeypatch):
    begun = begin()
    module = changed(
        monkeypatch, numpy_names.SHIM, begun, __version__="2.4", float64=numpy.float64, inf=1e999,
        bool=numpy.bool_, __name__="numpy",
    )  # fmt: skip
    assert module.bool is numpy.bool_  # its own
    assert module.float is float and module.int is int and module.object is object
    assert module.float_ is numpy.float64 and module.Inf == 1e999
    assert module.float is float
    assert [text.split(",")[0] for _, text in begun.said] == [
        "numpy.float", "numpy.int", "numpy.object", "numpy.float_", "numpy.Inf",
    ]  # fmt: skip
    for name in ("alltrue", "absent", "bool_t"):
        with pytest.raises(AttributeError, match=name):
            getattr(module, name)
    assert not hasattr(module, "absent")


def test_numpys_own_answer_comes_first(begin, monkeypatch):
    def own(name: str) -> str:
        if name in ("int", "testing"):
            return "its own " + name
        raise AttributeError(f"numpy says no to {name}")

    begun = begin()
    module = changed(monkeypatch, numpy_names.SHIM, begun, __getattr__=own)
    assert module.int == "its own int" and module.testing == "its own testing"
    assert begun.said == [] and module.float is float
    with pytest.raises(AttributeError, match="numpy says no to other"):
        module.other  # noqa: B018


def test_every_replacement_is_a_name_of_todays_numpy():
    missing = [new for new in numpy_names._RENAMED.values() if not hasattr(numpy, new)]
    assert missing == []
    assert not [old for old in numpy_names._RENAMED if old in numpy_names._BUILTIN]


class Cuda:
    def __init__(self, device: Any = None) -> None:
        self.device = device


def test_rasterizer_names(begin, monkeypatch):
    begun = begin()
    module = changed(monkeypatch, rasterizer_names.SHIM, begun, RasterizeCudaContext=Cuda)
    assert begun.said == [] and module.RasterizeCudaContext is Cuda
    context = module.RasterizeGLContext(output_db=False, mode="manual", device="cuda:1")
    assert isinstance(context, Cuda) and context.device == "cuda:1"
    context.set_context()
    context.release_context()
    assert module.RasterizeGLContext is type(context) and len(begun.said) == 1
    with pytest.raises(AttributeError, match="texture"):
        module.texture  # noqa: B018

    class Gl:
        def __init__(self, output_db: bool = True, mode: str = "automatic", device: Any = None):
            self.made = (output_db, mode, device)

    old = changed(monkeypatch, rasterizer_names.SHIM, begun, RasterizeGLContext=Gl)
    assert old.RasterizeCudaContext(device=3).made == (True, "automatic", 3)
    both = changed(
        monkeypatch,
        rasterizer_names.SHIM,
        begin(),
        RasterizeGLContext=Gl,
        RasterizeCudaContext=Cuda,
    )
    assert both.RasterizeGLContext is Gl and both.RasterizeCudaContext is Cuda


@pytest.mark.parametrize(
    ("environ", "changes"),
    [
        ({"WORLD_SIZE": "4"}, True),
        ({"WORLD_SIZE": "1"}, False),
        ({"WORLD_SIZE": "four"}, False),
        ({"WORLD_SIZE": "4", "LOCAL_RANK": "0"}, False),
        ({}, False),
    ],
)
def test_single_process(begin, environ, changes):
    begun = begin(**environ)
    single_process.install(begun)
    assert begun.environ == ({"WORLD_SIZE": "1"} if changes else environ)
    assert bool(begun.said) == changes


@pytest.mark.parametrize(
    ("words", "config", "refused"),
    [
        ((), "{}", False),
        (("--display-interval", "10"), "{}", True),
        (("-di=10",), "{}", True),
        (("--display-interval", "10"), '{"display_interval": 0}', False),
        ((), '{"display_interval": 10}', True),
        ((), '{"display_interval": "soon"}', False),
        ((), "[]", False),
        ((), "{", False),
        (("--display-interval",), "{}", False),
    ],
)
def test_display_window(begin, tmp_path, words, config, refused):
    path = tmp_path / "config.json"
    path.write_text(config)
    words = ("--config", str(path), *words)
    if refused:
        with pytest.raises(shims.Refused, match="set display_interval to 0"):
            display_window.install(begin(*words))
    else:
        display_window.install(begin(*words))
    display_window.install(begin(*words, DISPLAY=":0"))
    display_window.install(begin(*words, WAYLAND_DISPLAY="wayland-0"))
    display_window.install(begin(*words, platform="win32"))
    display_window.install(begin("--config", str(tmp_path / "none.json")))


def test_a_window_that_is_opened_all_the_same_is_refused(begin, monkeypatch):
    begun = begin()
    module = changed(monkeypatch, display_window.SHIM, begun, init=lambda: True, terminate=len)
    with pytest.raises(RuntimeError, match="this machine has no display"):
        module.init()
    assert module.terminate is len and len(begun.said) == 1


def test_options_are_found_as_the_script_finds_them():
    words = ["--config", "a.json", "-i", "5", "--config=b.json", "-o"]
    begun = start.Start("train.py", words, {})
    assert begun.option("--config") == "b.json" and begun.option("--iter", "-i") == "5"
    assert begun.option("-o") is None and begun.option("--batch") is None


# Radiance pictures


def imageio_like(tmp_path: Path, picture: Any, monkeypatch: pytest.MonkeyPatch, begun: Any) -> Any:
    asked: list[str | None] = []

    def imread(uri: Any, format: Any = None) -> Any:
        asked.append(begun.environ.get("IMAGEIO_NO_INTERNET"))
        if isinstance(picture, Exception):
            raise picture
        return picture

    module = changed(
        monkeypatch, hdr_files.SHIM, begun, imread=imread, imwrite=lambda uri, im: imread(uri)
    )
    return SimpleNamespace(module=module, asked=asked)


@pytest.fixture
def light(tmp_path: Path) -> tuple[str, Any]:
    path = str(tmp_path / "light.HDR")
    values = numpy.geomspace(0.01, 50.0, 6 * 16 * 3, dtype=numpy.float32).reshape(6, 16, 3)
    radiance.write(path, values)
    return path, values


@pytest.mark.parametrize("opencv", [True, False])
@pytest.mark.parametrize(
    "answer", [RuntimeError("no plug-in"), OSError("NeedDownloadError"), numpy.zeros(3, "u1")]
)
def test_hdr_is_read_where_imageio_cannot(begin, monkeypatch, tmp_path, light, answer, opencv):
    if not opencv:
        monkeypatch.setitem(sys.modules, "cv2", None)
    path, values = light
    begun = begin()
    like = imageio_like(tmp_path, answer, monkeypatch, begun)
    for place in (path, Path(path)):
        found = like.module.imread(place)
        assert found.dtype == numpy.float32 and found.shape == values.shape
        step = values.max(axis=2, keepdims=True) / 128.0
        assert (numpy.abs(found - values) <= step).all()
    assert like.asked == ["1", "1"] and begun.environ == {}
    assert len(begun.said) == 1 and begun.said[0][0] == "hdr-files"


def test_what_imageio_reads_is_taken(begin, monkeypatch, tmp_path, light):
    good = numpy.ones((2, 2, 3), numpy.float32)
    begun = begin()
    like = imageio_like(tmp_path, good, monkeypatch, begun)
    assert like.module.imread(light[0]) is good and like.module.imread("photo.png") is good
    assert like.asked == ["1", None] and begun.said == []
    assert like.module.imread(str(tmp_path / "none.hdr")) is good  # imageio's own complaint


def test_hdr_is_written_where_imageio_cannot(begin, monkeypatch, tmp_path):
    begun = begin()
    like = imageio_like(tmp_path, ValueError("no plug-in"), monkeypatch, begun)
    like.module.imwrite(str(tmp_path / "probe.hdr"), numpy.full((4, 8, 3), 2.5, numpy.float32))
    found = radiance.read(str(tmp_path / "probe.hdr"))
    assert numpy.abs(found - 2.5).max() < 0.02
    full = imageio_like(tmp_path, OSError(28, "No space left on device"), monkeypatch, begun)
    with pytest.raises(OSError, match="No space"):
        full.module.imwrite(str(tmp_path / "probe.hdr"), found)


@given(
    height=st.integers(1, 5),
    width=st.integers(1, 20),
    exponents=st.lists(st.integers(-90, 100), min_size=1, max_size=9),
    seed=st.integers(0, 2**31),
)
def test_radiance_round_trip(tmp_path_factory, height, width, exponents, seed):
    path = str(tmp_path_factory.mktemp("hdr") / "a.hdr")
    random = numpy.random.default_rng(seed)
    values = random.random((height, width, 3)).astype(numpy.float32)
    values *= numpy.float32(2.0) ** random.choice(exponents, (height, width, 1))
    values[0, 0] = 0.0
    radiance.write(path, values)
    found = radiance.read(path)
    assert found.shape == values.shape and (found[0, 0] == 0).all()
    step = values.max(axis=2, keepdims=True) / 128.0  # a mantissa has 8 bits
    assert (numpy.abs(found - values) <= step + 1e-30).all()


def test_opencv_agrees(tmp_path, light):
    cv2 = pytest.importorskip("cv2")
    path, values = light
    theirs = cv2.imread(path, cv2.IMREAD_UNCHANGED)[..., ::-1]
    step = values.max(axis=2, keepdims=True) / 128.0
    assert numpy.array_equal(theirs, radiance.read(path))
    cv2.imwrite(str(tmp_path / "theirs.hdr"), values[..., ::-1])
    assert (numpy.abs(radiance.read(str(tmp_path / "theirs.hdr")) - values) <= step).all()


def test_runs_and_turned_pictures_are_read(tmp_path):
    path = tmp_path / "runs.hdr"
    row = b"\x02\x02\x00\x08" + b"".join(bytes((128 + 8, one)) for one in (128, 64, 32, 129))
    path.write_bytes(
        b"#?RGBE\n\n+Y 2 -X 8\n" + row + row.replace(b"\x88\x80", b"\x08" + b"1234" * 2)
    )
    found = radiance.read(str(path))
    assert found.shape == (2, 8, 3)
    assert found[1, 0].tolist() == [1.0, 0.5, 0.25]
    assert found[0, 7, 0] == ord("1") / 128


@given(st.binary(max_size=200), st.booleans())
def test_damaged_pictures_are_refused_by_name(tmp_path_factory, data, headed):
    path = tmp_path_factory.mktemp("hdr") / "bad.hdr"
    path.write_bytes((b"#?RADIANCE\n\n-Y 9 +X 9\n\x02\x02\x00\x09" if headed else b"") + data)
    try:
        found = radiance.read(str(path))
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert found.dtype == numpy.float32


def test_the_documentation_lists_every_shim(root: Path) -> None:
    page = (root / "docs" / "environments.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == [one.name for one in shims.SHIMS]
