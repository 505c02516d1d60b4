/* Paths and queries of request targets: percent-decoding without surprises. */
#ifndef WIRE_URL_H
#define WIRE_URL_H

#include "base/arena.h"
#include "base/buf.h"

/* Decodes %XX (and '+' to a space when plus). {NULL,0}: malformed, a NUL, or out of memory. */
struct str url_decode(struct arena *a, struct str s, bool plus);
/* A path segment: as above, and no slash, "." or ".." may hide in it. {NULL,0} when refused. */
struct str url_decode_segment(struct arena *a, struct str segment);
/* Everything but unreserved characters becomes %XX. */
void url_encode(struct buf *out, struct str s);
/* Splits "path?query". */
void url_split(struct str target, struct str *ret_path, struct str *ret_query);
/* First decoded value of a query parameter; {NULL,0} when absent. */
struct str url_query_get(struct arena *a, struct str query, const char *name);
/* Walks decoded pairs; *rest starts as the query. False at the end or when malformed. */
bool url_query_next(struct arena *a, struct str *rest, struct str *ret_name, struct str *ret_value);

#endif
