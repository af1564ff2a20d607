/*
 * Causal attention, forward, by head dimension rounded up: softmax online over tiles of keys,
 * four queries a thread (heads.cuh). A block has 4 · GROUP · WARPS queries of one head; the
 * last ones, which see the most keys, start first.
 */
#pragma once
#include "heads.cuh"

constexpr int KEYS_AT_ONCE = 8; /* keys between two looks at the maximum */

struct Attending {
  float query[HEAD_QUERIES][16], sums[HEAD_QUERIES][16], most[HEAD_QUERIES], total[HEAD_QUERIES];
};

/* The keys from k on, for the queries with indices from FIRST on. Only those of FIRST may not see all of them, unless groups are small. */
template <int DP, int FIRST> DEVICE void attend(Attending &s, const float (*keys)[DP], const float (*values)[DP], int k, int first) {
  float weights[HEAD_QUERIES][KEYS_AT_ONCE];
  UNROLL for (int j = 0; j < KEYS_AT_ONCE; j++) {
    float key[16];
    read_part<DP>(key, keys[j]);
    UNROLL for (int r = FIRST; r < HEAD_QUERIES; r++) weights[r][j] = sum_of_parts<DP>(head_dot(s.query[r], key, 0));
  }
  UNROLL for (int r = FIRST; r < HEAD_QUERIES; r++) {
    float top = s.most[r];
    UNROLL for (int j = 0; j < KEYS_AT_ONCE; j++) {
      if ((r == FIRST || Split<DP>::GROUP < KEYS_AT_ONCE) && k + j > row_of<DP>(first, r)) weights[r][j] = -INFINITY;
      top = fmaxf(top, weights[r][j]);
    }
    const float shrink = exponential(s.most[r] - top); /* every query sees key 0, so top is finite */
    s.most[r] = top, s.total[r] *= shrink;
    UNROLL for (int e = 0; e < 16; e++) s.sums[r][e] *= shrink;
    UNROLL for (int j = 0; j < KEYS_AT_ONCE; j++) weights[r][j] = exponential(weights[r][j] - top), s.total[r] += weights[r][j];
  }
  UNROLL for (int j = 0; j < KEYS_AT_ONCE; j++) {
    float value[16];
    read_part<DP>(value, values[j]);
    UNROLL for (int r = FIRST; r < HEAD_QUERIES; r++) head_add(s.sums[r], weights[r][j], value);
  }
}

/* The keys of a tile from k on, while queries of index FIRST see some, and so on for the next indices. */
template <int DP, int FIRST>
DEVICE void attend_tile(Attending &s, const float (*keys)[DP], const float (*values)[DP], int k, int tile, int end, int first) {
  if constexpr (FIRST < HEAD_QUERIES) {
    const int end_of_first = min(end, last_of_warp<DP>(first, FIRST) + 1);
    ROLLED for (; k < end_of_first; k += KEYS_AT_ONCE) attend<DP, FIRST>(s, keys + (k - tile), values + (k - tile), k, first);
    attend_tile<DP, FIRST + 1>(s, keys, values, k, tile, end, first);
  }
}

/*
 * out = softmax(q·kᵀ)·v for q, k, v [T, D] of each head; stats [2, Tp] of each head receive each query's largest score and 1/Σ exp.
 * Of neighbouring heads of queries some may share one of keys and values. Grid: heads of queries · sequences,
 * ⌈T / (4 · GROUP · WARPS)⌉, which is attentionRows() of kernels.ts. Reads q once and k, v once a block, writes out: 16·R·C bytes
 * when T is a block's.
 */
template <int DP> DEVICE void attention(const Run &run, const Attention &o) {
  typedef Split<DP> S;
  constexpr int ROWS = HEAD_QUERIES * S::GROUP * S::WARPS;
  __shared__ __align__(16) float keys[S::TILE][DP], values[S::TILE][DP];
  const Head h = head_of(o), seen = seen_head_of(o);
  const int first = (int)(gridDim.y - 1 - blockIdx.y) * ROWS, last = min(first + ROWS, h.context);
  const float *query = at(run, o.query) + h.offset, *key = at(run, o.key) + seen.offset, *value = at(run, o.value) + seen.offset;
  Attending s;
  UNROLL for (int r = 0; r < HEAD_QUERIES; r++) {
    read_row<DP>(s.query[r], h, query, row_of<DP>(first, r));
    UNROLL for (int e = 0; e < 16; e++) s.sums[r][e] = 0;
    s.most[r] = -INFINITY, s.total[r] = 0;
  }
  ROLLED for (int tile = 0; tile < last; tile += S::TILE) {
    __syncthreads();
    read_tiles<DP, 4>(keys, values, seen, key, value, tile);
    attend_tile<DP, 0>(s, keys, values, tile, tile, min(tile + S::TILE, last), first);
  }
  float *out = at(run, o.out) + h.offset, *stats = at(run, o.stats) + (Size)blockIdx.x * 2 * h.padded;
  UNROLL for (int r = 0; r < HEAD_QUERIES; r++) {
    const int t = row_of<DP>(anew(first), r);
    const float share = 1 / s.total[r];
    UNROLL for (int e = 0; e < 16; e++) s.sums[r][e] *= share;
    write_row<DP>(s.sums[r], h, out, t);
    if (t < h.context && part_of<DP>() == 0) stats[t] = s.most[r], stats[h.padded + t] = share;
  }
}
