// JPEG to RGB: baseline and progressive, gray, RGB, YCbCr, CMYK and YCCK, at 1/1, 1/2, 1/4 or 1/8 of the size.
//
// A file that ends early is an error, told as follows. When the bytes run out the source hands libjpeg an end marker and
// notes it. A picture in one scan is whole all the same if the decoder never lacked a bit (it looks ahead), else libjpeg
// warns, and the warning ends the decoding. A picture in several scans, progressive or not, is whole only if its own end
// marker was read, since a cut between two scans leaves no other trace; and so is one in arithmetic coding, which reads
// zeros beyond its end without a warning.

#include <stdint.h>
#include <string.h>

#include "include/nt_picture.h"
#include "jpeg_support.h"
#include "support.h"

/// A progressive file can make the decoder pass over the whole picture once for every few bytes it has; real ones have
/// about ten scans.
enum { scan_limit = 500 };

typedef struct jpeg_reading {
    struct jpeg_decompress_struct info;
    jpeg_guard guard;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
} jpeg_reading;

// MARK: reading from memory

static void begin_source(j_decompress_ptr info) { (void)info; }
static void end_source(j_decompress_ptr info) { (void)info; }

static boolean supply_end_marker(j_decompress_ptr info) {
    static const JOCTET end_marker[2] = {0xFF, JPEG_EOI};
    ((jpeg_guard *)info->err)->source_ended = true;
    info->src->next_input_byte = end_marker;
    info->src->bytes_in_buffer = sizeof end_marker;
    return TRUE;
}

static void skip_source(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    struct jpeg_source_mgr *source = info->src;
    if ((size_t)count > source->bytes_in_buffer) {
        supply_end_marker(info);
    } else {
        source->next_input_byte += count;
        source->bytes_in_buffer -= (size_t)count;
    }
}

static void watch_scans(j_common_ptr common) {
    j_decompress_ptr info = (j_decompress_ptr)common;
    if (info->input_scan_number <= scan_limit) return;
    jpeg_guard *guard = (jpeg_guard *)common->err;
    nt_fail(guard->status, NT_CODEC_CORRUPT, "more than %d scans", scan_limit);
    longjmp(guard->escape, 1);
}

/// Makes the decompressor and reads up to the first scan. To be called after setjmp.
static void open_jpeg(jpeg_reading *reading, const uint8_t *bytes, size_t count) {
    jpeg_create_decompress(&reading->info);
    reading->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes, .bytes_in_buffer = count,
        .init_source = begin_source, .fill_input_buffer = supply_end_marker, .skip_input_data = skip_source,
        .resync_to_restart = jpeg_resync_to_restart, .term_source = end_source,
    };
    reading->info.src = &reading->source;
    reading->progress.progress_monitor = watch_scans;
    reading->info.progress = &reading->progress;
    jpeg_save_markers(&reading->info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&reading->info, TRUE);
}

static int orientation_of(const jpeg_reading *reading) {
    for (jpeg_saved_marker_ptr marker = reading->info.marker_list; marker; marker = marker->next) {
        if (marker->marker == JPEG_APP0 + 1 && marker->data_length >= 6 && memcmp(marker->data, "Exif\0\0", 6) == 0)
            return nt_exif_orientation(marker->data, marker->data_length);
    }
    return 1;
}

/// Everything between setjmp and the end, in a frame of its own.
static nt_codec_code read_header(jpeg_reading *reading, const uint8_t *bytes, size_t count, nt_picture_header *header) {
    if (setjmp(reading->guard.escape)) return reading->guard.status->code;
    open_jpeg(reading, bytes, count);
    header->width = reading->info.image_width;
    header->height = reading->info.image_height;
    header->orientation = orientation_of(reading);
    return nt_succeed(reading->guard.status);
}

nt_codec_code nt_jpeg_header(const uint8_t *bytes, size_t count, nt_picture_header *header, nt_codec_status *status) {
    jpeg_reading reading;
    memset(&reading, 0, sizeof reading);
    reading.info.err = nt_jpeg_guard(&reading.guard, status);
    nt_codec_code code = read_header(&reading, bytes, count, header);
    jpeg_destroy_decompress(&reading.info);
    return code;
}

// MARK: pixels

/// Inks to light, with Pillow's rounding. `cmyk` is inverted (255 = no ink), as Adobe's programs write it and as everybody
/// reads it, marker or no marker.
static void rgb_of_inverted_cmyk(const uint8_t *cmyk, size_t count, uint8_t *rgb) {
    for (size_t i = 0; i < count; i++) {
        unsigned light = cmyk[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            unsigned product = (255u - cmyk[4 * i + c]) * light + 128u;
            rgb[3 * i + c] = (uint8_t)(light - (((product >> 8) + product) >> 8));
        }
    }
}

/// Decodes into `pixels`. To be called after setjmp.
static void fill_pixels(jpeg_reading *reading, unsigned denominator, uint8_t *pixels, size_t width, size_t height) {
    struct jpeg_decompress_struct *info = &reading->info;
    bool cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    info->scale_num = 1;
    info->scale_denom = denominator;
    jpeg_calc_output_dimensions(info);
    if (info->output_width != width || info->output_height != height || info->output_components != (cmyk ? 4 : 3)) {
        nt_fail(reading->guard.status, NT_CODEC_CORRUPT, "the frame is %u x %u pixels, not %zu x %zu", info->output_width,
                info->output_height, width, height);
        longjmp(reading->guard.escape, 1);
    }
    jpeg_start_decompress(info);
    enum { batch = 8 };
    JSAMPROW rows[batch];
    JSAMPARRAY inks = cmyk ? info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, batch) : NULL;
    while (info->output_scanline < info->output_height) {
        size_t y = info->output_scanline, wanted = height - y < batch ? height - y : batch;
        for (size_t i = 0; i < wanted; i++) rows[i] = cmyk ? inks[i] : pixels + (y + i) * width * 3;
        size_t given = jpeg_read_scanlines(info, rows, (JDIMENSION)wanted);
        for (size_t i = 0; cmyk && i < given; i++) rgb_of_inverted_cmyk(inks[i], width, pixels + (y + i) * width * 3);
    }
    if (reading->guard.source_ended && (jpeg_has_multiple_scans(info) || info->arith_code)) {
        nt_fail(reading->guard.status, NT_CODEC_TRUNCATED, "the end marker is missing");
        longjmp(reading->guard.escape, 1);
    }
}

/// Everything between setjmp and the end, in a frame of its own.
static nt_codec_code read_pixels(jpeg_reading *reading, const uint8_t *bytes, size_t count, unsigned denominator, uint8_t *pixels,
                                 size_t width, size_t height) {
    if (setjmp(reading->guard.escape)) return reading->guard.status->code;
    open_jpeg(reading, bytes, count);
    fill_pixels(reading, denominator, pixels, width, height);
    return nt_succeed(reading->guard.status);
}

nt_codec_code nt_jpeg_decode(const uint8_t *bytes, size_t count, unsigned denominator, uint8_t *pixels, size_t width, size_t height,
                             nt_codec_status *status) {
    jpeg_reading reading;
    memset(&reading, 0, sizeof reading);
    reading.info.err = nt_jpeg_guard(&reading.guard, status);
    nt_codec_code code = read_pixels(&reading, bytes, count, denominator, pixels, width, height);
    // Not jpeg_finish_decompress: it would demand the end marker of a picture that is complete.
    jpeg_destroy_decompress(&reading.info);
    return code;
}
