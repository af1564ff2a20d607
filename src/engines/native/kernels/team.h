/*
 * The threads that work on one trial together. All run the same instructions;
 * each kernel takes its share of rows, columns or panels, and all wait for each
 * other between instructions. Sums are never split, so results do not depend on
 * the number of threads.
 */
#pragma once
#include <sched.h>
#include <stdatomic.h>

/* Alone on its cache line, because other teams have theirs beside it. */
typedef struct {
  _Alignas(64) atomic_int waiting;
  atomic_int generation;
} Barrier;

typedef struct {
  int index, size;
  Barrier *barrier;
  float *scratch; /* this thread's own, see scratch_floats */
} Team;

typedef struct {
  long begin, end;
} Range;

/* The part of `total` items that this thread does. */
static inline Range share(const Team *team, long total) {
  return (Range){total * team->index / team->size, total * (team->index + 1) / team->size};
}

static inline void wait_for_team(const Team *team) {
  if (team->size == 1) return;
  Barrier *b = team->barrier;
  const int generation = atomic_load_explicit(&b->generation, memory_order_acquire);
  if (atomic_fetch_add_explicit(&b->waiting, 1, memory_order_acq_rel) == team->size - 1) {
    atomic_store_explicit(&b->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&b->generation, generation + 1, memory_order_release);
    return;
  }
  /* A short spin, then the core is offered to whoever else wants it. */
  for (int spins = 0; atomic_load_explicit(&b->generation, memory_order_acquire) == generation; spins++)
    if (spins > 2000) sched_yield();
}
