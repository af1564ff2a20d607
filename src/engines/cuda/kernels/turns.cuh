/*
 * What is done to queries and keys head by head: an RMS norm, a multiplier, rotary positions. A warp has a head of a row, and a lane
 * some of its pairs (j, j + half) with both their dimensions; of an odd head dimension, which is never turned, the last has one.
 */
#pragma once
#include "common.cuh"

/* The warp's head, four of them a block: where it begins, and where its position's turns are, or null. */
struct TurnedHead {
  int dim, half;
  bool exists;
  Size begin;
  const float *turns;
};
template <class Operands> DEVICE TurnedHead turned_head(const Run &run, const Operands &o) {
  const int heads = o.width / o.head_dim;
  const Size index = (Size)blockIdx.x * 4 + threadIdx.x / 32, r = index / heads;
  const Size begin = r * row_length(o.width) + index % heads * o.head_dim;
  const float *turns = at(run, o.turns);
  return {o.head_dim, ceil_div(o.head_dim, 2), r < o.rows, begin, turns ? turns + r % o.context * row_length(o.head_dim) : 0};
}
/* A pair, and zero for what is not there. */
DEVICE float2 pair_of(const TurnedHead &h, const float *x, int j) { return make_float2(x[j], j + h.half < h.dim ? x[j + h.half] : 0.0f); }
DEVICE void put_pair(const TurnedHead &h, float *x, int j, float2 pair) {
  x[j] = pair.x;
  if (j + h.half < h.dim) x[j + h.half] = pair.y;
}
/* The pair turned by its angle, or by what undoes that. */
DEVICE float2 turned(const TurnedHead &h, float2 pair, int j, float direction) {
  if (!h.turns) return pair;
  const float cosine = h.turns[j], sine = h.turns[j + h.half] * direction;
  return make_float2(fmaf(pair.x, cosine, -(pair.y * sine)), fmaf(pair.y, cosine, pair.x * sine));
}
/* 1 / √(mean square + 1e-5) of the warp's head. */
DEVICE float inverse_rms(const TurnedHead &h, const float *x) {
  float squares = 0;
  for (int j = threadIdx.x % 32; j < h.half; j += 32) {
    const float2 pair = pair_of(h, x, j);
    squares = fmaf(pair.x, pair.x, squares), squares = fmaf(pair.y, pair.y, squares);
  }
  return 1.0f / sqrtf(warp_sum(squares) / h.dim + 1e-5f);
}

/*
 * out = multiplier · turned(x / rms(x) · gain) of heads [H·D] in rows, norm and gain where there is one, turns [T, D] too: cosines, then
 * sines, of pairs (j, j + D/2). May be written over x. Bytes: RC read and written.
 */
DEVICE void turn_heads(const Run &run, const TurnHeads &o) {
  const TurnedHead h = turned_head(run, o);
  if (!h.exists) return;
  const float *x = at(run, o.x) + h.begin, *gain = at(run, o.gain);
  float *out = at(run, o.out) + h.begin;
  const float scale = scalar(run, o.multiplier) * (gain ? inverse_rms(h, x) : 1.0f);
  for (int j = threadIdx.x % 32; j < h.half; j += 32) {
    float2 pair = pair_of(h, x, j);
    pair.x *= scale, pair.y *= scale;
    if (gain) {
      const float2 of_gain = pair_of(h, gain, j);
      pair.x *= of_gain.x, pair.y *= of_gain.y;
    }
    put_pair(h, out, j, turned(h, pair, j, 1.0f));
  }
}

/*
 * With d = turned back(multiplier · d_out) and n = x / rms(x): products = d ⊙ n, d_x = (d·gain − n · mean(d·gain ⊙ n)) / rms(x), or d where
 * there is no gain. May be written over d_out. Bytes: 2RC read, 2RC written with a gain, else one each.
 */
DEVICE void turn_heads_backward(const Run &run, const TurnHeadsBackward &o) {
  const TurnedHead h = turned_head(run, o);
  if (!h.exists) return;
  const float *d_out = at(run, o.d_out) + h.begin, *gain = at(run, o.gain), *x = gain ? at(run, o.x) + h.begin : 0;
  float *d_x = at(run, o.d_x) + h.begin, *products = gain ? at(run, o.products) + h.begin : 0;
  const float scale = scalar(run, o.multiplier), inverse = gain ? inverse_rms(h, x) : 1.0f;
  float along = 0;
  for (int j = threadIdx.x % 32; j < h.half; j += 32) {
    float2 d = pair_of(h, d_out, j);
    d.x *= scale, d.y *= scale;
    d = turned(h, d, j, -1.0f);
    put_pair(h, d_x, j, d);
    if (!gain) continue;
    const float2 of_x = pair_of(h, x, j), of_gain = pair_of(h, gain, j);
    const float2 product = make_float2(d.x * (of_x.x * inverse), d.y * (of_x.y * inverse));
    put_pair(h, products, j, product);
    along = fmaf(product.x, of_gain.x, along), along = fmaf(product.y, of_gain.y, along);
  }
  if (!gain) return;
  const float mean = warp_sum(along) / h.dim * inverse;
  for (int j = threadIdx.x % 32; j < h.half; j += 32) { /* a lane reads what it has written itself */
    const float2 d = pair_of(h, d_x, j), of_x = pair_of(h, x, j), of_gain = pair_of(h, gain, j);
    put_pair(h, d_x, j, make_float2(fmaf(-of_x.x, mean, d.x * of_gain.x) * inverse, fmaf(-of_x.y, mean, d.y * of_gain.y) * inverse));
  }
}

/* out[D] = Σ_h x[h·D + d]; a thread a dimension. Bytes: x read. */
DEVICE void fold_heads(const Run &run, const FoldHeads &o) {
  const int d = blockIdx.x * 128 + threadIdx.x;
  if (d >= o.head_dim) return;
  const float *x = at(run, o.x) + d;
  float total = 0;
  for (int h = 0; h < o.heads; h++) total += x[(Size)h * o.head_dim];
  at(run, o.out)[d] = total;
}
