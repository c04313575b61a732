// Pictures in C: what Swift cannot call safely (libjpeg and libpng report errors by longjmp), and the inner loops.
//
// Nothing here keeps state between calls, so every function may run on many threads at once. Nothing aborts, prints,
// or lets a longjmp out, and every error path frees what it took.
#pragma once

#include "nt_codec_status.h"
#include "nt_picture.h"
#include "nt_resample.h"
