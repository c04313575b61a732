// How a codec says what went wrong.
#pragma once

typedef enum nt_codec_code {
    NT_CODEC_OK = 0,
    NT_CODEC_UNSUPPORTED,  // a legal file of a kind that the library cannot decode
    NT_CODEC_TRUNCATED,    // the bytes end before the picture does
    NT_CODEC_CORRUPT,      // the bytes contradict themselves or their checksums
    NT_CODEC_TOO_LARGE,    // beyond what the library can hold
    NT_CODEC_NO_MEMORY,
} nt_codec_code;

/// The outcome of one call. `message` is the library's own sentence, ended by a zero byte, without the file's name.
typedef struct nt_codec_status {
    nt_codec_code code;
    char message[208];
} nt_codec_status;
