/* What every kernel is given: one trial's memory, its team, and the step. */
#pragma once
#include "instructions.h"
#include "team.h"
#include "vector.h"

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
