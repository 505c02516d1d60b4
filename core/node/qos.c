/* See qos.h. */
#include "node/qos.h"

#include <stdio.h>

#include "codec/quantity.h"

enum {
    SHARES_LEAST = 2, SHARES_MOST = 262144, QUOTA_LEAST_US = 1000,
    PIDS_OF_A_POD = 4096, /* upstream has none by default; a fork bomb must not take the node */
    SCORE_GUARANTEED = -997, SCORE_BEST_EFFORT = 1000, PRIORITY_CRITICAL = 2000000000,
};

static const struct json *amount(const struct json *container, const char *kind, const char *resource)
{
    return json_get(json_get(json_get(container, "resources"), kind), resource);
}

/* Quantities are strings, and bare numbers in what a user wrote. */
static int64_t value_of(const struct json *q, bool milli, int64_t otherwise)
{
    if (json_absent(q))
        return otherwise;
    if (!json_is(q, JSON_STRING))
        return json_i64(q, 0) * (milli ? 1000 : 1);
    return milli ? quantity_text_milli(json_str(q)) : quantity_text_value(json_str(q));
}

static int64_t request_of(const struct json *container, const char *resource, bool milli)
{
    const struct json *q = amount(container, "requests", resource);
    return value_of(q ? q : amount(container, "limits", resource), milli, 0);
}

int64_t qos_cpu_milli(const struct json *container, const char *kind)
{
    return value_of(amount(container, kind, "cpu"), true, -1);
}

int64_t qos_memory_bytes(const struct json *container, const char *kind)
{
    return value_of(amount(container, kind, "memory"), false, -1);
}

static void classify(const struct json *containers, bool *guaranteed, bool *any)
{
    static const char *const resources[] = {"cpu", "memory"};
    for (struct json *c = json_first(containers); c; c = c->next) {
        for (int i = 0; i < 2; i++) {
            int64_t limit = value_of(amount(c, "limits", resources[i]), true, 0);
            int64_t request = request_of(c, resources[i], true);
            *any |= limit > 0 || request > 0;
            *guaranteed &= limit > 0 && limit == request;
        }
    }
}

enum qos qos_of(const struct json *spec)
{
    bool guaranteed = true, any = false;
    classify(json_get(spec, "containers"), &guaranteed, &any);
    classify(json_get(spec, "initContainers"), &guaranteed, &any);
    if (!any)
        return QOS_BEST_EFFORT;
    return guaranteed ? QOS_GUARANTEED : QOS_BURSTABLE;
}

const char *qos_name(enum qos q)
{
    static const char *const names[] = {[QOS_GUARANTEED] = "Guaranteed",
                                        [QOS_BURSTABLE] = "Burstable",
                                        [QOS_BEST_EFFORT] = "BestEffort"};
    return names[q];
}

void qos_cgroup(enum qos q, const char *uid, char *ret_path, size_t size)
{
    static const char *const parents[] = {[QOS_GUARANTEED] = "",
                                          [QOS_BURSTABLE] = "burstable/",
                                          [QOS_BEST_EFFORT] = "besteffort/"};
    snprintf(ret_path, size, "%spod%s", parents[q], uid);
}

int64_t qos_pod_request(const struct json *spec, const char *resource, bool milli)
{
    int64_t sum = 0, sidecars = 0, most = 0;
    for (struct json *c = json_first(json_get(spec, "containers")); c; c = c->next)
        sum += request_of(c, resource, milli);
    for (struct json *c = json_first(json_get(spec, "initContainers")); c; c = c->next) {
        int64_t own = request_of(c, resource, milli);
        if (cstr_eq(json_path_cstr(c, "restartPolicy"), "Always"))
            sidecars += own;
        int64_t now = cstr_eq(json_path_cstr(c, "restartPolicy"), "Always") ? sidecars : sidecars + own;
        most = now > most ? now : most;
    }
    sum += sidecars;
    if (most > sum)
        sum = most;
    return sum + value_of(json_get(json_get(spec, "overhead"), resource), milli, 0);
}

int qos_oom_score_adj(const struct json *spec, const struct json *container, int64_t capacity_bytes)
{
    if (json_path_i64(spec, "priority", 0) >= PRIORITY_CRITICAL)
        return SCORE_GUARANTEED;
    switch (qos_of(spec)) {
    case QOS_GUARANTEED:
        return SCORE_GUARANTEED;
    case QOS_BEST_EFFORT:
        return SCORE_BEST_EFFORT;
    case QOS_BURSTABLE:
        break;
    }
    int64_t request = request_of(container, "memory", false);
    int64_t score = capacity_bytes > 0 ? 1000 - (int64_t)((double)request * 1000 / (double)capacity_bytes) : 999;
    if (score < 1000 + SCORE_GUARANTEED)
        return 1000 + SCORE_GUARANTEED;
    return score >= SCORE_BEST_EFFORT ? SCORE_BEST_EFFORT - 1 : (int)score;
}

int64_t qos_cpu_shares(int64_t cpu_milli)
{
    int64_t shares = cpu_milli * 1024 / 1000;
    if (shares < SHARES_LEAST)
        return SHARES_LEAST;
    return shares > SHARES_MOST ? SHARES_MOST : shares;
}

int64_t qos_cpu_quota_us(int64_t cpu_milli)
{
    int64_t quota = cpu_milli * QOS_CPU_PERIOD_US / 1000;
    return quota < QUOTA_LEAST_US ? QUOTA_LEAST_US : quota;
}

/* The sum of a limit over all containers that run together; -1 when one has none. */
static int64_t limit_sum(const struct json *spec, bool cpu)
{
    int64_t sum = 0;
    for (struct json *c = json_first(json_get(spec, "containers")); c; c = c->next) {
        int64_t one = cpu ? qos_cpu_milli(c, "limits") : qos_memory_bytes(c, "limits");
        if (one <= 0)
            return -1;
        sum += one;
    }
    for (struct json *c = json_first(json_get(spec, "initContainers")); c; c = c->next) {
        int64_t one = cpu ? qos_cpu_milli(c, "limits") : qos_memory_bytes(c, "limits");
        if (one <= 0)
            return -1;
        if (cstr_eq(json_path_cstr(c, "restartPolicy"), "Always"))
            sum += one;
        else if (one > sum)
            sum = one;
    }
    return sum;
}

void qos_pod_limits(const struct json *spec, struct runtime_pod *pod)
{
    int64_t cpu = limit_sum(spec, true), memory = limit_sum(spec, false);
    pod->cpu_shares = qos_cpu_shares(qos_pod_request(spec, "cpu", true));
    pod->cpu_quota_us = cpu > 0 ? qos_cpu_quota_us(cpu) : 0;
    pod->memory_limit_bytes = memory > 0 ? memory : 0;
    pod->pids_limit = PIDS_OF_A_POD;
}
