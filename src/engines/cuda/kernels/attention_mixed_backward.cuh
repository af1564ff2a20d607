/*
 * Causal attention on tensor cores, backward, by head dimension rounded up, as in
 * attention_backward.cuh with operands of every product in bfloat16. Means are of dOut as it is
 * rounded, and out has been made of v as it is rounded: what rounding does to dP it does to its
 * mean, so that they cancel where a query sees next to nothing but one key. Where it can see one
 * only, nothing is left of them: AdamW would make a step of what is.
 */
#pragma once
#include "strips.cuh"

/* Where rows are keys: warps of a block, and queries of a tile. */
template <int DP> constexpr int STRIPS_OF_KEYS = DP > 32 ? 4 : 8;
template <int DP> constexpr int QUERIES_OF_TILE = DP > 32 ? 32 : DP > 16 ? 64 : 128;
/* Of a tile, what has its scores in registers at once: as much as they hold with two blocks of 8 warps, or three of 4, an SM. */
template <int DP> constexpr int KEYS_AT_ONCE = DP > 32 ? 16 : 32;
template <int DP> constexpr int QUERIES_AT_ONCE = DP > 16 ? 16 : 32;

template <int DP> struct MixedOfQueries {
  uint32_t query[DP / 16][4], d_out[DP / 16][4];
  float d_query[DP / 8][4], minus_log_sum[2], minus_mean[2];
};

/* Σ out·dOut over the lane's own dimensions of each row. */
template <int DP, bool ALIGNED>
DEVICE void mean_of_lane(float (&mean)[2], const uint32_t (&d_out)[DP / 16][4], const Head &h, const float *out, int t) {
  UNROLL for (int half = 0; half < 2; half++) {
    float sum = 0;
    UNROLL for (int i = 0; i < DP / 16; i++) {
      const float4 v = head_read4<ALIGNED>(h, out, t + half * 8, i * 16 + place_of_lane() * 4);
      const uint32_t low = d_out[i][half], high = d_out[i][half + 2];
      sum = fmaf(v.x, float_of(low << 16), sum), sum = fmaf(v.y, float_of(low & 0xffff0000u), sum);
      sum = fmaf(v.z, float_of(high << 16), sum), sum = fmaf(v.w, float_of(high & 0xffff0000u), sum);
    }
    mean[half] = sum;
  }
}

/* The keys from k on for the lane's queries t and t + 8. Sums begin with what is to be taken from them. */
template <int DP>
DEVICE void add_keys_mixed(MixedOfQueries<DP> &s, const typename Words<DP>::Row *keys, const typename Words<DP>::Row *values,
                           const typename Words<DP>::Pair *key_pairs, int k, int t, bool sees_all) {
  constexpr int N = KEYS_AT_ONCE<DP> / 8;
  float weights[N][4], d_scores[N][4];
  UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 0; e < 4; e++)
    weights[j][e] = s.minus_log_sum[e / 2], d_scores[j][e] = s.minus_mean[e / 2];
  add_dots<DP>(weights, s.query, keys);
  add_dots<DP>(d_scores, s.d_out, values);
  UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 0; e < 4; e++) d_scores[j][e] *= exponential(weights[j][e]);
  if (!sees_all)
    UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 0; e < 4; e++) {
      const int key = k + j * 8 + place_of_lane() * 2 + e % 2, query = t + e / 2 * 8;
      if (key > query || query == 0) d_scores[j][e] = 0;
    }
  add_weighted<DP>(s.d_query, d_scores, key_pairs);
}

/*
 * dq = dS·k for dS = P ⊙ (dP − mean), P = softmax(q·kᵀ), dP = dOut·vᵀ, of each head [T, D]; means [Tp] of each head receive
 * mean = Σ_d out·dOut, which is Σ_k P·dP. Grid: heads · sequences, ⌈T / (16 · STRIPS)⌉. Reads q, k, v, out, dOut and writes
 * dq: 24·R·C bytes when T is a block's, and from L2 8·R·C · T/(32 · STRIPS) when it is many. Three products: 3·R·C·T FLOP.
 */
template <int DP> DEVICE void attention_queries_mixed(const Run &run, const AttentionQueries &o) {
  constexpr int STRIPS = STRIPS_OF_QUERIES<DP>, TILE = KEYS_OF_TILE<DP>, STEP = KEYS_AT_ONCE<DP>;
  __shared__ __align__(16) typename Words<DP>::Row keys[TILE], values[TILE];
  __shared__ __align__(16) typename Words<DP>::Pair key_pairs[TILE / 2];
  const Head h = head_of(o);
  const int first = (int)(gridDim.y - 1 - blockIdx.y) * STRIP * STRIPS, last = min(first + STRIP * STRIPS, h.context);
  const int first_query = first_of_strip(first), t = row_of_lane(first);
  MixedOfQueries<DP> s;
  read_strip<DP>(s.query, h, at(run, o.query) + h.offset, t);
  read_strip<DP>(s.d_out, h, at(run, o.d_out) + h.offset, t);
  UNROLL for (int i = 0; i < DP / 8; i++) UNROLL for (int e = 0; e < 4; e++) s.d_query[i][e] = 0;
  {
    const float *stats = at(run, o.stats) + (Size)blockIdx.x * 2 * h.padded;
    float *means = at(run, o.means) + (Size)blockIdx.x * h.padded, mean[2];
    if (is_aligned(h)) mean_of_lane<DP, true>(mean, s.d_out, h, at(run, o.out) + h.offset, t);
    else mean_of_lane<DP, false>(mean, s.d_out, h, at(run, o.out) + h.offset, t);
    UNROLL for (int half = 0; half < 2; half++) {
      const int row = t + half * 8;
      mean[half] = sum_of_row(mean[half]);
      s.minus_mean[half] = -mean[half];
      s.minus_log_sum[half] = row < h.context ? -log_sum(h, stats, row) : 0;
      if (row < h.context && place_of_lane() == 0) means[row] = mean[half];
    }
  }
  ROLLED for (int tile = 0; tile < last; tile += TILE) {
    __syncthreads();
    const Head again = seen_head_of(o); /* nothing about the head is kept in registers over the loop */
    const Tile<DP> key = {at(run, o.key) + again.offset, keys, key_pairs}, value = {at(run, o.value) + again.offset, values, 0};
    put_tiles<DP, STRIPS, TILE, BY_ROWS | BY_PAIRS, BY_ROWS>(key, value, again, tile);
    const int end = min(tile + TILE, first_query + STRIP);
    ROLLED for (int k = tile; k < end; k += STEP) {
      const int j = k - tile;
      add_keys_mixed<DP>(s, keys + j, values + j, key_pairs + j / 2, k, t, k + STEP <= first_query + 1);
    }
  }
  const Head again = head_of(o);
  write_strip<DP>(s.d_query, again, at(run, o.d_query) + again.offset, t);
}

template <int DP> struct MixedOfKeys {
  uint32_t key[DP / 16][4], value[DP / 16][4];
  float d_key[DP / 8][4], d_value[DP / 8][4];
};
/* What stands in shared memory of a tile of queries. */
template <int DP> struct MixedQueries {
  const typename Words<DP>::Row *query, *d_out;
  const typename Words<DP>::Pair *query_pairs, *d_out_pairs;
  const float *minus_log_sum, *minus_mean;
};

/* The queries from q on, which are the tile's from `first` on, for the lane's keys t and t + 8. */
template <int DP>
DEVICE void add_queries_mixed(MixedOfKeys<DP> &s, const MixedQueries<DP> &queries, int first, int q, int t, bool seen_by_all) {
  constexpr int N = QUERIES_AT_ONCE<DP> / 8;
  float weights[N][4], d_scores[N][4];
  UNROLL for (int j = 0; j < N; j++) {
    const int column = first + j * 8 + place_of_lane() * 2;
    const float2 sums = *(const float2 *)(queries.minus_log_sum + column), means = *(const float2 *)(queries.minus_mean + column);
    weights[j][0] = weights[j][2] = sums.x, weights[j][1] = weights[j][3] = sums.y;
    d_scores[j][0] = d_scores[j][2] = means.x, d_scores[j][1] = d_scores[j][3] = means.y;
  }
  add_dots<DP>(weights, s.key, queries.query + first);
  add_dots<DP>(d_scores, s.value, queries.d_out + first);
  UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 0; e < 4; e++)
    weights[j][e] = exponential(weights[j][e]), d_scores[j][e] *= weights[j][e];
  if (!seen_by_all)
    UNROLL for (int j = 0; j < N; j++) UNROLL for (int e = 0; e < 4; e++) {
      const int query = q + j * 8 + place_of_lane() * 2 + e % 2, key = t + e / 2 * 8;
      if (key > query) weights[j][e] = 0;
      if (key > query || query == 0) d_scores[j][e] = 0;
    }
  add_weighted<DP>(s.d_value, weights, queries.d_out_pairs + first / 2);
  add_weighted<DP>(s.d_key, d_scores, queries.query_pairs + first / 2);
}

/*
 * dv = Pᵀ·dOut and dk = dSᵀ·q, P and dS as above, of each head [T, D] of keys and values, summed over the heads of queries that see
 * it, one after the other. Grid: heads of keys · sequences, ⌈T / (16 · STRIPS)⌉. Reads k, v, and q, dOut once a block, writes dk, dv: 24·R·C bytes when T is a block's, and from L2 8·R·C · T/(32 · STRIPS)
 * when it is many. Four products: 4·R·C·T FLOP.
 */
template <int DP> DEVICE void attention_keys_mixed(const Run &run, const AttentionKeys &o) {
  constexpr int STRIPS = STRIPS_OF_KEYS<DP>, TILE = QUERIES_OF_TILE<DP>, STEP = QUERIES_AT_ONCE<DP>;
  __shared__ __align__(16) typename Words<DP>::Row queries[TILE], d_outs[TILE];
  __shared__ __align__(16) typename Words<DP>::Pair query_pairs[TILE / 2], d_out_pairs[TILE / 2];
  __shared__ __align__(8) float minus_log_sums[TILE], minus_means[TILE];
  const int first = (int)blockIdx.y * STRIP * STRIPS, first_key = first_of_strip(first), t = row_of_lane(first);
  MixedOfKeys<DP> s;
  {
    const Head seen = key_head_of(o);
    read_strip<DP>(s.key, seen, at(run, o.key) + seen.offset, t);
    read_strip<DP>(s.value, seen, at(run, o.value) + seen.offset, t);
  }
  UNROLL for (int i = 0; i < DP / 8; i++) UNROLL for (int e = 0; e < 4; e++) s.d_key[i][e] = 0, s.d_value[i][e] = 0;
  ROLLED for (int index = 0; index < queries_per_key(o); index++) ROLLED for (int tile = first; tile < o.context; tile += TILE) {
    __syncthreads();
    const int x = query_index(o, index);
    const Head again = head_at(o, o.width, x);
    const float *stats = at(run, o.stats) + (Size)x * 2 * again.padded, *means = at(run, o.means) + (Size)x * again.padded;
    for (int j = (int)threadIdx.x; j < TILE; j += 32 * STRIPS) { /* a query that is not there weighs e^−∞ */
      const int q = tile + j;
      minus_log_sums[j] = q < again.context ? -log_sum(again, stats, q) : -INFINITY, minus_means[j] = q < again.context ? -means[q] : 0;
    }
    const Tile<DP> query = {at(run, o.query) + again.offset, queries, query_pairs};
    const Tile<DP> d_out = {at(run, o.d_out) + again.offset, d_outs, d_out_pairs};
    put_tiles<DP, STRIPS, TILE, BY_ROWS | BY_PAIRS, BY_ROWS | BY_PAIRS>(query, d_out, again, tile);
    const MixedQueries<DP> all = {queries, d_outs, query_pairs, d_out_pairs, minus_log_sums, minus_means};
    const int end = min(tile + TILE, again.context);
    ROLLED for (int q = max(tile, first_key / STEP * STEP); q < end; q += STEP)
      add_queries_mixed<DP>(s, all, q - tile, q, t, q >= first_key + STRIP - 1);
  }
  const Head again = key_head_of(o);
  write_strip<DP>(s.d_key, again, at(run, o.d_key) + again.offset, t);
  write_strip<DP>(s.d_value, again, at(run, o.d_value) + again.offset, t);
}
