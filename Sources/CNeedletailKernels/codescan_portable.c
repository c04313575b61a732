// Scans by signs in portable C: the specification that every other tier is tested against.
#include "nt_codescan.h"

#define TARGET
#define FUNCTIONS nt_codescan_portable
#define TIER NT_CPU_PORTABLE
#define SIGN_ROWS 4

static inline void sign_sums(const int8_t *codes, const uint8_t *const *rows, size_t words, int32_t *raw) {
    for (int r = 0; r < 4; ++r) {
        raw[r] = 0;
        for (size_t byte = 0; byte < 8 * words; ++byte)
            for (int bit = 0; bit < 8; ++bit) raw[r] += codes[8 * byte + bit] & -(rows[r][byte] >> bit & 1);
    }
}

#include "codescan_loop.h"
