/*
 * Causal attention for head dimensions that no other kernel takes: slow, correct for any. A warp
 * has one row; lanes share the dimensions of a score, then each has one of 32 scores, then they
 * share the dimensions of the sums, which stay in device memory. A block has 4 rows; nothing
 * that it keeps depends on the head dimension. Every warp reads all rows that it sees, so only L2 keeps the bytes through device
 * memory near those of the other kernels: 16·R·C forward, 24·R·C each way backward, and R·C twice for each 32 rows that a sum takes in.
 */
#pragma once
#include "heads.cuh"

DEVICE int lane_in_warp() { return (int)threadIdx.x % 32; }
DEVICE int row_of_warp() { return (int)blockIdx.y * 4 + (int)threadIdx.x / 32; }

/* Lane j receives row · x[first + j], and 0 from `end` on. */
DEVICE float dots(const Head &h, const float *row, const float *x, int first, int end) {
  float mine = 0;
  for (int j = 0; j < 32 && first + j < end; j++) {
    const float *other = x + (Size)(first + j) * h.row;
    float sum = 0;
    for (int d = lane_in_warp(); d < h.dim; d += 32) sum = fmaf(row[d], other[d], sum);
    sum = warp_sum(sum);
    if (j == lane_in_warp()) mine = sum;
  }
  return mine;
}
/* row = row · scale + Σ_j weight of lane j · x[first + j]; a scale of 0 forgets what was there. Each lane owns its dimensions. */
DEVICE void add_rows(const Head &h, float *row, float scale, float weight, const float *x, int first, int end) {
  for (int start = 0; start < h.dim; start += 32) {
    const int d = start + lane_in_warp();
    const bool exists = d < h.dim;
    float sum = exists && scale != 0 ? row[d] * scale : 0;
    for (int j = 0; j < 32 && first + j < end; j++) {
      const float w = __shfl_sync(~0u, weight, j);
      if (exists) sum = fmaf(w, x[(Size)(first + j) * h.row + d], sum);
    }
    if (exists) row[d] = sum;
  }
}

/* As attention<DP>, any head dimension. Grid: heads · sequences, ⌈T / 4⌉. Reads k and v once a query. */
DEVICE void attention_any(const Run &run, const Attention &o) {
  const Head h = head_of(o), seen = seen_head_of(o);
  const int q = row_of_warp(), lane = lane_in_warp();
  if (q >= h.context) return;
  const Size offset = h.offset + (Size)q * h.row;
  const float *query = at(run, o.query) + offset, *key = at(run, o.key) + seen.offset, *value = at(run, o.value) + seen.offset;
  float *out = at(run, o.out) + offset, *stats = at(run, o.stats) + (Size)blockIdx.x * 2 * h.padded;
  float most = -INFINITY, total = 0;
  for (int k = 0; k <= q; k += 32) {
    const float score = dots(seen, query, key, k, q + 1), top = fmaxf(most, warp_max(k + lane <= q ? score : -INFINITY));
    const float weight = k + lane <= q ? exponential(score - top) : 0, shrink = k == 0 ? 0 : exponential(most - top);
    total = fmaf(total, shrink, warp_sum(weight)), most = top;
    add_rows(seen, out, shrink, weight, value, k, q + 1);
  }
  const float share = 1 / total;
  for (int d = lane; d < h.dim; d += 32) out[d] *= share;
  if (lane == 0) stats[q] = most, stats[h.padded + q] = share;
}

/* As attention_queries<DP>. Grid: heads · sequences, ⌈T / 4⌉. Reads k twice and v once a query. */
DEVICE void attention_queries_any(const Run &run, const AttentionQueries &o) {
  const Head h = head_of(o), seen = seen_head_of(o);
  const int q = row_of_warp(), lane = lane_in_warp();
  if (q >= h.context) return;
  const Size offset = h.offset + (Size)q * h.row;
  const float *query = at(run, o.query) + offset, *out = at(run, o.out) + offset, *d_out = at(run, o.d_out) + offset;
  const float *key = at(run, o.key) + seen.offset, *value = at(run, o.value) + seen.offset;
  const float *stats = at(run, o.stats) + (Size)blockIdx.x * 2 * h.padded;
  float *d_query = at(run, o.d_query) + offset, mean = 0;
  for (int d = lane; d < h.dim; d += 32) mean = fmaf(out[d], d_out[d], mean);
  mean = warp_sum(mean);
  for (int k = 0; k <= q; k += 32) {
    const float score = dots(seen, query, key, k, q + 1), d_weight = dots(seen, d_out, value, k, q + 1);
    const float weight = k + lane <= q ? exponential(score - stats[q]) * stats[h.padded + q] : 0;
    add_rows(seen, d_query, k == 0 ? 0 : 1, weight * (d_weight - mean), key, k, q + 1);
  }
  if (lane == 0) (at(run, o.means) + (Size)blockIdx.x * h.padded)[q] = mean;
}

/* As attention_keys<DP>. Grid: heads of keys · sequences, ⌈T / 4⌉. Reads q and dOut twice a key. */
DEVICE void attention_keys_any(const Run &run, const AttentionKeys &o) {
  const Head seen = key_head_of(o);
  const int k = row_of_warp(), lane = lane_in_warp();
  if (k >= seen.context) return;
  const Size offset = seen.offset + (Size)k * seen.row;
  const float *key = at(run, o.key) + offset, *value = at(run, o.value) + offset;
  float *d_key = at(run, o.d_key) + offset, *d_value = at(run, o.d_value) + offset;
  for (int index = 0; index < queries_per_key(o); index++) {
    const int x = query_index(o, index);
    const Head h = head_at(o, o.width, x);
    const float *query = at(run, o.query) + h.offset, *d_out = at(run, o.d_out) + h.offset;
    const float *stats = at(run, o.stats) + (Size)x * 2 * h.padded, *means = at(run, o.means) + (Size)x * h.padded;
    for (int q = k; q < h.context; q += 32) {
      const float score = dots(h, key, query, q, h.context), d_weight = dots(h, value, d_out, q, h.context);
      const int t = q + lane;
      const bool exists = t < h.context;
      const float weight = exists ? exponential(score - stats[t]) * stats[h.padded + t] : 0;
      const float d_score = exists ? weight * (d_weight - means[t]) : 0, kept = q == k && index == 0 ? 0 : 1;
      add_rows(h, d_value, kept, weight, d_out, q, h.context);
      add_rows(h, d_key, kept, d_score, query, q, h.context);
    }
  }
}
