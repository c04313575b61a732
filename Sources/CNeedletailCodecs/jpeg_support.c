#include "jpeg_support.h"

#include "support.h"

static nt_codec_code code_of_message(const jpeg_guard *guard) {
    switch (guard->manager.msg_code) {
        case JERR_OUT_OF_MEMORY: return NT_CODEC_NO_MEMORY;
        case JERR_IMAGE_TOO_BIG: return NT_CODEC_TOO_LARGE;
        // 12 bits a sample, lossless and hierarchical JPEG, arithmetic coding where it is not built in.
        case JERR_BAD_PRECISION:
        case JERR_SOF_UNSUPPORTED:
        case JERR_ARITH_NOTIMPL:
        case JERR_CONVERSION_NOTIMPL: return NT_CODEC_UNSUPPORTED;
        default: return guard->source_ended ? NT_CODEC_TRUNCATED : NT_CODEC_CORRUPT;
    }
}

_Noreturn static void leave(j_common_ptr info) {
    jpeg_guard *guard = (jpeg_guard *)info->err;
    guard->manager.format_message(info, guard->status->message);
    guard->status->code = code_of_message(guard);
    longjmp(guard->escape, 1);
}

/// libjpeg goes on after damage, with grey in place of what it could not read. Such a picture would be embedded as if it
/// were whole, so what means lost pixels ends the decoding. The other warnings (stray bytes between markers, an odd
/// version number) cost nothing and are passed over.
static void judge_warning(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
        case JWRN_HIT_MARKER:
        case JWRN_HUFF_BAD_CODE:
        case JWRN_MUST_RESYNC:
        case JWRN_ARITH_BAD_CODE: leave(info);
        default: return;
    }
}

static void stay_silent(j_common_ptr info) { (void)info; }

_Static_assert(sizeof(((nt_codec_status *)0)->message) >= JMSG_LENGTH_MAX, "format_message writes up to JMSG_LENGTH_MAX bytes");

struct jpeg_error_mgr *nt_jpeg_guard(jpeg_guard *guard, nt_codec_status *status) {
    jpeg_std_error(&guard->manager);
    guard->manager.error_exit = leave;
    guard->manager.emit_message = judge_warning;
    guard->manager.output_message = stay_silent;
    guard->status = status;
    guard->source_ended = false;
    return &guard->manager;
}
