/*
 * Times as Kubernetes writes them: RFC 3339. metav1.Time has whole seconds
 * ("2026-11-23T11:48:09Z"), metav1.MicroTime six decimals. Both are written in UTC. Values are Unix
 * microseconds. And metav1.Duration, which is Go's time.Duration text ("1h2m3.5s").
 */
#ifndef CODEC_TIME_H
#define CODEC_TIME_H

#include "base/str.h"

enum { TIME_TEXT = 40 };

/* Years 0000 to 9999, any offset, any number of decimals (past six: cut). -E_SYNTAX, worded as
 * Go's. */
int time_parse(struct str text, int64_t *ret_us, struct err *err) MUST_CHECK;
void time_format(int64_t us, char out[TIME_TEXT]);       /* whole seconds */
void time_format_micro(int64_t us, char out[TIME_TEXT]); /* six decimals */
/* Unix milliseconds of a text, or `otherwise` when it is empty or malformed. */
int64_t time_text_ms(struct str text, int64_t otherwise);

/* The proleptic Gregorian calendar, by days since 1970-01-01. */
int64_t time_days_from_civil(int64_t year, int month, int day);
void time_civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);

int duration_parse(struct str text, int64_t *ret_ns,
                   struct err *err) MUST_CHECK; /* -E_SYNTAX, -E_LIMIT */
void duration_format(int64_t ns,
                     char out[TIME_TEXT]); /* as Go's String(): "0s", "1.5s", "1h0m0s" */

#endif
