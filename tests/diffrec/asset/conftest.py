"""A ball with maps that no flip leaves alike, and the asset of it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from diffrec.asset.source import Source, source_of
from diffrec.asset.write import write_asset
from diffrec.geometry.mesh import Mesh
from diffrec.shading.light import latlong_directions
from nvdiffrec_contract.configuration import ASSET_FORMATS

NAME = "ball"


@dataclass(frozen=True)
class Written:
    """An asset on disk, what it was made of, and what was told."""

    folder: Path
    source: Source
    files: list[Path]
    lines: list[str]


def sphere(rows: int, columns: int) -> Mesh:
    """The unit sphere, u around +y from +z over +x, v down from +y; a margin around its chart."""
    polar = torch.linspace(0, math.pi, rows + 1)
    azimuth = torch.linspace(0, 2 * math.pi, columns + 1)
    theta, phi = torch.meshgrid(polar, azimuth, indexing="ij")
    ring = torch.sin(theta)
    points = torch.stack([ring * torch.sin(phi), torch.cos(theta), ring * torch.cos(phi)], -1)
    uv = 0.1 + 0.8 * torch.stack([phi / (2 * math.pi), theta / math.pi], -1).reshape(-1, 2)
    corner = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).reshape(-1)
    below = corner + columns + 1
    # At the poles one of the two has no area.
    left = torch.stack([corner, below, below + 1], 1)[:-columns]
    right = torch.stack([corner, below + 1, corner + 1], 1)[columns:]
    triangles = torch.cat([left, right])
    flat = points.reshape(-1, 3)
    mesh = Mesh(flat, triangles, uv, triangles, normals=flat, normal_triangles=triangles)
    return mesh.with_tangents()


def ball_source(size: int = 128) -> Source:
    """Stripes of albedo, occlusion, roughness and metalness, waves of normals, a sun."""
    v, u = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    stripes = ((u * 12 + v * 5) % 1 > 0.5).float()
    kd = torch.stack([0.2 + 0.6 * stripes, 0.3 + 0.5 * v, 0.7 - 0.5 * stripes], -1)
    occlusion = 0.3 * ((u * 7 - v * 3) % 1 > 0.6).float()
    ks = torch.stack([occlusion, 0.5 + 0.4 * v, 0.8 * u], -1)
    normal = torch.stack([0.2 * torch.sin(u * 60), 0.2 * torch.sin(v * 40), torch.ones_like(u)], -1)
    towards = latlong_directions(32, 64)
    sun = functional.normalize(torch.tensor([0.8, 0.5, 0.6]), dim=0)
    glow = torch.exp(((towards @ sun)[..., None] - 1) * 8) * torch.tensor([4.0, 3.0, 2.0])
    sky = 0.15 + 0.35 * towards[..., 1:2].clamp_min(0) * torch.tensor([0.5, 0.8, 1.2])
    return source_of(sphere(24, 48), kd, ks, functional.normalize(normal, dim=-1), sky + glow)


@pytest.fixture
def new_ball() -> Source:
    """The ball, to be changed."""
    return ball_source()


@pytest.fixture(scope="package")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The asset of the ball in every format."""
    folder = tmp_path_factory.mktemp("assets") / NAME
    source, lines = ball_source(), list[str]()
    files = write_asset(source, folder, NAME, ASSET_FORMATS, lines.append, turntable=2)
    return Written(folder, source, files, lines)


@pytest.fixture(scope="session")
def node() -> Callable[[str, str, list[str]], str]:
    """Runs a script that needs an npm package; the test is skipped where that is not installed."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no node here")
    own = Path(__file__).parents[3] / "scripts" / "viewer" / "node_modules"
    paths = [os.environ.get("NODE_PATH", ""), str(own)]
    environment = {**os.environ, "NODE_PATH": os.pathsep.join(filter(None, paths))}

    def run(package: str, script: str, arguments: list[str]) -> str:
        found = [program, "-e", f"require.resolve({package!r})"]
        if subprocess.run(found, env=environment, capture_output=True).returncode:
            pytest.skip(f"the package {package} is not installed: npm ci in scripts/viewer")
        command = [program, "-e", script, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
