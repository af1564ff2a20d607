/*
 * One vector type for AVX-512, AVX2, NEON and SSE, through the vector extensions
 * of GCC and Clang, with the few functions the kernels need on it. Every row of
 * every matrix starts on a LINE of 16 floats, whatever the vector's own length.
 */
#pragma once
#include "instructions.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#define UNIT "AVX-512"
#define TILE_ROWS 12 /* 12·2 sums, 2 of B and 1 of A in 32 registers */
#elif defined(__AVX__)
#define LANES 8
#if defined(__FMA__)
#define UNIT "AVX2"
#else
#define UNIT "AVX"
#endif
#define TILE_ROWS 6 /* 6·2 sums, 2 of B and 1 of A in 16 registers */
#elif defined(__aarch64__)
#define LANES 4
#define UNIT "NEON"
#define TILE_ROWS 12
#elif defined(__wasm_simd128__)
#define LANES 4
#define UNIT "WebAssembly"
#define TILE_ROWS 6
#else
#define LANES 4
#define UNIT "SSE"
#define TILE_ROWS 6
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE long round_up(long n, long to) { return (n + to - 1) / to * to; }
/* Floats from one row of a matrix to the next; memory.ts has the same rule and its reason. */
INLINE long row_length(long columns) {
  const long floats = round_up(columns, LINE);
  return floats % (CROWDED_LINES * LINE) == 0 ? floats + LINE : floats;
}
INLINE long least(long a, long b) { return a < b ? a : b; }
INLINE float least_float(float a, float b) { return a < b ? a : b; }
INLINE Vector load(const float *p) { return *(const Vector *)p; }
INLINE void store(float *p, Vector x) { *(Vector *)p = x; }
#define FOUR(x) x, x, x, x
#if LANES == 16
INLINE Vector all(float x) { return (Vector){FOUR(x), FOUR(x), FOUR(x), FOUR(x)}; }
#elif LANES == 8
INLINE Vector all(float x) { return (Vector){FOUR(x), FOUR(x)}; }
#else
INLINE Vector all(float x) { return (Vector){FOUR(x)}; }
#endif
INLINE Vector choose(Integers condition, Vector yes, Vector no) {
  return (Vector)(((Bits)condition & (Bits)yes) | (~(Bits)condition & (Bits)no));
}
INLINE Vector larger(Vector a, Vector b) { return choose(a > b, a, b); }

/* x in its first `count` elements, `other` in the rest; any count is allowed. */
INLINE Vector first(long count, Vector x, Vector other) {
  static const int32_t mask[2 * LANES] = {
      FOUR(-1),
#if LANES >= 8
      FOUR(-1),
#endif
#if LANES == 16
      FOUR(-1), FOUR(-1),
#endif
  };
  if (count >= LANES) return x;
  return choose(*(const Integers *)(mask + LANES - (count < 0 ? 0 : count)), x, other);
}

/* Sum and maximum of the elements, always in the same order: halves upon halves. */
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t Whole __attribute__((vector_size(16), aligned(4), may_alias));
#define MAX(a, b) ((a) > (b) ? (a) : (b))
INLINE Four folded(Vector x, int maximum) {
  union {
    Vector all;
    Four quarter[LANES / 4];
  } parts = {x};
  Four result = parts.quarter[0];
  for (int i = 1; i < LANES / 4; i++) {
    const Four other = parts.quarter[i];
    if (maximum)
      result = (Four)(((result > other) & (Whole)result) | (~(result > other) & (Whole)other));
    else
      result += other;
  }
  return result;
}
INLINE float sum(Vector x) {
  const Four s = folded(x, 0);
  return (s[0] + s[2]) + (s[1] + s[3]);
}
INLINE float maximum(Vector x) {
  const Four s = folded(x, 1);
  const float even = MAX(s[0], s[2]), odd = MAX(s[1], s[3]);
  return MAX(even, odd);
}

/* eˣ for x ≤ 0 to 1 unit in the last place or so; below -87 it is e⁻⁸⁷, NaN stays NaN. Cody and Waite's reduction, minimax polynomial. */
INLINE Vector exponential_below_0(Vector x) {
  const Vector rounding = all(12582912.0f); /* 1.5·2²³: adding it rounds to an integer */
  x = choose(x < all(-87.0f), all(-87.0f), x);
  const Vector shifted = x * 1.44269504088896341f + rounding;
  const Vector n = shifted - rounding;
  const Vector r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vector p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Bits exponent = ((Bits)shifted + 127u - 0x4B400000u) << 23; /* shifted holds n in its low bits */
  return p * (Vector)exponent;
}

/* The same for any x; above 88 it is e⁸⁸. */
INLINE Vector exponential(Vector x) { return exponential_below_0(choose(x > all(88.0f), all(88.0f), x)); }

INLINE Vector square_root(Vector x) {
  Vector y;
  for (int i = 0; i < LANES; i++) y[i] = sqrtf(x[i]);
  return y;
}
