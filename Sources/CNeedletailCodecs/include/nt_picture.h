// Headers and pixels of picture files held in memory.
//
// For each format there are two calls. `nt_*_header` reads the size and takes no memory for pixels, so that the
// caller can refuse a picture that is too large. `nt_*_decode` fills `pixels`, width × height × 3 bytes of red, green,
// blue from the top left without padding; width and height must be those of the header (for JPEG, each divided by
// `denominator` and rounded up), or the call fails before it writes. After a failure `pixels` holds no particular values,
// but all of it may not have been written. Transparent pictures are laid on white. All return status->code.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt_codec_status.h"

typedef struct nt_picture_header {
    size_t width, height;  // of the pixels as they are stored, both at least 1
    int orientation;       // EXIF, 1 ... 8; 1 where the file says nothing sensible
} nt_picture_header;

nt_codec_code nt_jpeg_header(const uint8_t *bytes, size_t count, nt_picture_header *header, nt_codec_status *status);
/// `denominator` is 1, 2, 4 or 8.
nt_codec_code nt_jpeg_decode(const uint8_t *bytes, size_t count, unsigned denominator, uint8_t *pixels, size_t width, size_t height,
                             nt_codec_status *status);

nt_codec_code nt_png_header(const uint8_t *bytes, size_t count, nt_picture_header *header, nt_codec_status *status);
nt_codec_code nt_png_decode(const uint8_t *bytes, size_t count, uint8_t *pixels, size_t width, size_t height, nt_codec_status *status);

nt_codec_code nt_webp_header(const uint8_t *bytes, size_t count, nt_picture_header *header, nt_codec_status *status);
nt_codec_code nt_webp_decode(const uint8_t *bytes, size_t count, uint8_t *pixels, size_t width, size_t height, nt_codec_status *status);

/// Encodes as baseline JPEG, 4:2:0, quality 1 ... 100. On success `*output` is a block of `*output_count` bytes that the
/// caller releases with `free`; on failure it is NULL.
nt_codec_code nt_jpeg_encode(const uint8_t *pixels, size_t width, size_t height, int quality, uint8_t **output, size_t *output_count,
                             nt_codec_status *status);

/// The orientation in an EXIF block (a TIFF file of little or big byte order, with or without `Exif\0\0` before it):
/// 1 ... 8, and 1 where it is absent, out of range or the block is damaged. Reads nothing outside the block.
int nt_exif_orientation(const uint8_t *bytes, size_t count);

/// Turns `source` (width × height, 3 bytes a pixel) upright into `target`, according to an EXIF orientation 1 ... 8.
/// For 5 ... 8 the target is height × width. The two must not overlap.
void nt_orient_rgb8(const uint8_t *source, size_t width, size_t height, int orientation, uint8_t *target);
