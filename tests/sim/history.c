/* See history.h. */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that a revision changed: one key, as the clients here write. */
struct change {
    bool known;
    int key;
    uint64_t value;
};

struct log {
    struct history_op *ops;
    size_t count, capacity;
    struct change *changes; /* by revision */
    size_t change_capacity;
    char text[256];
};

struct log *history_new(void)
{
    return calloc(1, sizeof(struct log));
}

void history_free(struct log *h)
{
    free(h->ops);
    free(h->changes);
    free(h);
}

void history_add(struct log *h, const struct history_op *op)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 1024;
        h->ops = realloc(h->ops, h->capacity * sizeof(h->ops[0]));
    }
    h->ops[h->count++] = *op;
}

bool history_event(struct log *h, int node, int64_t revision, int key, uint64_t value,
                   const char **ret_why)
{
    while ((size_t)revision >= h->change_capacity) {
        size_t capacity = h->change_capacity ? h->change_capacity * 2 : 1024;
        h->changes = realloc(h->changes, capacity * sizeof(h->changes[0]));
        memset(h->changes + h->change_capacity, 0,
               (capacity - h->change_capacity) * sizeof(h->changes[0]));
        h->change_capacity = capacity;
    }
    struct change *c = &h->changes[revision];
    if (c->known && (c->key != key || c->value != value)) {
        snprintf(h->text, sizeof(h->text),
                 "node %d: revision %lld is key %d value %llu; another replica told key %d value %llu",
                 node, (long long)revision, key, (unsigned long long)value, c->key,
                 (unsigned long long)c->value);
        *ret_why = h->text;
        return false;
    }
    *c = (struct change){true, key, value};
    return true;
}

size_t history_count(const struct log *h, enum history_outcome outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < h->count; i++)
        n += h->ops[i].outcome == outcome;
    return n;
}

static const char *wrong(struct log *h, const struct history_op *op, const char *what)
{
    static const char *const kinds[] = {"put", "delete", "swap", "read"};
    snprintf(h->text, sizeof(h->text),
             "%s of key %d, value %llu, expected %lld, revision %lld, from %.3f to %.3f s: %s",
             kinds[op->kind], op->key, (unsigned long long)op->value, (long long)op->expected,
             (long long)op->revision, (double)op->begun_ns / 1e9, (double)op->ended_ns / 1e9, what);
    return h->text;
}

/* The key as it was at each operation's own revision: all operations in order of revision. */
struct key_state {
    uint64_t value;
    int64_t revision; /* of its last change; 0: absent */
};

static int by_revision(const void *a, const void *b)
{
    const struct history_op *x = a, *y = b;
    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

static int by_value(const void *a, const void *b)
{
    const struct history_op *x = a, *y = b;
    return x->value < y->value ? -1 : x->value > y->value;
}

static int by_end(const void *a, const void *b)
{
    const struct history_op *const *x = a, *const *y = b;
    return (*x)->ended_ns < (*y)->ended_ns ? -1 : (*x)->ended_ns > (*y)->ended_ns;
}

static int by_begin(const void *a, const void *b)
{
    const struct history_op *const *x = a, *const *y = b;
    return (*x)->begun_ns < (*y)->begun_ns ? -1 : (*x)->begun_ns > (*y)->begun_ns;
}

static bool changes_something(const struct history_op *op)
{
    return op->kind != HISTORY_READ;
}

/* Each written value is in the log as often as its operation allows. */
static const char *check_values(struct log *h, int64_t last)
{
    qsort(h->ops, h->count, sizeof(h->ops[0]), by_value);
    char *told = calloc(h->count + 1, 1);
    const char *why = NULL;
    for (int64_t r = 2; r <= last && !why; r++) {
        const struct change *c = (size_t)r < h->change_capacity ? &h->changes[r] : NULL;
        if (!c || !c->known) {
            snprintf(h->text, sizeof(h->text), "revision %lld was told by no replica",
                     (long long)r);
            why = h->text;
            break;
        }
        if (!c->value)
            continue;
        struct history_op wanted = {.value = c->value};
        struct history_op *op = bsearch(&wanted, h->ops, h->count, sizeof(*op), by_value);
        while (op && op > h->ops && op[-1].value == c->value)
            op--;
        while (op && op < h->ops + h->count && op->value == c->value && !changes_something(op))
            op++;
        if (!op || op == h->ops + h->count || op->value != c->value)
            why = "a value that nobody wrote";
        else if (op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_CONFLICT)
            why = wrong(h, op, "was refused, and yet done");
        else if (told[op - h->ops]++)
            why = wrong(h, op, "was done twice");
    }
    free(told);
    return why;
}

static const char *check_one(struct log *h, const struct history_op *op, const struct key_state *k,
                             const struct key_state *before)
{
    const struct change *c = &h->changes[op->revision];
    switch (op->kind) {
    case HISTORY_READ:
        return k->value == op->value ? NULL : wrong(h, op, "is not the value of that revision");
    case HISTORY_PUT:
        return c->key == op->key && c->value == op->value
                   ? NULL
                   : wrong(h, op, "was acknowledged but is not in the log");
    case HISTORY_DELETE: /* of what is not there: no revision of its own */
        return k->value == 0 ? NULL : wrong(h, op, "was acknowledged but the key is there");
    case HISTORY_SWAP:
        if (op->outcome == HISTORY_CONFLICT)
            return k->revision == op->expected ? wrong(h, op, "conflicts where it should not")
                                               : NULL;
        if (c->key != op->key || c->value != op->value)
            return wrong(h, op, "was acknowledged but is not in the log");
        return before->revision == op->expected ? NULL : wrong(h, op, "was done in spite of its compare");
    }
    return NULL;
}

static const char *check_order(struct log *h, int64_t last)
{
    qsort(h->ops, h->count, sizeof(h->ops[0]), by_revision);
    struct key_state keys[HISTORY_KEYS] = {0}, before[HISTORY_KEYS] = {0};
    int64_t at = 1;
    for (size_t i = 0; i < h->count; i++) {
        const struct history_op *op = &h->ops[i];
        if (op->outcome != HISTORY_DONE && op->outcome != HISTORY_CONFLICT)
            continue;
        if (op->revision > last || op->revision < 1)
            return wrong(h, op, "names a revision that is not there");
        while (at < op->revision) {
            const struct change *c = &h->changes[++at];
            before[c->key] = keys[c->key];
            keys[c->key] = c->value ? (struct key_state){c->value, at} : (struct key_state){0, 0};
        }
        const char *why = check_one(h, op, &keys[op->key], &before[op->key]);
        if (why)
            return why;
    }
    return NULL;
}

static bool answered(const struct history_op *op)
{
    return op->outcome == HISTORY_DONE || op->outcome == HISTORY_CONFLICT;
}

/* In order of their beginnings: none is of an earlier revision than what had ended by then. */
static const char *check_time(struct log *h)
{
    const struct history_op **begins = calloc(h->count + 1, sizeof(*begins));
    const struct history_op **ends = calloc(h->count + 1, sizeof(*ends));
    size_t n = 0, e = 0;
    for (size_t i = 0; i < h->count; i++)
        if (answered(&h->ops[i]))
            begins[n] = ends[n] = &h->ops[i], n++;
    qsort(begins, n, sizeof(*begins), by_begin);
    qsort(ends, n, sizeof(*ends), by_end);
    int64_t floor = 0;
    const char *why = NULL;
    for (size_t i = 0; i < n && !why; i++) {
        for (; e < n && ends[e]->ended_ns < begins[i]->begun_ns; e++)
            if (ends[e]->revision > floor)
                floor = ends[e]->revision;
        if (begins[i]->revision < floor)
            why = wrong(h, begins[i], "is older than what was known before it began");
    }
    free(begins);
    free(ends);
    return why;
}

const char *history_check(struct log *h, int64_t last)
{
    const char *why = check_values(h, last);
    if (!why)
        why = check_order(h, last);
    return why ? why : check_time(h);
}
