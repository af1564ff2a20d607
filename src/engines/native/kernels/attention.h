/*
 * Causal attention of one head at a time, everything of that head in cache. Only
 * log Σ exp of each row is kept for the backward pass, which computes the
 * probabilities again, BLOCK queries at a time; keys after a query are skipped
 * in steps of LINE. T context, D head dim, Tp and Dp the same rounded up to lines.
 */
#pragma once
#include "product.h"

#define BLOCK 64

/* Part of a matrix [rows of the batch, width] that belongs to one head: T rows of D. */
typedef struct {
  float *data;
  long row, context, head_dim;
} Head;

/* One thread's buffers; sizes in scratch_floats. */
typedef struct {
  long tp, dp;
  float *keys_t, *values_t;            /* [D, Tp] */
  float *scores, *d_scores, *mixed;    /* [BLOCK, Tp], [BLOCK, Tp], [BLOCK, Dp] */
  float *queries, *keys, *values, *d_mixed, *d_keys, *d_values; /* [Tp, Dp] */
} AttentionScratch;

static long attention_floats(long context, long head_dim) {
  const long tp = round_up(context, LINE), dp = round_up(head_dim, LINE);
  return 2 * head_dim * tp + 2 * BLOCK * tp + BLOCK * dp + 6 * tp * dp;
}

static AttentionScratch attention_scratch(const Team *team, long context, long head_dim) {
  const long tp = round_up(context, LINE), dp = round_up(head_dim, LINE);
  AttentionScratch s = {.tp = tp, .dp = dp, .keys_t = team->scratch};
  s.values_t = s.keys_t + head_dim * tp;
  s.scores = s.values_t + head_dim * tp;
  s.d_scores = s.scores + BLOCK * tp;
  s.mixed = s.d_scores + BLOCK * tp;
  s.queries = s.mixed + BLOCK * dp;
  s.keys = s.queries + tp * dp;
  s.values = s.keys + tp * dp;
  s.d_mixed = s.values + tp * dp;
  s.d_keys = s.d_mixed + tp * dp;
  s.d_values = s.d_keys + tp * dp;
  return s;
}

static inline Left rows_of(Head h, long t) { return (Left){h.data + t * h.row, h.row, 1}; }

/* packed[Tp, Dp], zero outside [T, D]. */
static void pack_head(Head h, long tp, long dp, float *packed) {
  for (long t = 0; t < tp; t++)
    for (long d = 0; d < dp; d += LANES) {
      const long there = t < h.context ? h.head_dim - d : 0;
      float tail[LANES] = {0};
      if (there >= LANES) {
        store(packed + t * dp + d, load(h.data + t * h.row + d));
      } else {
        for (long i = 0; i < there; i++) tail[i] = h.data[t * h.row + d + i];
        store(packed + t * dp + d, load(tail));
      }
    }
}

/* packed[D, Tp], zero outside [D, T]. */
static void pack_head_transposed(Head h, long tp, float *packed) {
  for (long d = 0; d < h.head_dim; d++) {
    for (long t = 0; t < h.context; t++) packed[d * tp + t] = h.data[t * h.row + d];
    for (long t = h.context; t < tp; t++) packed[d * tp + t] = 0;
  }
}

/* rows [t, t + count) of a head from packed[count, Dp]. */
static void unpack_head(Head h, long t, long count, long dp, const float *packed) {
  for (long i = 0; i < count; i++)
    if (h.head_dim == dp)
      for (long d = 0; d < dp; d += LANES) store(h.data + (t + i) * h.row + d, load(packed + i * dp + d));
    else
      memcpy(h.data + (t + i) * h.row, packed + i * dp, sizeof(float) * h.head_dim);
}

/* Row t of scores becomes probabilities over keys 0..t, zero up to `end`; returns log Σ exp. */
static float softmax_row(float *row, long t, long end) {
  Vector most = all(-INFINITY), total = all(0);
  for (long j = 0; j <= t; j += LANES) most = larger(first(t + 1 - j, load(row + j), all(-INFINITY)), most);
  const float top = maximum(most);
  for (long j = 0; j < end; j += LANES) {
    const Vector e = first(t + 1 - j, exponential(load(row + j) - top), all(0));
    total += e;
    store(row + j, e);
  }
  const float all_of_it = sum(total), share = 1 / all_of_it;
  for (long j = 0; j < end; j += LANES) store(row + j, load(row + j) * share);
  return top + logf(all_of_it);
}

/* out = softmax(q·kᵀ)·v; logsums [T]. */
static void attend(AttentionScratch s, Head query, Head key, Head value, Head out, float *logsums) {
  const long T = query.context, D = query.head_dim;
  pack_head_transposed(key, s.tp, s.keys_t);
  pack_head(value, s.tp, s.dp, s.values);
  for (long t = 0; t < T; t += LINE) {
    const long rows = least(LINE, T - t), end = t + LINE;
    multiply(rows, end, D, rows_of(query, t), s.keys_t, s.tp, (Initial){0}, s.scores, s.tp);
    for (long i = 0; i < rows; i++) logsums[t + i] = softmax_row(s.scores + i * s.tp, t + i, end);
    multiply(rows, s.dp, least(end, T), (Left){s.scores, s.tp, 1}, s.values, s.dp, (Initial){0}, s.mixed, s.dp);
    unpack_head(out, t, rows, s.dp, s.mixed);
  }
}

/*
 * With P = softmax(q·kᵀ): dv = Pᵀ·do, dP = do·vᵀ, dS = P ⊙ (dP − rowsum(P ⊙ dP)), dq = dS·k, dk = dSᵀ·q.
 */
static void attend_backward(AttentionScratch s, Head query, Head key, Head value, const float *logsums, Head d_out, Head d_query,
                            Head d_key, Head d_value) {
  const long T = query.context, D = query.head_dim, tp = s.tp, dp = s.dp;
  pack_head_transposed(key, tp, s.keys_t);
  pack_head_transposed(value, tp, s.values_t);
  pack_head(key, tp, dp, s.keys);
  pack_head(query, tp, dp, s.queries);
  pack_head(d_out, tp, dp, s.d_mixed);
  memset(s.d_keys, 0, sizeof(float) * tp * dp);
  memset(s.d_values, 0, sizeof(float) * tp * dp);
  for (long block = 0; block < T; block += BLOCK) {
    const long last = least(block + BLOCK, T);
    for (long t = block; t < last; t += LINE) {
      const long rows = least(LINE, T - t), end = t + LINE;
      float *const scores = s.scores + (t - block) * tp, *const d_scores = s.d_scores + (t - block) * tp;
      multiply(rows, end, D, rows_of(query, t), s.keys_t, tp, (Initial){0}, scores, tp);
      multiply(rows, end, D, rows_of(d_out, t), s.values_t, tp, (Initial){0}, d_scores, tp);
      for (long i = 0; i < rows; i++) {
        float *const p = scores + i * tp, *const dp_row = d_scores + i * tp;
        Vector total = all(0);
        for (long j = 0; j < end; j += LANES) {
          const Vector e = first(t + i + 1 - j, exponential(load(p + j) - logsums[t + i]), all(0));
          total += e * load(dp_row + j);
          store(p + j, e);
        }
        const float mean = sum(total);
        for (long j = 0; j < end; j += LANES) store(dp_row + j, load(p + j) * (load(dp_row + j) - mean));
      }
      multiply(rows, dp, least(end, T), (Left){d_scores, tp, 1}, s.keys, dp, (Initial){0}, s.mixed, dp);
      unpack_head(d_query, t, rows, dp, s.mixed);
    }
    for (long j = 0; j < last; j += LINE) {
      const long from = j > block ? j : block;
      float *const d_keys = s.d_keys + j * dp, *const d_values = s.d_values + j * dp;
      const long at = (from - block) * tp + j;
      multiply(LINE, dp, last - from, (Left){s.d_scores + at, 1, tp}, s.queries + from * dp, dp, (Initial){d_keys, dp}, d_keys, dp);
      multiply(LINE, dp, last - from, (Left){s.scores + at, 1, tp}, s.d_mixed + from * dp, dp, (Initial){d_values, dp}, d_values, dp);
    }
  }
  unpack_head(d_key, 0, T, dp, s.d_keys);
  unpack_head(d_value, 0, T, dp, s.d_values);
}
