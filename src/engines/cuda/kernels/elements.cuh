/*
 * Kernels that pass once over elements, four a thread: AdamW, sums of parts, gates, and what
 * no product took along. Also the step counter. Bytes are those through device memory for each lane.
 */
#pragma once
#include "rows.cuh"

/* The entry of a group that this block belongs to: the last that begins at or before it. */
template <class Group> DEVICE int entry_of(const Group &group) {
  int low = 0, high = group.count;
  while (low + 1 < high) {
    const int middle = (low + high) / 2;
    if (group.each[middle].first_block <= (int)blockIdx.x) low = middle;
    else high = middle;
  }
  return low;
}
/* This thread's first element, `first_block` the block of element 0. */
DEVICE Size element(int first_block) { return ((Size)(blockIdx.x - first_block) * 256 + threadIdx.x) * 4; }

/* What decay leaves of a weight in the present step. */
DEVICE float kept_of(const Run &run, int32_t decay) { return decay < 0 ? 1.0f : fmaf(-run.factors[*run.step], scalar(run, decay), 1.0f); }

/*
 * g = scale·gradient, first ← β₁·first + g, second ← β₂·second + g²,
 * weight ← weight·(1 − factor·decay) − step_size·learning_rate·first / (√second + ε·epsilon_scale). Bytes: 4 read, 3 written a weight.
 */
DEVICE void adamw(const Run &run, const AdamwGroup &group) {
  const Adamw &o = group.each[entry_of(group)];
  const Size i = element(o.first_block);
  if (i >= (Size)o.lines * LINE) return;
  const int step = *run.step;
  const float beta1 = *at(run, o.beta1), beta2 = *at(run, o.beta2);
  const float rate = run.step_sizes[step] * scalar(run, o.learning_rate), epsilon = run.epsilon_scales[step] * scalar(run, o.epsilon);
  const float kept = kept_of(run, o.decay), scale = scalar(run, o.scale);
  float *const weights = at(run, o.weight) + i, *const firsts = at(run, o.first) + i, *const seconds = at(run, o.second) + i;
  Four g = four(at(run, o.gradient) + i);
  Four w = four(weights), m = four(firsts), v = four(seconds);
  EACH(j) {
    g.x[j] *= scale;
    m.x[j] = fmaf(m.x[j], beta1, g.x[j]);
    v.x[j] = fmaf(v.x[j], beta2, g.x[j] * g.x[j]);
    w.x[j] = fmaf(-rate, m.x[j] / (sqrtf(v.x[j]) + epsilon), w.x[j] * kept);
  }
  put(firsts, m), put(seconds, v), put(weights, w);
}

/* out[rows,columns] = initial + Σ of x[parts,rows,columns] over the parts, in order. Bytes: parts read, 1 written (and initial read). */
DEVICE void sum_parts(const Run &run, const SumPartsGroup &group) {
  const SumParts &o = group.each[entry_of(group)];
  const int row = row_length(o.columns);
  const Size i = element(o.first_block), size = (Size)o.rows * row;
  if (i >= size) return;
  const float *x = at(run, o.x) + i, *initial = at(run, o.initial);
  Four total = initial ? four(initial + i / row * o.initial_row + i % row) : Four{{0, 0, 0, 0}};
  for (int part = 0; part < o.parts; part++) {
    const Four each = four(x + part * size);
    EACH(j) total.x[j] += each.x[j];
  }
  put(at(run, o.out) + i, total);
}

/* out = GELU(x), and its derivative when asked. Bytes: 1 read, 2 written an element. */
DEVICE void gelu(const Run &run, const Gelu &o) {
  const Size i = element(0);
  if (i >= (Size)o.lines * LINE) return;
  Four out = four(at(run, o.x) + i), derivative;
  EACH(j) {
    const Gelu2 g = gelu_of(out.x[j]);
    out.x[j] = g.value, derivative.x[j] = g.derivative;
  }
  put(at(run, o.out) + i, out);
  if (o.derivative >= 0) put(at(run, o.derivative) + i, derivative);
}

/* out = max(x, 0)², derivative = 2·max(x, 0) when asked. Bytes: 1 read, 2 written an element. */
DEVICE void relu2(const Run &run, const Relu2 &o) {
  const Size i = element(0);
  if (i >= (Size)o.lines * LINE) return;
  Four out = four(at(run, o.x) + i), derivative;
  EACH(j) {
    const float x = out.x[j], positive = x < 0 ? 0 : x; /* a NaN stays one */
    out.x[j] = positive * positive, derivative.x[j] = positive + positive;
  }
  put(at(run, o.out) + i, out);
  if (o.derivative >= 0) put(at(run, o.derivative) + i, derivative);
}

DEVICE float sigmoid(float x) { return __fdividef(1.0f, __expf(-x) + 1.0f); }
/* out = gate·σ(gate)·up. Bytes: 2 read, 1 written an element. */
DEVICE void swiglu(const Run &run, const Swiglu &o) {
  const Size i = element(0);
  if (i >= (Size)o.lines * LINE) return;
  const Four gate = four(at(run, o.gate) + i);
  Four out = four(at(run, o.up) + i);
  EACH(j) out.x[j] *= gate.x[j] * sigmoid(gate.x[j]);
  put(at(run, o.out) + i, out);
}

/* With s = σ(gate): d_up = d_out·gate·s, d_gate = d_out·up·(s + gate·s·(1 − s)); may be written over gate and up. Bytes: 3 read, 2 written an element. */
DEVICE void swiglu_backward(const Run &run, const SwigluBackward &o) {
  const Size i = element(0);
  if (i >= (Size)o.lines * LINE) return;
  const Four d = four(at(run, o.d_out) + i);
  Four gate = four(at(run, o.gate) + i), up = four(at(run, o.up) + i);
  EACH(j) {
    const float s = sigmoid(gate.x[j]), active = gate.x[j] * s, d_active = d.x[j] * up.x[j];
    up.x[j] = d.x[j] * active, gate.x[j] = d_active * fmaf(active, 1.0f - s, s);
  }
  put(at(run, o.d_gate) + i, gate), put(at(run, o.d_up) + i, up);
}

/* out = a + b. Bytes: 2 read, 1 written an element. */
DEVICE void add(const Run &run, const Add &o) {
  const Size i = element(0);
  if (i >= (Size)o.lines * LINE) return;
  Four a = four(at(run, o.a) + i);
  const Four b = four(at(run, o.b) + i);
  EACH(j) a.x[j] += b.x[j];
  put(at(run, o.out) + i, a);
}

/* out = a ⊙ b. Bytes: 2 read, 1 written an element. */
DEVICE void multiply_elements(const Run &run, const MultiplyElements &o) {
  const Size i = element(0);
  if (i >= (Size)o.lines * LINE) return;
  Four a = four(at(run, o.a) + i);
  const Four b = four(at(run, o.b) + i);
  EACH(j) a.x[j] *= b.x[j];
  put(at(run, o.out) + i, a);
}

/* After the last instruction of a step. */
DEVICE void advance(const Run &run, const Advance &) {
  if (threadIdx.x == 0) ++*run.step;
}
