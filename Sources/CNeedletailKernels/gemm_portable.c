// 8 sums of 4 floats: what the sixteen registers of plain x86-64 hold with room to spare.
#define NT_TIER 0
#define NT_ROWS 4
#define NT_COLUMNS 8
#include "gemm_kernel.h"
