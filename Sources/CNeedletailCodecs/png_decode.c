// PNG to RGB: every colour type and depth, interlaced or not. Sixteen-bit samples keep their high byte, transparency is
// laid on white, gamma and colour profiles are passed over, as Pillow does. A wrong checksum anywhere is an error.

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "include/nt_picture.h"
#include "support.h"

static uint32_t read_u32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

// MARK: header

nt_codec_code nt_png_header(const uint8_t *bytes, size_t count, nt_picture_header *header, nt_codec_status *status) {
    enum { signature_size = 8, chunk_overhead = 12, header_end = 33 };
    if (count < header_end) return nt_fail(status, NT_CODEC_TRUNCATED, "the file ends within its header");
    if (png_sig_cmp((png_bytep)(uintptr_t)bytes, 0, signature_size) != 0 || read_u32(bytes + 8) != 13 || memcmp(bytes + 12, "IHDR", 4) != 0)
        return nt_fail(status, NT_CODEC_CORRUPT, "there is no PNG header");
    header->width = read_u32(bytes + 16);
    header->height = read_u32(bytes + 20);
    header->orientation = 1;
    if (header->width == 0 || header->height == 0 || header->width > PNG_UINT_31_MAX || header->height > PNG_UINT_31_MAX)
        return nt_fail(status, NT_CODEC_CORRUPT, "the header says %zu x %zu pixels", header->width, header->height);
    // An orientation may stand in a chunk before the pixels. Lengths are checked here, checksums in decoding.
    for (size_t offset = header_end; count - offset >= chunk_overhead;) {
        size_t length = read_u32(bytes + offset);
        const uint8_t *name = bytes + offset + 4;
        if (length > count - offset - chunk_overhead || memcmp(name, "IDAT", 4) == 0) break;
        if (memcmp(name, "eXIf", 4) == 0) header->orientation = nt_exif_orientation(name + 4, length);
        offset += chunk_overhead + length;
    }
    return nt_succeed(status);
}

// MARK: pixels

typedef struct png_reading {
    png_structp png;
    png_infop info;
    const uint8_t *next;
    size_t remaining;
    bool source_ended;
    uint8_t *scratch;  // one row, or the whole picture if it is interlaced, where the rows are not RGB
    nt_codec_status *status;
    jmp_buf escape;
} png_reading;

_Noreturn static void leave(png_structp png, png_const_charp message) {
    png_reading *reading = png_get_error_ptr(png);
    nt_fail(reading->status, reading->source_ended ? NT_CODEC_TRUNCATED : NT_CODEC_CORRUPT, "%s", message);
    longjmp(reading->escape, 1);
}

static void stay_silent(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void supply(png_structp png, png_bytep target, size_t count) {
    png_reading *reading = png_get_io_ptr(png);
    if (count > reading->remaining) {
        reading->source_ended = true;
        png_error(png, "the file ends early");
    }
    memcpy(target, reading->next, count);
    reading->next += count;
    reading->remaining -= count;
}

/// Asks libpng for 8-bit RGB, or RGBA where anything may be transparent. Returns the number of passes.
static int request_rgb(png_structp png, png_infop info) {
    int colour = png_get_color_type(png, info);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
    if (png_get_bit_depth(png, info) == 16) png_set_strip_16(png);
    if (!(colour & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return passes;
}

/// To be called after setjmp.
static void read_pixels(png_reading *reading, uint8_t *pixels, size_t width, size_t height) {
    png_structp png = reading->png;
    png_read_info(png, reading->info);
    if (png_get_image_width(png, reading->info) != width || png_get_image_height(png, reading->info) != height)
        png_error(png, "the header contradicts itself");
    int passes = request_rgb(png, reading->info);
    size_t channels = png_get_channels(png, reading->info), row_bytes = png_get_rowbytes(png, reading->info);
    if ((channels != 3 && channels != 4) || row_bytes != width * channels) png_error(png, "unexpected layout of rows");
    bool transparent = channels == 4;
    if (transparent) {
        reading->scratch = malloc(passes > 1 ? row_bytes * height : row_bytes);
        if (!reading->scratch) {
            nt_fail(reading->status, NT_CODEC_NO_MEMORY, "no memory for the transparent picture");
            longjmp(reading->escape, 1);
        }
    }
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < height; y++) {
            uint8_t *row = pixels + y * width * 3;
            if (transparent) row = passes > 1 ? reading->scratch + y * row_bytes : reading->scratch;
            png_read_row(png, row, NULL);
            if (transparent && pass == passes - 1) nt_compose_over_white(row, width, pixels + y * width * 3);
        }
    }
    // The checksum of the last pixels stands behind them.
    png_read_end(png, NULL);
}

/// Everything between setjmp and the end, in a frame of its own.
static nt_codec_code read_png(png_reading *reading, uint8_t *pixels, size_t width, size_t height) {
    if (setjmp(reading->escape)) return reading->status->code;
    reading->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reading, leave, stay_silent);
    if (reading->png) reading->info = png_create_info_struct(reading->png);
    if (!reading->info) return nt_fail(reading->status, NT_CODEC_NO_MEMORY, "no memory for the PNG decoder");
    png_set_read_fn(reading->png, reading, supply);
    // The caller has judged the number of pixels by the header. Of all other chunks only PLTE and tRNS matter here; the
    // rest is stepped over without unpacking it, so that no compressed text or profile can swell in memory.
    png_set_user_limits(reading->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_cache_max(reading->png, 16);
    png_set_chunk_malloc_max(reading->png, 1 << 26);
    png_set_keep_unknown_chunks(reading->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(reading->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    read_pixels(reading, pixels, width, height);
    return nt_succeed(reading->status);
}

nt_codec_code nt_png_decode(const uint8_t *bytes, size_t count, uint8_t *pixels, size_t width, size_t height, nt_codec_status *status) {
    png_reading reading;
    memset(&reading, 0, sizeof reading);
    reading.next = bytes;
    reading.remaining = count;
    reading.status = status;
    nt_codec_code code = read_png(&reading, pixels, width, height);
    free(reading.scratch);
    if (reading.png) png_destroy_read_struct(&reading.png, &reading.info, NULL);
    return code;
}
