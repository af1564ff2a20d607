/*
 * What the attention kernels share: where a head stands, and how its rows are dealt to threads.
 * A row of a head (a query, or a key) belongs to PARTS threads side by side, which have 16 of
 * its dimensions each in registers; each thread has several rows, so that what it reads from
 * shared memory serves all of them. A warp's rows with one index are GROUP neighbours, and
 * indices are WARPS groups apart: so warps have equal work below the diagonal, and a warp
 * leaves out a whole index while nothing that it sees is there.
 * DP is the head dimension rounded up; what is missing is zero in registers and tiles.
 */
#pragma once
#include "common.cuh"

#if defined(EMULATED)
#define ROLLED
#else
#define ROLLED _Pragma("unroll 1")
#endif

/* Rows of a thread where they are queries, and where they are keys: as many as registers hold. */
constexpr int HEAD_QUERIES = 4, HEAD_KEYS = 2;

template <int DP> struct Split {
  static constexpr int EACH = 16, PARTS = DP / EACH, GROUP = 32 / PARTS;
  static constexpr int THREADS = DP < 64 ? 2 * DP : 128, WARPS = THREADS / 32;
  static constexpr int TILE = 2048 / DP; /* rows of the other side in shared memory */
};

/* Head x % H of sequence x / H: a column of matrices [R, H·D], from `offset` on. */
struct Head {
  int dim, context, row, padded;
  Size offset;
};
/* Rows start on 16 bytes only where the head dimension is a multiple of 4. */
DEVICE bool is_aligned(const Head &h) { return h.dim % 4 == 0; }
template <class Operands> DEVICE Head head_at(const Operands &o, int width, int x) {
  const int heads = width / o.head_dim, row = row_length(width);
  return {o.head_dim, o.context, row, row_length(o.context), (Size)(x / heads) * o.context * row + x % heads * o.head_dim};
}
/* How many neighbouring heads of queries share one of keys and values. */
template <class Operands> DEVICE int queries_per_key(const Operands &o) { return anew(o.width) / o.key_width; }
/* Where block x has head x of queries: that head, and the one of keys and values that it sees. */
template <class Operands> DEVICE Head head_of(const Operands &o) { return head_at(o, o.width, anew((int)blockIdx.x)); }
template <class Operands> DEVICE Head seen_head_of(const Operands &o) {
  return head_at(o, o.key_width, anew((int)blockIdx.x) / queries_per_key(o));
}
/* Where block x has head x of keys and values: that head, and which of queries is the index-th that sees it. */
template <class Operands> DEVICE Head key_head_of(const Operands &o) { return head_at(o, o.key_width, anew((int)blockIdx.x)); }
template <class Operands> DEVICE int query_index(const Operands &o, int index) { return anew((int)blockIdx.x) * queries_per_key(o) + index; }

/* log Σ exp(score) of a query. */
DEVICE float log_sum(const Head &h, const float *stats, int t) { return stats[t] - logf(stats[h.padded + t]); }

template <int DP> DEVICE int part_of() { return (int)threadIdx.x % Split<DP>::PARTS; }
/* The thread's row with index r of a block whose first row is `first`. */
template <int DP> DEVICE int row_of(int first, int r) {
  typedef Split<DP> S;
  return first + (r * S::WARPS + (int)threadIdx.x / 32) * S::GROUP + (int)threadIdx.x % 32 / S::PARTS;
}
/* First and last row with index r that the warp has. */
template <int DP> DEVICE int first_of_warp(int first, int r) {
  return first + (r * Split<DP>::WARPS + (int)threadIdx.x / 32) * Split<DP>::GROUP;
}
template <int DP> DEVICE int last_of_warp(int first, int r) { return first_of_warp<DP>(first, r) + Split<DP>::GROUP - 1; }
/* The part's elements e … e + 3 are these dimensions: threads side by side read 16 bytes side by side. */
template <int DP> DEVICE int dimension(int part, int e) { return (e / 4 * Split<DP>::PARTS + part) * 4; }

/* Four dimensions of which there are `left`; the others are zero. */
template <bool ALIGNED> DEVICE float4 read4(const float *p, int left) {
  float4 v = {0, 0, 0, 0};
  if (ALIGNED) {
    if (left > 0) v = load4(p);
  } else {
    if (left > 0) v.x = p[0];
    if (left > 1) v.y = p[1];
    if (left > 2) v.z = p[2];
    if (left > 3) v.w = p[3];
  }
  return v;
}
/* Dimensions d … d + 3 of row t; zero past the head's end. */
template <bool ALIGNED> DEVICE float4 head_read4(const Head &h, const float *x, int t, int d) {
  return read4<ALIGNED>(x + (Size)t * h.row + d, t < h.context ? h.dim - d : 0);
}
DEVICE void head_write4(const Head &h, float *x, int t, int d, float4 v) {
  float *p = x + (Size)t * h.row + d;
  const int left = t < h.context ? h.dim - d : 0;
  if (is_aligned(h)) {
    if (left > 0) store4(p, v);
  } else {
    if (left > 0) p[0] = v.x;
    if (left > 1) p[1] = v.y;
    if (left > 2) p[2] = v.z;
    if (left > 3) p[3] = v.w;
  }
}
template <int DP, bool ALIGNED> DEVICE void read_row(float (&to)[16], const Head &h, const float *x, int t) {
  UNROLL for (int e = 0; e < 16; e += 4) {
    const float4 v = head_read4<ALIGNED>(h, x, t, dimension<DP>(part_of<DP>(), e));
    to[e] = v.x, to[e + 1] = v.y, to[e + 2] = v.z, to[e + 3] = v.w;
  }
}
template <int DP> DEVICE void read_row(float (&to)[16], const Head &h, const float *x, int t) {
  if (is_aligned(h)) read_row<DP, true>(to, h, x, t);
  else read_row<DP, false>(to, h, x, t);
}
template <int DP> DEVICE void write_row(const float (&from)[16], const Head &h, float *x, int t) {
  UNROLL for (int e = 0; e < 16; e += 4)
    head_write4(h, x, t, dimension<DP>(part_of<DP>(), e), {from[e], from[e + 1], from[e + 2], from[e + 3]});
}

/*
 * Rows from t on of two matrices into shared memory, by the whole block, which has no more use for what was there.
 * BATCH reads of each are on their way at once.
 */
template <int DP, int BATCH, bool ALIGNED>
DEVICE void read_tiles(float (*a)[DP], float (*b)[DP], const Head &h, const float *x, const float *y, int t) {
  typedef Split<DP> S;
  constexpr int ACROSS = DP / 4, ROWS = S::THREADS / ACROSS; /* threads of a row, rows at once */
  const int thread = anew((int)threadIdx.x), d = thread % ACROSS * 4, row = thread / ACROSS;
  ROLLED for (int start = row; start < S::TILE; start += BATCH * ROWS) {
    float4 v[BATCH], w[BATCH];
    UNROLL for (int i = 0; i < BATCH; i++) {
      v[i] = head_read4<ALIGNED>(h, x, t + start + i * ROWS, d);
      w[i] = head_read4<ALIGNED>(h, y, t + start + i * ROWS, d);
    }
    UNROLL for (int i = 0; i < BATCH; i++) store4(a[start + i * ROWS] + d, v[i]), store4(b[start + i * ROWS] + d, w[i]);
  }
}
template <int DP, int BATCH>
DEVICE void read_tiles(float (*a)[DP], float (*b)[DP], const Head &h, const float *x, const float *y, int t) {
  if (is_aligned(h)) read_tiles<DP, BATCH, true>(a, b, h, x, y, t);
  else read_tiles<DP, 1, false>(a, b, h, x, y, t);
  __syncthreads();
}
/* The thread's part of a tile's row. */
template <int DP> DEVICE void read_part(float (&to)[16], const float *row) {
  UNROLL for (int e = 0; e < 16; e += 4) {
    const float4 v = load4(row + dimension<DP>(part_of<DP>(), e));
    to[e] = v.x, to[e + 1] = v.y, to[e + 2] = v.z, to[e + 3] = v.w;
  }
}

DEVICE float head_dot(const float (&a)[16], const float (&b)[16], float sum) {
  UNROLL for (int e = 0; e < 16; e++) sum = fmaf(a[e], b[e], sum);
  return sum;
}
DEVICE void head_add(float (&sums)[16], float scale, const float (&x)[16]) {
  UNROLL for (int e = 0; e < 16; e++) sums[e] = fmaf(scale, x[e], sums[e]);
}
/* e^x, 0 where that is below 2^−126: the special function unit's 2^x, without __expf's care for such results. */
DEVICE float exponential(float x) {
#if defined(EMULATED)
  return expf(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.4426950408889634f));
  return y;
#endif
}
template <int DP> DEVICE float sum_of_parts(float x) {
  UNROLL for (int d = Split<DP>::PARTS / 2; d > 0; d /= 2) x += __shfl_xor_sync(~0u, x, d);
  return x;
}
