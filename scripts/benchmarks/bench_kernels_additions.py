"""Atomic additions to rows of an array, as many at a time as a card can do in one instruction."""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc"

from __future__ import annotations

from diffrec.ops.warp import start_warp

wp = start_warp()
wp.set_module_options({"enable_backward": False})

_FIRST = wp.constant(wp.uint32(2654435761))
_SECOND = wp.constant(wp.uint32(2246822519))


@wp.func_native("""
    float* place = target.data + (size_t)width * (size_t)row;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if (width == 4)
        asm volatile("red.global.add.v4.f32 [%0], {%1, %1, %1, %1};" ::"l"(place), "f"(1.0f)
                     : "memory");
    else if (width == 2)
        asm volatile("red.global.add.v2.f32 [%0], {%1, %1};" ::"l"(place), "f"(1.0f) : "memory");
    else
        ::atomicAdd(place, 1.0f);
#elif defined(__CUDA_ARCH__)
    for (int k = 0; k < width; ++k) ::atomicAdd(place + k, 1.0f);
#else
    for (int k = 0; k < width; ++k) place[k] += 1.0f;
#endif
""")
def _add_row(target: wp.array(dtype=wp.float32), width: wp.int32, row: wp.int32):
    """Add 1 to every column of a row."""
    ...


@wp.kernel
def add_ones(target: wp.array(dtype=wp.float32), width: wp.int32, rows: wp.int32):
    """To a row that follows from the thread's number, without an order that a cache could use."""
    mixed = wp.uint32(wp.tid()) * _FIRST
    mixed = (mixed ^ (mixed >> wp.uint32(15))) * _SECOND
    mixed = mixed ^ (mixed >> wp.uint32(13))
    _add_row(target, width, wp.int32(mixed % wp.uint32(rows)))
