/*
 * Causal attention, backward, by head dimension rounded up. Probabilities are computed again
 * from each query's statistics. The gradients of queries and those of keys and values are two
 * kernels, so that each sum belongs to one thread. dP and its mean are summed in one order, so
 * that they cancel exactly where a query sees one key: AdamW would make a step of what is left.
 */
#pragma once
#include "heads.cuh"

struct OfQueries {
  float query[HEAD_QUERIES][16], d_out[HEAD_QUERIES][16], d_query[HEAD_QUERIES][16], log_sum[HEAD_QUERIES], mean[HEAD_QUERIES];
};

/* Key k, for the queries with indices from FIRST on. */
template <int DP, int FIRST> DEVICE void add_key(OfQueries &s, const float *key_row, const float *value_row, int k, int first) {
  float d_score[HEAD_QUERIES], key[16], value[16];
  read_part<DP>(value, value_row);
  UNROLL for (int r = FIRST; r < HEAD_QUERIES; r++) d_score[r] = sum_of_parts<DP>(head_dot(s.d_out[r], value, 0)) - s.mean[r];
  read_part<DP>(key, key_row);
  UNROLL for (int r = FIRST; r < HEAD_QUERIES; r++) {
    const float weight = exponential(sum_of_parts<DP>(head_dot(s.query[r], key, 0)) - s.log_sum[r]);
    d_score[r] *= r == FIRST && k > row_of<DP>(first, r) ? 0 : weight;
  }
  UNROLL for (int r = FIRST; r < HEAD_QUERIES; r++) head_add(s.d_query[r], d_score[r], key);
}
template <int DP, int FIRST>
DEVICE void add_keys(OfQueries &s, const float (*keys)[DP], const float (*values)[DP], int k, int tile, int end, int first) {
  if constexpr (FIRST < HEAD_QUERIES) {
    const int end_of_first = min(end, last_of_warp<DP>(first, FIRST) + 1);
    ROLLED for (; k < end_of_first; k++) add_key<DP, FIRST>(s, keys[k - tile], values[k - tile], k, first);
    add_keys<DP, FIRST + 1>(s, keys, values, k, tile, end, first);
  }
}

/*
 * dq = dS·k for dS = P ⊙ (dP − mean), P = softmax(q·kᵀ), dP = dOut·vᵀ, of each head [T, D]; means [Tp] of each head receive
 * mean = Σ_d out·dOut, which is Σ_k P·dP. Grid: heads · sequences, ⌈T / (4 · GROUP · WARPS)⌉. Reads q, k, v, out, dOut and
 * writes dq: 24·R·C bytes when T is a block's.
 */
template <int DP> DEVICE void attention_queries(const Run &run, const AttentionQueries &o) {
  typedef Split<DP> S;
  constexpr int ROWS = HEAD_QUERIES * S::GROUP * S::WARPS;
  __shared__ __align__(16) float keys[S::TILE][DP], values[S::TILE][DP];
  const Head h = head_of(o);
  const int first = (int)(gridDim.y - 1 - blockIdx.y) * ROWS, last = min(first + ROWS, h.context);
  const float *query = at(run, o.query) + h.offset, *out = at(run, o.out) + h.offset, *d_out = at(run, o.d_out) + h.offset;
  const float *stats = at(run, o.stats) + (Size)blockIdx.x * 2 * h.padded;
  float *means = at(run, o.means) + (Size)blockIdx.x * h.padded;
  OfQueries s;
  UNROLL for (int r = 0; r < HEAD_QUERIES; r++) {
    const int t = row_of<DP>(first, r);
    read_row<DP>(s.query[r], h, out, t);
    read_row<DP>(s.d_out[r], h, d_out, t);
    s.mean[r] = sum_of_parts<DP>(head_dot(s.query[r], s.d_out[r], 0));
    read_row<DP>(s.query[r], h, query, t);
    UNROLL for (int e = 0; e < 16; e++) s.d_query[r][e] = 0;
    s.log_sum[r] = t < h.context ? log_sum(h, stats, t) : 0;
    if (t < h.context && part_of<DP>() == 0) means[t] = s.mean[r];
  }
  ROLLED for (int tile = 0; tile < last; tile += S::TILE) {
    __syncthreads();
    const Head again = seen_head_of(o); /* the registers are full: nothing about the head is kept in them over the loop */
    read_tiles<DP, 2>(keys, values, again, at(run, o.key) + again.offset, at(run, o.value) + again.offset, tile);
    add_keys<DP, 0>(s, keys, values, tile, tile, min(tile + S::TILE, last), first);
  }
  const Head again = head_of(o);
  float *d_query = at(run, o.d_query) + again.offset;
  UNROLL for (int r = 0; r < HEAD_QUERIES; r++) write_row<DP>(s.d_query[r], again, d_query, row_of<DP>(anew(first), r));
}

struct OfKeys {
  float key[HEAD_KEYS][16], value[HEAD_KEYS][16], d_key[HEAD_KEYS][16], d_value[HEAD_KEYS][16];
};

/* Queries of a tile with what each needs to have its probabilities again. */
template <int DP> struct TileOfQueries {
  const float (*query)[DP], (*d_out)[DP], (*log_sum_and_mean)[2];
  int first, end;
};

/* Queries q and q + 1, for the keys with indices below COUNT; only those of the last index may come after them. */
template <int DP, int COUNT> DEVICE void add_two_queries(OfKeys &s, const TileOfQueries<DP> &tile, int q, int first) {
  float query[2][16], d_out[2][16], weight[2][HEAD_KEYS], d_score[2][HEAD_KEYS];
  UNROLL for (int i = 0; i < 2; i++) {
    const int j = q + i - tile.first;
    read_part<DP>(query[i], tile.query[j]);
    read_part<DP>(d_out[i], tile.d_out[j]);
    UNROLL for (int r = 0; r < COUNT; r++) {
      weight[i][r] = exponential(sum_of_parts<DP>(head_dot(s.key[r], query[i], 0)) - tile.log_sum_and_mean[j][0]);
      if (r == COUNT - 1 && q + i < row_of<DP>(first, r)) weight[i][r] = 0;
      d_score[i][r] = weight[i][r] * (sum_of_parts<DP>(head_dot(s.value[r], d_out[i], 0)) - tile.log_sum_and_mean[j][1]);
    }
  }
  UNROLL for (int i = 0; i < 2; i++) UNROLL for (int r = 0; r < COUNT; r++) {
    head_add(s.d_value[r], weight[i][r], d_out[i]);
    head_add(s.d_key[r], d_score[i][r], query[i]);
  }
}
/* The queries of a tile from q on, while only keys with indices below COUNT are seen, and so on for more. */
template <int DP, int COUNT> DEVICE void add_queries(OfKeys &s, const TileOfQueries<DP> &tile, int q, int first) {
  if constexpr (COUNT <= HEAD_KEYS) {
    const int end = COUNT < HEAD_KEYS ? min(tile.end, first_of_warp<DP>(first, COUNT)) : tile.end;
    ROLLED for (; q < end; q += 2) add_two_queries<DP, COUNT>(s, tile, q, first);
    add_queries<DP, COUNT + 1>(s, tile, q, first);
  }
}

/*
 * dv = Pᵀ·dOut and dk = dSᵀ·q, P and dS as above, of each head [T, D] of keys and values, summed over the heads of queries that see
 * it, one after the other. Grid: heads of keys · sequences, ⌈T / (2 · GROUP · WARPS)⌉. Reads k, v, and q, dOut once a block, writes
 * dk, dv: 24·R·C bytes when T is a block's and every head of queries has its own.
 */
template <int DP> DEVICE void attention_keys(const Run &run, const AttentionKeys &o) {
  typedef Split<DP> S;
  __shared__ __align__(16) float queries[S::TILE][DP], d_outs[S::TILE][DP];
  __shared__ float sums[S::TILE][2];
  const int first = (int)blockIdx.y * HEAD_KEYS * S::GROUP * S::WARPS;
  OfKeys s;
  {
    const Head seen = key_head_of(o);
    const float *key = at(run, o.key) + seen.offset, *value = at(run, o.value) + seen.offset;
    UNROLL for (int r = 0; r < HEAD_KEYS; r++) {
      read_row<DP>(s.key[r], seen, key, row_of<DP>(first, r));
      read_row<DP>(s.value[r], seen, value, row_of<DP>(first, r));
      UNROLL for (int e = 0; e < 16; e++) s.d_key[r][e] = 0, s.d_value[r][e] = 0;
    }
  }
  ROLLED for (int index = 0; index < queries_per_key(o); index++) {
    const int x = query_index(o, index);
    const Head h = head_at(o, o.width, x);
    const float *query = at(run, o.query) + h.offset, *d_out = at(run, o.d_out) + h.offset;
    const float *stats = at(run, o.stats) + (Size)x * 2 * h.padded, *means = at(run, o.means) + (Size)x * h.padded;
    ROLLED for (int tile = first; tile < h.context; tile += S::TILE) {
      __syncthreads();
      for (int j = (int)threadIdx.x; j < S::TILE; j += S::THREADS) { /* a query that is not there weighs e^−∞ */
        const int t = tile + j;
        sums[j][0] = t < h.context ? log_sum(h, stats, t) : INFINITY, sums[j][1] = t < h.context ? means[t] : 0;
      }
      read_tiles<DP, 4>(queries, d_outs, h, query, d_out, tile);
      add_queries<DP, 1>(s, {queries, d_outs, sums, tile, min(tile + S::TILE, h.context)}, max(tile, first_of_warp<DP>(first, 0)), first);
    }
  }
  const Head seen = key_head_of(o);
  float *d_key = at(run, o.d_key) + seen.offset, *d_value = at(run, o.d_value) + seen.offset;
  UNROLL for (int r = 0; r < HEAD_KEYS; r++) {
    const int t = row_of<DP>(anew(first), r);
    write_row<DP>(s.d_key[r], seen, d_key, t);
    write_row<DP>(s.d_value[r], seen, d_value, t);
  }
}
