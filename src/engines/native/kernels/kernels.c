/*
 * The native engine: every instruction of src/engines/lowered/instructions.ts as
 * one kernel, and the loop that runs K steps of some trials on some threads.
 * Nothing here allocates; shapes and buffers are decided by the lowering.
 *
 * A matrix [rows, columns] has its rows on lines of 16 floats, row_length(columns)
 * apart. What stands in the padding is never read as a value.
 * R rows = B·T tokens, T context, C width, V vocabulary.
 */
#include "attention.h"
#include "instructions.h"
#include "mixed.h"
#include "team.h"
#include "vector.h"
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* What an instruction is run on: one trial's state, its team's workspace, one step's batch. */
typedef struct {
  Team team;
  float *lane, *workspace;
  long lane_lines;
  const int32_t *tokens, *targets;          /* [R] */
  float factor, step_size, epsilon_scale;   /* of AdamW in this step */
  float *loss;
  int mixed; /* whether matrix products round their operands to bfloat16 */
} Run;

/* Not inlined, so that profiles name them. */
#define KERNEL static __attribute__((noinline)) void

/* The buffer behind a reference: lines of the lane first, then of the workspace; negative means none. */
static float *at(const Run *run, int32_t ref) {
  if (ref < 0) return 0;
  return ref < run->lane_lines ? run->lane + (long)ref * LINE : run->workspace + (ref - run->lane_lines) * LINE;
}
static float scalar(const Run *run, int32_t ref) { return ref < 0 ? 1 : *at(run, ref); }

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

static void run_instructions(const Run *run, const int32_t *code, long words) {
  for (const int32_t *o = code; o < code + words; o += o[1]) {
    switch (o[0]) {
#define CASE(kind, kernel, type) \
  case kind:                     \
    kernel(run, (const type *)(o + 2)); \
    break;
      EACH_INSTRUCTION(CASE)
    }
    wait_for_team(&run->team);
  }
}

/* Tiny moments of rare tokens would otherwise decay into denormals, which are slow. */
static unsigned long flush_denormals(void) {
#if defined(__SSE__)
  const unsigned long before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  return before;
#elif defined(__aarch64__)
  unsigned long before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"(before | (1ul << 24)));
  return before;
#else
  return 0;
#endif
}
static void restore_denormals(unsigned long before) {
#if defined(__SSE__)
  _mm_setcsr(before);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
  (void)before;
#endif
}

enum { WAITING, GO, CALLED_OFF };

typedef struct {
  const Call *call;
  int team, index, teams, team_size;
  Barrier *barrier;
  atomic_int *start;
} Seat;

/* All steps of the lanes of this seat's team, lane after lane, so that one trial stays in cache. */
static void *take_seat(void *argument) {
  const Seat *seat = argument;
  const Call *call = seat->call;
  int start;
  while ((start = atomic_load(seat->start)) == WAITING) sched_yield();
  if (start == CALLED_OFF) return 0;
  const unsigned long before = flush_denormals();
  float *const scratch = (float *)call->scratch + (seat->team * seat->team_size + seat->index) * call->scratch_floats;
  Run run = {.team = {seat->index, seat->team_size, seat->barrier, scratch},
             .workspace = (float *)call->workspaces + seat->team * call->workspace_floats,
             .lane_lines = call->lane_floats / LINE,
             .mixed = call->mixed};
  for (long lane = seat->team; lane < call->lanes; lane += seat->teams) {
    run.lane = (float *)call->state + lane * call->lane_floats;
    for (long step = 0; step < call->steps; step++) {
      run.tokens = (const int32_t *)call->tokens + step * call->tokens_per_step;
      run.targets = (const int32_t *)call->targets + step * call->tokens_per_step;
      run.factor = ((const float *)call->factors)[step];
      run.step_size = ((const float *)call->step_sizes)[step];
      run.epsilon_scale = ((const float *)call->epsilon_scales)[step];
      run.loss = (float *)call->losses + step * call->lanes + lane;
      run_instructions(&run, (const int32_t *)call->code, call->words);
    }
  }
  restore_denormals(before);
  return 0;
}

#if defined(__wasm__)
#define MAX_THREADS 1
#else
#define MAX_THREADS 256
#endif
#define EXPORT __attribute__((visibility("default")))

/* Floats of scratch that each thread needs. */
EXPORT int64_t scratch_floats(int64_t context, int64_t head_dim) {
  const long panel_floats = MAX_DEPTH * PANEL, attention = attention_floats((HeadSize){context, head_dim});
  const long most = panel_floats > attention ? panel_floats : attention;
  return round_up(most > MIXED_FLOATS ? most : MIXED_FLOATS, LINE);
}

/* Whether `mixed` makes a difference on this CPU. */
EXPORT int32_t has_mixed(void) { return HAS_MIXED; }

#define QUOTED(x) #x
#define NUMBER(x) QUOTED(x)
/* What rounding depends on besides this text: the vector unit, and which sums a compiler fuses. */
EXPORT const char *arithmetic(void) {
#if defined(__clang__)
  return UNIT ", clang " NUMBER(__clang_major__);
#else
  return UNIT ", gcc " NUMBER(__GNUC__);
#endif
}

/* Asks for large pages, so that walking down the columns of a matrix costs no page walks; declining is no harm. */
EXPORT void use_large_pages(char *memory, int64_t bytes) {
#if defined(MADV_HUGEPAGE) && !defined(__wasm__)
  const uintptr_t page = sysconf(_SC_PAGESIZE), begin = ((uintptr_t)memory + page - 1) / page * page, end = ((uintptr_t)memory + bytes) / page * page;
  if (end > begin) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

/* Runs the call's steps; teams take lanes, the threads of a team share each of them. 0, or an errno when a thread could not start. */
EXPORT int32_t run_call(const Call *call) {
  const int threads = least(call->threads, MAX_THREADS), teams = least(threads, call->lanes), team_size = threads / teams;
  Barrier barriers[MAX_THREADS] = {0};
  Seat seats[MAX_THREADS];
  pthread_t others[MAX_THREADS];
  atomic_int start = WAITING;
  int error = 0, started = 1;
  for (int i = 0; i < teams * team_size; i++)
    seats[i] = (Seat){call, i / team_size, i % team_size, teams, team_size, barriers + i / team_size, &start};
  while (started < teams * team_size && (error = pthread_create(others + started, 0, take_seat, seats + started)) == 0) started++;
  atomic_store(&start, error ? CALLED_OFF : GO);
  take_seat(seats);
  for (int i = 1; i < started; i++) pthread_join(others[i], 0);
  return error;
}

/* Seconds that `repeats` products [n,n]·[n,n] take one thread: the yardstick of the bench. */
EXPORT double time_product(int64_t n, int64_t repeats, const float *a, const float *b, float *c, float *scratch) {
  const Team team = {0, 1, 0, scratch};
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (long i = 0; i < repeats; i++) product(&team, n, n, n, (Left){a, n, 1}, (Right){b, n, 0, 1, 0}, (Initial){0}, c, n, 0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  return (end.tv_sec - begin.tv_sec) + 1e-9 * (end.tv_nsec - begin.tv_nsec);
}
