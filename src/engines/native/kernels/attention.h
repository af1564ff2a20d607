/*
 * Causal attention of one head at a time, everything of that head in cache. Scores
 * are kept transposed, keys down and queries across, so that each query has a lane
 * of a vector and softmax needs no sums within one. The backward pass computes the
 * probabilities again from each query's maximum and inverse sum; BLOCK queries are
 * in memory at once, and keys after a query are skipped in steps of LINE.
 * T context, D head dim, Tp and Dp the same rounded up to lines.
 */
#pragma once
#include "product.h"

#define BLOCK 64

/* Rows of floats: those of one head inside a batch [R,C], or a packed copy [Tp,Dp]. */
typedef struct {
  float *data;
  long row;
} Rows;

typedef struct {
  long context, head_dim;
} HeadSize;

/* One thread's buffers. */
typedef struct {
  long tp, dp;
  float *queries_t, *d_out_t;                              /* [D, Tp] */
  float *scores, *d_scores;                                /* [Tp, BLOCK] */
  float *queries, *keys, *values, *d_out;                  /* [Tp, Dp] */
  float *out, *d_queries, *d_keys, *d_values;              /* [Tp, Dp] */
} AttentionScratch;

static long attention_floats(HeadSize h) {
  const long tp = round_up(h.context, LINE), dp = round_up(h.head_dim, LINE);
  return 2 * h.head_dim * tp + 2 * tp * BLOCK + 8 * tp * dp;
}

static AttentionScratch attention_scratch(const Team *team, HeadSize h) {
  const long tp = round_up(h.context, LINE), dp = round_up(h.head_dim, LINE);
  AttentionScratch s = {.tp = tp, .dp = dp};
  float *next = team->scratch;
#define TAKE(name, floats) s.name = next, next += (floats)
  TAKE(queries_t, h.head_dim * tp);
  TAKE(d_out_t, h.head_dim * tp);
  TAKE(scores, tp * BLOCK);
  TAKE(d_scores, tp * BLOCK);
  TAKE(queries, tp * dp);
  TAKE(keys, tp * dp);
  TAKE(values, tp * dp);
  TAKE(d_out, tp * dp);
  TAKE(out, tp * dp);
  TAKE(d_queries, tp * dp);
  TAKE(d_keys, tp * dp);
  TAKE(d_values, tp * dp);
#undef TAKE
  return s;
}

/* A head's rows when they are whole lines, else a packed copy of them. */
static Rows readable(Rows head, HeadSize h, long dp, float *packed) {
  if (h.head_dim == dp) return head;
  for (long t = 0; t < h.context; t++) memcpy(packed + t * dp, head.data + t * head.row, sizeof(float) * h.head_dim);
  return (Rows){packed, dp};
}

/* Where a head's rows can be written as whole lines; `unpack` brings a packed copy home. */
static Rows writable(Rows head, HeadSize h, long dp, float *packed) { return h.head_dim == dp ? head : (Rows){packed, dp}; }
static void unpack(Rows written, Rows head, HeadSize h) {
  if (written.data == head.data) return;
  for (long t = 0; t < h.context; t++) memcpy(head.data + t * head.row, written.data + t * written.row, sizeof(float) * h.head_dim);
}

/* transposed[D, Tp], zero from T on. */
static void transpose_head(Rows head, HeadSize h, long tp, float *transposed) {
  transpose(head.data, head.row, h.context, h.head_dim, 1, 0, transposed, tp);
  for (long d = 0; d < h.head_dim; d++)
    for (long t = h.context; t < tp; t++) transposed[d * tp + t] = 0;
}

/* Scores of keys 0..end−1 with the LINE queries from t on: columns of [Tp, BLOCK]. */
static void score(AttentionScratch s, HeadSize h, Rows key, const float *queries_t, long t, long end, float *scores) {
  multiply(end, LINE, h.head_dim, (Left){key.data, key.row, 1}, queries_t + t, s.tp, (Initial){0}, scores + t % BLOCK, BLOCK);
}

/* e^(score − most) of LANES queries from q on and key k; 0 where the key comes after the query. */
INLINE Vector weight_of(const float *scores, long k, long q, Vector most) {
  const Vector e = exponential_below_0(load(scores) - most);
  return k <= q ? e : first(k - q, all(0), e);
}

/* out = softmax(q·kᵀ)·v; stats [2, Tp] receives each query's largest score and 1/Σ exp. */
static void attend(AttentionScratch s, HeadSize h, Rows query, Rows key, Rows value, Rows out, float *stats) {
  const long T = h.context;
  transpose_head(query, h, s.tp, s.queries_t);
  const Rows values = readable(value, h, s.dp, s.values), mixed = writable(out, h, s.dp, s.out);
  for (long t = 0; t < T; t += LINE) {
    const long end = least(t + LINE, T);
    score(s, h, key, s.queries_t, t, end, s.scores);
    for (long q = t; q < t + LINE; q += LANES) {
      float *const column = s.scores + q % BLOCK;
      Vector most = load(column), total = all(0);
      for (long k = 1; k < end; k++) {
        const Vector each = load(column + k * BLOCK);
        most = larger(k <= q ? each : first(k - q, all(-INFINITY), each), most);
      }
      for (long k = 0; k < end; k++) {
        const Vector e = weight_of(column + k * BLOCK, k, q, most);
        total += e;
        store(column + k * BLOCK, e);
      }
      store(stats + q, most);
      store(stats + s.tp + q, 1 / total);
    }
    const Left weights = {s.scores + t % BLOCK, 1, BLOCK};
    const long rows = least(LINE, T - t);
    float *const sums = mixed.data + t * mixed.row;
    multiply(rows, s.dp, end, weights, values.data, values.row, (Initial){0}, sums, mixed.row);
    for (long i = 0; i < rows; i++)
      for (long d = 0; d < s.dp; d += LANES)
        store(sums + i * mixed.row + d, load(sums + i * mixed.row + d) * stats[s.tp + t + i]);
  }
  unpack(mixed, out, h);
}

/* What was in `head`, where what is written comes from a packed copy and adds to it. */
static void readd(Rows written, Rows head, HeadSize h) {
  if (written.data == head.data) return;
  for (long t = 0; t < h.context; t++) memcpy(written.data + t * written.row, head.data + t * head.row, sizeof(float) * h.head_dim);
}

/* With P = softmax(q·kᵀ), dk and dv added to what is there when asked: dv = Pᵀ·do, dP = do·vᵀ, dS = P ⊙ (dP − rowsum(P ⊙ dP)), dq = dS·k, dk = dSᵀ·q. */
static void attend_backward(AttentionScratch s, HeadSize h, Rows query, Rows key, Rows value, const float *stats, Rows d_out,
                            Rows d_query, Rows d_key, Rows d_value, int adds) {
  const long T = h.context;
  transpose_head(query, h, s.tp, s.queries_t);
  transpose_head(d_out, h, s.tp, s.d_out_t);
  const Rows queries = readable(query, h, s.dp, s.queries), keys = readable(key, h, s.dp, s.keys);
  const Rows gradients = readable(d_out, h, s.dp, s.d_out), d_queries = writable(d_query, h, s.dp, s.d_queries);
  const Rows d_keys = writable(d_key, h, s.dp, s.d_keys), d_values = writable(d_value, h, s.dp, s.d_values);
  if (adds) readd(d_keys, d_key, h), readd(d_values, d_value, h);
  for (long block = 0; block < T; block += BLOCK) {
    const long last = least(block + BLOCK, T);
    for (long t = block; t < last; t += LINE) {
      const long end = least(t + LINE, T);
      score(s, h, key, s.queries_t, t, end, s.scores);
      score(s, h, value, s.d_out_t, t, end, s.d_scores);
      for (long q = t; q < t + LINE; q += LANES) {
        float *const column = s.scores + q % BLOCK, *const d_column = s.d_scores + q % BLOCK;
        const Vector most = load(stats + q), share = load(stats + s.tp + q);
        Vector mean = all(0);
        for (long k = 0; k < end; k++) {
          const Vector p = weight_of(column + k * BLOCK, k, q, most) * share;
          mean += p * load(d_column + k * BLOCK);
          store(column + k * BLOCK, p);
        }
        for (long k = 0; k < end; k++)
          store(d_column + k * BLOCK, load(column + k * BLOCK) * (load(d_column + k * BLOCK) - mean));
      }
      const Left d_scores = {s.d_scores + t % BLOCK, 1, BLOCK};
      multiply(least(LINE, T - t), s.dp, end, d_scores, keys.data, keys.row, (Initial){0}, d_queries.data + t * d_queries.row,
               d_queries.row);
    }
    /* Queries before a line of keys never saw them; the first block that did starts their sums. */
    for (long k = 0; k < last; k += LINE) {
      const long from = k > block ? k : block, rows = least(LINE, last - k), depth = last - from, at = k * BLOCK + from - block;
      float *const dk = d_keys.data + k * d_keys.row, *const dv = d_values.data + k * d_values.row;
      multiply(rows, s.dp, depth, (Left){s.d_scores + at, BLOCK, 1}, queries.data + from * queries.row, queries.row,
               (Initial){k < block || adds ? dk : 0, d_keys.row}, dk, d_keys.row);
      multiply(rows, s.dp, depth, (Left){s.scores + at, BLOCK, 1}, gradients.data + from * gradients.row, gradients.row,
               (Initial){k < block || adds ? dv : 0, d_values.row}, dv, d_values.row);
    }
  }
  unpack(d_queries, d_query, h);
  unpack(d_keys, d_key, h);
  unpack(d_values, d_value, h);
}
