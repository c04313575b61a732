// 24 sums of 4 floats, four vectors of B and one value of A fill 29 of the 32 registers.
#if defined(__aarch64__)
#define NT_TIER 1
#define NT_ROWS 6
#define NT_COLUMNS 16
#include "gemm_kernel.h"
#endif
