// WebP to RGB, lossy and lossless; transparency is laid on white. Animations are refused: which of their pictures is
// meant nobody can know.

#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "include/nt_picture.h"
#include "support.h"

static nt_codec_code fail_with(nt_codec_status *status, VP8StatusCode reason) {
    switch (reason) {
        case VP8_STATUS_OUT_OF_MEMORY: return nt_fail(status, NT_CODEC_NO_MEMORY, "no memory for the WebP decoder");
        case VP8_STATUS_SUSPENDED:
        case VP8_STATUS_NOT_ENOUGH_DATA: return nt_fail(status, NT_CODEC_TRUNCATED, "the file ends early");
        case VP8_STATUS_UNSUPPORTED_FEATURE: return nt_fail(status, NT_CODEC_UNSUPPORTED, "it uses a feature that libwebp lacks");
        default: return nt_fail(status, NT_CODEC_CORRUPT, "the bit stream is damaged");
    }
}

/// The orientation in the container's EXIF chunk, which stands behind the pixels.
static int orientation_of(const uint8_t *bytes, size_t count) {
    enum { container_header = 12, chunk_header = 8 };
    for (size_t offset = container_header; offset < count && count - offset >= chunk_header;) {
        const uint8_t *chunk = bytes + offset;
        size_t length = (size_t)chunk[4] | (size_t)chunk[5] << 8 | (size_t)chunk[6] << 16 | (size_t)chunk[7] << 24;
        if (length > count - offset - chunk_header) return 1;
        if (memcmp(chunk, "EXIF", 4) == 0) return nt_exif_orientation(chunk + chunk_header, length);
        offset += chunk_header + length + (length & 1);
    }
    return 1;
}

nt_codec_code nt_webp_header(const uint8_t *bytes, size_t count, nt_picture_header *header, nt_codec_status *status) {
    WebPBitstreamFeatures features;
    VP8StatusCode reason = WebPGetFeatures(bytes, count, &features);
    if (reason != VP8_STATUS_OK) return fail_with(status, reason);
    if (features.has_animation) return nt_fail(status, NT_CODEC_UNSUPPORTED, "it is an animation");
    if (features.width <= 0 || features.height <= 0) return fail_with(status, VP8_STATUS_BITSTREAM_ERROR);
    header->width = (size_t)features.width;
    header->height = (size_t)features.height;
    header->orientation = orientation_of(bytes, count);
    return nt_succeed(status);
}

nt_codec_code nt_webp_decode(const uint8_t *bytes, size_t count, uint8_t *pixels, size_t width, size_t height, nt_codec_status *status) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return nt_fail(status, NT_CODEC_UNSUPPORTED, "libwebp is of another version than its headers");
    VP8StatusCode reason = WebPGetFeatures(bytes, count, &config.input);
    if (reason != VP8_STATUS_OK) return fail_with(status, reason);
    if (config.input.width < 0 || (size_t)config.input.width != width || config.input.height < 0 || (size_t)config.input.height != height)
        return nt_fail(status, NT_CODEC_CORRUPT, "the header contradicts itself");
    bool transparent = config.input.has_alpha;
    size_t row_bytes = width * (transparent ? 4 : 3), byte_count = row_bytes * height;
    uint8_t *target = transparent ? malloc(byte_count) : pixels;
    if (!target) return nt_fail(status, NT_CODEC_NO_MEMORY, "no memory for the transparent picture");
    config.output.colorspace = transparent ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){.rgba = target, .stride = (int)row_bytes, .size = byte_count};
    reason = WebPDecode(bytes, count, &config);
    if (reason == VP8_STATUS_OK && transparent) nt_compose_over_white(target, width * height, pixels);
    if (transparent) free(target);
    WebPFreeDecBuffer(&config.output);
    return reason == VP8_STATUS_OK ? nt_succeed(status) : fail_with(status, reason);
}
