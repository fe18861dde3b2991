"""A training script that only looks like the one it stands in for.

It keeps the promises that users rely on: flags, a JSON that wins over them, files relative to the
current directory, log lines, results below ``out``. It uses the libraries in the ways that broke
with newer versions of them. Nothing is trained. Variables choose what goes wrong:

STANDIN_USES     words: names (old NumPy names), hdr (reads and writes .hdr), gl (the OpenGL
                 context), display (opens the preview's window)
STANDIN_MEMORY   batch x height x width x layers that fits the graphics memory
STANDIN_WORDS    what is said where it does not fit, in place of PyTorch's own words
STANDIN_FAIL     empty | lock | slow (waits while it compiles) | hang | charting (never ends)
STANDIN_CUDA     the extension is built with nvcc, found as PyTorch finds it
STANDIN_GPU      a graphics card is there, though PyTorch has no CUDA
STANDIN_RECORD   a file that takes what was seen, as JSON, one line per start
"""

import argparse
import json
import os
import sys
import time

import numpy as np
import torch
import torch.utils.cpp_extension
from render import mlptexture, renderutils, window

USES = os.environ.get("STANDIN_USES", "").split()
FAIL = os.environ.get("STANDIN_FAIL", "")


def flags():
    parser = argparse.ArgumentParser(description="stand-in")
    parser.add_argument("--config", type=str, default=None)
    parser.add_argument("-i", "--iter", type=int, default=5000)
    parser.add_argument("-b", "--batch", type=int, default=1)
    parser.add_argument("-s", "--spp", type=int, default=1)
    parser.add_argument("-l", "--layers", type=int, default=1)
    parser.add_argument("-r", "--train-res", nargs=2, type=int, default=[512, 512])
    parser.add_argument("-dr", "--display-res", type=int, default=None)
    parser.add_argument("-tr", "--texture-res", nargs=2, type=int, default=[1024, 1024])
    parser.add_argument("-di", "--display-interval", type=int, default=0)
    parser.add_argument("-si", "--save-interval", type=int, default=1000)
    parser.add_argument("-lr", "--learning-rate", type=float, default=0.01)
    parser.add_argument("-bg", "--background", default="checker")
    parser.add_argument("-o", "--out-dir", type=str, default=None)
    parser.add_argument("-rm", "--ref_mesh", type=str)
    parser.add_argument("-bm", "--base-mesh", type=str, default=None)
    parser.add_argument("--validate", type=bool, default=True)
    parser.add_argument("--isosurface", default="dmtet", choices=["dmtet", "flexicubes"])
    found = parser.parse_args()
    found.dmtet_grid, found.mesh_scale, found.envmap = 64, 2.1, None
    if found.config is not None:
        with open(found.config) as stream:
            for name, value in json.load(stream).items():
                setattr(found, name, value)
    found.display_res = found.display_res or found.train_res
    found.out_dir = "out/" + found.out_dir
    return found


class Context:
    def __init__(self):
        import nvdiffrast.torch as dr

        self.glctx = dr.RasterizeGLContext() if "gl" in USES else dr.RasterizeCudaContext()


def read_data(given):
    """Everything that is looked for below the current directory."""
    if given.isosurface == "dmtet" and not given.base_mesh:
        with open(f"data/tets/{given.dmtet_grid}_tets.npz", "rb") as stream:
            assert stream.read(2) == b"PK", "no tetrahedra"
    with open("data/irrmaps/bsdf_256_256.bin", "rb") as stream:
        stream.read()
    with open(given.ref_mesh) as stream:
        faces = sum(line.startswith("f ") for line in stream)
    print(f"DatasetMesh: ref mesh has {faces} triangles and {faces} vertices")
    if given.envmap and "hdr" in USES:
        import imageio

        light = imageio.imread(given.envmap)
        print(f"light: {light.dtype} {light.shape[1]}x{light.shape[0]} peak {light.max():g}")


def optimize_mesh(given, name):
    if "names" in USES:
        np.zeros(3, dtype=np.float).astype(np.bool)
    if FAIL == "empty":
        raise AssertionError("Got empty training triangle mesh (unrecoverable discontinuity)")
    if FAIL == "hang":
        time.sleep(600)
    needed = given.batch * given.train_res[0] * given.train_res[1] * given.layers
    if needed > int(os.environ.get("STANDIN_MEMORY", needed)):
        if os.environ.get("STANDIN_WORDS"):
            raise RuntimeError(os.environ["STANDIN_WORDS"])
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "7.79 GiB of which 1.02 GiB is free."
        )
    for it in range(0, given.iter + 1, 10):
        if given.display_interval and it % given.display_interval == 0:
            window.show()
        if it == 0:
            result_image = torch.Tensor()
            result_image.detach().cpu().numpy()
        left = (given.iter - it) * 0.1
        print(
            f"iter={it:5d}, img_loss={1 / (it + 9):.6f}, reg_loss=0.300000, lr=0.03000, "
            f"time=100.0 ms, rem={left:.2f} s",
            flush=True,
        )
    os.makedirs(given.out_dir, exist_ok=True)
    with open(os.path.join(given.out_dir, f"img_{name}_000000.png"), "wb") as stream:
        stream.write(b"picture")


def validate(given):
    if given.validate:
        print("Running validation\nMSE,      PSNR\n0.00100000, 30.500")


def write(given, name):
    folder = os.path.join(given.out_dir, name)
    os.makedirs(folder, exist_ok=True)
    print("Writing mesh: ", os.path.join(folder, "mesh.obj"))
    for file in ("mesh.obj", "mesh.mtl", "texture_kd.png", "texture_ks.png", "texture_n.png"):
        with open(os.path.join(folder, file), "w") as stream:
            stream.write(f"{file} after {given.iter} iterations, batch {given.batch}\n")
    probe = os.path.join(folder, "probe.hdr")
    if "hdr" in USES:
        import imageio

        imageio.imwrite(probe, np.full((4, 8, 3), 2.5, dtype=np.float32))
    else:
        with open(probe, "wb") as stream:
            stream.write(b"#?RADIANCE\n")
    print("    writing 5 vertices\n    writing 6 texcoords\n    writing 10 faces")
    print("Writing material: ", os.path.join(folder, "mesh.mtl"))
    print("Done exporting mesh", flush=True)


if __name__ == "__main__":
    FLAGS = flags()
    if os.environ.get("STANDIN_RECORD"):
        with open(os.environ["STANDIN_RECORD"], "a") as stream:
            seen = {"argv": sys.argv, "cwd": os.getcwd(), "path": sys.path, "file": __file__}
            seen["flags"], seen["environment"] = vars(FLAGS), dict(os.environ)
            stream.write(json.dumps(seen) + "\n")
    print("Config / Flags:\n---------")
    for key, value in vars(FLAGS).items():
        print(key, value)
    print("---------")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        import apex  # noqa: F401
    context = Context()
    read_data(FLAGS)
    renderutils.plugin(FAIL)
    mlptexture.first_call()
    optimize_mesh(FLAGS, "dmtet_pass1" if not FLAGS.base_mesh else "mesh_pass")
    validate(FLAGS)
    if not FLAGS.base_mesh:
        if FAIL == "charting":
            sys.stdout.flush()
            time.sleep(600)
        print("Base mesh has 12 triangles and 8 vertices.")
        write(FLAGS, "dmtet_mesh")
        optimize_mesh(FLAGS, "mesh_pass")
        validate(FLAGS)
    write(FLAGS, "mesh")
