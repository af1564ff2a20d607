/*
 * The native engine: every instruction of src/engines/lowered/instructions.ts as
 * one kernel, and the loop that runs K steps of some trials on some threads.
 * Nothing here allocates; shapes and buffers are decided by the lowering.
 *
 * A matrix [rows, columns] has its rows on lines of 16 floats, row_length(columns)
 * apart. What stands in the padding is never read as a value.
 * R rows = B·T tokens, T context, C width, V vocabulary.
 */
#include "element_kernels.h"
#include "head_kernels.h"
#include "row_kernels.h"
#include "update_kernels.h"
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

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
