/*
 * Kubernetes' resource.Quantity (apimachinery/pkg/api/resource): "100m", "1.5Gi", "2e3". A value is
 * digits x 10^exponent held exactly in 128 bits at a scale of 10^-9 (nano), which is as fine as
 * upstream goes; what is finer is rounded up, as upstream does.
 */
#ifndef CODEC_QUANTITY_H
#define CODEC_QUANTITY_H

#include "base/str.h"

enum quantity_format { QUANTITY_DECIMAL_SI, QUANTITY_BINARY_SI, QUANTITY_DECIMAL_EXPONENT };

struct quantity {
    __int128 nano;
    enum quantity_format format;
};

enum { QUANTITY_TEXT = 64 }; /* size for quantity_format, with its NUL */

/* -E_SYNTAX with upstream's message; -E_LIMIT past what int64 holds (9223372036854775807). */
int quantity_parse(struct str text, struct quantity *ret, struct err *err) MUST_CHECK;
/* Canonical form: no fraction, largest suffix that keeps it exact. */
void quantity_format(const struct quantity *q, char out[QUANTITY_TEXT]);

struct quantity quantity_from_i64(int64_t value, enum quantity_format format);
struct quantity quantity_from_milli(int64_t milli);
/* Rounded up to the next whole one, held within int64. */
int64_t quantity_value(const struct quantity *q);
int64_t quantity_milli(const struct quantity *q);
int quantity_cmp(const struct quantity *a, const struct quantity *b); /* -1, 0, 1 */
/* Held within the range of a quantity. A zero takes over the other's format, as upstream does. */
void quantity_add(struct quantity *to, const struct quantity *more);
void quantity_sub(struct quantity *from, const struct quantity *less);

/* Of a text that was validated before; anything else counts as 0. */
int64_t quantity_text_value(struct str text);
int64_t quantity_text_milli(struct str text);

#endif
