#define NT_TIER 0
#include "nn_kernel.h"
