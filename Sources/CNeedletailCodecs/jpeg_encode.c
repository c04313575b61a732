// RGB to baseline JPEG in a block of memory that grows. libjpeg's own memory target loses its block when an error
// strikes midway, hence this one.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "include/nt_picture.h"
#include "jpeg_support.h"
#include "support.h"

typedef struct jpeg_writing {
    struct jpeg_compress_struct info;
    jpeg_guard guard;
    struct jpeg_destination_mgr destination;
    uint8_t *block;
    size_t capacity;
} jpeg_writing;

static void begin_target(j_compress_ptr info) { (void)info; }

/// Called when the block is full, whatever `free_in_buffer` says.
static boolean grow_target(j_compress_ptr info) {
    jpeg_writing *writing = info->client_data;
    uint8_t *larger = realloc(writing->block, writing->capacity * 2);
    if (!larger) {
        nt_fail(writing->guard.status, NT_CODEC_NO_MEMORY, "no memory for the encoded picture");
        longjmp(writing->guard.escape, 1);
    }
    writing->block = larger;
    writing->destination.next_output_byte = larger + writing->capacity;
    writing->destination.free_in_buffer = writing->capacity;
    writing->capacity *= 2;
    return TRUE;
}

static void end_target(j_compress_ptr info) { (void)info; }

/// Everything between setjmp and the end, in a frame of its own.
static nt_codec_code write_jpeg(jpeg_writing *writing, const uint8_t *pixels, size_t width, size_t height, int quality) {
    struct jpeg_compress_struct *info = &writing->info;
    info->err = nt_jpeg_guard(&writing->guard, writing->guard.status);
    if (setjmp(writing->guard.escape)) return writing->guard.status->code;
    jpeg_create_compress(info);
    info->client_data = writing;
    info->dest = &writing->destination;
    info->image_width = (JDIMENSION)width;
    info->image_height = (JDIMENSION)height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    info->optimize_coding = TRUE;
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        // libjpeg's signature lacks the const; it only reads.
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)info->next_scanline * width * 3);
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
    return nt_succeed(writing->guard.status);
}

nt_codec_code nt_jpeg_encode(const uint8_t *pixels, size_t width, size_t height, int quality, uint8_t **output, size_t *output_count,
                             nt_codec_status *status) {
    *output = NULL;
    *output_count = 0;
    if (width == 0 || height == 0 || width > JPEG_MAX_DIMENSION || height > JPEG_MAX_DIMENSION)
        return nt_fail(status, NT_CODEC_TOO_LARGE, "a JPEG has sides of 1 to %ld pixels", (long)JPEG_MAX_DIMENSION);
    jpeg_writing writing;
    memset(&writing, 0, sizeof writing);
    writing.guard.status = status;
    writing.capacity = 1024 + width * height / 2;
    writing.block = malloc(writing.capacity);
    if (!writing.block) return nt_fail(status, NT_CODEC_NO_MEMORY, "no memory for the encoded picture");
    writing.destination = (struct jpeg_destination_mgr){
        .next_output_byte = writing.block, .free_in_buffer = writing.capacity,
        .init_destination = begin_target, .empty_output_buffer = grow_target, .term_destination = end_target,
    };
    nt_codec_code code = write_jpeg(&writing, pixels, width, height, quality);
    jpeg_destroy_compress(&writing.info);
    if (code != NT_CODEC_OK) {
        free(writing.block);
        return code;
    }
    *output = writing.block;
    *output_count = writing.capacity - writing.destination.free_in_buffer;
    return code;
}
