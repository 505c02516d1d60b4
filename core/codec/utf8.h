/* UTF-8 (RFC 3629): strict reading, writing. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include "base/str.h"

/* Bytes of the character at s (1 to 4), or 0 when malformed, overlong, a surrogate or cut off. */
size_t utf8_length(const char *s, size_t n);
bool utf8_valid(struct str s);
/* Writes up to 4 bytes, returns how many. Surrogates and values past U+10FFFF become U+FFFD. */
size_t utf8_encode(char *out, uint32_t point);

#endif
