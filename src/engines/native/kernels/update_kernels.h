/* Kernels that change parameters, and what they need of all gradients together. */
#pragma once
#include "run.h"

/* out[r] = Σ_c x[r,c]², zeros to the end of the last line */
KERNEL square_sums(const Run *run, const SquareSums *o) {
  const long row = row_length(o->columns);
  const Range mine = share(&run->team, round_up(o->rows, LINE));
  for (long r = mine.begin; r < mine.end; r++) {
    const float *x = at(run, o->x) + r * row;
    Vector total = all(0);
    for (long c = 0; c < (r < o->rows ? row : 0); c += LANES) {
      const Vector each = first(o->columns - c, load(x + c), all(0));
      total += each * each;
    }
    at(run, o->out)[r] = sum(total);
  }
}

/* With n = √(Σ sums): out = min(1, limit / (n + 1e-6)), or 1 / (n + 1e-7) without a limit */
KERNEL norm_factor(const Run *run, const NormFactor *o) {
  if (run->team.index != 0) return;
  double total = 0;
  for (long i = 0; i < o->count; i++) total += at(run, o->sums)[i];
  const float norm = sqrt(total);
  const float *limit = at(run, o->limit);
  *at(run, o->out) = limit ? least_float(1, *limit / (norm + 1e-6f)) : 1 / (norm + 1e-7f);
}

/*
 * g = scale·gradient, first ← β₁·first + g, second ← β₂·second + g²,
 * weight ← weight·(1 − factor·decay) − step_size·learning_rate·first / (√second + ε·epsilon_scale)
 */
KERNEL adamw(const Run *run, const Adamw *o) {
  const float scale = scalar(run, o->scale);
  float *weight = at(run, o->weight), *firsts = at(run, o->first), *seconds = at(run, o->second);
  const float *gradient = at(run, o->gradient);
  const float beta1 = *at(run, o->beta1), beta2 = *at(run, o->beta2);
  const float rate = run->step_size * scalar(run, o->learning_rate), epsilon = run->epsilon_scale * scalar(run, o->epsilon);
  const float kept = o->decay < 0 ? 1 : 1 - run->factor * scalar(run, o->decay);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector g = load(gradient + i) * scale;
    const Vector m = load(firsts + i) * beta1 + g, v = load(seconds + i) * beta2 + g * g;
    store(firsts + i, m);
    store(seconds + i, v);
    store(weight + i, load(weight + i) * kept - m / (square_root(v) + epsilon) * rate);
  }
}

/* momentum ← share·momentum + scale·gradient, out = scale·gradient + share·momentum */
KERNEL momentum(const Run *run, const Momentum *o) {
  const float *gradient = at(run, o->gradient);
  float *sums = at(run, o->momentum), *out = at(run, o->out);
  const float scale = scalar(run, o->scale), share_kept = scalar(run, o->share);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector g = load(gradient + i) * scale, m = load(sums + i) * share_kept + g;
    store(sums + i, m);
    store(out + i, m * share_kept + g);
  }
}

/* out = factor·x */
KERNEL scale_elements(const Run *run, const ScaleElements *o) {
  const float factor = scalar(run, o->factor);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) store(at(run, o->out) + i, load(at(run, o->x) + i) * factor);
}

/* out = factor·x + amount·I, x symmetric and read on and above its diagonal only; may be written over x. A block of LINE columns below the diagonal is the transpose of the one above. */
KERNEL plus_identity(const Run *run, const PlusIdentity *o) {
  const long row = row_length(o->size), blocks = (o->size + LINE - 1) / LINE;
  const float factor = scalar(run, o->factor), amount = o->amount < 0 ? 0 : scalar(run, o->amount);
  const float *x = at(run, o->x);
  float *out = at(run, o->out);
  const Range mine = share(&run->team, blocks * (blocks + 1) / 2);
  for (long unit = mine.begin; unit < mine.end; unit++) {
    long i = 0, j = unit; /* block (i, j) of those with i ≤ j, row by row */
    for (; j >= blocks - i; i++) j -= blocks - i;
    j += i;
    const long rows = least(LINE, o->size - i * LINE), columns = least(LINE, o->size - j * LINE);
    const float *from = x + i * LINE * row + j * LINE;
    float *above = out + i * LINE * row + j * LINE, *below = out + j * LINE * row + i * LINE;
    if (i < j) {
      for (long r = 0; r < rows; r++)
        for (long c = 0; c < LINE; c += LANES) store(above + r * row + c, load(from + r * row + c) * factor);
      transpose(above, row, rows, columns, 1, 0, below, row);
    } else
      for (long r = 0; r < rows; r++)
        for (long c = r; c < columns; c++) {
          const float value = from[r * row + c] * factor + (r == c ? amount : 0);
          above[r * row + c] = above[c * row + r] = value;
        }
  }
}

/* weight ← weight·(1 − factor·decay) − factor·learning_rate·√(fan_out / fan_in)·direction */
KERNEL muon(const Run *run, const Muon *o) {
  float *weight = at(run, o->weight);
  const float *direction = at(run, o->direction);
  const float rate = run->factor * scalar(run, o->learning_rate) * sqrtf((float)o->fan_out / o->fan_in);
  const float kept = o->decay < 0 ? 1 : 1 - run->factor * scalar(run, o->decay);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) store(weight + i, load(weight + i) * kept - load(direction + i) * rate);
}
