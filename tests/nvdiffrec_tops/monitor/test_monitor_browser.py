"""The page in a browser, on a real training of the sample at toy size."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nvdiffrec_tops.monitor import report
from nvdiffrec_tops.monitor.server import Server
from nvdiffrec_tops.monitor.watching import Folder

from . import axe
from .browser import chromium
from .folders import finished, result

HOSTILE = "<img src=x onerror=window.broken=1>"
PATIENCE = 90_000
"""Milliseconds: without a graphics card, on a busy machine, a picture takes its time."""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass
class Trained:
    """A finished training, and the mesh that it showed during its first pass."""

    folder: Path
    early: bytes


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, write_small_sample: Callable[[Path], None]
) -> Trained:
    from diffrec import Progress, train
    from diffrec.sample import CONFIGURATION

    place = tmp_path_factory.mktemp("training")
    write_small_sample(place / "sample")
    configuration = {
        **CONFIGURATION,
        "ref_mesh": str(place / "sample" / "sample.obj"),
        "envmap": str(place / "sample" / "sky.hdr"),
        "iter": 10,
        "train_res": [32, 32],
        "texture_res": [64, 64],
        "batch": 1,
        "dmtet_grid": 12,
        "save_interval": 10,
        "diffrec": {
            "light_res": 16,
            "validation_views": 2,
            "checkpoint_interval": 5,
            "checkpoint_seconds": 0,
            "hashgrid_size_log2": 10,
            "asset": [],
        },
    }
    early: list[bytes] = []
    mesh = place / "out" / "preview" / "mesh.glb"

    def keep(progress: Progress) -> None:
        deadline = time.monotonic() + 20
        while progress.iteration == 10 and not early and time.monotonic() < deadline:
            if mesh.is_file():
                early.append(mesh.read_bytes())
            time.sleep(0.01)

    train(configuration, folder=place / "out", device="cpu", on_progress=keep)
    assert early, "there is no preview after a checkpoint"
    return Trained(place / "out", early[0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose console and requests are watched: no error, nothing from elsewhere."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    said: list[str] = []
    elsewhere: list[str] = []
    opened.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))

    def requested(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "file://", "data:", "blob:")):
            elsewhere.append(request.url)

    opened.on("request", requested)
    yield opened
    # A driver's remark on how slow reading pixels is, is none of the page's.
    assert [text for text in said if "GPU stall" not in text and "ReadPixels" not in text] == []
    assert elsewhere == []
    context.close()


@pytest.fixture
def served(trained: Trained, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A training that this process runs, as far as anybody can see, in its first pass."""
    folder = tmp_path / "out" / "sample"
    made = folder / ".run-1" / "out" / "1"
    shutil.copytree(trained.folder, made)
    (made / "preview" / "mesh.glb").write_bytes(trained.early)
    lines = (made / "metrics.csv").read_text().splitlines()
    (made / "metrics.csv").write_text("\n".join(lines[:3]) + "\n")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": 0}
    (folder / ".job.lock").write_text(json.dumps(owner))
    (folder / "job.log").write_text("Job: diffrec\nWarning: <b>three</b> masks\n")
    with Server(Folder(tmp_path / "out")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.address, made
        server.shutdown()
        thread.join()


def drawn(page: Any) -> NDArray[np.float64]:
    """What is seen of the mesh, small."""
    page.evaluate(FRAMES)
    shown = cv2.imdecode(np.frombuffer(page.locator(".stage").screenshot(), np.uint8), 1)
    return cv2.resize(shown, (64, 48), interpolation=cv2.INTER_AREA).astype(float)


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Wait for an expression. Playwright's own way is forbidden by the page's policy."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression, argument):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def shades(picture: NDArray[np.float64]) -> int:
    """How many different colours there are."""
    return len(np.unique(picture.reshape(-1, 3).round(), axis=0))


def difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    """How many pixels are others."""
    return int((np.abs(a - b).max(2) > 6).sum())


def test_a_training_is_seen_while_it_runs(
    page: Any, served: tuple[str, Path], trained: Trained
) -> None:
    address, made = served
    page.goto(address)
    viewer = page.wait_for_selector(".viewer[data-revision]")
    first = drawn(page)
    assert shades(first) > 100
    points = page.locator(".curve polyline").first.get_attribute("points")
    assert page.inner_text(".state") == "training"
    assert page.inner_text(".warnings") == "<b>three</b> masks"

    # A checkpoint: the mesh and the curves change by themselves.
    former = viewer.get_attribute("data-revision")
    began = time.monotonic()
    shutil.copyfile(trained.folder / "preview" / "mesh.glb", made / "preview" / "mesh.glb")
    shutil.copyfile(trained.folder / "metrics.csv", made / "metrics.csv")
    until(page, "(former) => document.querySelector('.viewer').dataset.revision !== former", former)
    assert time.monotonic() - began < 10  # of a busy machine: it is one or two
    assert difference(first, drawn(page)) > 50
    until(
        page,
        "(former) => document.querySelector('.curve polyline').getAttribute('points') !== former",
        points,
    )

    # Every way of showing it is another picture.
    pictures = []
    for mode in ("shaded", "albedo", "roughness", "normals", "UV checker"):
        page.locator(".viewer select").first.select_option(mode)
        pictures.append(drawn(page))
    for place, one in enumerate(pictures):
        for other in pictures[place + 1 :]:
            assert difference(one, other) > 20

    # Another light, dropped on it, and back.
    page.locator(".viewer select").first.select_option("shaded")
    sky = next(trained.folder.parent.joinpath("sample").glob("*.hdr"))
    page.set_input_files(".viewer input[type=file]", sky)
    page.wait_for_selector(f".viewer[data-light='{sky.name}']")
    assert difference(pictures[0], drawn(page)) > 20
    page.get_by_role("button", name="Own light").click()
    page.wait_for_selector(".viewer[data-light='']")
    assert difference(pictures[0], drawn(page)) < 20

    # By the keyboard.
    page.evaluate("document.querySelector('.viewer canvas').focus()")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    turned = drawn(page)
    assert difference(pictures[0], turned) > 20


def test_the_view_from_a_camera_is_the_trainers_picture(
    page: Any, trained: Trained, tmp_path: Path
) -> None:
    path = report.write(Folder(trained.folder), tmp_path / "report.html")
    page.set_viewport_size({"width": 800, "height": 800})
    page.goto(path.as_uri())
    page.wait_for_selector(".viewer[data-revision]")
    chosen = page.get_by_label("View from")
    chosen.select_option(index=1)
    page.evaluate(
        "() => { const s = document.querySelector('.stage');"
        "s.style.height = s.style.width = '320px'; s.style.background = '#fff' }"
    )
    page.evaluate(FRAMES)
    page.evaluate(FRAMES)
    assert chosen.input_value() == "0"  # a window of another size takes no view away
    shown = cv2.imdecode(np.frombuffer(page.locator(".stage").screenshot(), np.uint8), 1)
    picture = cv2.imread(str(trained.folder / "validate" / "val_000000_opt.png"))
    ours = cv2.resize(shown, (32, 32), interpolation=cv2.INTER_AREA).astype(float)
    covered = np.abs(picture.astype(float) - 255).max(2) > 8
    assert covered.mean() > 0.1
    assert np.abs(ours - picture)[covered].mean() < 30


def test_the_report_opens_from_a_disk_without_any_network(
    page: Any, trained: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(trained.folder, folder / "sample")
    finished(folder / HOSTILE.replace("/", ""), host=f"</script>{HOSTILE}")
    path = report.write(Folder(folder), folder / "report.html")
    assert path.stat().st_size < 40 << 20
    page.context.set_offline(True)
    page.goto(path.as_uri())
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr").count() == 2
    assert HOSTILE in page.inner_text("tbody")
    page.get_by_role("link", name="sample").click()
    page.wait_for_selector(".viewer[data-revision]")
    assert shades(drawn(page)) > 100
    slider = page.get_by_label("Border between reference")
    slider.fill("20")
    assert "20%" in page.locator(".compare .over").get_attribute("style")
    page.get_by_label("What is shown").select_option("difference")
    assert page.evaluate("document.querySelector('.compare img').naturalWidth") > 0
    assert page.evaluate("window.broken") is None


def test_results_side_by_side_share_a_camera_and_can_be_sorted(
    page: Any, trained: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    for name, psnr in (("one", 20.0), ("two", 30.0)):
        shutil.copytree(trained.folder, folder / name)
        result(folder / name, metrics={"psnr": psnr})
    scene = folder / "two" / "preview" / "scene.json"
    document = json.loads(scene.read_text())
    document["configuration"]["iter"] = 77
    scene.write_text(json.dumps(document))
    path = report.write(Folder(folder), folder / "report.html")
    page.goto(path.as_uri())
    page.get_by_label("compare one").check()
    page.get_by_label("compare two").check()
    page.get_by_role("button", name="Compare 2").click()
    until(page, "document.querySelectorAll('.viewer[data-revision]').length === 2")
    assert page.get_by_role("button", name="iter", exact=True).is_visible()
    page.get_by_role("button", name="PSNR").click()
    assert page.locator("tbody th").all_inner_texts() == ["two", "one"]
    counts = "[...document.querySelectorAll('.viewer')].map((one) => Number(one.dataset.drawn))"
    before = page.evaluate(counts)
    page.locator(".viewer canvas").first.focus()
    page.keyboard.press("ArrowLeft")
    until(page, f"(before) => {counts}.every((one, place) => one > before[place])", before)


def test_axe_finds_nothing_serious(page: Any, trained: Trained, tmp_path: Path, root: Path) -> None:
    (tmp_path / "axe").mkdir()
    script = axe.script(root, tmp_path / "axe")
    folder = tmp_path / "out"
    for name in ("one", "two"):
        shutil.copytree(trained.folder, folder / name)
        result(folder / name)
    (folder / "one" / "job.log").write_text("Warning: three masks\nCure: paint them\n")
    result(folder / "bad", status="failed", failure={"id": "x", "cause": "cause", "cure": "cure"})
    page.goto(report.write(Folder(folder), folder / "report.html").as_uri())
    page.wait_for_selector("tbody tr")
    page.evaluate(script)

    def look(what: str) -> None:
        for scheme, width in (("light", 1200), ("dark", 1200), ("light", 390)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate(FRAMES)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            serious = [one["id"] for one in found if one["impact"] in ("serious", "critical")]
            assert serious == [], (what, scheme, width)
            beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(beyond) <= 0, (what, width)

    look("list")
    for name, selector in (("bad", ".failure"), ("one", ".viewer[data-revision]")):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector(selector)
        look(name)
        page.get_by_role("link", name="all trainings").click()
        page.wait_for_selector("tbody tr")
    for name in ("one", "two"):
        page.get_by_label(f"compare {name}").check()
    page.get_by_role("button", name="Compare 2").click()
    until(page, "document.querySelectorAll('.viewer[data-revision]').length === 2")
    look("comparison")
