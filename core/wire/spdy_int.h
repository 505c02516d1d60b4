/* Header blocks of SPDY: compressed name-value lists. */
#ifndef WIRE_SPDY_INT_H
#define WIRE_SPDY_INT_H

#include "wire/spdy.h"

struct spdy_headers {
    struct deflate *deflate;
    struct inflate *inflate;
    struct buf dictionary;
};

int spdy_headers_init(struct spdy_headers *h) MUST_CHECK;
void spdy_headers_done(struct spdy_headers *h);
int spdy_headers_encode(struct spdy_headers *h, const struct spdy_header *headers, size_t count,
                        struct buf *out) MUST_CHECK;
/* Views into text, which must outlive them; at most SPDY_HEADERS_MAX. */
int spdy_headers_decode(struct spdy_headers *h, struct str block, struct buf *text,
                        struct spdy_header *ret_headers, size_t *ret_count) MUST_CHECK;

#endif
