// 24 sums of 16 floats, two vectors of B and one value of A fill 27 of the 32 registers.
#if defined(__x86_64__)
#define NT_TIER 3
#define NT_ROWS 12
#define NT_COLUMNS 32
#include "gemm_kernel.h"
#pragma clang attribute pop
#endif
