/*
 * Counters, gauges and histograms, and their text form (Prometheus exposition format 0.0.4). A
 * registry belongs to whoever made it; there is no global one. Every call accepts a NULL metric and
 * does nothing, so that running out of memory costs figures and nothing else.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum {
    METRIC_LABELS = 10,
    METRIC_BUCKETS = 32,
    METRIC_SERIES = 8192, /* of one metric: what comes later is not counted */
};

struct metric_spec { /* all of it lives as long as the registry */
    const char *name, *help;
    enum metric_type type;
    const char *const *labels; /* ends with NULL; or NULL */
    const double *buckets;     /* of a histogram: upper bounds, rising; ends with 0 */
};

struct metrics;
struct metric;

int metrics_new(struct metrics **ret) MUST_CHECK;
void metrics_free(struct metrics *m); /* accepts NULL */
/* NULL: out of memory. */
struct metric *metrics_add(struct metrics *m, const struct metric_spec *spec);

/* values: one for each label, in their order; copied. */
void metric_add(struct metric *m, const struct str *values, double by);
void metric_set(struct metric *m, const struct str *values, double value);
void metric_observe(struct metric *m, const struct str *values, double value);
/* Forgets all series: before a gauge is taken anew. */
void metric_clear(struct metric *m);

/* All of them, in the order in which they were added. */
void metrics_write(const struct metrics *m, struct buf *out);

#endif
