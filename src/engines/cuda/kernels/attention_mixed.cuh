/*
 * Causal attention on tensor cores, forward, by head dimension rounded up: operands of both
 * products are bfloat16, scores, softmax and sums are float32. A warp has 16 queries (strips.cuh).
 */
#pragma once
#include "strips.cuh"

constexpr int KEYS_OF_LOOK = 32; /* keys between two looks at the maximum */

template <int DP> struct MixedAttending {
  uint32_t query[DP / 16][4];
  float sums[DP / 8][4], most[2], total[2]; /* total: of the lane's own columns */
};

/* The keys k … k + KEYS_OF_LOOK − 1 for the lane's queries t and t + 8. */
template <int DP>
DEVICE void attend_keys(MixedAttending<DP> &s, const typename Words<DP>::Row *keys, const typename Words<DP>::Pair *values, int k, int t,
                        bool sees_all) {
  constexpr int N = KEYS_OF_LOOK / 8;
  float weights[N][4] = {};
  add_dots<DP>(weights, s.query, keys);
  if (!sees_all)
    UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 0; e < 4; e++)
      if (k + j * 8 + place_of_lane() * 2 + e % 2 > t + e / 2 * 8) weights[j][e] = -INFINITY;
  UNROLL for (int half = 0; half < 2; half++) {
    float top = s.most[half];
    UNROLL for (int j = 0; j < N; j++) top = fmaxf(top, fmaxf(weights[j][2 * half], weights[j][2 * half + 1]));
    top = most_of_row(top);
    const float shrink = exponential(s.most[half] - top); /* every query sees key 0, so top is finite */
    s.most[half] = top, s.total[half] *= shrink;
    UNROLL for (int i = 0; i < DP / 8; i++) UNROLL for (int e = 2 * half; e < 2 * half + 2; e++) s.sums[i][e] *= shrink;
    UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 2 * half; e < 2 * half + 2; e++)
      weights[j][e] = exponential(weights[j][e] - top), s.total[half] += weights[j][e];
  }
  add_weighted<DP>(s.sums, weights, values);
}

/*
 * out = softmax(q·kᵀ)·v for q, k, v [T, D] of each head, and the statistics of attention.cuh. Grid: heads · sequences,
 * ⌈T / (16 · STRIPS)⌉, which is attentionRows() of kernels.ts. Reads q once and k, v once a block, writes out: 16·R·C bytes
 * when T is a block's, and from L2 8·R·C · T/(32 · STRIPS) when it is many. Two products of what queries see: 2·R·C·T FLOP.
 */
template <int DP> DEVICE void attention_mixed(const Run &run, const Attention &o) {
  constexpr int STRIPS = STRIPS_OF_QUERIES<DP>, TILE = KEYS_OF_TILE<DP>;
  __shared__ __align__(16) typename Words<DP>::Row keys[TILE];
  __shared__ __align__(16) typename Words<DP>::Pair values[TILE / 2];
  const Head h = head_of(o), seen = seen_head_of(o);
  const int first = (int)(gridDim.y - 1 - blockIdx.y) * STRIP * STRIPS, last = min(first + STRIP * STRIPS, h.context);
  const int first_query = first_of_strip(first), t = row_of_lane(first);
  const Tile<DP> key = {at(run, o.key) + seen.offset, keys, 0}, value = {at(run, o.value) + seen.offset, 0, values};
  MixedAttending<DP> s;
  read_strip<DP>(s.query, h, at(run, o.query) + h.offset, t);
  UNROLL for (int i = 0; i < DP / 8; i++) UNROLL for (int e = 0; e < 4; e++) s.sums[i][e] = 0;
  UNROLL for (int half = 0; half < 2; half++) s.most[half] = -INFINITY, s.total[half] = 0;
  ROLLED for (int tile = 0; tile < last; tile += TILE) {
    __syncthreads();
    put_tiles<DP, STRIPS, TILE, BY_ROWS, BY_PAIRS>(key, value, seen, tile);
    const int end = min(tile + TILE, first_query + STRIP);
    ROLLED for (int k = tile; k < end; k += KEYS_OF_LOOK)
      attend_keys<DP>(s, keys + (k - tile), values + (k - tile) / 2, k, t, k + KEYS_OF_LOOK <= first_query + 1);
  }
  float *out = at(run, o.out) + h.offset, *stats = at(run, o.stats) + (Size)blockIdx.x * 2 * h.padded;
  UNROLL for (int half = 0; half < 2; half++) {
    const int row = t + half * 8;
    const float share = 1 / sum_of_row(s.total[half]);
    UNROLL for (int i = 0; i < DP / 8; i++) UNROLL for (int e = 2 * half; e < 2 * half + 2; e++) s.sums[i][e] *= share;
    if (row < h.context && place_of_lane() == 0) stats[row] = s.most[half], stats[h.padded + row] = share;
  }
  write_strip<DP>(s.sums, h, out, t);
}
