/* The simulator's judge: histories that are right pass, each kind of wrong one is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/history.c" /* the program around it is the simulator */

/* Key 1 is written at revision 2, swapped at 3 and deleted at 4. */
static struct log *events(void)
{
    struct log *h = history_new();
    const char *why = NULL;
    assert_true(history_event(h, 0, 2, 1, 11, &why));
    assert_true(history_event(h, 0, 3, 1, 12, &why));
    assert_true(history_event(h, 0, 4, 1, 0, &why));
    return h;
}

static struct history_op did(enum history_kind kind, uint64_t value, int64_t begun, int64_t ended,
                             int64_t revision)
{
    return (struct history_op){.kind = kind, .key = 1, .value = value, .begun_ns = begun,
                               .ended_ns = ended, .revision = revision};
}

static struct history_op swap(uint64_t value, int64_t expected, int64_t begun, int64_t revision)
{
    struct history_op op = did(HISTORY_SWAP, value, begun, begun + 10, revision);
    op.expected = expected;
    return op;
}

static void judge(const struct history_op *ops, size_t count, const char *expected)
{
    struct log *h = events();
    for (size_t i = 0; i < count; i++)
        history_add(h, &ops[i]);
    const char *why = history_check(h, 4);
    if (!expected)
        assert_null(why);
    else
        assert_true(why && strstr(why, expected));
    history_free(h);
}

#define JUDGE(expected, ...) \
    judge((struct history_op[]){__VA_ARGS__}, \
          sizeof((struct history_op[]){__VA_ARGS__}) / sizeof(struct history_op), expected)
#define PUT did(HISTORY_PUT, 11, 0, 10, 2)
#define SWAP swap(12, 2, 20, 3)
#define DELETE did(HISTORY_DELETE, 0, 40, 50, 4)

static void right_ones_pass(void **state)
{
    (void)state;
    JUDGE(NULL, PUT, SWAP, DELETE);
    JUDGE(NULL, PUT, SWAP, DELETE, did(HISTORY_READ, 11, 5, 25, 2), did(HISTORY_READ, 12, 5, 45, 3),
          did(HISTORY_READ, 0, 0, 3, 1), did(HISTORY_READ, 0, 45, 60, 4));
    /* A swap whose outcome nobody knows was done all the same; a refused one was not. */
    struct history_op unknown = SWAP, refused = swap(13, 2, 20, 0), conflict = swap(14, 2, 30, 3);
    unknown.outcome = HISTORY_UNKNOWN;
    refused.outcome = HISTORY_REFUSED;
    conflict.outcome = HISTORY_CONFLICT;
    JUDGE(NULL, PUT, unknown, refused, conflict, DELETE);
}

static void stale_and_lost_are_seen(void **state)
{
    (void)state;
    JUDGE("is older than", PUT, SWAP, DELETE, did(HISTORY_READ, 11, 35, 38, 2));
    JUDGE("is older than", PUT, SWAP, DELETE, did(HISTORY_READ, 12, 25, 28, 3),
          did(HISTORY_READ, 11, 29, 32, 2));
    JUDGE("is not the value", PUT, SWAP, DELETE, did(HISTORY_READ, 11, 20, 30, 3));
    JUDGE("not in the log", PUT, SWAP, DELETE, did(HISTORY_PUT, 15, 50, 60, 4));
    JUDGE("a revision that is not there", PUT, SWAP, DELETE, did(HISTORY_PUT, 15, 50, 60, 5));
    JUDGE("nobody wrote", PUT, DELETE);
}

static void wrong_compares_are_seen(void **state)
{
    (void)state;
    struct history_op conflict = swap(14, 3, 30, 3), refused = SWAP;
    conflict.outcome = HISTORY_CONFLICT;
    refused.outcome = HISTORY_REFUSED;
    JUDGE("conflicts where it should not", PUT, SWAP, conflict, DELETE);
    JUDGE("in spite of its compare", PUT, swap(12, 0, 20, 3), DELETE);
    JUDGE("was refused, and yet done", PUT, refused, DELETE);
}

static void what_replicas_tell_must_agree(void **state)
{
    (void)state;
    struct log *h = events();
    const char *why = NULL;
    assert_true(history_event(h, 1, 3, 1, 12, &why));
    assert_false(history_event(h, 1, 3, 1, 13, &why));
    assert_false(history_event(h, 1, 4, 2, 0, &why));
    history_free(h);

    h = events();
    assert_true(history_event(h, 0, 6, 1, 12, &why)); /* 5 is missing; 12 is there twice */
    history_add(h, &(struct history_op[]){PUT}[0]);
    history_add(h, &(struct history_op[]){SWAP}[0]);
    assert_non_null(strstr(history_check(h, 6), "told by no replica"));
    assert_true(history_event(h, 0, 5, 2, 0, &why));
    assert_non_null(strstr(history_check(h, 6), "was done twice"));
    history_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_ones_pass),
        cmocka_unit_test(stale_and_lost_are_seen),
        cmocka_unit_test(wrong_compares_are_seen),
        cmocka_unit_test(what_replicas_tell_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
