// The inner loops of Needletail in C: see each header below.
#pragma once
#include "nt_build.h"
#include "nt_codescan.h"
#include "nt_cpu.h"
#include "nt_crc32c.h"
#include "nt_distance.h"
#include "nt_filter.h"
#include "nt_gemm.h"
#include "nt_graph.h"
#include "nt_nn.h"
#include "nt_pq.h"
#include "nt_rabitq.h"
#include "nt_sha256.h"
