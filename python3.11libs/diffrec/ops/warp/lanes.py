# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, empty-body, return"
# mypy: disable-error-code="no-any-return"
"""What the threads of a warp do for each other on CUDA; on the CPU every thread is alone.

Many threads that add to one place wait for each other. Neighbouring pixels mostly see the same
triangle, so a warp first adds up what each run of equal pixels has for it. Four numbers in a row
are moved by one instruction.
"""

from __future__ import annotations

import warp as wp

from diffrec.ops.warp import start_warp

start_warp()


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    // One addition for all lanes that are here.
    const unsigned here = __activemask();
    const unsigned lane = threadIdx.x & 31u;
    const unsigned earlier = here & ((1u << lane) - 1u);
    int before = 0, all = 0;
    for (int bit = 0; bit < 5; ++bit) {
        const unsigned with = __ballot_sync(here, (count >> bit) & 1);
        before += __popc(with & earlier) << bit;
        all += __popc(with) << bit;
    }
    const int first = __ffs(here) - 1;
    int slot = 0;
    if ((int)lane == first && all > 0) slot = ::atomicAdd(counters.data + index, all);
    return __shfl_sync(here, slot, first) + before;
#else
    const int slot = counters.data[index];
    counters.data[index] += count;
    return slot;
#endif
""")
def next_slots(counters: wp.array(dtype=wp.int32), index: int, count: int) -> int:
    """Count so many (31 at most) more in counters[index]; how many there were before.

    `index` is the same for all that call this together.
    """
    ...


@wp.func
def next_slot(counters: wp.array(dtype=wp.int32), index: int) -> int:
    """As `next_slots`, one more."""
    return next_slots(counters, index, 1)


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    const unsigned here = __activemask();
    const unsigned lane = threadIdx.x & 31u;
    const int before = __shfl_up_sync(here, key, 1);
    const bool leads = lane == 0u || !((here >> (lane - 1u)) & 1u) || before != key;
    // A lane that is not here ends a run as well.
    const unsigned leading = __ballot_sync(here, leads) | ~here;
    const unsigned after = lane == 31u ? 0u : leading >> (lane + 1u);
    const int last = after ? (int)lane + __ffs(after) - 1 : 31;
    // Bit k: some run is longer than 2^k lanes.
    const unsigned one = ~leading, two = one & (one >> 1), four = two & (two >> 2);
    const unsigned eight = four & (four >> 4), sixteen = eight & (eight >> 8);
    const int longer = (one != 0u) | (two != 0u) << 1 | (four != 0u) << 2 | (eight != 0u) << 3
        | (sixteen != 0u) << 4;
    return wp::vec_t<4, wp::int32>((int)here, last, longer, leads ? 1 : 0);
#else
    return wp::vec_t<4, wp::int32>(0, 0, 0, 1);
#endif
""")
def run_of(key: int) -> wp.vec4i:
    """The run of neighbouring lanes with the same `key` that this one belongs to, for `run_total`.

    Its last component is 1 in the first lane of a run, which is to add the totals. Every lane that
    calls this has to call `run_total` as often as the others.
    """
    ...


@wp.func_native("""
    wp::vec_t<3, wp::float32> total = value;
#if defined(__CUDA_ARCH__)
    const int lane = (int)(threadIdx.x & 31u);
#pragma unroll 1
    for (int k = 0; (run[2] >> k) & 1; ++k) {
        const bool within = lane + (1 << k) <= run[1];
        for (int j = 0; j < 3; ++j) {
            const float other = __shfl_down_sync((unsigned)run[0], total[j], 1u << k);
            if (within) total[j] += other;
        }
    }
#endif
    return total;
""")
def run_total(value: wp.vec3, run: wp.vec4i) -> wp.vec3:
    """The sum of `value` over the lanes from this one to the end of its run."""
    ...


@wp.func_native("""
    float* place = total.data + 4 * ((size_t)view * total.shape[1] + row);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(place), "f"(value[0]),
                 "f"(value[1]), "f"(0.0f), "f"(value[2]) : "memory");
#elif defined(__CUDA_ARCH__)
    ::atomicAdd(place, value[0]);
    ::atomicAdd(place + 1, value[1]);
    ::atomicAdd(place + 3, value[2]);
#else
    place[0] += value[0];
    place[1] += value[1];
    place[3] += value[2];
#endif
""")
def add_to_vertex(total: wp.array3d(dtype=wp.float32), view: int, row: int, value: wp.vec3):
    """Add to x, y and w of a vertex in a contiguous [views, vertices, 4]; atomically on CUDA."""
    ...


@wp.func_native("""
    float* place = rows.data + 4 * (size_t)row;
#if defined(__CUDA_ARCH__)
    *reinterpret_cast<float4*>(place) = make_float4(value[0], value[1], value[2], value[3]);
#else
    for (int k = 0; k < 4; ++k) place[k] = value[k];
#endif
""")
def put_four(rows: wp.array2d(dtype=wp.float32), row: int, value: wp.vec4):
    """Write a row of a contiguous array of four columns, by one instruction on CUDA."""
    ...
