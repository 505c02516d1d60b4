/* One scheduling decision: filter every node, score what is left, or say why none will do. */
#include <stdio.h>

#include "sched/plugin.h"
#include "sched/queue.h"

enum { MAX_REASONS = 16 };

struct reasons {
    struct {
        char text[SCHED_REASON];
        unsigned nodes;
    } at[MAX_REASONS];
    size_t count;
};

static void blame(struct reasons *r, const char *text)
{
    size_t i = 0;
    while (i < r->count && !cstr_eq(r->at[i].text, text))
        i++;
    if (i == r->count) {
        if (i == MAX_REASONS)
            return;
        str_copy(r->at[i].text, SCHED_REASON, str_of(text));
        r->at[i].nodes = 0;
        r->count++;
    }
    r->at[i].nodes++;
}

static void explain(const struct reasons *r, size_t nodes, char *ret_message, size_t size)
{
    size_t at;
    if (nodes == 0) {
        snprintf(ret_message, size, "no nodes available to schedule pods");
        return;
    }
    at = (size_t)snprintf(ret_message, size, "0/%zu nodes are available:", nodes);
    for (size_t i = 0; i < r->count && at < size; i++)
        at += (size_t)snprintf(ret_message + at, size - at, "%s %u %s", i ? "," : "",
                               r->at[i].nodes, r->at[i].text);
    if (at < size)
        snprintf(ret_message + at, size - at, ".");
}

static bool passes(const struct sched_pod *pod, const struct sched_node *node, struct reasons *why)
{
    char reason[SCHED_REASON] = "";
    for (size_t i = 0; i < sched_plugin_count; i++)
        if (sched_plugins[i].filter && !sched_plugins[i].filter(pod, node, reason)) {
            blame(why, reason);
            return false;
        }
    return true;
}

/* Highest raw score of a plugin over the nodes that passed, for normalising. */
static int64_t highest(const struct sched_plugin *p, const struct sched_pod *pod,
                       struct sched_node *const *nodes, size_t count)
{
    int64_t best = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t v = p->score(pod, nodes[i]);
        best = v > best ? v : best;
    }
    return best;
}

static struct sched_node *best_of(const struct sched_pod *pod, struct sched_node *const *nodes,
                                  int64_t *totals, size_t count)
{
    for (size_t p = 0; p < sched_plugin_count; p++) {
        const struct sched_plugin *plugin = &sched_plugins[p];
        if (!plugin->score)
            continue;
        int64_t top = plugin->normalise ? highest(plugin, pod, nodes, count) : 0;
        for (size_t i = 0; i < count; i++) {
            int64_t v = plugin->score(pod, nodes[i]);
            if (plugin->normalise) {
                v = top ? v * SCHED_SCORE_MAX / top : 0;
                v = plugin->lower_is_better ? SCHED_SCORE_MAX - v : v;
            }
            totals[i] += v * plugin->weight;
        }
    }
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (totals[i] > totals[best] ||
            (totals[i] == totals[best] && nodes[i]->requested.pods < nodes[best]->requested.pods))
            best = i;
    return nodes[best];
}

struct sched_node *sched_choose(const struct sched_state *s, const struct json *pod,
                                char *ret_message, size_t size)
{
    struct reasons why = {0};
    struct sched_pod p = {.tree = pod};
    struct map_iter it;
    void *value;
    size_t known = 0, count = 0;
    CLEANUP_FREE struct sched_node **nodes = mem_calloc(s->nodes.count, sizeof(void *));
    CLEANUP_FREE int64_t *totals = mem_calloc(s->nodes.count, sizeof(int64_t));

    if (!nodes || !totals) {
        snprintf(ret_message, size, "out of memory");
        return NULL;
    }
    resources_of_pod(pod, &p.requests);
    p.port_count = sched_pod_ports(pod, p.ports, SCHED_MAX_PORTS);
    map_iter_init(&s->nodes, &it);
    while (map_iter_next(&s->nodes, &it, NULL, &value)) {
        struct sched_node *n = value;
        if (!n->known)
            continue;
        known++;
        if (passes(&p, n, &why))
            nodes[count++] = n;
    }
    if (count)
        return best_of(&p, nodes, totals, count);
    explain(&why, known, ret_message, size);
    return NULL;
}
