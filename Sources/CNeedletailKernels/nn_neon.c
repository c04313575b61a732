#if defined(__aarch64__)
#define NT_TIER 1
#include "nn_kernel.h"
#endif
