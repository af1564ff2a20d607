/*
 * Products of bfloat16 numbers with float32 sums, where the CPU has AVX512_BF16:
 * twice the rate of float32. Both operands are rounded on the way into packed
 * words, each two neighbours in depth, k even in the low half and k odd in the
 * high; the tiles of product.h carry the words as the floats they are as wide as.
 */
#pragma once
#include "product.h"

#if HAS_MIXED
#define MIXED_STRIP 512 /* rows of A that are packed at once */
/* Words of A, words of a panel of B, the panel before it is rounded. */
#define MIXED_FLOATS (MIXED_STRIP * MAX_DEPTH / 2 + PANEL * MAX_DEPTH / 2 + PANEL * MAX_DEPTH)

/* 32 rounded numbers: first x, then y. */
INLINE __m512i rounded(Vector x, Vector y) { return (__m512i)_mm512_cvtne2ps_pbh((__m512)y, (__m512)x); }
/* Words of x in the low halves and y in the high halves. */
INLINE __m512i interleaved(Vector x, Vector y) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                         18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, rounded(x, y));
}
/* The first `count` of 16 floats, zeros for the rest; reads nothing when there are none. */
INLINE Vector some(const float *p, long count) {
  if (count <= 0) return all(0);
  return first(count, load(p), all(0));
}

/* words[rows, row]: neighbours along a row of floats, `count` of them. */
static void pack_rows(const float *from, long from_row, long rows, long count, float *words, long row) {
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < count; k += 32) {
      const float *p = from + r * from_row + k;
      _mm512_storeu_si512(words + r * row + k / 2, rounded(some(p, count - k), some(p + 16, count - k - 16)));
    }
}

/* words[count/2, row]: neighbours down a column of floats. */
static void pack_columns(const float *from, long from_row, long count, long columns, float *words, long row) {
  for (long k = 0; k < count; k += 2)
    for (long n = 0; n < columns; n += LANES) {
      const float *p = from + k * from_row + n;
      _mm512_storeu_si512(words + k / 2 * row + n, interleaved(load(p), k + 1 < count ? load(p + from_row) : (Vector){0}));
    }
}

/* The same as product(), of rounded operands. */
static void mixed_product(const Team *team, long rows, long columns, long depth, Left a, Right b, Initial initial, float *c, long c_row,
                          int symmetric) {
  const long panels = (columns + PANEL - 1) / PANEL, height = strip_height(team, rows, panels, MIXED_STRIP);
  const long strips = (rows + height - 1) / height;
  float *const left = team->scratch, *const right = left + MIXED_STRIP * MAX_DEPTH / 2, *const exact = right + PANEL * MAX_DEPTH / 2;
  const Left words = a.row == 1 ? (Left){left, 1, height} : (Left){left, MAX_DEPTH / 2, 1};
  const Range mine = share(team, panels * strips);
  for (long unit = mine.begin, last; unit < mine.end; unit = last) {
    const long m = unit / panels * height, strip = least(height, rows - m);
    last = least(mine.end, (unit / panels + 1) * panels);
    for (long k = 0; k < depth; k += MAX_DEPTH) {
      const long part = least(MAX_DEPTH, depth - k), pairs = (part + 1) / 2;
      const float *from = a.data + m * a.row + k * a.step;
      if (a.row == 1)
        pack_columns(from, a.step, part, strip, left, words.step);
      else
        pack_rows(from, a.row, strip, part, left, words.row);
      for (long each = unit; each < last; each++) {
        const long n = each % panels * PANEL, width = least(PANEL, columns - n), height_here = least(strip, (symmetric ? n + width : rows) - m);
        if (height_here <= 0) continue;
        float *const out = c + m * c_row + n;
        const Initial start = {initial.data ? initial.data + m * initial.row + n : 0, initial.row};
        if (!is_plain(b)) pack(b, k, n, part, width, exact);
        pack_columns(is_plain(b) ? b.data + k * b.row + n : exact, is_plain(b) ? b.row : PANEL, part, width, right, PANEL);
        panel(PAIRS, height_here, width > LANES ? 2 : 1, pairs, words, right, PANEL, k == 0 ? start : (Initial){out, c_row}, out, c_row);
      }
    }
  }
}
#else
#define MIXED_FLOATS 0
#endif
