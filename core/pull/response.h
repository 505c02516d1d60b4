/*
 * The answer to one HTTP/1.1 request, read as a stream. Sans-I/O. Strict where leniency confuses
 * two readers: lines end in CR LF, length and chunking exclude each other, lengths must agree.
 */
#ifndef PULL_RESPONSE_H
#define PULL_RESPONSE_H

#include "base/buf.h"
#include "base/limits.h"

struct response {
    int status;
    int64_t content_length; /* -1: not told */
    bool chunked, keep_alive, no_body;
    char content_type[128]; /* without parameters */
    char location[4096], authenticate[2048], digest[80], content_range[80];

    /* private */
    int state;
    uint64_t left; /* of the body or chunk; until the end of the connection: UINT64_MAX */
    struct buf line;
    size_t header_bytes;
    unsigned header_count;
};

void response_init(struct response *r, bool head_request);
void response_done(struct response *r);
/*
 * Takes from *in. *ret_body is what of the body it met (a view into *in, may be empty); call again
 * while *in holds something and it is not complete. -E_SYNTAX, -E_LIMIT.
 */
int response_feed(struct response *r, struct str *in, struct str *ret_body, struct err *err) MUST_CHECK;
int response_end(struct response *r, struct err *err) MUST_CHECK; /* the connection ended: -E_CLOSED when too early */
bool response_has_headers(const struct response *r);
bool response_is_complete(const struct response *r);

#endif
