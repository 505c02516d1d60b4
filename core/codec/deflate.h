/*
 * zlib streams (RFC 1950) in both directions with a preset dictionary, kept open over many pieces:
 * what SPDY's header blocks need. Each piece ends with a sync flush.
 */
#ifndef CODEC_DEFLATE_H
#define CODEC_DEFLATE_H

#include "base/buf.h"

struct deflate; /* compressing */
struct inflate; /* decompressing */

int deflate_new(struct str dictionary,
                struct deflate **ret_deflate) MUST_CHECK; /* dictionary is kept */
void deflate_free(struct deflate *d);
/* Compresses one piece onto out. -E_NOMEM. */
int deflate_piece(struct deflate *d, struct str piece, struct buf *out) MUST_CHECK;

int inflate_new(struct str dictionary,
                struct inflate **ret_inflate) MUST_CHECK; /* dictionary is kept */
void inflate_free(struct inflate *i);
/* Decompresses all of piece onto out, whose cap bounds it: -E_TOO_LARGE past it; -E_SYNTAX when
 * malformed or when another dictionary is asked for. */
int inflate_piece(struct inflate *i, struct str piece, struct buf *out) MUST_CHECK;

#endif
