/*
 * What updates of whole matrices are made of besides products: norms of gradients, momentum, and polynomials of symmetric matrices
 * (Muon's). A launch takes several matrices of a kind. Bytes are those through device memory for each lane.
 */
#pragma once
#include "elements.cuh"

/* out[r] = Σ_c x[r,c]², zeros to the end of the last line; a warp a row, eight rows a block. Bytes: x read. */
DEVICE void square_sums(const Run &run, const SquareSumsGroup &group) {
  const SquareSums &o = group.each[entry_of(group)];
  const int row = row_length(o.columns), r = ((int)blockIdx.x - o.first_block) * 8 + threadIdx.x / 32, first = threadIdx.x % 32 * 4;
  if (r >= row_length(o.rows)) return;
  const float *x = at(run, o.x) + (Size)r * row;
  float total = 0;
  if (r < o.rows)
    for (int c = first; c < o.columns; c += 128) {
      const Four v = first_of(o.columns - c, x + c);
      EACH(j) total = fmaf(v.x[j], v.x[j], total);
    }
  total = warp_sum(total);
  if (first == 0) at(run, o.out)[r] = total;
}

/* With n = √(Σ sums), summed in double by a tree: out = min(1, limit / (n + 1e-6)), or 1 / (n + 1e-7) without a limit; a block each. */
DEVICE void norm_factor(const Run &run, const NormFactorGroup &group) {
  __shared__ double partial[256];
  const NormFactor &o = group.each[blockIdx.x];
  const float *sums = at(run, o.sums);
  double total = 0;
  for (int i = threadIdx.x; i < o.count; i += 256) total += sums[i];
  partial[threadIdx.x] = total;
  for (int d = 128; d > 0; d /= 2) {
    __syncthreads();
    if ((int)threadIdx.x < d) partial[threadIdx.x] += partial[threadIdx.x + d];
  }
  if (threadIdx.x > 0) return;
  const float norm = (float)sqrt(partial[0]);
  if (o.limit < 0) {
    *at(run, o.out) = 1.0f / (norm + 1e-7f);
  } else {
    const float most = *at(run, o.limit) / (norm + 1e-6f);
    *at(run, o.out) = most > 1.0f ? 1.0f : most; /* a NaN stays one */
  }
}

/* momentum ← share·momentum + scale·gradient, out = scale·gradient + share·momentum. Bytes: 2 read, 2 written an element. */
DEVICE void momentum(const Run &run, const MomentumGroup &group) {
  const Momentum &o = group.each[entry_of(group)];
  const Size i = element(o.first_block);
  if (i >= (Size)o.lines * LINE) return;
  const float scale = scalar(run, o.scale), share = scalar(run, o.share);
  float *const sums = at(run, o.momentum) + i;
  Four g = four(at(run, o.gradient) + i), m = four(sums);
  EACH(j) {
    g.x[j] *= scale;
    m.x[j] = fmaf(m.x[j], share, g.x[j]);
    g.x[j] = fmaf(m.x[j], share, g.x[j]);
  }
  put(sums, m), put(at(run, o.out) + i, g);
}

/* out = factor·x, which may be written over x. Bytes: 1 read, 1 written an element. */
DEVICE void scale_elements(const Run &run, const ScaleElementsGroup &group) {
  const ScaleElements &o = group.each[entry_of(group)];
  const Size i = element(o.first_block);
  if (i >= (Size)o.lines * LINE) return;
  const float factor = scalar(run, o.factor);
  Four x = four(at(run, o.x) + i);
  EACH(j) x.x[j] *= factor;
  put(at(run, o.out) + i, x);
}

/*
 * out = factor·x + amount·I, x symmetric and read on and above its diagonal only; may be written over x. A block has a square of LINE by
 * LINE on or above the diagonal and the one that mirrors it, so that no other block writes what it reads. Bytes: half read, 1 written an
 * element.
 */
DEVICE void plus_identity(const Run &run, const PlusIdentityGroup &group) {
  __shared__ float square[LINE][LINE + 1];
  const PlusIdentity &o = group.each[entry_of(group)];
  const int row = row_length(o.size), index = (int)blockIdx.x - o.first_block;
  /* Square (i, j) of those with i ≤ j, column by column: j (j + 1) / 2 come before column j. */
  int j = (int)((sqrtf(8.0f * index + 1.0f) - 1.0f) / 2.0f);
  while (j * (j + 1) / 2 > index) j--;
  while ((j + 1) * (j + 2) / 2 <= index) j++;
  const int r0 = (index - j * (j + 1) / 2) * LINE, c0 = j * LINE, c = threadIdx.x % LINE;
  const float factor = scalar(run, o.factor), amount = o.amount < 0 ? 0.0f : scalar(run, o.amount);
  const float *x = at(run, o.x);
  float *out = at(run, o.out);
  for (int r = threadIdx.x / LINE; r < LINE; r += 256 / LINE)
    if (r0 + r <= c0 + c && c0 + c < o.size)
      square[r][c] = fmaf(x[(Size)(r0 + r) * row + c0 + c], factor, r0 + r == c0 + c ? amount : 0.0f);
  __syncthreads();
  for (int r = threadIdx.x / LINE; r < LINE; r += 256 / LINE) {
    if (r0 + r <= c0 + c && c0 + c < o.size) out[(Size)(r0 + r) * row + c0 + c] = square[r][c];
    if (c0 + r > r0 + c && c0 + r < o.size) out[(Size)(c0 + r) * row + r0 + c] = square[c][r];
  }
}

/* weight ← weight·(1 − factor·decay) − factor·learning_rate·√(fan_out / fan_in)·direction. Bytes: 2 read, 1 written a weight. */
DEVICE void muon(const Run &run, const MuonGroup &group) {
  const Muon &o = group.each[entry_of(group)];
  const Size i = element(o.first_block);
  if (i >= (Size)o.lines * LINE) return;
  const float rate = run.factors[*run.step] * scalar(run, o.learning_rate) * sqrtf((float)o.fan_out / o.fan_in), kept = kept_of(run, o.decay);
  float *const weights = at(run, o.weight) + i;
  const Four direction = four(at(run, o.direction) + i);
  Four w = four(weights);
  EACH(j) w.x[j] = fmaf(-rate, direction.x[j], w.x[j] * kept);
  put(weights, w);
}
