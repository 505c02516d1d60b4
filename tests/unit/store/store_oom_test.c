/*
 * Memory runs out at the Nth allocation, for every N: an open or a command may be refused, nothing
 * else; what was accepted comes to its end, in order, and nothing leaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sim_node.h"

enum { COMMANDS = 40 };

struct seen {
    struct sim_node *node;
    int done, events, refused;
    int64_t last;
};

static void on_done(void *ctx, const struct store_result *r)
{
    struct seen *s = ctx;
    s->done++;
    s->node->waiting--;
    assert_int_equal(r->rc, 0);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct seen *s = ctx;
    s->events++;
    assert_int_equal(e->revision, s->last + 1); /* each of them once, none left out */
    s->last = e->revision;
}

/* True when the fault planted at the nth allocation has not been reached. */
static bool still_armed(uint64_t nth)
{
    bool armed = false;
    for (uint64_t i = 0; i < nth && !armed; i++) {
        void *p = mem_alloc(1);
        armed = !p;
        mem_free(p);
    }
    mem_fail_nth(0);
    return armed;
}

static void use(struct sim_node *n, struct seen *s)
{
    char value[200];
    memset(value, 'x', sizeof(value));
    struct store_watch *w = NULL;
    s->last = store_revision(n->store);
    bool watched = store_watch_new(n->store, STR("k"), s->last, on_event, s, &w) == 0;
    int given = 0;
    for (int i = 0; i < COMMANDS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        struct store_op op = {.key = str_of(key), .value = str_make(value, sizeof(value))};
        n->waiting++;
        int rc = store_txn(n->store, NULL, 0, &op, 1, on_done, s);
        if (rc) {
            assert_int_equal(rc, -E_NOMEM);
            n->waiting--;
            s->refused++;
        } else {
            given++;
        }
        if (i % 4 == 3)
            node_settle(n);
    }
    node_settle(n);
    assert_int_equal(s->done, given);
    assert_int_equal(n->fatal_count, 0);
    if (watched)
        assert_int_equal(s->events, given);
}

static bool trial(uint64_t nth)
{
    uint64_t live = mem_live_count();
    struct sim_disk *disk = sim_disk_new(nth);
    struct sim_node n;
    node_init(&n);
    n.options.snapshot_after_bytes = 3000;
    struct seen s = {.node = &n};
    mem_fail_nth(nth);
    int rc = node_open(&n, sim_disk_port(disk));
    if (rc)
        assert_int_equal(rc, -E_NOMEM);
    else
        use(&n, &s);
    node_close(&n);
    if (!rc) {
        /* Opening again meets what is left of the fault. */
        rc = node_open(&n, sim_disk_port(disk));
        if (rc)
            assert_int_equal(rc, -E_NOMEM);
        node_close(&n);
    }
    bool armed = still_armed(nth);
    assert_int_equal(node_open(&n, sim_disk_port(disk)), 0);
    if (s.done)
        assert_int_equal(store_revision(n.store), 1 + s.done);
    node_done(&n);
    sim_disk_free(disk);
    assert_int_equal(mem_live_count(), live);
    return armed;
}

static void each_failed_allocation_is_survived(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (!trial(nth))
        nth++;
    print_message("%llu allocations\n", (unsigned long long)nth);
    assert_true(nth > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_failed_allocation_is_survived)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
