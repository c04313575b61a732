#if defined(__x86_64__)
#define NT_TIER 3
#include "nn_kernel.h"
#pragma clang attribute pop
#endif
