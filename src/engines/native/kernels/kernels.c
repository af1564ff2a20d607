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

/* out[R,C] = multiplier · (table[token] + positions[t]) */
KERNEL embed(const Run *run, const Embed *o) {
  const float *table = at(run, o->table), *positions = at(run, o->positions);
  const float scale = scalar(run, o->multiplier);
  const long row = row_length(o->width);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++)
    for (long c = 0; c < row; c += LANES)
      store(at(run, o->out) + r * row + c, (load(table + run->tokens[o->first_row + r] * row + c) + load(positions + r % o->context * row + c)) * scale);
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
  for (long t = 0; t < (o->accumulate ? 0 : o->context); t++) memset(positions + t * row + begin, 0, sizeof(float) * (end - begin));
  for (long r = 0; r < o->rows; r++) {
    float *const of_token = table + run->tokens[o->first_row + r] * row, *const of_position = positions + r % o->context * row;
    for (long c = begin; c < end; c += LANES) {
      const Vector d = load(d_out + r * row + c) * scale;
      store(of_token + c, load(of_token + c) + d);
      store(of_position + c, load(of_position + c) + d);
    }
  }
}

/* normal[R,C] = (x − mean) · inverse, inverse[R] = 1/√(variance + 1e-5), over each row */
KERNEL normalize(const Run *run, const Normalize *o) {
  const long row = row_length(o->width);
  const Range mine = share(&run->team, o->rows);
  for (long r = mine.begin; r < mine.end; r++) {
    const float *x = at(run, o->x) + r * row;
    float *normal = at(run, o->normal) + r * row;
    Vector total = all(0), squares = all(0);
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

/* out[R,C] = residual + inverse · (d − mean(d) − normal · mean(d ⊙ normal)), d the gradient of `normal` */
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
    const float mean = sum(total) / o->width, slope = sum(product) / o->width, inverse = at(run, o->inverse)[r];
    for (long c = 0; c < row; c += LANES) {
      const Vector residual = residuals ? load(residuals + r * row + c) : all(0);
      store(out + c, residual + (load(d + c) - mean - load(normal + c) * slope) * inverse);
    }
  }
}

/* out[rows,columns] = initial + a · (multiplier · gain ⊙ b), b transposed when asked; a by rows or by columns */
KERNEL matrix_product(const Run *run, const MatrixProduct *o) {
  const Left a = {at(run, o->a), o->a_row, o->a_step};
  const Right b = {at(run, o->b), o->b_row, o->b_transposed, scalar(run, o->multiplier), at(run, o->gain)};
#if HAS_MIXED
  if (run->mixed) {
    mixed_product(&run->team, o->rows, o->columns, o->depth, a, b, (Initial){at(run, o->initial), o->initial_row}, at(run, o->out),
                  row_length(o->columns));
    return;
  }
#endif
  product(&run->team, o->rows, o->columns, o->depth, a, b, (Initial){at(run, o->initial), o->initial_row}, at(run, o->out),
          row_length(o->columns));
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

/* The rows of head `index` of the batch inside [R,C]. */
static Rows head_of(const Run *run, int32_t ref, long width, HeadSize h, long index) {
  const long row = row_length(width), heads = width / h.head_dim;
  return (Rows){at(run, ref) + index / heads * h.context * row + index % heads * h.head_dim, row};
}
#define HEAD(ref) head_of(run, o->ref, o->width, size, i)

/* out[R,C] = softmax(query·keyᵀ)·value for each sequence and head; stats [B·H, 2, Tp] */
KERNEL attention(const Run *run, const Attention *o) {
  const HeadSize size = {o->context, o->head_dim};
  const AttentionScratch s = attention_scratch(&run->team, size);
  const Range mine = share(&run->team, (long)o->rows / o->context * (o->width / o->head_dim));
  for (long i = mine.begin; i < mine.end; i++)
    attend(s, size, HEAD(query), HEAD(key), HEAD(value), HEAD(out), at(run, o->stats) + i * 2 * s.tp);
}

KERNEL attention_backward(const Run *run, const AttentionBackward *o) {
  const HeadSize size = {o->context, o->head_dim};
  const AttentionScratch s = attention_scratch(&run->team, size);
  const Range mine = share(&run->team, (long)o->rows / o->context * (o->width / o->head_dim));
  for (long i = mine.begin; i < mine.end; i++)
    attend_backward(s, size, HEAD(query), HEAD(key), HEAD(value), at(run, o->stats) + i * 2 * s.tp, HEAD(d_out), HEAD(d_query),
                    HEAD(d_key), HEAD(d_value));
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

/* losses[r] = −log softmax(logits[r])[target], gradient = (softmax − one-hot) / total_rows, for some rows of the batch */
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
    const float all_of_it = sum(total), share = 1 / (all_of_it * o->total_rows);
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

/*
 * first ← β₁·first + g, second ← β₂·second + g²,
 * weight ← weight·(1 − factor·decay) − step_size·learning_rate·first / (√second + ε·epsilon_scale)
 */
KERNEL adamw(const Run *run, const Adamw *o) {
  float *weight = at(run, o->weight), *firsts = at(run, o->first), *seconds = at(run, o->second);
  const float *gradient = at(run, o->gradient);
  const float beta1 = *at(run, o->beta1), beta2 = *at(run, o->beta2);
  const float rate = run->step_size * scalar(run, o->learning_rate), epsilon = run->epsilon_scale * scalar(run, o->epsilon);
  const float kept = o->decay < 0 ? 1 : 1 - run->factor * scalar(run, o->decay);
  const Range mine = share(&run->team, o->lines);
  for (long i = mine.begin * LINE; i < mine.end * LINE; i += LANES) {
    const Vector g = load(gradient + i);
    const Vector m = load(firsts + i) * beta1 + g, v = load(seconds + i) * beta2 + g * g;
    store(firsts + i, m);
    store(seconds + i, v);
    store(weight + i, load(weight + i) * kept - m / (square_root(v) + epsilon) * rate);
  }
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
  for (long i = 0; i < repeats; i++) product(&team, n, n, n, (Left){a, n, 1}, (Right){b, n, 0, 1, 0}, (Initial){0}, c, n);
  clock_gettime(CLOCK_MONOTONIC, &end);
  return (end.tv_sec - begin.tv_sec) + 1e-9 * (end.tv_nsec - begin.tv_nsec);
}
