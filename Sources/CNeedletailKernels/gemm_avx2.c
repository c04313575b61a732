// 12 sums of 8 floats, two vectors of B and one value of A fill 15 of the 16 registers.
#if defined(__x86_64__)
#define NT_TIER 2
#define NT_ROWS 6
#define NT_COLUMNS 16
#include "gemm_kernel.h"
#pragma clang attribute pop
#endif
