/*
 * PEM (RFC 7468): blocks of base64 between BEGIN and END lines. Text between blocks is skipped;
 * headers within a block (RFC 1421) are refused.
 */
#ifndef CODEC_PEM_H
#define CODEC_PEM_H

#include "base/arena.h"
#include "base/buf.h"

struct pem_block {
    struct str label; /* "CERTIFICATE", within the text */
    struct str text;  /* the whole block, from BEGIN to the end of its END line */
    struct str body;  /* the base64 between, with its line breaks */
};

/* Takes the next block off *rest. -E_EOF when there is none, -E_SYNTAX when one is broken. */
int pem_next(struct str *rest, struct pem_block *ret, struct err *err) MUST_CHECK;
/* The bytes of a block. -E_SYNTAX, -E_NOMEM. */
int pem_decode(struct arena *a, const struct pem_block *block, struct str *ret_bytes) MUST_CHECK;
/* The first block of a label, decoded; -E_NOT_FOUND when there is none. */
int pem_find(struct arena *a, struct str text, const char *label, struct str *ret_bytes,
             struct err *err) MUST_CHECK;
/* Lines of 64 characters. */
void pem_write(struct buf *out, const char *label, struct str bytes);

#endif
