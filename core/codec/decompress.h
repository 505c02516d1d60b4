/*
 * gzip, zstd or plain bytes made plain, as a stream; which of them it is shows in the first bytes.
 * Several gzip members or zstd frames in a row are one stream. Output is bounded by the caller
 * and the window of zstd by DECOMPRESS_WINDOW_LOG, so that a small input cannot ask for much memory.
 */
#ifndef CODEC_DECOMPRESS_H
#define CODEC_DECOMPRESS_H

#include "base/str.h"

enum { DECOMPRESS_WINDOW_LOG = 27 }; /* 128 MiB, what zstd --long asks for */

struct decompress;
typedef int decompress_sink_fn(void *ctx, struct str plain, struct err *err);

int decompress_new(uint64_t max_output_bytes, decompress_sink_fn *sink, void *ctx,
                   struct decompress **ret_d) MUST_CHECK;
void decompress_free(struct decompress *d);
/* -E_CORRUPT, -E_TOO_LARGE (the output's bound), -E_NOMEM, or what the sink returned; final. */
int decompress_feed(struct decompress *d, struct str bytes, struct err *err) MUST_CHECK;
/* No more input: -E_CORRUPT when the stream is not complete. */
int decompress_finish(struct decompress *d, struct err *err) MUST_CHECK;

/* "gzip", "zstd" or "plain"; "" while too little has been seen. */
const char *decompress_kind(const struct decompress *d);

#endif
