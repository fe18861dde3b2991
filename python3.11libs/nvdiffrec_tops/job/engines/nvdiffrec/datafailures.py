"""What nvdiffrec is known to fail with because of its data and its configuration."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_USAGE
from nvdiffrec_tops.job.failures import KnownFailure

_PICTURES = r"\.(?:png|jpe?g|bmp|tiff?|tga|webp|exr)"
_ALIKE = (
    "save all photographs alike: all as RGB with masks in masks/ (LLFF), or all as RGBA whose "
    "alpha is the mask (NeRF)"
)
_EMPTY = (
    "check the masks first (none may be empty; white is the object), then mesh_scale (the object "
    "must fit into a cube of that size around the origin, and fill a good part of it), then the "
    "learning rate: a lower one also helps"
)
_READING = r"\bimg\b|mask|collate|[Dd]ataset|images with shape"

DATA = (
    KnownFailure(
        "empty-mesh",
        r"Got empty training triangle mesh|(?:tri|pos) must have shape \[>0|"
        r"Adding mesh failed|xatlas\b.{0,60}[Ff]ailed|(?:max|min|amax|amin)\(\): Expected "
        r"reduction dim",
        "the training lost the object: its mesh became empty",
        _EMPTY,
    ),
    KnownFailure(
        "diverged",
        r"returned nan values|(?:loss|gradient|grad|value|tensor|input|vert\w*)s?\b.{0,40}\b(?:is|"
        r"are|"
        r"became|contains?|got|found|has)\b.{0,12}\b(?:nan|inf)\b|(?:NaN|Inf) (?:or Inf )?found in|"
        r"\bnan\b.{0,20}\bdetected\b|(?i:ValueError: cannot convert float NaN)",
        "the training diverged: its numbers are no longer finite",
        "lower learning_rate; check that no mask is empty and that cameras and photographs belong "
        "together; a larger batch also helps",
    ),
    KnownFailure(
        "texture-size",
        r"texture2d_mip\w* returned an invalid gradient|mip-?map size error|"
        r"cannot downsample an odd extent|spatial extents are powers of two|"
        r"[Tt]exture\w*.{0,60}(?:must be|not an?) power[s]? of (?:two|2)",
        "the edges of a texture are no powers of two, which nvdiffrast's mip maps need",
        "set texture_res to powers of two, such as [1024, 1024]; textures of a reference mesh need "
        "them too",
        exit_code=EXIT_USAGE,
    ),
    KnownFailure(
        "render-size",
        r"(?:width and height|resolution|height and width|size) must be (?:divisible by|a multiple "
        r"of|multiples of) (?P<number>\d+)",
        "the pictures' edges must be multiples of {number} for nvdiffrast's CUDA rasteriser",
        "set train_res (and display_res) to multiples of {number}, such as [512, 512]; LLFF "
        "photographs are drawn at their own size: crop or scale them to it",
        exit_code=EXIT_USAGE,
    ),
    KnownFailure(
        "mixed-alpha",
        r"Sizes of tensors must match except in dimension \d\. (?:Expected size (?P<one>[1-5]) but "
        r"got size (?!(?P=one)\b)(?P<two>[1-5])\b|Got (?P<old>[1-5]) and "
        r"(?!(?P=old)\b)(?P<new>[1-5])"
        r"\b)",
        "the photographs do not all have an alpha channel: some have {one}{old} channels and "
        "others {two}{new}, with the mask",
        _ALIKE,
        near=_READING,
    ),
    KnownFailure(
        "mixed-alpha",
        r"stack expects each tensor to be equal size, but got \[[\d, ]*?(?P<one>[1-5])\] at entry "
        r"\d+ and \[[\d, ]*?(?!(?P=one)\])(?P<two>[1-5])\] at entry",
        "the photographs do not all have an alpha channel: some have {one} channels and others "
        "{two}",
        _ALIKE,
    ),
    KnownFailure(
        "mixed-alpha",
        r"size of tensor a \((?P<one>[345])\) must match the size of tensor b \((?!(?P=one)\))"
        r"(?P<two>[345])\) at non-singleton dimension [23]",
        "the photographs do not all have an alpha channel: some have {one} channels and others "
        "{two}, with the mask",
        _ALIKE,
        near=_READING,
    ),
    KnownFailure(
        "empty-mesh",
        r"zero-size array to reduction operation|index 0 is out of bounds for (?:axis|dimension) 0 "
        r"with size 0",
        "the training lost the object: its mesh became empty",
        _EMPTY,
        near=r"xatlas|mesh|\bv_pos|\btri\b|faces",
    ),
    KnownFailure(
        "picture-sizes",
        r"Sizes of tensors must match except in dimension \d\. (?:Expected size (?P<one>\d{2,6}) "
        r"but "
        r"got size (?P<two>\d{2,6})|Got (?P<old>\d{2,6}) and (?P<new>\d{2,6}))",
        "photographs or masks differ in size: {one}{old} and {two}{new} pixels",
        "scale all photographs to one size, and each mask to that of its photograph",
        near=_READING,
    ),
    KnownFailure(
        "picture-sizes",
        r"stack expects each tensor to be equal size, but got \[(?P<one>[\d, ]+)\] at entry \d+ "
        r"and "
        r"\[(?P<two>[\d, ]+)\]",
        "photographs or masks differ in size: {one} and {two}",
        "scale all photographs to one size, and each mask to that of its photograph",
    ),
    KnownFailure(
        "photographs-without-alpha",
        r"size of tensor a \((?P<channels>[1-4])\) must match the size of tensor b \([01]\) at "
        r"non-singleton dimension [23]|index 3 is out of bounds for (?:axis|dimension) \d with "
        r"size "
        r"(?P<other>[1-3])",
        "the pictures have no alpha channel, and with NeRF's layout it is the mask",
        "save the pictures as RGBA PNG files whose alpha is white on the object and black beside "
        "it, or use the LLFF layout with masks/",
        near=r"3:4?\]|, 3\]|lerp|[Dd]ataset_?(?:nerf|NERF)|DatasetNERF|prepare_batch|alpha",
    ),
    KnownFailure(
        "nerf-name-ending",
        rf"Tried to find image file for: (?P<path>[^\n]+?{_PICTURES}), but found 0 files|"
        rf"No such file or directory: '(?P<twice>[^'\n]+{_PICTURES}{_PICTURES})'",
        "a file_path in the transforms file has an ending, and nvdiffrec adds one itself: "
        "{path}{twice}",
        'write file_path without an ending ("images/0001", not "images/0001.png"), or train with '
        "the diffrec engine, which takes both",
    ),
    KnownFailure(
        "nerf-picture-missing",
        r"Tried to find image file for: (?P<path>[^\n]+?), but found 0 files",
        "a picture that the transforms file names does not exist: {path}",
        "put it there, or take its frame out of the transforms file; names are case-sensitive",
        windows="put it there, or take its frame out of the transforms file",
    ),
    KnownFailure(
        "nerf-picture-twice",
        r"Tried to find image file for: (?P<path>[^\n]+?), but found (?P<count>\d+) files",
        "{count} pictures have the name that the transforms file gives: {path}",
        "keep one of them: a name must belong to one picture whatever its ending is",
    ),
    KnownFailure(
        "nerf-field-missing",
        r"KeyError: ['\"](?P<field>camera_angle_x|frames|file_path|transform_matrix)['\"]",
        "the transforms file has no {field}",
        "nvdiffrec reads NeRF's synthetic layout: camera_angle_x, and for each frame file_path and "
        "transform_matrix; convert the file, or train with the diffrec engine, which reads more",
    ),
    KnownFailure(
        "pictures-and-cameras",
        r"^AssertionError(?::\s*(?P<said>[^\n]*))?\s*$",
        "the numbers of photographs, masks and cameras differ {said}",
        "one mask in masks/ for each photograph in images/, and one line of poses_bounds.npy for "
        "each, in the order of their names",
        lines=1,
        near=r"dataset_llff|poses_bounds|len\(\w*(?:img|image|mask|pose)\w*\)|masks? ==|== \w*mask",
    ),
    KnownFailure(
        "hdr-reader",
        r"[Ff]ree[Ii]mage|NeedDownloadError|InternetNotAllowedError|HDR-FI|"
        r"Could not find a (?:format|backend) to (?:read|open)[^\n]*\.hdr|"
        r"Could not find a (?:format|backend) to (?:read|open) the specified file",
        "imageio cannot read Radiance pictures (.hdr) in this environment",
        "start it through the toolkit, whose launcher reads them itself; for a training by hand "
        "install the FreeImage library: conda install conda-forge::freeimage, or on Debian "
        "apt-get install libfreeimage3",
        windows="start it through the toolkit, whose launcher reads them itself; for a training by "
        'hand: {python} -c "import imageio; imageio.plugins.freeimage.download()"',
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "nerf-name-ending",
        r"Could not find a (?:format|backend) to (?:read|open) [`'](?P<path>(?:[^`'\n]*[/\\])?"
        r"[^`'\n./\\]+)[`']",
        "a picture's name has no ending: {path}",
        "give the pictures' files an ending (.png) and leave it away in the transforms file",
    ),
    KnownFailure(
        "grid-missing",
        r"No such file or directory: '(?P<path>[^'\n]{0,300}?(?P<grid>\w+)_tets\.npz)'",
        "the checkout has no tetrahedral grid {grid}: {path}",
        "set dmtet_grid to one that data/tets of the checkout holds (32, 64 or 128), or use the "
        "diffrec engine, which makes its own",
        exit_code=EXIT_USAGE,
    ),
    KnownFailure(
        "git-lfs",
        r"_tets\.npz.*(?:pickle|allow_pickle)|Cannot load file containing pickled data|"
        r"version https://git-lfs|invalid load key, '(?:v|\\x0a|\\n)'|"
        r"Failed to interpret file .{0,300} as a pickle|BadZipFile",
        "a data file of the nvdiffrec checkout is a Git LFS pointer, not the file itself",
        "in the checkout: git lfs install, then git lfs pull",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "field-missing",
        r"'Namespace' object has no attribute '(?P<field>\w+)'",
        "this training script reads the field {field}, which neither the configuration nor its own "
        "defaults have",
        "add the field to the configuration, or use the revision of nvdiffrec (or the fork) that "
        "the configuration was written for",
        exit_code=EXIT_USAGE,
    ),
    KnownFailure(
        "arguments",
        r"error: (?:unrecognized arguments: (?P<what>[^\n]{1,200})|argument "
        r"(?P<which>[^\n]{1,200}))",
        "the training script does not take its arguments: {what}{which}",
        "SCRIPT_NAME must be nvdiffrec's train.py, or one that takes --config FILE",
        exit_code=EXIT_USAGE,
    ),
)

_LAST = (
    r"^(?:\w+\.)*(?P<said>(?:Index|Value|Type|Assertion|ZeroDivision|_?LinAlg|Runtime|Attribute)Error"
    r"\b[^\n]{0,160})"
)
READERS = (
    KnownFailure(
        "reader-failed",
        _LAST,
        "nvdiffrec's reader of the photographs ({file}) failed: {said}",
        "run the doctor with this configuration (nvdiffrec-tops doctor --engine nvdiffrec --config "
        "FILE), it checks cameras, photographs and masks; grey pictures are to be saved as RGB, "
        "camera matrices need a rotation that can be inverted",
        near=r"[/\\](?P<file>dataset_(?:llff|nerf)\.py)\b",
    ),
    KnownFailure(
        "reader-failed",
        _LAST,
        "nvdiffrec's reader of the reference mesh ({file}) failed: {said}",
        "export the mesh again as OBJ with triangles, texture coordinates (v/vt at each corner) "
        "and one MTL file whose materials are those of usemtl, or train with the diffrec engine, "
        "which reads more",
        near=r"render[/\\](?P<file>(?:obj|material)\.py)\b",
    ),
)
"""Last: where nothing else is known, the part of nvdiffrec that failed."""
