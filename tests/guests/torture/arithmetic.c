// SPDX-License-Identifier: MIT
// Flags, wide multiplication and division, SSE and x87 results.
#include "torture.h"

#include <emmintrin.h>
#include <stdio.h>
#include <string.h>

static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

// Flags of arithmetic instructions, only the defined ones.
#define FLAGS_OF(operation, mask)                                                                      \
    do {                                                                                               \
        unsigned long sum = 0;                                                                         \
        for (int i = 0; i < 2000; i++) {                                                               \
            uint64_t a = next_random() >> (i & 63), b = next_random() >> (i * 7 & 63), flags = 0;      \
            __asm__ volatile("bt $0, %3\n" operation "\n pushf\n pop %1"                               \
                             : "+r"(a), "=&r"(flags), "+c"(b)                                          \
                             : "r"((uint64_t)i)                                                        \
                             : "cc");                                                                  \
            sum = (sum ^ a ^ (flags & (mask))) * 0x100000001b3;                                        \
        }                                                                                              \
        printf("%-24s %lx\n", operation, sum);                                                         \
    } while (0)

static void integer_flags(void) {
    enum { kAll = 0x8d5, kNoAuxiliary = 0x8c5, kCarryOnly = 0x1, kZeroOnly = 0x40 };
    FLAGS_OF("add %2, %0", kAll);
    FLAGS_OF("adc %2, %0", kAll);
    FLAGS_OF("sub %2, %0", kAll);
    FLAGS_OF("sbb %2, %0", kAll);
    FLAGS_OF("addb %b2, %b0", kAll);
    FLAGS_OF("sbbw %w2, %w0", kAll);
    FLAGS_OF("and %2, %0", kNoAuxiliary);
    FLAGS_OF("xor %2, %0", kNoAuxiliary);
    FLAGS_OF("inc %0", kAll);
    FLAGS_OF("decl %k0", kAll);
    FLAGS_OF("neg %0", kAll);
    FLAGS_OF("shl $1, %0", kNoAuxiliary);
    FLAGS_OF("sar $5, %0", 0xc5);
    FLAGS_OF("rcl $1, %0", 0x801);
    FLAGS_OF("rcr $3, %0", 0x1);
    FLAGS_OF("shld $9, %2, %0", 0xc5);
    FLAGS_OF("bt %2, %0", kCarryOnly);
    FLAGS_OF("imul %2, %0", 0x801);
    FLAGS_OF("bsr %2, %0", kZeroOnly);
}

static void wide_division(void) {
    unsigned long sum = 0;
    for (int i = 0; i < 2000; i++) {
        const uint64_t divisor = (next_random() >> (i % 50)) | 1;
        uint64_t high = next_random() % divisor, low = next_random(), quotient = 0, rest = 0;
        __asm__("divq %4" : "=a"(quotient), "=d"(rest) : "0"(low), "1"(high), "r"(divisor) : "cc");
        uint64_t product_low = 0, product_high = 0;
        __asm__("mulq %3" : "=a"(product_low), "=d"(product_high) : "0"(quotient), "r"(divisor) : "cc");
        sum = sum * 31 + (product_low + rest != low) + quotient;
    }
    printf("wide division: %lx\n", sum);
}

static void sse(void) {
    unsigned long sum = 0;
    static const unsigned kRounding[] = {0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9fc0};
    const unsigned before = _mm_getcsr();
    for (unsigned mode = 0; mode < 5; mode++) {
        _mm_setcsr(kRounding[mode]);
        __m128d x = _mm_set_pd(1.0, 3.0);
        __m128 y = _mm_set_ps(1.5f, -2.25f, 1e-38f, 3e38f);
        for (int i = 1; i < 500; i++) {
            const __m128d d = _mm_set_pd((double)i * 0.37, (double)i);
            x = _mm_add_pd(_mm_div_pd(x, d), _mm_sqrt_pd(_mm_mul_pd(d, d)));
            y = _mm_mul_ps(y, _mm_set1_ps(i & 1 ? 0.5003f : 1.9991f));
            const __m128i whole = _mm_cvtpd_epi32(_mm_mul_pd(x, d));
            sum = checksum(&whole, 16) ^ sum * 3;
        }
        sum ^= checksum(&x, 16) + checksum(&y, 16) * 7;
        const unsigned exceptions = _mm_getcsr() & 0x3d;  // DE aside: no version of TCG sets it
        printf("sse mode %u: sum %lx\n", mode, sum);
        printf("sse mode %u: exceptions %#x\n", mode, exceptions);
    }
    _mm_setcsr(before);
    volatile double zero = 0.0;
    const double nan = zero / zero;
    printf("nan: unordered %d, sign %d\n", !(nan < 1.0) && !(nan >= 1.0), __builtin_signbit(nan) != 0);
}

static void x87(void) {
    static const unsigned short kControl[] = {0x37f, 0x77f, 0xb7f, 0xf7f, 0x07f, 0x27f};
    for (unsigned mode = 0; mode < 6; mode++) {
        long double sum = 1.0L;
        unsigned short status = 0;
        __asm__ volatile("fninit\n fldcw %0" ::"m"(kControl[mode]));
        for (int i = 1; i < 300; i++) {
            const long double x = (long double)i / 7.0L;
            long double root = x;
            __asm__("fsqrt" : "+t"(root));
            sum = sum * 0.99L + root / 1.003L;
        }
        __asm__ volatile("fnstsw %0" : "=m"(status));
        unsigned char bytes[10];
        memcpy(bytes, &sum, sizeof bytes);
        printf("x87 mode %u: sum %lx\n", mode, checksum(bytes, sizeof bytes));
        printf("x87 mode %u: exceptions %#x\n", mode, status & 0x3f);
    }
    __asm__ volatile("fninit");
    unsigned char packed[10] = {0};
    __asm__ volatile("fildll %1\n fbstp %0" : "=m"(packed) : "m"((const long long){-123456789012345678}));
    printf("fbstp: %lx\n", checksum(packed, sizeof packed));
    // Twelve digits: the last bits of these are the implementation's.
    long double sine = 0, arc = 0, power = 0, logarithm = 0;
    __asm__("fsin" : "=t"(sine) : "0"(1.25L));
    __asm__("fpatan" : "=t"(arc) : "0"(3.0L), "u"(2.0L) : "st(1)");
    __asm__("f2xm1" : "=t"(power) : "0"(0.375L));
    __asm__("fyl2x" : "=t"(logarithm) : "0"(10.0L), "u"(3.0L) : "st(1)");
    printf("x87 functions: %.12Lg %.12Lg %.12Lg %.12Lg\n", sine, arc, power, logarithm);
}

void test_arithmetic(void) {
    integer_flags();
    wide_division();
    sse();
    x87();
}
