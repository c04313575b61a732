// Small things that several codecs share; not part of the interface.
#pragma once

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "include/nt_codec_status.h"

__attribute__((format(printf, 3, 4)))
static inline nt_codec_code nt_fail(nt_codec_status *status, nt_codec_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(status->message, sizeof status->message, format, arguments);
    va_end(arguments);
    status->code = code;
    return code;
}

static inline nt_codec_code nt_succeed(nt_codec_status *status) {
    status->code = NT_CODEC_OK;
    status->message[0] = 0;
    return NT_CODEC_OK;
}

/// A colour of opacity `alpha` laid on white, with the rounding of Pillow's `alpha_composite`.
static inline uint8_t nt_over_white(uint8_t colour, uint8_t alpha) {
    uint32_t sum = ((uint32_t)colour * alpha + 255u * (255u - alpha) + 128u) << 7;
    return (uint8_t)(((sum >> 8) + sum) >> 15);
}

/// Lays `count` pixels of red, green, blue, alpha on white.
static inline void nt_compose_over_white(const uint8_t *rgba, size_t count, uint8_t *rgb) {
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = nt_over_white(rgba[4 * i + c], rgba[4 * i + 3]);
    }
}
