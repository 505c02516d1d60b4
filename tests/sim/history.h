/*
 * What a cluster said, and whether it kept its word. Every change of the store makes a revision, so
 * a history claims its own order: the check is that one map, changed revision by revision, explains
 * every event, every answer and every read, and that this order agrees with time. That is
 * linearizability, decided in one pass.
 *
 *  1. Every replica tells the same events of a revision, revisions without gap and in order.
 *  2. An acknowledged change is the event of its revision; a change that was refused has none; one
 *     whose outcome is unknown has one at most.
 *  3. A read returns the value of its revision. What was acknowledged or read before an operation
 *     began is of no later revision than that operation.
 *  4. A compare that failed did not hold at the revision it names.
 */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_KEYS = 8 };

enum history_kind { HISTORY_PUT, HISTORY_DELETE, HISTORY_SWAP, HISTORY_READ };
enum history_outcome {
    HISTORY_DONE,
    HISTORY_CONFLICT, /* SWAP */
    HISTORY_REFUSED,  /* nothing was done */
    HISTORY_UNKNOWN,  /* perhaps done */
};

struct history_op {
    enum history_kind kind;
    int key;
    uint64_t value;   /* written, unique; READ: seen, 0: absent */
    int64_t expected; /* SWAP: the key's modification revision; 0: absent */
    int64_t begun_ns, ended_ns;
    enum history_outcome outcome;
    int64_t revision;
};

struct log; /* of all that was said */

struct log *history_new(void);
void history_free(struct log *h);
void history_add(struct log *h, const struct history_op *op);
/* Replica `node` tells an event; value 0: deleted. False: it contradicts what is known (*ret_why). */
bool history_event(struct log *h, int node, int64_t revision, int key, uint64_t value,
                   const char **ret_why);
/* NULL, or what is wrong. Revisions that nobody told by `last` are missing. */
const char *history_check(struct log *h, int64_t last);
size_t history_count(const struct log *h, enum history_outcome outcome);

#endif
