/*
 * How a block multiplies a tile of a product in bfloat16, whose tensor cores are so fast that what feeds them decides: operands stand
 * in shared memory with k innermost, so that one instruction (load_matrices) loads a whole fragment. As in tile.cuh every sum is one
 * accumulator with k ascending, here in groups of 16 from the beginning of a part; what a chunk has beyond the end is zeros.
 */
#pragma once
#include "tile.cuh"

/*
 * What a block of 128 threads does: 64×64 (32×32) outputs a warp, for each 16 of k 8 (4) loads of four matrices to 32 (8) mma.
 * Of the larger tile an SM has two blocks, whose threads keep 128 sums and 64 floats of the next chunk in at most 255 registers. Twice
 * as many threads with half as many registers would have 64×32 a warp, and shared memory would be busier than tensor cores, which take
 * 2 cycles for an mma (Ampere; Hopper fewer): at 128 bytes a cycle 1.5 cycles to read its share and 0.5 to write it, here 1 and 0.5.
 */
template <int TILE> struct ProductPlan<BF16, TILE> : Outputs<TILE, TILE / 2, TILE / 2, true> {
  static constexpr int depth = 32, quads = TILE / 16;
};

/* Two k a word, 32 k of each edge; see `place`. */
template <int TILE> struct Chunk<ProductPlan<BF16, TILE>> {
  uint32_t words[TILE * 16];
};

/*
 * Where k of an edge stands. A line over all banks holds two edges, in pieces of 16 bytes whose order keeps apart what one access
 * touches: the same k of edges 0…7 (load_matrices), k < 16 of edges 0…3 (stores of rows along k), the same eight k of edges 0, 4, … 28
 * (stores of rows along the edge), and likewise further on.
 */
DEVICE constexpr int place(int edge, int k) { return edge / 2 * 32 + (edge ^ edge / 4 ^ k / 16 * 2 ^ k / 8 * 4) % 8 * 4 + k % 8 / 2; }
/*
 * The place so many edges and k after another one, when no bit of either sum carries: its bits are the two places' exclusive or. Which
 * line it is in is added instead, because that is a constant of the instruction that uses the place.
 */
DEVICE constexpr int beside(int from, int edge, int k) { return (from ^ place(edge, k) % 32) + place(edge, k) / 32 * 32; }

/*
 * An operand's way into shared memory; m or n is its edge. Of rows along k a thread has four neighbours and those 16 further, in every
 * 32nd row; of rows along the edge four neighbours, and of the larger tile those 64 further, in each of four rows that follow one
 * another. Outputs beyond an edge go nowhere, so what stands there may be anything.
 */
template <int TILE> struct Operand<ProductPlan<BF16, TILE>> {
  static constexpr int quads = ProductPlan<BF16, TILE>::quads;
  const float *from, *gain; /* the next chunk; where gains of k end, or null */
  int step;                 /* bytes from one row of a thread to the next */
  int slot;                 /* where in the chunk a thread's first is */
  int left, edges;          /* how much of k and of the edge there is from a thread's first on */
  bool along_k;
  float scale;
  float4 next[quads];
  float gains[4]; /* of a thread's rows */
};

/* A whole number of bytes on: counted in floats, compilers keep apart what they add, and add it for every load anew. */
DEVICE const float *further(const float *p, int bytes) { return (const float *)((const char *)p + bytes); }

template <int TILE>
DEVICE void open_operand(Operand<ProductPlan<BF16, TILE>> &operand, const float *from, int row, bool along_k, int first, int edges,
                         int begin, int end, float scale, const float *gain) {
  const int id = anew(threadIdx.x), edge = along_k ? id / 4 : id / 64 * 32 + id % 8 * 4, k = along_k ? id % 4 * 4 : id / 8 % 8 * 4;
  operand.along_k = along_k;
  operand.step = along_k ? row * 128 : row * 4;
  operand.slot = place(edge, k);
  operand.left = end - begin - k;
  operand.edges = edges - first - edge;
  operand.from = from + (along_k ? (Size)(first + edge) * row + begin + k : (Size)(begin + k) * row + first + edge);
  operand.gain = gain && !along_k ? gain + end : 0;
  operand.scale = scale;
  UNROLL for (int i = 0; i < operand.quads; i++) operand.next[i] = make_float4(0, 0, 0, 0);
  UNROLL for (int i = 0; i < 4; i++) operand.gains[i] = gain && along_k && i * 32 < operand.edges ? gain[first + edge + i * 32] : 1.0f;
}

/* Begins to load the present chunk; nothing is read beyond an edge or the end, where what was loaded before stays. */
template <int TILE> DEVICE void fetch_chunk(Operand<ProductPlan<BF16, TILE>> &operand) {
  const float *here = operand.from;
  if (operand.along_k) {
    UNROLL for (int row = 0; row < operand.quads / 2; row++, here = further(here, operand.step)) UNROLL for (int h = 0; h < 2; h++)
      if (row * 32 < operand.edges && h * 16 < operand.left) operand.next[row * 2 + h] = load4(here + h * 16);
  } else {
    UNROLL for (int row = 0; row < 4; row++, here = further(here, operand.step)) UNROLL for (int h = 0; h < operand.quads / 4; h++)
      if (h * 64 < operand.edges && row < operand.left) operand.next[h * 4 + row] = load4(here + h * 64);
    if (operand.gain && operand.left > 0) {
      const float4 v = load4(operand.gain - operand.left);
      operand.gains[0] = v.x, operand.gains[1] = v.y, operand.gains[2] = v.z, operand.gains[3] = v.w;
    }
  }
}

/* Of a thread's k those from the end on become zeros, and their gains one: what was loaded of them may be anything. */
template <int TILE> DEVICE void clear_rest(Operand<ProductPlan<BF16, TILE>> &operand) {
  UNROLL for (int i = 0; i < operand.quads; i++) {
    const int kept = operand.along_k ? operand.left - i % 2 * 16 : i % 4 < operand.left ? 4 : 0;
    float4 &x = operand.next[i];
    x = make_float4(kept > 0 ? x.x : 0, kept > 1 ? x.y : 0, kept > 2 ? x.z : 0, kept > 3 ? x.w : 0);
    if (!operand.along_k && kept == 0) operand.gains[i % 4] = 1.0f;
  }
}

/* Four k of an edge, times what scales each. */
DEVICE void put_four(uint32_t *to, float4 x, float4 scales) {
  *(uint2 *)to = make_uint2(pack_bf16(x.x * scales.x, x.y * scales.y), pack_bf16(x.z * scales.z, x.w * scales.w));
}
DEVICE float component(float4 x, int i) { return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w; }

/* Writes the chunk that was loaded, and goes to the next. */
template <int TILE> DEVICE void put_chunk(Operand<ProductPlan<BF16, TILE>> &operand, Chunk<ProductPlan<BF16, TILE>> &to) {
  if (operand.left < 20) clear_rest(operand); /* a thread's last k is never beyond its first + 19 */
  const float4 *const x = operand.next;
  const float *const gains = operand.gains, scale = operand.scale;
  if (operand.along_k) {
    UNROLL for (int i = 0; i < operand.quads; i++) {
      const float all = scale * gains[i / 2];
      put_four(&to.words[beside(operand.slot, i / 2 * 32, i % 2 * 16)], x[i], make_float4(all, all, all, all));
    }
  } else {
    const float4 scales = make_float4(scale * gains[0], scale * gains[1], scale * gains[2], scale * gains[3]);
    UNROLL for (int i = 0; i < operand.quads; i += 4) UNROLL for (int j = 0; j < 4; j++) {
      const float4 turned = make_float4(component(x[i], j), component(x[i + 1], j), component(x[i + 2], j), component(x[i + 3], j));
      put_four(&to.words[beside(operand.slot, i * 16 + j, 0)], turned, scales);
    }
  }
  operand.left -= 32;
  operand.from = further(operand.from, operand.along_k ? 128 : operand.step * 32);
}

/* sums += left · right over a chunk */
template <int TILE>
DEVICE void multiply_chunk(const Chunk<ProductPlan<BF16, TILE>> &left, const Chunk<ProductPlan<BF16, TILE>> &right, float (*sums)[4]) {
  typedef ProductPlan<BF16, TILE> P;
  /* Of the four matrices that are loaded at once, in A the second is below the first and the third after it; in B the other way. */
  const int thread = anew(threadIdx.x), lane = thread % 32;
  const int a_from = place(P::warp_row(thread) + lane % 16, lane / 16 * 8);
  const int b_from = place(P::warp_column(thread) + lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8);
  UNROLL for (int k = 0; k < P::depth; k += 16) {
    uint32_t b[P::across][2];
    UNROLL for (int j = 0; j < P::across; j += 2)
      load_matrices(b[j][0], b[j][1], b[j + 1][0], b[j + 1][1], &right.words[beside(b_from, j * 8, k)]);
    UNROLL for (int i = 0; i < P::warp_rows / 16; i++) {
      uint32_t a[4];
      load_matrices(a[0], a[1], a[2], a[3], &left.words[beside(a_from, i * 16, k)]);
      UNROLL for (int j = 0; j < P::across; j++) mma_bf16(sums[i * P::across + j], a, b[j]);
    }
  }
}
