/*
 * CUDA C++ for a CPU, so that kernels are tested without a GPU: what common.cuh needs
 * when EMULATED is defined, to the name of the kernel whose translation unit this is.
 * The threads of a block are fibers (emulate.cc) that hand over at barriers and wherever
 * a warp acts together. A place of the source that does so passes its own line as `site`:
 * threads that meet at different places are an error, and so are threads that never meet.
 */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EMULATED_PASTE_(a, b) a##b
#define EMULATED_PASTE(a, b) EMULATED_PASTE_(a, b)

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define DEVICE static inline
#define UNROLL
/* All that a kernel's unit keeps is what its blocks share: stand-in.ts gives that a section by the kernel's name, so that its size is known, and it can be filled with NaN before each block. */
#define EMULATED_SHARED EMULATED_PASTE(emulated_shared_, EMULATED)
#define __shared__ static
#define EMULATED_SHARED_START EMULATED_PASTE(__start_, EMULATED_SHARED)
#define EMULATED_SHARED_END EMULATED_PASTE(__stop_, EMULATED_SHARED)
extern "C" __attribute__((weak, visibility("hidden"))) char EMULATED_SHARED_START[], EMULATED_SHARED_END[];

struct uint3 {
  unsigned x, y, z;
};
typedef uint3 dim3;
#define EMULATED_VECTORS(T, name)                                                     \
  struct alignas(2 * sizeof(T)) name##2 {                                             \
    T x, y;                                                                           \
  };                                                                                  \
  struct alignas(4 * sizeof(T)) name##4 {                                             \
    T x, y, z, w;                                                                     \
  };                                                                                  \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                   \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMULATED_VECTORS(float, float)
EMULATED_VECTORS(int, int)
EMULATED_VECTORS(unsigned, uint)

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
enum { warpSize = 32 };

namespace emulated {
struct Kernel {
  const char *name;
  int threads;
  size_t bytes; /* of parameters */
  void (*run)(const char *parameters);
  char *shared, *shared_end;
};
/* Makes a kernel known while the library is loaded. */
struct Registered {
  explicit Registered(const Kernel &kernel);
};

struct Site {
  const char *call, *file;
  int line;
};
/* What a lane gives to the rest of its warp, and what it gets. */
union Slot {
  uint32_t words[16];
  uint64_t wide;
};
int lane();
void meet_block(Site site);
/* Every lane puts its slot in; the last that arrives may combine them; then all read. The slots stay until the warp meets again twice. */
Slot *meet_warp(Site site, unsigned mask, const Slot &mine, void (*combine)(Slot *all) = 0);

template <class T> Slot slot_of(T value) {
  static_assert(sizeof(T) <= sizeof(Slot), "too wide for a slot");
  Slot slot;
  memcpy(&slot, &value, sizeof(T));
  return slot;
}
template <class T> T value_of(const Slot &slot) {
  T value;
  memcpy(&value, &slot, sizeof(T));
  return value;
}
template <class T> T shuffle(Site site, unsigned mask, T value, int from) {
  return value_of<T>(meet_warp(site, mask, slot_of(value))[from]);
}
void multiply_tf32(Slot *all);
void multiply_bf16(Slot *all);
void gather_matrices(Slot *all);
static inline void multiply(Site site, void (*combine)(Slot *), float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Slot mine;
  memcpy(mine.words, a, sizeof a);
  memcpy(mine.words + 4, b, sizeof b);
  memcpy(mine.words + 6, c, sizeof c);
  memcpy(c, meet_warp(site, ~0u, mine, combine)[lane()].words + 6, sizeof c);
}
} // namespace emulated

/* The place that calls, as the last parameters of whatever must know it. */
#define EMULATED_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define EMULATED_SITE(call) (emulated::Site{call, file, line})

static inline void __syncthreads(EMULATED_PLACE) { emulated::meet_block(EMULATED_SITE("__syncthreads")); }
static inline void __syncwarp(unsigned mask = ~0u, EMULATED_PLACE) { emulated::meet_warp(EMULATED_SITE("__syncwarp"), mask, {}); }

/* Where a lane's segment of `width` begins. */
static inline int emulated_segment(int width) { return emulated::lane() & -width; }
template <class T> static inline T __shfl_sync(unsigned mask, T value, int from, int width = 32, EMULATED_PLACE) {
  return emulated::shuffle(EMULATED_SITE("__shfl_sync"), mask, value, emulated_segment(width) + (from & (width - 1)));
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMULATED_PLACE) {
  const int from = emulated::lane() ^ bits;
  const int read = from < emulated_segment(width) + width ? from & 31 : emulated::lane();
  return emulated::shuffle(EMULATED_SITE("__shfl_xor_sync"), mask, value, read);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, EMULATED_PLACE) {
  const int from = emulated::lane() - (int)by;
  return emulated::shuffle(EMULATED_SITE("__shfl_up_sync"), mask, value, from >= emulated_segment(width) ? from : emulated::lane());
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, EMULATED_PLACE) {
  const int from = emulated::lane() + (int)by;
  const int read = from < emulated_segment(width) + width ? from : emulated::lane();
  return emulated::shuffle(EMULATED_SITE("__shfl_down_sync"), mask, value, read);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATED_PLACE) {
  const emulated::Slot *all = emulated::meet_warp(EMULATED_SITE("a vote"), mask, emulated::slot_of(predicate));
  unsigned votes = 0;
  for (int i = 0; i < 32; i++) votes |= (all[i].words[0] != 0 ? 1u : 0u) << i;
  return votes;
}
static inline int __any_sync(unsigned mask, int predicate, EMULATED_PLACE) { return __ballot_sync(mask, predicate, file, line) != 0; }
static inline int __all_sync(unsigned mask, int predicate, EMULATED_PLACE) { return __ballot_sync(mask, predicate, file, line) == ~0u; }

static inline uint32_t __float_as_uint(float x) { return emulated::value_of<uint32_t>(emulated::slot_of(x)); }
static inline int __float_as_int(float x) { return (int)__float_as_uint(x); }
static inline float __uint_as_float(uint32_t x) { return emulated::value_of<float>(emulated::slot_of(x)); }
static inline float __int_as_float(int x) { return __uint_as_float((uint32_t)x); }
#define __expf expf
#define __logf logf
/* As the GPU's: the quotient by what exceeds 2^126 is 0. */
static inline float __fdividef(float a, float b) { return fabsf(b) > 0x1p126f && fabsf(b) < INFINITY ? a * 0.0f : a / b; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline void __stcs(T *p, T value) { *p = value; }
#define EMULATED_EXTREMES(T)                                \
  static inline T min(T a, T b) { return b < a ? b : a; }   \
  static inline T max(T a, T b) { return a < b ? b : a; }
EMULATED_EXTREMES(int)
EMULATED_EXTREMES(unsigned)
EMULATED_EXTREMES(long)
EMULATED_EXTREMES(long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }

/* What mma.cuh has for a GPU. Rounding to 10 bits of mantissa, ties away from zero; to 7 bits, ties to even. NaN stays NaN. */
static inline float float_of(uint32_t bits) { return __uint_as_float(bits); }
static inline uint32_t to_tf32(float x) { return (__float_as_uint(x) + (isfinite(x) ? 0x1000u : 0)) & 0xffffe000u; }
static inline uint32_t emulated_bf16(float x) {
  const uint32_t bits = __float_as_uint(x);
  return isnan(x) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
static inline uint32_t pack_bf16(float low, float high) { return emulated_bf16(low) | emulated_bf16(high) << 16; }
static inline void mma_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMULATED_PLACE) {
  emulated::multiply(EMULATED_SITE("mma_tf32"), emulated::multiply_tf32, c, a, b);
}
static inline void mma_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMULATED_PLACE) {
  emulated::multiply(EMULATED_SITE("mma_bf16"), emulated::multiply_bf16, c, a, b);
}
/* ldmatrix of four matrices, not transposed. */
static inline void load_matrices(uint32_t &first, uint32_t &second, uint32_t &third, uint32_t &fourth, const void *row, EMULATED_PLACE) {
  const emulated::Slot *all =
      emulated::meet_warp(EMULATED_SITE("load_matrices"), ~0u, emulated::slot_of(row), emulated::gather_matrices);
  const uint32_t *mine = all[emulated::lane()].words;
  first = mine[0], second = mine[1], third = mine[2], fourth = mine[3];
}

/* The entry point: parameters are Run and then what the kernel itself is given. */
#define KERNEL(name, threads, blocks, Parameters, ...)                                                                         \
  static_assert(sizeof(Run) % 8 == 0 && alignof(Parameters) <= 8, "parameters follow one another without a gap");             \
  static void name(const char *p) { __VA_ARGS__(*(const Run *)p, *(const Parameters *)(p + sizeof(Run))); }                    \
  static const emulated::Registered registered_##name(                                                                        \
      {#name, threads, sizeof(Run) + sizeof(Parameters), name, EMULATED_SHARED_START, EMULATED_SHARED_END});
