/*
 * Schedules of CronJobs, as the parser that upstream uses (robfig/cron v3, ParseStandard) reads
 * them: five fields (minute, hour, day of month, month, day of week) of lists, ranges, steps and
 * names, or a descriptor ("@daily", "@every 1h30m"). And the names of time zones: there is no
 * database of their rules here, so only zones with a fixed distance from UTC can be computed with.
 */
#ifndef CODEC_CRON_H
#define CODEC_CRON_H

#include "base/str.h"

struct cron {
    uint64_t minute, hour, day, month, weekday; /* bit n: at n; the top bit: any (a star) */
    int64_t every_s;                            /* of "@every"; 0: by the fields above */
    bool zoned;                                 /* the text named a zone */
    bool zone_unknown;                          /* whose rules are not known here: taken as UTC */
    int32_t offset_s;                           /* east of UTC, of that zone */
};

/* -E_INVALID, worded as upstream's. */
int cron_parse(struct str text, struct cron *ret, struct err *err) MUST_CHECK;
/* The first time after a given one, both in Unix microseconds, with the fields read in a zone that
 * many seconds east of UTC unless the schedule named its own. -E_NOT_FOUND: not within five years.
 */
int cron_next(const struct cron *c, int64_t after_us, int32_t offset_s, int64_t *ret_us) MUST_CHECK;

/* -E_INVALID (in upstream's words): no zone has that name; -E_UNSUPPORTED: a zone may, and its
 * distance from UTC is not known here. */
int cron_zone(struct str name, int32_t *ret_offset_s, struct err *err) MUST_CHECK;

#endif
