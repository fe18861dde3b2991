"""What a field does to the result and what it costs, in an artist's words, for ``docs/fields.md``.

The table of fields says what each one is; here stands what turning it does. A field without a text
here has its line of the table alone, and stands under the last heading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture below ``docs``, and what is to be seen on it."""

    path: str
    caption: str


PICTURES: Mapping[str, Picture] = {
    "display": Picture(
        "pictures/sample.jpg",
        "reference, result, albedo, roughness and metalness, normals and light probe",
    ),
    "asset": Picture("pictures/asset.jpg", "the asset of a finished training"),
}
"""Pictures of fields, by their names."""

LAST = "More fields"
"""The heading of fields that no group has."""

_WHAT = {
    "ref_mesh": "A relative path starts in the folder that the command is given in; what is not "
    "there is looked for beside the configuration.",
    "mtl_override": "For a mesh whose own material file is wrong or missing.",
    "envmap": "A reference mesh needs one. With photographs it is the first guess of the light, "
    "and saves the training some of the search.",
    "env_scale": "Higher: the mesh is photographed under a brighter light. Lower it where the "
    "pictures are burnt out.",
    "base_mesh": "For a mesh that exists and wants a material: its shape is refined, not searched. "
    "There is no first pass, so about half the time.",
    "out_dir": "Two trainings with one name write over each other.",
}
_TIME = {
    "iter": "Higher: sharper textures and quieter surfaces, up to a point; time grows in step. 200 "
    "shows whether cameras and masks are right, 1,000 is a good preview, 5,000 is for delivery.",
    "batch": "Higher: steadier steps, so less noise in the surface and the material, from the same "
    "number of iterations. Time and memory grow in step. Halve it when the card's memory is full.",
    "train_res": "Higher: finer detail can be learned from the pictures. Four times the pixels "
    "take about four times the memory of a batch. For photographs keep their proportions.",
    "spp": "2 renders four samples for each pixel: smoother edges, at four times the cost.",
    "layers": "Higher only where surfaces are seen through others; each layer is rendered once "
    "more. 1 is right for solid objects.",
    "learning_rate": "Higher: faster at first, then restless, and at some point it diverges. "
    "[0.03, 0.01] is usual for photographs. Halve it where a training diverges.",
    "coarse_to_fine": "Higher: the shape settles before fine colour can stand in for it. Short "
    "trainings neither gained nor lost by it.",
    "final_rate": "Lower: the second pass comes to rest, with less grain in the result. 1 keeps it "
    "moving to the end.",
}
_SURFACE = {
    "dmtet_grid": "Higher: thinner parts and finer relief in the mesh, and many more triangles: "
    "twice the edge is about four times the triangles and eight times the grid's memory. 32 for a "
    "look, 64 for simple shapes, 128 for delivery. nvdiffrec has grids of 32, 64 and 128 alone.",
    "mesh_scale": "What lies outside this cube is cut off; what is much smaller than it gets few "
    "cells. The object should fill most of it: the doctor says how much.",
    "isosurface": "flexicubes puts vertices where edges are, so hard edges stay hard, with fewer "
    "slivers; dmtet is the original method.",
    "start": "hull begins with a shape that the masks allow, which saves the first hundreds of "
    "iterations and keeps the surface free of junk. Masks that cut into the object cut the hull "
    "too. An outline shows no hollow, so the hull of a cup is a solid cup; hollows digs where "
    "patterns of several photographs agree on points deep below. A plain inside has no pattern "
    "and stays filled.",
    "sdf_regularizer": "Higher: fewer floating bits and inner walls, and sooner holes in thin "
    "parts.",
    "laplace": "relative keeps the shape of the first pass and smooths what changes; absolute "
    "smooths the whole surface, and shrinks fine parts.",
    "laplace_scale": "Higher: smoother surfaces in the second pass. Lower it (3000) where relief "
    "is lost, raise it where the surface is rough.",
    "sdf_smoothness": "Higher: fewer pits and bumps, and rounder edges; lower: sharper edges.",
    "remove_unsupported": "Takes floating shards and hidden inner shells away; the log lists them. "
    "Off where a real part is lost.",
    "remesh": "Even triangles instead of slivers, which shade and deform better. Off to keep the "
    "first pass's own.",
    "untangle": "Where the surface passes through itself, simulation, sculpting and printing fail. "
    "Off leaves such places as they were trained.",
    "lock_pos": "For a shape that is right already: only material and light are learned.",
    "uv_method": "xatlas cuts finer charts and takes far longer on large meshes.",
    "uv_timeout": "Raise it for a large mesh that shall have xatlas's charts.",
}
_MATERIAL = {
    "texture_res": "Higher: finer textures, where the pictures show as much; a texture cannot know "
    "more than they do. Twice the edge is four times the memory and file size.",
    "kd_min": "Raise it a little (0.03) for photographs: black would swallow all light.",
    "kd_max": "Lower it (0.8) for photographs: hardly anything is brighter, and highlights are "
    "not painted into the albedo.",
    "ks_min": "Occlusion, roughness, metalness. Equal limits fix a value: 0 in both for no "
    "occlusion, as for photographs.",
    "ks_max": "Occlusion, roughness, metalness. [0, 1, 0] for an object that has no metal.",
    "nrm_min": "Nearer to 0: flatter relief.",
    "nrm_max": "Nearer to 0: flatter relief.",
    "min_roughness": "Lower: sharper mirror images become possible, and are noisier to learn.",
    "kd_start": "With the photographs' colour gold is gold under a white light; from the middle it "
    "may become a white object under a golden one. middle where one coloured lamp lit the object.",
    "ks_start": "A first guess alone. Raise the third number for metal.",
    "random_textures": "Usual for photographs. Without it the colours of the first pass are kept.",
    "custom_mip": "Blurred copies of the textures are learned apart. Seldom of use.",
    "material_warm_up": "Higher: less of the light in the colours, above all of an object of few "
    "colours; lower: more time for colours in a short first pass.",
    "normal_rate": "Higher: relief goes into the normal map; lower: it is painted as colour.",
    "normal_flat": "Higher: less relief in the normal map, and fewer of the light's errors and of "
    "the shadows in it. 0.1 is to be seen in photographs.",
    "texture_tv": "Higher: less grain in the textures, and less detail. 0.01 changes little, 0.1 "
    "is to be seen.",
    "hashgrid_size_log2": "Higher: room for finer colour in the first pass. Each step up doubles "
    "that memory.",
    "field_backend": "Another package for the same thing; the result is much the same.",
}
_LIGHT = {
    "learn_light": "Off where the panorama that was photographed is given in envmap.",
    "lock_light": "The light of the first pass stays as it is.",
    "camera_space_light": "For an object on a turntable before a still camera with a lamp on it.",
    "light_res": "Higher: a sharper probe, which is seen in shiny objects alone. Twice the edge is "
    "four times the memory.",
    "light_step": "logarithmic finds suns and lamps; with linear they are painted into the albedo.",
    "light_rate": "Higher: the light is found sooner; too high, it flickers.",
    "light_tv": "Higher: a smoother probe. 0 leaves noise wherever the pictures say nothing.",
    "shading": "There is one model so far. What the object throws on itself is known to it by "
    "shadows.",
    "shadows": "direct and bounced keep shadows that were photographed out of the albedo, and let "
    "their edges tell where the sun is; bounced also takes the colour out that parts of the object "
    "throw on one another. Occlusion is then computed from the mesh, not learned, and written as "
    "texture_ao.png. Off for pictures that were made without shadows, as those of a reference "
    "mesh.",
}
_PICTURES = {
    "loss": "logl1 forgives highlights and outliers; mse wants every pixel right and is easily led "
    "astray by burnt-out ones.",
    "dssim": "Higher: more local contrast and detail.",
    "background": "Of the pictures that are shown; black and white are best for looking at edges.",
    "display": "Each entry is one more column to look at; none changes the result.",
    "display_res": "Of the pictures that are shown; the training does not change.",
    "display_interval": "Works with nvdiffrec on a machine with a screen.",
    "save_interval": "Lower: more pictures of the progress, each of which takes a moment.",
    "validate": "Off saves the time of rendering every view at the end; then no PSNR is known.",
    "validation_views": "Fewer: a quicker end.",
    "holdout": "8 or 10 gives an honest PSNR, of views that were never trained from. 0 trains from "
    "all of them.",
    "photo_res": "Lower: quicker, less memory, less detail. Keep the photographs' proportions.",
    "pre_load": "Off for more photographs than the memory holds; then they are read anew for each "
    "batch, which is slower.",
    "refine_cameras": "Mends cameras that are a pixel off. Where they are right it costs a little "
    "quality, so try it when edges look double. The log then has a second figure, of held-out "
    "views with their cameras refined too.",
    "refine_exposure": "Mends automatic exposure and white balance. Not needed where both were "
    "locked.",
    "cam_near_far": "What is nearer or farther is not drawn. Only for scenes in odd units.",
}
_RUN = {
    "seed": "Another number gives another training of the same quality; the same number gives the "
    "same one on the same device, as far as that can be.",
    "device": "A graphics card is many times faster than a processor.",
    "checkpoint_interval": "Lower: less is lost when a training is ended, and more time goes into "
    "writing.",
    "checkpoint_seconds": "The same in seconds; the rarer of the two wins.",
    "guard": "Off only to look at how a training diverges.",
    "raster_backend": "nvdiffrast is for non-commercial use; the result is much the same.",
}
_RESULT = {
    "asset": "Fewer formats: a quicker end and less on the disk.",
    "asset_name": "What the prim and the files are called in Solaris, Blender or Unreal.",
    "asset_upright": "Photographs are taken with the sky above: the asset stands as they show it.",
    "asset_cameras": "Look through a photograph's camera in Solaris, to compare or match a shot.",
    "asset_turntable": "0 saves some seconds at the end.",
    "asset_lods": "Coarser copies for games and distant shots, each with a normal map of its own "
    "that keeps the relief. Each takes some seconds at the end.",
    "asset_texture_bits": "16 for work on the textures; files are about twice as large.",
    "asset_texture_format": "exr for pipelines that keep textures linear and in floating point.",
    "asset_texture_size": "4096 or 8192 where a pipeline asks for such files; detail comes with "
    "texture_res alone.",
    "asset_udim": "4 tiles of 2048 hold what was trained with 4096; for pipelines that paint or "
    "publish in tiles. Larger charts may be cut. Each tile takes as long as one texture.",
}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "What is recovered, and where it goes": _WHAT,
    "How long it takes, and how sharp it gets": _TIME,
    "The surface": _SURFACE,
    "The material": _MATERIAL,
    "The light": _LIGHT,
    "Photographs, and pictures to look at": _PICTURES,
    "How it runs": _RUN,
    "The asset": _RESULT,
}
"""Headings with the fields below them, and the text of each."""
