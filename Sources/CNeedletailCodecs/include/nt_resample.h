// Resizing of 8-bit RGB pictures, equal to Pillow's to the bit, and normalisation to f32.
//
// Two passes, along the rows and along the columns, with an 8-bit picture between them; weights in fixed point with 22 fractional
// bits. The support of the filter grows with the reduction (antialiasing). Only what `region` needs is computed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum nt_filter { NT_FILTER_BILINEAR = 1, NT_FILTER_BICUBIC = 2 } nt_filter;

typedef struct nt_resample {
    const uint8_t *source;  // source_width × source_height × 3 bytes
    size_t source_width, source_height;
    size_t target_width, target_height;  // the whole resized picture, of which a part is computed
    size_t region_x, region_y;           // that part's corner; it lies inside the resized picture
    size_t region_width, region_height;
    nt_filter filter;
    uint8_t *output;       // row y of the region begins at output + y * output_stride
    size_t output_stride;  // in bytes, at least region_width × 3
} nt_resample;

/// Returns false if there is not enough memory (it takes at most about source height × region width × 3 bytes). All sizes are
/// at least 1, those of the source below 2^31.
bool nt_resample_rgb8(const nt_resample *request);

/// output[i] = (pixels[i] / 255 − mean[i % 3]) / std[i % 3], rounded after each step as IEEE 754 single precision does,
/// for i < pixel_count × 3.
void nt_normalize_rgb8(const uint8_t *pixels, size_t pixel_count, const float mean[3], const float std[3], float *output);
