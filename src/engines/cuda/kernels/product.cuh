/*
 * Matrix products, where a step spends most of its arithmetic: many in one launch, one tile of an output a block.
 * Here: which block does what, how sums begin and end. How tiles are loaded and multiplied stands in tile.cuh and tile_bf16.cuh.
 */
#pragma once
#include "tile_bf16.cuh"

/* Neighbours of a row. */
DEVICE void read_neighbours(float (&to)[4], const float *from) {
  const float4 v = load4(from);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
DEVICE void read_neighbours(float (&to)[2], const float *from) {
  const float2 v = *(const float2 *)from;
  to[0] = v.x, to[1] = v.y;
}
DEVICE void write_neighbours(float *to, const float (&from)[4]) { store4(to, make_float4(from[0], from[1], from[2], from[3])); }
DEVICE void write_neighbours(float *to, const float (&from)[2]) { *(float2 *)to = make_float2(from[0], from[1]); }

/* Where the outputs of a product go, and what is done to them before; null is left out. */
struct ProductEnding {
  const float *factor;
  float *out, *active, *derivative;
};
template <int W> DEVICE void finish_neighbours(const ProductEnding &ending, Size at, float (&x)[W]) {
  if (ending.factor) {
    float factor[W];
    read_neighbours(factor, ending.factor + at);
    UNROLL for (int j = 0; j < W; j++) x[j] *= factor[j];
  }
  if (ending.out) write_neighbours(ending.out + at, x);
  if (!ending.active) return;
  float derivative[W];
  UNROLL for (int j = 0; j < W; j++) {
    const Gelu2 both = gelu_of(x[j]);
    x[j] = both.value, derivative[j] = both.derivative;
  }
  write_neighbours(ending.active + at, x);
  if (ending.derivative) write_neighbours(ending.derivative + at, derivative);
}

/* What a block computes: of a chain that begins with `head`, one part, outputs from [m, n] on. */
struct ProductShare {
  int head, part, m, n;
};
template <class P> DEVICE ProductShare product_share(const ProductGroup &o, int block) {
  int head = 0;
  for (int i = 1; i < o.count; i++)
    if (o.each[i].first_block >= 0 && o.each[i].first_block <= block) head = i;
  const Product &p = o.each[head];
  const int down = ceil_div(p.rows, P::TILE), across = ceil_div(p.columns, P::TILE), index = block - p.first_block;
  const int part = index / (down * across), i = index % (down * across);
  return {head, part, (down < across ? i % down : i / across) * P::TILE, (down < across ? i / down : i % across) * P::TILE};
}

/*
 * C[m,n] = initial[m,n] + Σ_k A(m,k) · (multiplier · gain ⊙ B)(k,n), and on with the same sum over each next product of the chain;
 * out = C ⊙ factor, active = GELU(out), derivative = GELU′(out), each where it is asked for. A [rows, depth] by rows (a_step = 1) or by
 * columns (a_row = 1), B [depth, columns] or transposed; gain has one value for each row of what is stored of B. Cut in parts, out[part]
 * is the sum over its part_depth of k and nothing more. Tiles wholly below the diagonal of a symmetric C are left as they are.
 * Grid: for each product that heads a chain parts · ⌈rows/TILE⌉ · ⌈columns/TILE⌉ blocks of 2·TILE threads (BF16: of 128), from
 * first_block on, which ascends; parts outermost, and of the two directions the one with fewer tiles innermost, so that the longer
 * operand is read once while the shorter stays in L2.
 * Bytes of a lane: 4 · (rows·depth + depth·columns + parts·rows·columns), the first two for each product of a chain, and 4 · rows·columns
 * for each of initial, factor, active, derivative; from L2, A ⌈columns/TILE⌉ times and B ⌈rows/TILE⌉ times.
 */
template <Mode MODE, int TILE> DEVICE void products(const Run &run, const ProductGroup &o) {
  typedef ProductPlan<MODE, TILE> P;
  __shared__ __align__(16) Chunk<P> lefts[2], rights[2];
  float sums[P::sums][4];
  int link; /* of the chain, the present product */
  {
    const ProductShare mine = product_share<P>(o, blockIdx.x);
    const Product &p = o.each[link = mine.head];
    if (p.symmetric && mine.m >= mine.n + TILE) return;
    const float *const initial = at(run, p.initial);
    const int row = row_length(p.columns);
    UNROLL for (int i = 0; i < P::sums; i++) UNROLL for (int h = 0; h < 4 / P::width; h++) {
      const int m = mine.m + P::first_row(threadIdx.x) + P::row(i, h), n = mine.n + P::first_column(threadIdx.x) + P::column(i);
      float x[P::width] = {};
      if (initial && m < p.rows && n < row) read_neighbours(x, initial + (Size)m * p.initial_row + n);
      UNROLL for (int j = 0; j < P::width; j++) sums[i][h * P::width + j] = x[j];
    }
  }
  for (; link >= 0; link = o.each[link].next) {
    const Product &q = o.each[link];
    const ProductShare mine = product_share<P>(o, anew(blockIdx.x));
    const int begin = q.parts > 1 ? mine.part * q.part_depth : 0;
    const int end = q.parts > 1 && begin + q.part_depth < q.depth ? begin + q.part_depth : q.depth;
    const bool by_rows = q.a_step == 1;
    Operand<P> a, b;
    open_operand(a, at(run, q.a), by_rows ? q.a_row : q.a_step, by_rows, mine.m, q.rows, begin, end, 1.0f, 0);
    open_operand(b, at(run, q.b), q.b_row, q.b_transposed, mine.n, q.columns, begin, end, scalar(run, q.multiplier), at(run, q.gain));
    /* Two buffers, and the chunk after the next under way in registers: loads begin before a barrier, or compilers would let them begin
       only shortly before they are needed. What follows the last chunk is zeros. */
    int chunks = ceil_div(end - begin, P::depth);
    fetch_chunk(a), fetch_chunk(b);
    put_chunk(a, lefts[chunks & 1]), put_chunk(b, rights[chunks & 1]);
    fetch_chunk(a), fetch_chunk(b);
    __syncthreads();
    while (chunks > 0) {
      multiply_chunk(lefts[chunks & 1], rights[chunks & 1], sums);
      chunks--;
      put_chunk(a, lefts[chunks & 1]), put_chunk(b, rights[chunks & 1]);
      fetch_chunk(a), fetch_chunk(b);
      __syncthreads();
    }
  }

  const ProductShare mine = product_share<P>(o, anew(blockIdx.x));
  const Product &p = o.each[mine.head];
  const int thread = anew(threadIdx.x), row = row_length(p.columns);
  float *const all = at(run, p.out), *const out = all ? all + (Size)mine.part * p.rows * row : 0;
  const ProductEnding ending = {at(run, p.factor), out, at(run, p.active), at(run, p.derivative)};
  UNROLL for (int i = 0; i < P::sums; i++) UNROLL for (int h = 0; h < 4 / P::width; h++) {
    const int m = mine.m + P::first_row(thread) + P::row(i, h), n = mine.n + P::first_column(thread) + P::column(i);
    float x[P::width];
    UNROLL for (int j = 0; j < P::width; j++) x[j] = sums[i][h * P::width + j];
    if (m < p.rows && n < row) finish_neighbours(ending, (Size)m * row + n, x);
  }
}
