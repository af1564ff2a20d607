/*
 * What tensor cores do, one function an instruction: rounding of operands, and sums of 16×8 outputs by a warp.
 * Lane l has group l/4 and place l%4. Of C[16,8] it holds rows group and group + 8, columns 2·place and the next:
 * c[0], c[1] above c[2], c[3]. Of A it holds the same rows, of B column `group`; both at k = place and place + 4
 * (TF32, k < 8), or at the pairs 2·place and 2·place + 8 (bfloat16, k < 16; the lower half is the earlier k):
 * a[0], a[1] the two rows at the first k, a[2], a[3] at the second; b[0], b[1] likewise. The stand-in has its own.
 */
#pragma once
#include "common.cuh"

#if !defined(EMULATED)
DEVICE float float_of(uint32_t bits) { return __uint_as_float(bits); }

/* To the nearest with 10 bits of fraction, of which the bits are those of a float. */
DEVICE uint32_t to_tf32(float x) {
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return rounded;
}
/* Both to the nearest bfloat16. */
DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

/*
 * Four matrices of 8×8 bfloat16 from shared memory: lane l gives where row l % 8 of matrix l / 8 begins, 16 bytes that are aligned so;
 * of each matrix it gets the pair at row `group`, columns 2·place and the next.
 */
DEVICE void load_matrices(uint32_t &first, uint32_t &second, uint32_t &third, uint32_t &fourth, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(first), "=r"(second), "=r"(third), "=r"(fourth)
               : "r"((uint32_t)__cvta_generic_to_shared(row))
               : "memory");
}

#define MMA(name, shape, type)                                                                                                         \
  DEVICE void name(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {                                                    \
    asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                                               \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                                           \
  }
MMA(mma_tf32, "m16n8k8", "tf32")
MMA(mma_bf16, "m16n8k16", "bf16")
#endif
