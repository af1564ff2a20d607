/* Kernels of attention: queries and keys made ready head by head, and attention itself. */
#pragma once
#include "attention.h"
#include "run.h"

/* 1 / √(mean square + 1e-5) of a head, by four sums side by side. */
static float inverse_rms(const float *x, long D) {
  float sums[4] = {0};
  for (long d = 0; d < D; d++) sums[d % 4] += x[d] * x[d];
  return 1 / sqrtf(((sums[0] + sums[2]) + (sums[1] + sums[3])) / D + 1e-5f);
}
/* to = scale · the pairs (j, j + half) of a head turned by their angles, or by what undoes that; may be written over x. */
#define TURN(Type, j)                                                                                                          \
  const Type a = *(const Type *)(x + (j)) * scale, b = *(const Type *)(x + (j) + half) * scale;                                  \
  const Type cosine = *(const Type *)(turns + (j)), sine = *(const Type *)(turns + (j) + half) * direction;                      \
  *(Type *)(to + (j)) = a * cosine - b * sine;                                                                                   \
  *(Type *)(to + (j) + half) = b * cosine + a * sine;
INLINE void turn(const float *x, float *to, long half, const float *turns, float scale, float direction) {
  long j = 0;
  for (; j + 8 <= half; j += 8) {
    TURN(Eight, j)
  }
  for (; j < half; j++) {
    TURN(float, j)
  }
}

/* out = multiplier · turned(x / rms(x) · gain) of heads [H·D] in rows, norm and gain where there is one, turns [T, D] too: cosines, then sines, of pairs (j, j + D/2). */
KERNEL turn_heads(const Run *run, const TurnHeads *o) {
  const long row = row_length(o->width), turns_row = row_length(o->head_dim), D = o->head_dim, half = D / 2;
  const float *gain = at(run, o->gain), *turns = at(run, o->turns);
  const float scale = scalar(run, o->multiplier);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++)
    for (long h = 0; h < o->width; h += D) {
      const float *x = at(run, o->x) + r * row + h;
      float *out = at(run, o->out) + r * row + h;
      if (gain) {
        const float inverse = inverse_rms(x, D);
        for (long d = 0; d < D; d++) out[d] = x[d] * inverse * gain[d];
      }
      if (turns) turn(gain ? out : x, out, half, turns + r % o->context * turns_row, scale, 1);
      else
        for (long d = 0; d < D; d++) out[d] *= scale;
    }
}

/* With d = turned back(multiplier · d_out) and n = x / rms(x): products = d ⊙ n, d_x = (d·gain − n · mean(d·gain ⊙ n)) / rms(x), or d where there is no gain. */
KERNEL turn_heads_backward(const Run *run, const TurnHeadsBackward *o) {
  const long row = row_length(o->width), turns_row = row_length(o->head_dim), D = o->head_dim, half = D / 2;
  const float *gain = at(run, o->gain), *turns = at(run, o->turns);
  const float scale = scalar(run, o->multiplier);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++)
    for (long h = 0; h < o->width; h += D) {
      const float *d_out = at(run, o->d_out) + r * row + h;
      float *d = at(run, o->d_x) + r * row + h;
      if (turns) turn(d_out, d, half, turns + r % o->context * turns_row, scale, -1);
      else
        for (long i = 0; i < D; i++) d[i] = d_out[i] * scale;
      if (!gain) continue;
      const float *x = at(run, o->x) + r * row + h;
      float *products = at(run, o->products) + r * row + h;
      const float inverse = inverse_rms(x, D);
      float along = 0;
      for (long i = 0; i < D; i++) {
        products[i] = d[i] * x[i] * inverse;
        along += products[i] * gain[i];
      }
      along /= D;
      for (long i = 0; i < D; i++) d[i] = (d[i] * gain[i] - x[i] * inverse * along) * inverse;
    }
}

/* out[D] = Σ_h x[h·D + d] */
KERNEL fold_heads(const Run *run, const FoldHeads *o) {
  if (run->team.index != 0) return;
  const float *x = at(run, o->x);
  float *out = at(run, o->out);
  for (long d = 0; d < o->head_dim; d++) {
    float total = 0;
    for (long h = 0; h < o->heads; h++) total += x[h * o->head_dim + d];
    out[d] = total;
  }
}

/* The rows of head `index` of the batch inside [R,C]. */
static Rows head_of(const Run *run, int32_t ref, long width, HeadSize h, long index) {
  const long row = row_length(width), heads = width / h.head_dim;
  return (Rows){at(run, ref) + index / heads * h.context * row + index % heads * h.head_dim, row};
}
#define HEAD(ref) head_of(run, o->ref, o->width, size, i)
#define KEY_HEAD(ref) head_of(run, o->ref, o->key_width, size, i / queries_per_key)

/* out[R,C] = softmax(query·keyᵀ)·value for each sequence and head, neighbouring heads of queries sharing one of keys; stats [B·H, 2, Tp] */
KERNEL attention(const Run *run, const Attention *o) {
  const HeadSize size = {o->context, o->head_dim};
  const AttentionScratch s = attention_scratch(&run->team, size);
  const long queries_per_key = o->width / o->key_width;
  const Range mine = share(&run->team, (long)o->rows / o->context * (o->width / o->head_dim));
  for (long i = mine.begin; i < mine.end; i++)
    attend(s, size, HEAD(query), KEY_HEAD(key), KEY_HEAD(value), HEAD(out), at(run, o->stats) + i * 2 * s.tp);
}

KERNEL attention_backward(const Run *run, const AttentionBackward *o) {
  const HeadSize size = {o->context, o->head_dim};
  const AttentionScratch s = attention_scratch(&run->team, size);
  const long queries_per_key = o->width / o->key_width;
  const Range mine = share(&run->team, (long)o->rows / o->context * (o->key_width / o->head_dim));
  for (long i = mine.begin * queries_per_key; i < mine.end * queries_per_key; i++)
    attend_backward(s, size, HEAD(query), KEY_HEAD(key), KEY_HEAD(value), at(run, o->stats) + i * 2 * s.tp, HEAD(d_out), HEAD(d_query),
                    KEY_HEAD(d_key), KEY_HEAD(d_value), i % queries_per_key > 0);
}
