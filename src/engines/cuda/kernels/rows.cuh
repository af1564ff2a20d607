/*
 * Kernels that pass once over rows: embedding, norms, sums over rows or parts, the loss.
 * Bytes are those through device memory for each lane, in floats unless said otherwise.
 */
#pragma once
#include "common.cuh"

/* A float4 as an array, and the first `count` of its values with zeros after them. */
struct Four {
  float x[4];
};
DEVICE Four four(const float *p) {
  const float4 v = load4(p);
  return {{v.x, v.y, v.z, v.w}};
}
DEVICE Four first_of(int count, const float *p) {
  const float4 v = load4(p);
  return {{v.x, count > 1 ? v.y : 0, count > 2 ? v.z : 0, count > 3 ? v.w : 0}};
}
DEVICE void put(float *p, const Four &v) { store4(p, make_float4(v.x[0], v.x[1], v.x[2], v.x[3])); }
#define EACH(j) UNROLL for (int j = 0; j < 4; j++)

/* Sum over a block of THREADS, the same value in each of them. */
template <int THREADS> DEVICE float block_sum(float x) {
  __shared__ float sums[THREADS / 32];
  x = warp_sum(x);
  __syncthreads();
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  float total = 0;
  UNROLL for (int i = 0; i < THREADS / 32; i++) total += sums[i];
  return total;
}
template <int THREADS> DEVICE float block_max(float x) {
  __shared__ float most[THREADS / 32];
  x = warp_max(x);
  __syncthreads();
  if (threadIdx.x % 32 == 0) most[threadIdx.x / 32] = x;
  __syncthreads();
  float top = most[0];
  UNROLL for (int i = 1; i < THREADS / 32; i++) top = fmaxf(top, most[i]);
  return top;
}

/* out[R,C] = multiplier · (table[token] + positions[t]), positions if there are any; a thread for four values. Bytes: RC written, the rows of the batch's tokens read. */
DEVICE void embed(const Run &run, const Embed &o) {
  const int row = row_length(o.width);
  const Size i = ((Size)blockIdx.x * 256 + threadIdx.x) * 4;
  if (i >= (Size)o.rows * row) return;
  const int r = (int)(i / row), c = (int)(i % row);
  const int32_t token = of_step(run, run.tokens)[o.first_row + r];
  const Four a = four(at(run, o.table) + (Size)token * row + c);
  const Four b = o.positions < 0 ? Four{{0, 0, 0, 0}} : four(at(run, o.positions) + (Size)(r % o.context) * row + c);
  const float scale = scalar(run, o.multiplier);
  Four sum;
  EACH(j) sum.x[j] = (a.x[j] + b.x[j]) * scale;
  put(at(run, o.out) + i, sum);
}

/* Σ of d_out over the rows that `row_of(i)` names, i in [begin, end), in that order, eight loads at a time; four columns a lane. */
template <class RowOf> DEVICE Four sum_of_rows(const float *d_out, int row, int c, int begin, int end, RowOf row_of) {
  constexpr int AHEAD = 8;
  Four total = {{0, 0, 0, 0}};
  for (int i = begin; i < end; i += AHEAD) {
    Four next[AHEAD];
    UNROLL for (int a = 0; a < AHEAD; a++) {
      const int r = i + a < end ? row_of(i + a) : -1;
      if (r >= 0) next[a] = four(d_out + (Size)r * row + c);
      else next[a] = {{0, 0, 0, 0}};
    }
    UNROLL for (int a = 0; a < AHEAD; a++) EACH(j) total.x[j] += next[a].x[j];
  }
  return total;
}

/*
 * d_table[V,C] = multiplier · Σ of d_out over a token's rows, d_positions[T,C] likewise if there is one, added to what is there when asked.
 * A warp for each row of either, four of them a block; a token's rows are found by bisection in `order`, so nothing is added by
 * several threads. Bytes: 2RC read, (V + T)·C written.
 */
DEVICE void embed_backward(const Run &run, const EmbedBackward &o) {
  const int row = row_length(o.width), index = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (index >= o.vocabulary + (o.d_positions < 0 ? 0 : o.context)) return;
  const float *d_out = at(run, o.d_out);
  const float scale = scalar(run, o.multiplier);
  const int32_t *tokens = of_step(run, run.tokens), *order = of_step(run, run.order);
  const bool is_token = index < o.vocabulary;
  /* The first place in `order` whose token is not below `token`. */
  auto place_of = [&](int token) {
    int low = 0, high = run.tokens_per_step;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (tokens[order[middle]] < token) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const int begin = is_token ? place_of(index) : 0, end = is_token ? place_of(index + 1) : o.rows / o.context;
  float *out = is_token ? at(run, o.d_table) + (Size)index * row : at(run, o.d_positions) + (Size)(index - o.vocabulary) * row;
  for (int c = lane * 4; c < row; c += 128) {
    Four total = is_token ? sum_of_rows(d_out, row, c, begin, end,
                                        [&](int i) {
                                          const int r = order[i] - o.first_row; /* rows of other groups of the batch are left out */
                                          return r < o.rows ? r : -1;
                                        })
                          : sum_of_rows(d_out, row, c, begin, end, [&](int i) { return i * o.context + index - o.vocabulary; });
    const Four before = o.accumulate ? four(out + c) : Four{{0, 0, 0, 0}};
    EACH(j) total.x[j] = fmaf(total.x[j], scale, before.x[j]);
    put(out + c, total);
  }
}

/* out[columns,rows] = x[rows,columns] transposed; a block a square of LINE by LINE, a thread every 8th row of it. Bytes: x read and written. */
DEVICE void transpose_matrix(const Run &run, const TransposeMatrix &o) {
  __shared__ float square[LINE][LINE + 1];
  const int across = ceil_div(o.columns, LINE), r0 = (int)blockIdx.x / across * LINE, c0 = (int)blockIdx.x % across * LINE;
  const int x = threadIdx.x % LINE, from = row_length(o.columns), to = row_length(o.rows);
  const float *in = at(run, o.x);
  float *out = at(run, o.out);
  for (int y = threadIdx.x / LINE; y < LINE; y += 256 / LINE)
    if (r0 + y < o.rows && c0 + x < o.columns) square[y][x] = in[(Size)(r0 + y) * from + c0 + x];
  __syncthreads();
  for (int y = threadIdx.x / LINE; y < LINE; y += 256 / LINE)
    if (c0 + y < o.columns && r0 + x < o.rows) out[(Size)(c0 + y) * to + r0 + x] = square[x][y];
}

/*
 * normal[R,C] = (x − mean) · inverse, inverse[R] = 1/√(variance + 1e-5), without the mean when not centered; a warp a row, four rows
 * a block. Bytes: RC read, RC written.
 */
DEVICE void normalize(const Run &run, const Normalize &o) {
  const int row = row_length(o.width), r = blockIdx.x * 4 + threadIdx.x / 32, first = threadIdx.x % 32 * 4;
  if (r >= o.rows) return;
  const float *x = at(run, o.x) + (Size)r * row;
  float *normal = at(run, o.normal) + (Size)r * row;
  float total = 0, squares = 0;
  for (int c = first; c < o.width; c += 128) {
    const Four v = first_of(o.width - c, x + c);
    EACH(j) total += v.x[j];
  }
  const float mean = o.centered ? warp_sum(total) / o.width : 0.0f;
  for (int c = first; c < o.width; c += 128) {
    const Four v = four(x + c);
    EACH(j) if (c + j < o.width) squares = fmaf(v.x[j] - mean, v.x[j] - mean, squares);
  }
  const float inverse = 1.0f / sqrtf(warp_sum(squares) / o.width + 1e-5f);
  for (int c = first; c < o.width; c += 128) {
    Four v = four(x + c);
    EACH(j) v.x[j] = (v.x[j] - mean) * inverse;
    put(normal + c, v);
  }
  if (first == 0) at(run, o.inverse)[r] = inverse;
}

/*
 * out[R,C] = residual + inverse · (d − mean(d) − normal · mean(d ⊙ normal)), d the gradient of `normal`, without mean(d) when not
 * centered; a warp a row, four rows a block. Bytes: 3RC read with the residual, RC written.
 */
DEVICE void normalize_backward(const Run &run, const NormalizeBackward &o) {
  const int row = row_length(o.width), r = blockIdx.x * 4 + threadIdx.x / 32, first = threadIdx.x % 32 * 4;
  if (r >= o.rows) return;
  const Size begin = (Size)r * row;
  const float *d = at(run, o.d_normal) + begin, *normal = at(run, o.normal) + begin;
  const float *residual = o.residual < 0 ? 0 : at(run, o.residual) + begin;
  float *out = at(run, o.out) + begin, total = 0, product = 0;
  for (int c = first; c < o.width; c += 128) {
    const Four g = first_of(o.width - c, d + c), n = first_of(o.width - c, normal + c);
    EACH(j) total += g.x[j], product = fmaf(g.x[j], n.x[j], product);
  }
  const float mean = o.centered ? warp_sum(total) / o.width : 0.0f, slope = warp_sum(product) / o.width, inverse = at(run, o.inverse)[r];
  for (int c = first; c < o.width; c += 128) {
    const Four g = four(d + c), n = four(normal + c);
    Four sum = residual ? four(residual + c) : Four{{0, 0, 0, 0}};
    EACH(j) sum.x[j] = fmaf(fmaf(-slope, n.x[j], g.x[j] - mean), inverse, sum.x[j]);
    put(out + c, sum);
  }
}

/* out[n] = multiplier · (bias[n] + Σ_k shift[k] · weight[k,n]); a thread a column. Bytes: fan_in · fan_out read. */
DEVICE void bias_row(const Run &run, const BiasRow &o) {
  const int row = row_length(o.fan_out), n = blockIdx.x * 128 + threadIdx.x;
  if (n >= o.fan_out) return;
  float total = o.bias < 0 ? 0 : at(run, o.bias)[n];
  if (o.shift >= 0) {
    const float *shift = at(run, o.shift), *weight = at(run, o.weight) + n;
    for (int k = 0; k < o.fan_in; k++) total = fmaf(weight[(Size)k * row], shift[k], total);
  }
  at(run, o.out)[n] = total * scalar(run, o.multiplier);
}

/* out[n] = multiplier · Σ_r x[r,n], added to what is there when asked; 32 columns a block, every 8th row a thread. Bytes: x read. */
DEVICE void column_sum(const Run &run, const ColumnSum &o) {
  __shared__ float sums[8][32];
  const int row = row_length(o.columns), x = threadIdx.x % 32, y = threadIdx.x / 32, n = blockIdx.x * 32 + x;
  float total = 0;
  const float *from = at(run, o.x) + n;
  if (n < o.columns)
    for (int r = y; r < o.rows; r += 8) total += from[(Size)r * row];
  sums[y][x] = total;
  __syncthreads();
  if (y > 0 || n >= o.columns) return;
  UNROLL for (int i = 1; i < 8; i++) total += sums[i][x];
  float *const out = at(run, o.out) + n;
  *out = fmaf(total, scalar(run, o.multiplier), o.accumulate ? *out : 0.0f);
}

/*
 * From gradient = normalᵀ·d_out and d_bias = multiplier · Σ_r d_out, for each row k of a weight:
 * d_gain[k] = multiplier · Σ_n gradient·weight, d_shift[k] = Σ_n d_bias·weight, gradient ← multiplier·gain[k]·gradient + shift[k]·d_bias;
 * a block a row, for the weights behind one norm one after the other. Bytes: 2 · fan_in · fan_out read, 1 written.
 */
DEVICE void norm_gradients(const Run &run, const NormGradientsGroup &group) {
  for (int i = 0; i < group.count; i++) {
    const NormGradients &o = group.each[i];
    const int row = row_length(o.fan_out), k = blockIdx.x;
    float *gradient = at(run, o.gradient) + (Size)k * row;
    const float *weight = at(run, o.weight) + (Size)k * row, *d_bias = at(run, o.d_bias);
    const float scale = scalar(run, o.multiplier), factor = scale * at(run, o.gain)[k], shift = o.shift < 0 ? 0 : at(run, o.shift)[k];
    float of_gain = 0, of_shift = 0;
    for (int n = threadIdx.x * 4; n < o.fan_out; n += 512) {
      Four g = four(gradient + n);
      const Four w = four(weight + n), b = o.shift < 0 ? Four{{0, 0, 0, 0}} : four(d_bias + n);
      EACH(j) {
        if (n + j < o.fan_out) of_gain = fmaf(g.x[j], w.x[j], of_gain), of_shift = fmaf(b.x[j], w.x[j], of_shift);
        g.x[j] = fmaf(g.x[j], factor, b.x[j] * shift);
      }
      put(gradient + n, g);
    }
    of_gain = block_sum<128>(of_gain), of_shift = block_sum<128>(of_shift);
    if (threadIdx.x > 0) continue;
    float *const d_gain = at(run, o.d_gain) + k;
    *d_gain = fmaf(scale, of_gain, o.accumulate ? *d_gain : 0.0f);
    if (o.shift < 0) continue;
    float *const d_shift = at(run, o.d_shift) + k;
    *d_shift = (o.accumulate ? *d_shift : 0.0f) + of_shift;
  }
}

/*
 * losses[r] = −log softmax(logits[r])[target], gradient = (softmax − one-hot) / total_rows, which may be written over the logits; with
 * a z_loss the softmax in it counts 1 + 2·z_loss·log Σ exp(logits) times.
 * The THREADS of a row keep what they have seen as a largest score and a sum relative to it. Bytes: logits read twice, written once,
 * all of it in L2 when the rows are few enough.
 */
template <int THREADS, class Sum, class Max>
DEVICE void cross_entropy_row(const Run &run, const CrossEntropy &o, int r, int thread, Sum sum, Max max) {
  const Size begin = (Size)r * row_length(o.vocabulary);
  const float *z = at(run, o.logits) + begin;
  const int target = of_step(run, run.targets)[o.first_row + r];
  float most = -INFINITY, total = 0;
  for (int n = thread * 4; n < o.vocabulary; n += 4 * THREADS) {
    const Four v = four(z + n);
    float top = most;
    EACH(j) if (n + j < o.vocabulary) top = fmaxf(top, v.x[j]);
    if (top > most) total *= __expf(most - top), most = top;
    EACH(j) if (n + j < o.vocabulary) total += __expf(v.x[j] - most);
  }
  const float of_target = z[target], top = max(most);
  total = sum(total == 0.0f ? 0.0f : total * __expf(most - top));
  if (thread == 0) at(run, o.losses)[o.first_row + r] = logf(total) + (top - of_target);
  if (o.gradient < 0) return;
  __syncwarp(); /* the target's score is read before it is written over: of a block by the barriers of its sums, of a warp by this */
  float *const gradient = at(run, o.gradient) + begin;
  const float once = 1.0f / (total * o.total_rows), one = 1.0f / o.total_rows;
  const float share = o.z_loss < 0 ? once : once * fmaf(2.0f * scalar(run, o.z_loss), logf(total) + top, 1.0f);
  for (int n = thread * 4; n < o.vocabulary; n += 4 * THREADS) {
    Four v = four(z + n);
    EACH(j) v.x[j] = fmaf(__expf(v.x[j] - top), share, n + j == target ? -one : 0.0f);
    put(gradient + n, v);
  }
}
/* Vocabularies up to this many have a warp a row, eight rows a block; larger ones a block a row. */
#define NARROW_VOCABULARY 1024
DEVICE void cross_entropy(const Run &run, const CrossEntropy &o) {
  if (o.vocabulary > NARROW_VOCABULARY) {
    cross_entropy_row<256>(run, o, blockIdx.x, threadIdx.x, [](float x) { return block_sum<256>(x); }, [](float x) { return block_max<256>(x); });
  } else {
    const int r = blockIdx.x * 8 + threadIdx.x / 32;
    if (r < o.rows) cross_entropy_row<32>(run, o, r, threadIdx.x % 32, [](float x) { return warp_sum(x); }, [](float x) { return warp_max(x); });
  }
}

/* This step's and lane's loss: the mean of losses[R], summed in double by a tree. */
DEVICE void mean_loss(const Run &run, const MeanLoss &o) {
  __shared__ double sums[256];
  double total = 0;
  for (int r = threadIdx.x; r < o.rows; r += 256) total += at(run, o.losses)[r];
  sums[threadIdx.x] = total;
  for (int d = 128; d > 0; d /= 2) {
    __syncthreads();
    if ((int)threadIdx.x < d) sums[threadIdx.x] += sums[threadIdx.x + d];
  }
  if (threadIdx.x == 0) run.losses[(Size)*run.step * run.lanes + lane_of(run)] = (float)(sums[0] / o.rows);
}
