/*
 * Kernels that pass over rows: embedding, norms, sums over rows, and the products around weights.
 */
#pragma once
#include "mixed.h"
#include "run.h"

/* out[R,C] = multiplier · (table[token] + positions[t]), positions if there are any */
KERNEL embed(const Run *run, const Embed *o) {
  const float *table = at(run, o->table), *positions = at(run, o->positions);
  const float scale = scalar(run, o->multiplier);
  const long row = row_length(o->width);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++)
    for (long c = 0; c < row; c += LANES)
      store(at(run, o->out) + r * row + c,
            (load(table + run->tokens[o->first_row + r] * row + c) + (positions ? load(positions + r % o->context * row + c) : all(0))) * scale);
}

/* d_table[V,C] = multiplier · Σ of d_out over a token's rows; d_positions[T,C] likewise; added to what is there when asked. Each thread sums some columns. */
KERNEL embed_backward(const Run *run, const EmbedBackward *o) {
  float *table = at(run, o->d_table), *positions = at(run, o->d_positions);
  const float *d_out = at(run, o->d_out);
  const float scale = scalar(run, o->multiplier);
  const long row = row_length(o->width);
  const Range mine = share(&run->team, row / LINE);
  const long begin = mine.begin * LINE, end = mine.end * LINE;
  for (long v = 0; v < (o->accumulate ? 0 : o->vocabulary); v++) memset(table + v * row + begin, 0, sizeof(float) * (end - begin));
  for (long t = 0; t < (o->accumulate || !positions ? 0 : o->context); t++) memset(positions + t * row + begin, 0, sizeof(float) * (end - begin));
  for (long r = 0; r < o->rows; r++) {
    float *const of_token = table + run->tokens[o->first_row + r] * row, *const of_position = positions + r % o->context * row;
    for (long c = begin; c < end; c += LANES) {
      const Vector d = load(d_out + r * row + c) * scale;
      store(of_token + c, load(of_token + c) + d);
      if (positions) store(of_position + c, load(of_position + c) + d);
    }
  }
}

/* out[columns,rows] = x[rows,columns] transposed */
KERNEL transpose_matrix(const Run *run, const TransposeMatrix *o) {
  const long from = row_length(o->columns), to = row_length(o->rows);
  const Range mine = share(&run->team, (o->rows + LINE - 1) / LINE); /* lines of the result, so that no two threads share one */
  for (long line = mine.begin; line < mine.end; line++) {
    const long r = line * LINE;
    transpose(at(run, o->x) + r * from, from, least(LINE, o->rows - r), o->columns, 1, 0, at(run, o->out) + r, to);
  }
}

/* normal[R,C] = (x − mean) · inverse, inverse[R] = 1/√(variance + 1e-5), over each row; without the mean when not centered */
KERNEL normalize(const Run *run, const Normalize *o) {
  const long row = row_length(o->width);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++) {
    const float *x = at(run, o->x) + r * row;
    float *normal = at(run, o->normal) + r * row;
    Vector total = all(0), squares = all(0);
    if (o->centered)
      for (long c = 0; c < row; c += LANES) total += first(o->width - c, load(x + c), all(0));
    const float mean = sum(total) / o->width;
    for (long c = 0; c < row; c += LANES) {
      const Vector centered = first(o->width - c, load(x + c) - mean, all(0));
      squares += centered * centered;
      store(normal + c, centered);
    }
    const float inverse = 1 / sqrtf(sum(squares) / o->width + 1e-5f);
    for (long c = 0; c < row; c += LANES) store(normal + c, load(normal + c) * inverse);
    at(run, o->inverse)[r] = inverse;
  }
}

/* out[R,C] = residual + inverse · (d − mean(d) − normal · mean(d ⊙ normal)), d the gradient of `normal`; without mean(d) when not centered */
KERNEL normalize_backward(const Run *run, const NormalizeBackward *o) {
  const long row = row_length(o->width);
  const Range mine = share(&run->team, o->rows);
  const float *residuals = at(run, o->residual);
  for (long r = mine.begin; r < mine.end; r++) {
    const float *d = at(run, o->d_normal) + r * row, *normal = at(run, o->normal) + r * row;
    float *out = at(run, o->out) + r * row;
    Vector total = all(0), product = all(0);
    for (long c = 0; c < row; c += LANES) {
      const Vector each = first(o->width - c, load(d + c), all(0));
      total += each;
      product += each * load(normal + c);
    }
    const float mean = o->centered ? sum(total) / o->width : 0, slope = sum(product) / o->width, inverse = at(run, o->inverse)[r];
    for (long c = 0; c < row; c += LANES) {
      const Vector residual = residuals ? load(residuals + r * row + c) : all(0);
      store(out + c, residual + (load(d + c) - mean - load(normal + c) * slope) * inverse);
    }
  }
}

/* out[rows,columns] = initial + a · (multiplier · gain ⊙ b), b transposed when asked; a by rows or by columns; of a symmetric product at least what is on and above the diagonal */
KERNEL matrix_product(const Run *run, const MatrixProduct *o) {
  const Left a = {at(run, o->a), o->a_row, o->a_step};
  const Right b = {at(run, o->b), o->b_row, o->b_transposed, scalar(run, o->multiplier), at(run, o->gain)};
#if HAS_MIXED
  if (run->mixed) {
    mixed_product(&run->team, o->rows, o->columns, o->depth, a, b, (Initial){at(run, o->initial), o->initial_row}, at(run, o->out),
                  row_length(o->columns), o->symmetric);
    return;
  }
#endif
  product(&run->team, o->rows, o->columns, o->depth, a, b, (Initial){at(run, o->initial), o->initial_row}, at(run, o->out),
          row_length(o->columns), o->symmetric);
}

/* out[n] = multiplier · (bias[n] + Σ_k shift[k] · weight[k,n]) */
KERNEL bias_row(const Run *run, const BiasRow *o) {
  const float *bias = at(run, o->bias), *shift = at(run, o->shift), *weight = at(run, o->weight);
  const long row = row_length(o->fan_out);
  const Range mine = share(&run->team, row / LANES);
  for (long n = mine.begin * LANES; n < mine.end * LANES; n += LANES) {
    Vector total = bias ? load(bias + n) : all(0);
    if (shift)
      for (long k = 0; k < o->fan_in; k++) total += load(weight + k * row + n) * shift[k];
    store(at(run, o->out) + n, total * scalar(run, o->multiplier));
  }
}

/* out[n] = multiplier · Σ_r x[r,n], added to what is there when asked */
KERNEL column_sum(const Run *run, const ColumnSum *o) {
  const float *x = at(run, o->x);
  const long row = row_length(o->columns);
  const Range mine = share(&run->team, row / LANES);
  for (long n = mine.begin * LANES; n < mine.end * LANES; n += LANES) {
    Vector total = all(0);
    for (long r = 0; r < o->rows; r++) total += load(x + r * row + n);
    float *const out = at(run, o->out) + n;
    store(out, o->accumulate ? load(out) + total * scalar(run, o->multiplier) : total * scalar(run, o->multiplier));
  }
}

/*
 * From gradient = normalᵀ·d_out and d_bias = multiplier · Σ_r d_out: for each row k,
 * d_gain[k] = multiplier · Σ_n gradient·weight, d_shift[k] = Σ_n d_bias·weight,
 * gradient ← multiplier·gain[k]·gradient + shift[k]·d_bias.
 */
KERNEL norm_gradients(const Run *run, const NormGradients *o) {
  const float *d_bias = at(run, o->d_bias), *shift = at(run, o->shift);
  const float scale = scalar(run, o->multiplier);
  const long row = row_length(o->fan_out);
  const Range mine = share(&run->team, o->fan_in);
  for (long k = mine.begin; k < mine.end; k++) {
    float *gradient = at(run, o->gradient) + k * row;
    const float *weight = at(run, o->weight) + k * row, factor = scale * at(run, o->gain)[k];
    Vector of_gain = all(0), of_shift = all(0);
    for (long n = 0; n < row; n += LANES) {
      const Vector g = load(gradient + n), w = load(weight + n);
      of_gain += first(o->fan_out - n, g * w, all(0));
      if (shift) of_shift += first(o->fan_out - n, load(d_bias + n) * w, all(0));
      store(gradient + n, shift ? g * factor + load(d_bias + n) * shift[k] : g * factor);
    }
    float *const d_gain = at(run, o->d_gain) + k;
    *d_gain = (o->accumulate ? *d_gain : 0) + scale * sum(of_gain);
    if (!shift) continue;
    float *const d_shift = at(run, o->d_shift) + k;
    *d_shift = (o->accumulate ? *d_shift : 0) + sum(of_shift);
  }
}
