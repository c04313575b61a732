// libjpeg's error manager, made harmless: no exit, no printing, and a longjmp that ends in the function that started.
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

#include "include/nt_codec_status.h"

typedef struct jpeg_guard {
    struct jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is a pointer to this
    jmp_buf escape;
    nt_codec_status *status;
    bool source_ended;  // the decoder asked for bytes beyond the last
} jpeg_guard;

/// Fills the manager's table; the caller sets `escape` by setjmp before it calls libjpeg.
struct jpeg_error_mgr *nt_jpeg_guard(jpeg_guard *guard, nt_codec_status *status);
