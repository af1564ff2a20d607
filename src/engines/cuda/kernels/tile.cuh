/*
 * How a block multiplies a tile of a product: chunks of both operands go from memory through registers, where they are scaled and
 * rounded, into shared memory with k outermost, and from there as fragments into sums that threads keep in registers. Every sum is
 * one accumulator with k ascending in the same groups of 1, 8 or 16, so that its bits do not depend on the tile. What bfloat16 has
 * of its own stands in tile_bf16.cuh.
 */
#pragma once
#include "mma.cuh"

/* How operands are rounded: not; to TF32; to the sum of two TF32, whose least product is left out; to bfloat16. */
enum Mode { F32, TF32, TF32X3, BF16 };

/* What stands in shared memory: floats, or the bits of what tensor cores are given. */
template <Mode MODE> struct StoredWord {
  typedef uint32_t Word;
};
template <> struct StoredWord<F32> {
  typedef float Word;
};
template <class Word> struct __align__(16) FourWords {
  Word each[4];
};

/*
 * Whose an output is. Warps divide the tile; of its part a lane has `sums` times four outputs: four neighbours of a row that it
 * multiplies itself, or what tensor cores leave with it (mma.cuh), two neighbours in each of two rows.
 */
template <int TILE_, int warp_rows_, int warp_columns_, bool tensor_> struct Outputs {
  static constexpr int TILE = TILE_, warp_rows = warp_rows_, warp_columns = warp_columns_;
  static constexpr bool tensor = tensor_;
  static constexpr int sums = warp_rows * warp_columns / 128;
  static constexpr int width = tensor ? 2 : 4; /* neighbours */
  static constexpr int across = warp_columns / (tensor ? 8 : 32);

  /* Where in the tile a thread's warp begins; where its first output is; and, from there, output i, of half h where four are two by two. */
  DEVICE int warp_row(int thread) { return thread / 32 / (TILE / warp_columns) * warp_rows; }
  DEVICE int warp_column(int thread) { return thread / 32 % (TILE / warp_columns) * warp_columns; }
  DEVICE int first_row(int thread) { return warp_row(thread) + (tensor ? thread % 32 / 4 : thread % 32 / 8 * 4); }
  DEVICE int first_column(int thread) { return warp_column(thread) + (tensor ? thread % 4 * 2 : thread % 8 * 4); }
  DEVICE int row(int i, int h) { return tensor ? i / across * 16 + h * 8 : i / across / 4 * 16 + i / across % 4; }
  DEVICE int column(int i) { return i % across * (tensor ? 8 : 32); }
};

/*
 * What a block of 2·TILE threads does. F32: 8×8 (8×4) outputs a thread, 64 (32) fmaf to 4 (3) loads of 128 bits from shared memory for
 * each k. Others: 64×32 (32×32) a warp, for each 8 words of k 24 (16) loads of 32 bits to 16 (8) mma, of which TF32X3 makes 48 (24).
 */
template <Mode MODE_, int TILE>
struct ProductPlan : Outputs<TILE, MODE_ != F32 && TILE == 128 ? 64 : 32, MODE_ == F32 && TILE == 128 ? 64 : 32, MODE_ != F32> {
  static constexpr Mode MODE = MODE_;
  static constexpr int depth = MODE == TF32X3 ? 8 : 16; /* of a chunk; more needs registers that TF32X3 hasn't */
  static constexpr int quads = depth / 8;               /* float4 of an operand's chunk that a thread loads */
  typedef typename StoredWord<MODE>::Word Word;
};

/* An operand's part of a chunk. The few words more spread what a warp reads, and what it writes of rows along k, over all banks. */
template <class P> struct Chunk {
  static constexpr int pitch = P::TILE + (P::tensor ? 8 : 4);
  typename P::Word words[P::depth][pitch];
};

/*
 * An operand's way into shared memory. Its edge is m or n. When its rows go along k, two threads have eight neighbours of a row, which
 * is a sector of memory, and write them one by one below each other; when they go along the edge, a thread has four neighbours in each
 * of `quads` rows and writes them as they are. Which of both is a uniform branch, so one kernel takes every layout.
 */
template <class P> struct Operand {
  const float *from, *gain; /* of the next chunk; gain changes with k, or is null */
  int step;                 /* floats to a thread's next four */
  int slot;                 /* where in the buffer a thread's first is */
  int left;                 /* how much of k there is from a thread's first on; far below 0 beyond the edge */
  bool along_k;
  float scale;
  float4 next[P::quads];
  float gains[P::quads];
};

/* Fragments of TF32 have one column in two rows that are four apart: the later goes 16 columns aside, for the banks' sake. */
template <class P> DEVICE constexpr int aside(int k) { return P::tensor ? (k & 4) * 4 : 0; }

/* The operand at `from` with rows of `row` floats, from `first` of its `edges` on, k from begin to end, times scale and a gain a row. */
template <class P>
DEVICE void open_operand(Operand<P> &operand, const float *from, int row, bool along_k, int first, int edges, int begin, int end,
                         float scale, const float *gain) {
  const int id = threadIdx.x, edge = along_k ? id / 2 : id % (P::TILE / 4) * 4, k = along_k ? id % 2 * 4 : id / (P::TILE / 4) * P::quads;
  const bool inside = first + edge < edges;
  operand.along_k = along_k;
  operand.step = along_k ? 8 : row;
  operand.slot = k * Chunk<P>::pitch + (edge ^ aside<P>(k));
  operand.left = inside ? end - begin - k : -(1 << 30);
  operand.from = from + (along_k ? (Size)(first + edge) * row + begin + k : (Size)(begin + k) * row + first + edge);
  operand.gain = gain && !along_k ? gain + begin + k : 0;
  operand.scale = gain && along_k && inside ? scale * gain[first + edge] : scale;
}

/* Begins to load the present chunk; nothing is read beyond an edge or the end, where zeros stand instead. */
template <class P> DEVICE void fetch_chunk(Operand<P> &operand) {
  UNROLL for (int i = 0; i < P::quads; i++) {
    const bool exists = (operand.along_k ? i * 8 : i) < operand.left;
    operand.next[i] = exists ? load4(operand.from + (Size)i * operand.step) : make_float4(0, 0, 0, 0);
    operand.gains[i] = operand.gain && exists ? operand.gain[i] : 1.0f;
  }
}

template <class P> DEVICE typename P::Word word_of(float x) {
  if constexpr (P::MODE == TF32) return to_tf32(x);
  else if constexpr (P::MODE == TF32X3) return __float_as_uint(x);
  else return x;
}
/* Writes the chunk that was loaded, and goes to the next. */
template <class P> DEVICE void put_chunk(Operand<P> &operand, Chunk<P> &to) {
  float x[P::quads][4];
  UNROLL for (int i = 0; i < P::quads; i++) {
    const float4 v = operand.next[i];
    const float scale = operand.scale * operand.gains[i];
    x[i][0] = v.x * scale, x[i][1] = v.y * scale, x[i][2] = v.z * scale, x[i][3] = v.w * scale;
  }
  typename P::Word *const at = &to.words[0][0] + operand.slot;
  if (operand.along_k) {
    if (operand.left < P::depth - 4) /* what follows a row's end may be anything */
      UNROLL for (int i = 0; i < P::quads; i++) UNROLL for (int j = 0; j < 4; j++)
        if (i * 8 + j >= operand.left) x[i][j] = 0;
    UNROLL for (int i = 0; i < P::quads; i++) UNROLL for (int j = 0; j < 4; j++)
      at[(i * 8 + j) * Chunk<P>::pitch] = word_of<P>(x[i][j]);
  } else {
    UNROLL for (int i = 0; i < P::quads; i++) {
      FourWords<typename P::Word> four;
      UNROLL for (int j = 0; j < 4; j++) four.each[j] = word_of<P>(x[i][j]);
      *(FourWords<typename P::Word> *)(at + i * Chunk<P>::pitch) = four;
    }
  }
  operand.left -= P::depth;
  operand.from += operand.step * (operand.along_k ? P::quads : P::depth);
  if (operand.gain) operand.gain += P::depth;
}

/*
 * A word as its two terms, of which only TF32X3 has the second. The first is rounded here by hand, which takes half the instructions
 * of to_tf32: a NaN may lose itself, but is in the second then. What the second loses by truncation is at most the float's last bit.
 */
template <class P> DEVICE void split_word(uint32_t word, uint32_t &most, uint32_t &rest) {
  const uint32_t kept = 0xffffe000u;
  most = P::MODE == TF32X3 ? (word + 0x1000u) & kept : word;
  if constexpr (P::MODE == TF32X3) rest = __float_as_uint(float_of(word) - float_of(most)) & kept;
}

/* sums += left · right over a chunk */
template <class P> DEVICE void multiply_chunk(const Chunk<P> &left, const Chunk<P> &right, float (*sums)[4]) {
  const int lane = threadIdx.x % 32, m0 = P::warp_row(threadIdx.x), n0 = P::warp_column(threadIdx.x);
  if constexpr (!P::tensor) {
    UNROLL for (int k = 0; k < P::depth; k++) {
      float a[8], b[P::across * 4];
      UNROLL for (int i = 0; i < 2; i++) {
        const float4 v = load4(&left.words[k][m0 + i * 16 + lane / 8 * 4]);
        a[i * 4] = v.x, a[i * 4 + 1] = v.y, a[i * 4 + 2] = v.z, a[i * 4 + 3] = v.w;
      }
      UNROLL for (int i = 0; i < P::across; i++) {
        const float4 v = load4(&right.words[k][n0 + i * 32 + lane % 8 * 4]);
        b[i * 4] = v.x, b[i * 4 + 1] = v.y, b[i * 4 + 2] = v.z, b[i * 4 + 3] = v.w;
      }
      UNROLL for (int i = 0; i < P::sums; i++) UNROLL for (int j = 0; j < 4; j++)
        sums[i][j] = fmaf(a[i / P::across], b[i % P::across * 4 + j], sums[i][j]);
    }
  } else {
    constexpr int down = P::warp_rows / 16;
    const int group = lane / 4, place = lane % 4;
    UNROLL for (int k = 0; k < P::depth; k += 8) {
      uint32_t b[P::across][2], rest_of_b[P::across][2];
      UNROLL for (int j = 0; j < P::across; j++) UNROLL for (int h = 0; h < 2; h++)
        split_word<P>(right.words[k + h * 4 + place][n0 + ((j * 8) ^ aside<P>(h * 4)) + group], b[j][h], rest_of_b[j][h]);
      UNROLL for (int i = 0; i < down; i++) {
        uint32_t a[4], rest_of_a[4];
        UNROLL for (int h = 0; h < 4; h++)
          split_word<P>(left.words[k + h / 2 * 4 + place][m0 + ((i * 16 + h % 2 * 8) ^ aside<P>(h / 2 * 4)) + group], a[h], rest_of_a[h]);
        float(*const row)[4] = sums + i * P::across;
        if constexpr (P::MODE == TF32X3) {
          UNROLL for (int j = 0; j < P::across; j++) mma_tf32(row[j], rest_of_a, b[j]);
          UNROLL for (int j = 0; j < P::across; j++) mma_tf32(row[j], a, rest_of_b[j]);
        }
        UNROLL for (int j = 0; j < P::across; j++) mma_tf32(row[j], a, b[j]);
      }
    }
  }
}
