/*
 * What every kernel is given and uses. A launch computes one kind of instruction
 * (instructions.h) for many trials at once: a trial is a lane, blockIdx.z of the launch.
 *
 * Rules that make a trial's numbers the same in any stack, tile or call: no atomics; every
 * output is one accumulator with k ascending, or a tree whose form follows from shapes alone;
 * what is fused elsewhere is computed with explicit fmaf, so that compilers cannot differ.
 *
 * A matrix [rows, columns] has its rows on lines of LINE floats, row_length(columns) apart.
 * What stands in the padding may be NaN and is never read as a value.
 * R rows = B·T tokens, T context, C width, V vocabulary.
 */
#pragma once
#include "instructions.h"

#if defined(EMULATED)
#include "emulate.h"
#else
#define DEVICE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")
/* One entry point: `name` with `threads` a block, of which at least `blocks` fit an SM, calls the device function that follows. */
#define KERNEL(name, threads, blocks, Parameters, ...)                                                                         \
  extern "C" __global__ void __launch_bounds__(threads, blocks)                                                                \
      name(const __grid_constant__ Run run, const __grid_constant__ Parameters o) { __VA_ARGS__(run, o); }
#endif

/* What all kernels of a call are given. `step` counts on the device, so that one captured graph serves every step. */
struct Run {
  float *state, *workspace, *fleeting;
  const int32_t *tokens, *targets; /* [K, R] */
  const int32_t *order;            /* [K, R] rows of a step sorted by token, then by row */
  const float *factors, *step_sizes, *epsilon_scales; /* [K] */
  float *losses;                                      /* [K, N] */
  int32_t *step;
  int64_t lane_floats, workspace_floats, fleeting_floats;
  int32_t lane_lines, workspace_lines, tokens_per_step, lanes;
  int32_t first_lane; /* lane of blockIdx.z = 0 */
  int32_t padding;
};

typedef long long Size;
DEVICE int row_length(int columns) { return (columns + LINE - 1) / LINE * LINE; }
DEVICE int ceil_div(int a, int b) { return (a + b - 1) / b; }
DEVICE int lane_of(const Run &run) { return run.first_lane + (int)blockIdx.z; }

/* The buffer behind a reference: lines of the lane's state, then of its workspace, then of what is fleeting; negative means none. */
DEVICE float *at(const Run &run, int32_t reference) {
  if (reference < 0) return 0;
  if (reference < run.lane_lines) return run.state + (Size)lane_of(run) * run.lane_floats + (Size)reference * LINE;
  reference -= run.lane_lines;
  if (reference < run.workspace_lines) return run.workspace + (Size)lane_of(run) * run.workspace_floats + (Size)reference * LINE;
  return run.fleeting + (Size)blockIdx.z * run.fleeting_floats + (Size)(reference - run.workspace_lines) * LINE;
}
DEVICE float scalar(const Run &run, int32_t reference) { return reference < 0 ? 1.0f : *at(run, reference); }
/* The present step's ids. */
DEVICE const int32_t *of_step(const Run &run, const int32_t *ids) { return ids + (Size)*run.step * run.tokens_per_step; }

/* x, but not known to be: so that what follows from it is computed where it is used, not kept in registers over a loop. */
DEVICE int anew(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

DEVICE float4 load4(const float *p) { return *(const float4 *)p; }
DEVICE void store4(float *p, float4 v) { *(float4 *)p = v; }

DEVICE float warp_sum(float x) {
  UNROLL for (int d = 16; d > 0; d /= 2) x += __shfl_xor_sync(~0u, x, d);
  return x;
}
DEVICE float warp_max(float x) {
  UNROLL for (int d = 16; d > 0; d /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, d));
  return x;
}

/* GELU in tanh's form is x·s with s = σ(2√(2/π)·(x + 0.044715·x³)); its derivative is s + x·s·(1 − s)·(inner derivative). */
struct Gelu2 {
  float value, derivative;
};
DEVICE Gelu2 gelu_of(float x) {
  const float linear = 1.5957691216057308f, cubic = linear * 0.044715f;
  const float square = x * x, s = __fdividef(1.0f, __expf(-x * fmaf(square, cubic, linear)) + 1.0f), value = x * s;
  return {value, fmaf(value * (1.0f - s), fmaf(square, 3.0f * cubic, linear), s)};
}
