/* Kernels that pass over elements, and the loss. */
#pragma once
#include "run.h"

/* out = x·s with s = σ(2√(2/π)·(x + 0.044715·x³)), which is tanh's GELU; derivative = s + x·s·(1 − s)·(inner derivative) */
KERNEL gelu(const Run *run, const Gelu *o) {
  const float *xs = at(run, o->x);
  float *out = at(run, o->out), *derivative = at(run, o->derivative);
  const float linear = 1.5957691216057308f, cubic = linear * 0.044715f;
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector x = load(xs + i), square = x * x;
    const Vector s = all(1) / (exponential(-x * (square * cubic + linear)) + 1);
    store(out + i, x * s);
    if (derivative) store(derivative + i, s + x * s * (1 - s) * (square * (3 * cubic) + linear));
  }
}

/* out = max(x, 0)², derivative = 2·max(x, 0) */
KERNEL relu2(const Run *run, const Relu2 *o) {
  const float *xs = at(run, o->x);
  float *out = at(run, o->out), *derivative = at(run, o->derivative);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector x = load(xs + i), positive = choose(x < all(0), all(0), x);
    store(out + i, positive * positive);
    if (derivative) store(derivative + i, positive + positive);
  }
}

/* out = gate·σ(gate)·up */
KERNEL swiglu(const Run *run, const Swiglu *o) {
  const float *gates = at(run, o->gate), *ups = at(run, o->up);
  float *out = at(run, o->out);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector gate = load(gates + i);
    store(out + i, gate / (exponential(-gate) + 1) * load(ups + i));
  }
}

/* With s = σ(gate): d_up = d_out·gate·s, d_gate = d_out·up·(s + gate·s·(1 − s)); may be written over gate and up. */
KERNEL swiglu_backward(const Run *run, const SwigluBackward *o) {
  const float *gates = at(run, o->gate), *ups = at(run, o->up), *d_out = at(run, o->d_out);
  float *d_gate = at(run, o->d_gate), *d_up = at(run, o->d_up);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector gate = load(gates + i), up = load(ups + i), d = load(d_out + i);
    const Vector s = all(1) / (exponential(-gate) + 1), active = gate * s;
    store(d_up + i, d * active);
    store(d_gate + i, d * up * (s + active * (1 - s)));
  }
}

KERNEL add(const Run *run, const Add *o) {
  const float *a = at(run, o->a), *b = at(run, o->b);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) store(at(run, o->out) + i, load(a + i) + load(b + i));
}

KERNEL multiply_elements(const Run *run, const MultiplyElements *o) {
  const float *a = at(run, o->a), *b = at(run, o->b);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) store(at(run, o->out) + i, load(a + i) * load(b + i));
}

/*
 * losses[r] = −log softmax(logits[r])[target], gradient = (softmax − one-hot) / total_rows, for some rows of the batch; with a z_loss
 * the softmax in it counts 1 + 2·z_loss·log Σ exp(logits) times
 */
KERNEL cross_entropy(const Run *run, const CrossEntropy *o) {
  const long row = row_length(o->vocabulary);
  const float *logits = at(run, o->logits);
  float *gradient = at(run, o->gradient);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++) {
    const float *z = logits + r * row;
    const int32_t target = run->targets[o->first_row + r];
    Vector most = all(-INFINITY), total = all(0);
    for (long n = 0; n < row; n += LANES) most = larger(first(o->vocabulary - n, load(z + n), all(-INFINITY)), most);
    const float top = maximum(most), of_target = z[target];
    for (long n = 0; n < row; n += LANES) {
      const Vector e = first(o->vocabulary - n, exponential_below_0(load(z + n) - top), all(0));
      total += e;
      if (gradient) store(gradient + r * row + n, e);
    }
    const float all_of_it = sum(total), once = 1 / (all_of_it * o->total_rows);
    const float share = o->z_loss < 0 ? once : once * (1 + 2 * scalar(run, o->z_loss) * (logf(all_of_it) + top));
    at(run, o->losses)[o->first_row + r] = logf(all_of_it) + (top - of_target);
    if (!gradient) continue;
    for (long n = 0; n < row; n += LANES) store(gradient + r * row + n, load(gradient + r * row + n) * share);
    gradient[r * row + target] -= 1.0f / o->total_rows;
  }
}

KERNEL mean_loss(const Run *run, const MeanLoss *o) {
  if (run->team.index != 0) return;
  double total = 0;
  for (long r = 0; r < o->rows; r++) total += at(run, o->losses)[r];
  *run->loss = total / o->rows;
}
