/*
 * Flow schemas and priority levels as read from their objects, ready to be matched: which schema a
 * request belongs to (the first that matches, by precedence and then name), which flow of it, and
 * how many seats each level has of those that there are.
 */
#ifndef API_FLOW_SCHEMAS_H
#define API_FLOW_SCHEMAS_H

#include "api/api_int.h"
#include "api/flow/queues.h"

enum flow_distinguisher { FLOW_BY_NOTHING, FLOW_BY_USER, FLOW_BY_NAMESPACE };

struct flow_subject {
    char kind; /* 'U'ser, 'G'roup, 'S'erviceAccount */
    struct str ns, name;
};

struct flow_rule {
    struct strs verbs, groups, resources, namespaces, paths;
    bool cluster, is_resource;
};

struct flow_rules {
    struct flow_subject *subjects;
    size_t subject_count;
    struct flow_rule *rules;
    size_t rule_count;
};

struct flow_class { /* a flow schema */
    struct str name, level;
    const char *uid;
    int64_t precedence;
    enum flow_distinguisher by;
    struct flow_rules *rules;
    size_t rule_count;
    void *place; /* the caller's: its level */
};

struct flow_grade { /* a priority level */
    struct str name;
    const char *uid;
    struct flow_shape shape;
    int64_t shares;
    unsigned lendable, borrowing; /* per cent of its nominal seats; FLOW_NO_LIMIT */
    unsigned nominal, least, most; /* seats: flow_share_nominal */
};

enum { FLOW_NO_LIMIT = ~0U };

/* From an object in stored form. -E_NOMEM. */
int flow_class_read(struct arena *a, struct str name, const struct json *object,
                    struct flow_class *ret) MUST_CHECK;
int flow_grade_read(struct arena *a, struct str name, const struct json *object,
                    struct flow_grade *ret) MUST_CHECK;
int flow_class_order(const void *a, const void *b); /* for qsort */
bool flow_class_matches(const struct flow_class *c, const struct api_request *r);
uint64_t flow_class_flow(const struct flow_class *c, const struct api_request *r);

/* Sets nominal, least and most of each. */
void flow_share_nominal(struct flow_grade *grades, size_t count, unsigned seats);

struct flow_claim {
    double target; /* seats that a level could use */
    double least, most;
    double ret_seats;
};
/* Divides sum by one factor of all targets, within the bounds of each: max-min fair (KEP-1040,
 * "Current Concurrency Limit"). */
void flow_share_current(struct flow_claim *claims, size_t count, double sum);

#endif
