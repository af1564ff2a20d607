/*
 * Products of bfloat16 numbers with float32 sums, where the CPU has AVX512_BF16:
 * twice the rate of float32. Both operands are rounded on the way into packed
 * words, each two neighbours in depth: k even in the low half, k odd in the high.
 */
#pragma once
#include "product.h"

#if defined(__AVX512BF16__) && LANES == 16
#define HAS_MIXED 1
#include <immintrin.h>

#define MIXED_STRIP 512 /* rows of A that are packed at once */
#define MIXED_FLOATS (MIXED_STRIP * MAX_DEPTH / 2 + PANEL * MAX_DEPTH)

/* 32 rounded numbers: first x, then y. */
INLINE Bits rounded(Vector x, Vector y) { return (Bits)_mm512_cvtne2ps_pbh((__m512)y, (__m512)x); }
/* Words of x in the low halves and y in the high halves. */
INLINE Bits interleaved(Vector x, Vector y) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                         18, 2, 17, 1, 16, 0);
  return (Bits)_mm512_permutexvar_epi16(order, (__m512i)rounded(x, y));
}
/* The first `count` of 16 floats, zeros for the rest; reads nothing when there are none. */
INLINE Vector some(const float *p, long count) {
  if (count <= 0) return all(0);
  return first(count, load(p), all(0));
}

/* words[rows, row]: neighbours along a row of floats, `count` of them. */
static void pack_rows(const float *from, long from_row, long rows, long count, uint32_t *words, long row) {
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < count; k += 32)
      *(Bits *)(words + r * row + k / 2) = rounded(some(from + r * from_row + k, count - k), some(from + r * from_row + k + 16, count - k - 16));
}

/* words[count/2, row]: neighbours down a column of floats, scaled by scale · gain of their row. */
static void pack_columns(const float *from, long from_row, long count, long columns, float scale, const float *gain, uint32_t *words, long row) {
  for (long k = 0; k < count; k += 2)
    for (long n = 0; n < columns; n += 16) {
      const Vector low = load(from + k * from_row + n) * (gain ? scale * gain[k] : scale);
      Vector high = all(0);
      if (k + 1 < count) high = load(from + (k + 1) * from_row + n) * (gain ? scale * gain[k + 1] : scale);
      *(Bits *)(words + k / 2 * row + n) = interleaved(low, high);
    }
}

/* C[rows, vectors·16] from words of A at a[i·a_row + k·a_step] and of B at b[k·PANEL + j]. */
INLINE void pair_tile(int rows, int vectors, long pairs, const uint32_t *a, long a_row, long a_step, const uint32_t *b, Initial initial,
                      float *c, long c_row) {
  __m512 sums[TILE_ROWS][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) sums[i][j] = initial.data ? (__m512)load(initial.data + i * initial.row + j * LANES) : (__m512)all(0);
  for (long k = 0; k < pairs; k++) {
    __m512bh right[2];
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) right[j] = (__m512bh)_mm512_loadu_si512(b + k * PANEL + j * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const __m512bh left = (__m512bh)_mm512_set1_epi32(a[i * a_row + k * a_step]);
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], left, right[j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) store(c + i * c_row + j * LANES, (Vector)sums[i][j]);
}

typedef void PairTiles(long count, long pairs, const uint32_t *a, long a_row, long a_step, const uint32_t *b, Initial initial, float *c,
                       long c_row);
#define PAIR_TILES(name, rows, vectors, unit)                                                                               \
  static void name##rows##_##vectors(long count, long pairs, const uint32_t *a, long a_row, long a_step, const uint32_t *b,  \
                                     Initial initial, float *c, long c_row) {                                               \
    unit = 1;                                                                                                               \
    for (; count > 0; count--) {                                                                                            \
      pair_tile(rows, vectors, pairs, a, a_row, a_step, b, initial, c, c_row);                                              \
      a += rows * a_row;                                                                                                    \
      if (initial.data) initial.data += rows * initial.row;                                                                 \
      c += rows * c_row;                                                                                                    \
    }                                                                                                                       \
  }
#define DEFINE_PAIRS(rows)                                                                            \
  PAIR_TILES(pairs_by_rows_, rows, 1, a_step) PAIR_TILES(pairs_by_rows_, rows, 2, a_step)             \
  PAIR_TILES(pairs_by_columns_, rows, 1, a_row) PAIR_TILES(pairs_by_columns_, rows, 2, a_row)
#define PAIR_ENTRY(rows) \
  {{pairs_by_rows_##rows##_1, pairs_by_rows_##rows##_2}, {pairs_by_columns_##rows##_1, pairs_by_columns_##rows##_2}},
EACH_SIZE(DEFINE_PAIRS) MORE_SIZES(DEFINE_PAIRS)
static PairTiles *const pair_tiles[TILE_ROWS][2][2] = {EACH_SIZE(PAIR_ENTRY) MORE_SIZES(PAIR_ENTRY)};

static void pair_panel(long rows, int vectors, long pairs, int by_columns, const uint32_t *a, long a_row, long a_step, const uint32_t *b,
                       Initial initial, float *c, long c_row) {
  const long count = (rows + TILE_ROWS - 1) / TILE_ROWS, low = rows / count, higher = rows % count;
  if (higher > 0) {
    pair_tiles[low][by_columns][vectors - 1](higher, pairs, a, a_row, a_step, b, initial, c, c_row);
    const long done = higher * (low + 1);
    a += done * a_row;
    if (initial.data) initial.data += done * initial.row;
    c += done * c_row;
  }
  pair_tiles[low - 1][by_columns][vectors - 1](count - higher, pairs, a, a_row, a_step, b, initial, c, c_row);
}

/* to[column, row] = from[row, column], bits unchanged. */
static void transpose_words(const uint32_t *from, long from_row, long rows, long columns, uint32_t *to, long to_row) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < columns; c++) to[c * to_row + r] = from[r * from_row + c];
}

/* words[pairs, PANEL] of B from row k and column n on. */
static void pack_pairs(Right b, long k, long n, long depth, long columns, uint32_t *words, uint32_t *rows_of_words) {
  if (!b.transposed) {
    pack_columns(b.data + k * b.row + n, b.row, depth, columns, b.scale, b.gain ? b.gain + k : 0, words, PANEL);
    return;
  }
  const long pairs = (depth + 1) / 2, row = MAX_DEPTH / 2;
  float scaled[MAX_DEPTH + 32];
  for (long j = 0; j < columns; j++) {
    const Vector factor = all(b.gain ? b.scale * b.gain[n + j] : b.scale);
    for (long i = 0; i < depth; i += 16) store(scaled + i, some(b.data + (n + j) * b.row + k + i, depth - i) * factor);
    if (depth % 32 <= 16) store(scaled + round_up(depth, 16), all(0));
    pack_rows(scaled, 0, 1, depth, rows_of_words + j * row, row);
  }
  for (long i = 0; i < pairs; i++)
    for (long j = columns; j < PANEL; j++) words[i * PANEL + j] = 0;
  transpose_words(rows_of_words, row, columns, pairs, words, PANEL);
}

/* The same as product(), of rounded operands. */
static void mixed_product(const Team *team, long rows, long columns, long depth, Left a, Right b, Initial initial, float *c, long c_row) {
  const int by_columns = a.row == 1;
  const long panels = (columns + PANEL - 1) / PANEL, enough = team->size == 1 ? 1 : (2 * team->size + panels - 1) / panels;
  const long fewest = (rows + MIXED_STRIP - 1) / MIXED_STRIP, parts = fewest > enough ? fewest : enough;
  const long height = least(MIXED_STRIP, round_up((rows + parts - 1) / parts, LINE)), strips = (rows + height - 1) / height;
  uint32_t *const left = (uint32_t *)team->scratch, *const right = left + MIXED_STRIP * MAX_DEPTH / 2;
  uint32_t *const spare = right + PANEL * MAX_DEPTH / 2;
  const Range mine = share(team, panels * strips);
  for (long unit = mine.begin, last; unit < mine.end; unit = last) {
    const long m = unit / panels * height, strip = least(height, rows - m);
    last = least(mine.end, (unit / panels + 1) * panels);
    for (long k = 0; k < depth; k += MAX_DEPTH) {
      const long part = least(MAX_DEPTH, depth - k), pairs = (part + 1) / 2;
      if (by_columns)
        pack_columns(a.data + m + k * a.step, a.step, part, strip, 1, 0, left, height);
      else
        pack_rows(a.data + m * a.row + k, a.row, strip, part, left, MAX_DEPTH / 2);
      for (long each = unit; each < last; each++) {
        const long n = each % panels * PANEL, width = least(PANEL, columns - n);
        float *const out = c + m * c_row + n;
        const Initial start = {initial.data ? initial.data + m * initial.row + n : 0, initial.row};
        pack_pairs(b, k, n, part, width, right, spare);
        pair_panel(strip, width > LANES ? 2 : 1, pairs, by_columns, left, by_columns ? 1 : MAX_DEPTH / 2, by_columns ? height : 1, right,
                   k == 0 ? start : (Initial){out, c_row}, out, c_row);
      }
    }
  }
}
#else
#define HAS_MIXED 0
#define MIXED_FLOATS 0
#endif
