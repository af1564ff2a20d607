/*
 * What attention on tensor cores shares. A block's warps have STRIP rows of a head each (queries,
 * or keys), in registers as the left operand; the rows of the other side come by tiles through
 * shared memory, rounded to bfloat16 once. A dot product sums over dimensions, so it wants a
 * tile's words to be two dimensions of a row; weights times rows sum over rows, so they want
 * two rows of a dimension. Scores leave the one product where weights enter the other.
 *
 * The order in which tensor cores are given dimensions is ours: a lane has dimensions
 * 16·i + 4·place … + 3 of both its rows (mma.cuh), in operands as in sums, so that memory is
 * read and written 16 bytes at a time, and shared memory 8.
 */
#pragma once
#include "heads.cuh"
#include "mma.cuh"

constexpr int STRIP = 16;
/* Where rows are queries: warps of a block, which share what they read of keys, and keys of a tile. */
template <int DP> constexpr int STRIPS_OF_QUERIES = DP > 64 ? 4 : 8;
template <int DP> constexpr int KEYS_OF_TILE = DP > 64 ? 32 : DP > 16 ? 64 : 128;

/* A tile's words. Pitches of 8 modulo 16 spread what half a warp reads at once over all banks. */
template <int DP> struct Words {
  static constexpr int pitch = DP == 16 ? 8 : DP / 2 + 8;
  typedef uint32_t Row[pitch];   /* w: dimensions 2·w and 2·w + 1 of a row */
  typedef uint32_t Pair[DP + 8]; /* d: dimension d of rows 2·j and 2·j + 1 */
};

DEVICE int group_of_lane() { return (int)threadIdx.x % 32 / 4; }
DEVICE int place_of_lane() { return (int)threadIdx.x % 4; }
/* The first of the warp's rows, and the first of the lane's two, which are 8 apart. */
DEVICE int first_of_strip(int first) { return first + (int)threadIdx.x / 32 * STRIP; }
DEVICE int row_of_lane(int first) { return first_of_strip(first) + group_of_lane(); }

/* The strip's rows as a left operand; t is the lane's first row. */
template <int DP, bool ALIGNED> DEVICE void read_strip(uint32_t (&to)[DP / 16][4], const Head &h, const float *x, int t) {
  UNROLL for (int i = 0; i < DP / 16; i++) UNROLL for (int half = 0; half < 2; half++) {
    const float4 v = head_read4<ALIGNED>(h, x, t + half * 8, i * 16 + place_of_lane() * 4);
    to[i][half] = pack_bf16(v.x, v.y), to[i][half + 2] = pack_bf16(v.z, v.w);
  }
}
template <int DP> DEVICE void read_strip(uint32_t (&to)[DP / 16][4], const Head &h, const float *x, int t) {
  if (is_aligned(h)) read_strip<DP, true>(to, h, x, t);
  else read_strip<DP, false>(to, h, x, t);
}
template <int DP> DEVICE void write_strip(const float (&sums)[DP / 8][4], const Head &h, float *x, int t) {
  UNROLL for (int i = 0; i < DP / 16; i++) UNROLL for (int half = 0; half < 2; half++) {
    const float *const even = sums[2 * i] + 2 * half, *const odd = sums[2 * i + 1] + 2 * half;
    head_write4(h, x, t + half * 8, i * 16 + place_of_lane() * 4, {even[0], odd[0], even[1], odd[1]});
  }
}

/* Of which words a tile is wanted: either, or both. */
enum Forms { BY_ROWS = 1, BY_PAIRS = 2 };
/* Where a tile's rows come from, and where its forms go. */
template <int DP> struct Tile {
  const float *from;
  typename Words<DP>::Row *rows;
  typename Words<DP>::Pair *pairs;
};
/* Dimensions d … d + 3 of two rows. */
template <int DP, int FORMS> DEVICE void put_two_rows(const Tile<DP> &to, int pair, int d, float4 v, float4 w) {
  if (FORMS & BY_ROWS) {
    *(uint2 *)(to.rows[2 * pair] + d / 2) = make_uint2(pack_bf16(v.x, v.y), pack_bf16(v.z, v.w));
    *(uint2 *)(to.rows[2 * pair + 1] + d / 2) = make_uint2(pack_bf16(w.x, w.y), pack_bf16(w.z, w.w));
  }
  if (FORMS & BY_PAIRS)
    *(uint4 *)(to.pairs[pair] + d) = make_uint4(pack_bf16(v.x, w.x), pack_bf16(v.y, w.y), pack_bf16(v.z, w.z), pack_bf16(v.w, w.w));
}
/*
 * Rows from t on of two matrices, by the whole block, which has no more use for what was there.
 * BATCH pairs of each are on their way at once.
 */
template <int DP, int STRIPS, int TILE, int A, int B, int BATCH, bool ALIGNED>
DEVICE void put_tiles(const Tile<DP> &a, const Tile<DP> &b, const Head &h, int t) {
  constexpr int ACROSS = DP / 4, PAIRS = 32 * STRIPS / ACROSS; /* threads of a row, pairs at once */
  const int thread = anew((int)threadIdx.x), d = thread % ACROSS * 4, first = thread / ACROSS;
  const float *const x = a.from + (Size)t * h.row, *const y = b.from + (Size)t * h.row;
  ROLLED for (int start = first; start < TILE / 2; start += BATCH * PAIRS) {
    float4 v[BATCH][2], w[BATCH][2];
    UNROLL for (int i = 0; i < BATCH; i++) UNROLL for (int j = 0; j < 2; j++) {
      const int row = 2 * (start + i * PAIRS) + j, offset = row * h.row + d, left = t + row < h.context ? h.dim - d : 0;
      v[i][j] = read4<ALIGNED>(x + offset, left), w[i][j] = read4<ALIGNED>(y + offset, left);
    }
    UNROLL for (int i = 0; i < BATCH; i++) {
      put_two_rows<DP, A>(a, start + i * PAIRS, d, v[i][0], v[i][1]);
      put_two_rows<DP, B>(b, start + i * PAIRS, d, w[i][0], w[i][1]);
    }
  }
}
template <int DP, int STRIPS, int TILE, int A, int B> DEVICE void put_tiles(const Tile<DP> &a, const Tile<DP> &b, const Head &h, int t) {
  constexpr int TURNS = TILE / 2 * (DP / 4) / (32 * STRIPS);
  static_assert(TURNS > 0, "every thread has something to read");
  if (is_aligned(h)) put_tiles<DP, STRIPS, TILE, A, B, TURNS < 2 ? 1 : 2, true>(a, b, h, t);
  else put_tiles<DP, STRIPS, TILE, A, B, 1, false>(a, b, h, t);
  __syncthreads();
}

/* sums[16, 8·N] += strip · rowsᵀ */
template <int DP, int N>
DEVICE void add_dots(float (&sums)[N][4], const uint32_t (&strip)[DP / 16][4], const typename Words<DP>::Row *rows) {
  UNROLL for (int j = 0; j < N; j++) UNROLL for (int i = 0; i < DP / 16; i++) {
    const uint2 two = *(const uint2 *)(rows[j * 8 + group_of_lane()] + i * 8 + place_of_lane() * 2);
    const uint32_t b[2] = {two.x, two.y};
    mma_bf16(sums[j], strip[i], b);
  }
}
/* sums[16, DP] += weights[16, 8·N] · the rows of `pairs`, the weights rounded to bfloat16. */
template <int DP, int N>
DEVICE void add_weighted(float (&sums)[DP / 8][4], const float (&weights)[N][4], const typename Words<DP>::Pair *pairs) {
  UNROLL for (int j = 0; j < N; j += 2) {
    const float *const w = weights[j], *const next = weights[j + 1];
    const uint32_t a[4] = {pack_bf16(w[0], w[1]), pack_bf16(w[2], w[3]), pack_bf16(next[0], next[1]), pack_bf16(next[2], next[3])};
    UNROLL for (int i = 0; i < DP / 16; i++) {
      const uint32_t *const here = pairs[j * 4 + place_of_lane()] + i * 16 + group_of_lane() * 2;
      const uint2 near = *(const uint2 *)here, far = *(const uint2 *)(here + 4 * (DP + 8));
      const uint32_t b[2] = {near.x, far.x}, c[2] = {near.y, far.y};
      mma_bf16(sums[2 * i], a, b);
      mma_bf16(sums[2 * i + 1], a, c);
    }
  }
}

/* Over the four lanes that have a row's columns. */
DEVICE float sum_of_row(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}
DEVICE float most_of_row(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}
