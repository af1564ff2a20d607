/*
 * Matrix products: one register tile serves all of them.
 *
 *   C[m,n] = initial + Σ_k A(m,k) · B(k,n)
 *
 * A is read in place, by rows or by columns (so AᵀB needs no transpose). B is cut
 * into panels of two vectors, packed when that pays and always when transposed or scaled.
 */
#pragma once
#include "team.h"
#include "vector.h"
#if defined(__AVX512BF16__) && LANES == 16
#define HAS_MIXED 1
#include <immintrin.h>
#else
#define HAS_MIXED 0
#endif

#define PANEL (2 * LANES)
#define MAX_DEPTH 512 /* rows of a packed panel */
#define MAX_STRIP 1536 /* rows of C for which a panel is packed once */

/* A(m,k) at data[m·row + k·step]; one of row and step is 1. */
typedef struct {
  const float *data;
  long row, step;
} Left;

/* What C starts from: nothing, one row for all (row = 0), or a matrix. */
typedef struct {
  const float *data;
  long row;
} Initial;

/* How operands multiply: as floats, or each as a pair of bfloat16 numbers (see mixed.h). */
typedef enum { FLOATS, PAIRS } Format;

INLINE Vector multiply_add(Format format, Vector sum, Vector left, Vector right) {
#if HAS_MIXED
  if (format == PAIRS) return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)left, (__m512bh)right);
#endif
  (void)format;
  return sum + left * right;
}

/* C[rows, vectors·LANES]: the sums stay in registers over the whole depth. */
INLINE void tile(Format format, int rows, int vectors, long depth, Left a, const float *b, long b_row, Initial initial, float *c,
                 long c_row) {
  Vector sums[TILE_ROWS][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) sums[i][j] = initial.data ? load(initial.data + i * initial.row + j * LANES) : all(0);
  for (long k = 0; k < depth; k++) {
    Vector right[2];
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) right[j] = load(b + k * b_row + j * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const Vector left = all(a.data[i * a.row + k * a.step]);
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++) sums[i][j] = multiply_add(format, sums[i][j], left, right[j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) store(c + i * c_row + j * LANES, sums[i][j]);
}

/* `count` tiles of equal height, one below the other. */
typedef void Tiles(long count, long depth, Left a, const float *b, long b_row, Initial initial, float *c, long c_row);

/* Every format and height, one or two vectors, A by rows (step 1) or by columns (row 1), as functions of their own. */
#define TILES(format, name, rows, vectors, unit)                                                                    \
  static void format##_##name##_##rows##_##vectors(long count, long depth, Left a, const float *b, long b_row,      \
                                                   Initial initial, float *c, long c_row) {                         \
    a.unit = 1;                                                                                                     \
    for (; count > 0; count--) {                                                                                    \
      tile(format, rows, vectors, depth, a, b, b_row, initial, c, c_row);                                           \
      a.data += rows * a.row;                                                                                       \
      if (initial.data) initial.data += rows * initial.row;                                                         \
      c += rows * c_row;                                                                                            \
    }                                                                                                               \
  }
#define EACH_SIZE(do, format)                                                                                       \
  do(format, 1) do(format, 2) do(format, 3) do(format, 4) do(format, 5) do(format, 6) MORE_SIZES(do, format)
#if TILE_ROWS == 12
#define MORE_SIZES(do, format) do(format, 7) do(format, 8) do(format, 9) do(format, 10) do(format, 11) do(format, 12)
#else
#define MORE_SIZES(do, format)
#endif
#define DEFINE(format, rows)                                                            \
  TILES(format, by_rows, rows, 1, step) TILES(format, by_rows, rows, 2, step)           \
  TILES(format, by_columns, rows, 1, row) TILES(format, by_columns, rows, 2, row)
#define ENTRY(format, rows)                                        \
  {{format##_by_rows_##rows##_1, format##_by_rows_##rows##_2},     \
   {format##_by_columns_##rows##_1, format##_by_columns_##rows##_2}},
EACH_SIZE(DEFINE, FLOATS)
#if HAS_MIXED
EACH_SIZE(DEFINE, PAIRS)
#endif
static Tiles *const tiles[1 + HAS_MIXED][TILE_ROWS][2][2] = {{EACH_SIZE(ENTRY, FLOATS)},
#if HAS_MIXED
                                                             {EACH_SIZE(ENTRY, PAIRS)}
#endif
};

/* C[rows, one or two vectors], B in place or packed: rows are cut into tiles of nearly equal height. */
static inline void panel(Format format, long rows, int vectors, long depth, Left a, const float *b, long b_row, Initial initial, float *c,
                         long c_row) {
  const int by_columns = a.row == 1;
  const long count = (rows + TILE_ROWS - 1) / TILE_ROWS, low = rows / count, higher = rows % count;
  if (higher > 0) {
    tiles[format][low][by_columns][vectors - 1](higher, depth, a, b, b_row, initial, c, c_row);
    const long done = higher * (low + 1);
    a.data += done * a.row;
    if (initial.data) initial.data += done * initial.row;
    c += done * c_row;
  }
  tiles[format][low - 1][by_columns][vectors - 1](count - higher, depth, a, b, b_row, initial, c, c_row);
}

/* C[rows, columns] with B in place; columns is a multiple of LANES. */
static inline void multiply(long rows, long columns, long depth, Left a, const float *b, long b_row, Initial initial, float *c, long c_row) {
  for (long n = 0; n < columns; n += PANEL) {
    const Initial from = {initial.data ? initial.data + n : 0, initial.row};
    panel(FLOATS, rows, columns - n >= PANEL ? 2 : 1, depth, a, b + n, b_row, from, c + n, c_row);
  }
}

/* to[column, row] = scale · gain[row] · from[row, column], four by four. */
static void transpose(const float *from, long from_row, long rows, long columns, float scale, const float *gain, float *to, long to_row) {
#if defined(__clang__)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (Whole){i, j, k, l})
#endif
  const long whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (long r = 0; r < whole_rows; r += 4) {
    float factor[4];
    for (long i = 0; i < 4; i++) factor[i] = gain ? scale * gain[r + i] : scale;
    for (long c = 0; c < whole_columns; c += 4) {
      const float *p = from + r * from_row + c;
      const Four x0 = *(const Four *)p * factor[0], x1 = *(const Four *)(p + from_row) * factor[1];
      const Four x2 = *(const Four *)(p + 2 * from_row) * factor[2], x3 = *(const Four *)(p + 3 * from_row) * factor[3];
      const Four low01 = SHUFFLE(x0, x1, 0, 4, 1, 5), high01 = SHUFFLE(x0, x1, 2, 6, 3, 7);
      const Four low23 = SHUFFLE(x2, x3, 0, 4, 1, 5), high23 = SHUFFLE(x2, x3, 2, 6, 3, 7);
      float *const q = to + c * to_row + r;
      *(Four *)q = SHUFFLE(low01, low23, 0, 1, 4, 5);
      *(Four *)(q + to_row) = SHUFFLE(low01, low23, 2, 3, 6, 7);
      *(Four *)(q + 2 * to_row) = SHUFFLE(high01, high23, 0, 1, 4, 5);
      *(Four *)(q + 3 * to_row) = SHUFFLE(high01, high23, 2, 3, 6, 7);
    }
  }
  for (long r = 0; r < rows; r++)
    for (long c = r < whole_rows ? whole_columns : 0; c < columns; c++)
      to[c * to_row + r] = (gain ? scale * gain[r] : scale) * from[r * from_row + c];
}

/* B(k,n) = scale · gain · data[k·row + n], or data[n·row + k] when transposed; the gain belongs to data's row. */
typedef struct {
  const float *data;
  long row;
  int transposed;
  float scale;
  const float *gain; /* one for each row of data, or null for 1 */
} Right;

/* Whether B lies in memory as it is to be multiplied. */
static int is_plain(Right b) { return !b.transposed && !b.gain && b.scale == 1; }

/* packed[depth, PANEL] of B from row k and column n on; columns is how many of them exist. */
static __attribute__((noinline)) void pack(Right b, long k, long n, long depth, long columns, float *packed) {
  if (!b.transposed) {
    for (long i = 0; i < depth; i++) {
      const float *from = b.data + (k + i) * b.row + n;
      const Vector scale = all(b.gain ? b.scale * b.gain[k + i] : b.scale);
      store(packed + i * PANEL, load(from) * scale);
      if (columns > LANES) store(packed + i * PANEL + LANES, load(from + LANES) * scale);
    }
    return;
  }
  transpose(b.data + n * b.row + k, b.row, columns, depth, b.scale, b.gain ? b.gain + n : 0, packed, PANEL);
  for (long i = 0; i < depth; i++)
    for (long j = columns; j < round_up(columns, LANES); j++) packed[i * PANEL + j] = 0;
}

/* Rows of C that a thread does at once: at most `most`, and few enough that every thread of the team gets some strips of panels. */
static long strip_height(const Team *team, long rows, long panels, long most) {
  const long fewest = (rows + most - 1) / most, enough = team->size == 1 ? 1 : (2 * team->size + panels - 1) / panels;
  const long strips = fewest > enough ? fewest : enough;
  return least(most, round_up((rows + strips - 1) / strips, LINE));
}

/*
 * C[rows, columns] = initial + A·B by the whole team; each thread does whole panels of some rows. Of a symmetric C the rows
 * of a panel end with its last column.
 */
static void product(const Team *team, long rows, long columns, long depth, Left a, Right b, Initial initial, float *c, long c_row,
                    int symmetric) {
  const long panels = (columns + PANEL - 1) / PANEL, height = strip_height(team, rows, panels, MAX_STRIP);
  const long strips = (rows + height - 1) / height;
  const long max_depth = a.row == 1 ? MAX_DEPTH / 4 : MAX_DEPTH;
  const int in_place = is_plain(b) && rows < 256; /* too few rows to earn the packing back */
  const Range mine = share(team, panels * strips);
  for (long unit = mine.begin; unit < mine.end; unit++) {
    const long m = unit / panels * height, n = unit % panels * PANEL;
    const long width = least(PANEL, columns - n), strip = least(height, (symmetric ? n + width : rows) - m);
    float *const out = c + m * c_row + n;
    if (strip <= 0) continue;
    for (long k = 0; k < depth; k += max_depth) {
      const long part = least(max_depth, depth - k);
      const Initial start = {initial.data ? initial.data + m * initial.row + n : 0, initial.row};
      const Left left = {a.data + m * a.row + k * a.step, a.row, a.step};
      if (!in_place) pack(b, k, n, part, width, team->scratch);
      panel(FLOATS, strip, width > LANES ? 2 : 1, part, left, in_place ? b.data + k * b.row + n : team->scratch, in_place ? b.row : PANEL,
            k == 0 ? start : (Initial){out, c_row}, out, c_row);
    }
  }
}
