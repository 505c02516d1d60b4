/* The store as its callers see it: commands, compares, snapshots, watches, recovery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sim_node.h"

struct fixture {
    struct sim_disk *disk;
    struct sim_node node;
    uint64_t live;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->live = mem_live_count();
    f->disk = sim_disk_new(1);
    node_init(&f->node);
    assert_int_equal(node_open(&f->node, sim_disk_port(f->disk)), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    node_done(&f->node);
    sim_disk_free(f->disk);
    assert_int_equal(mem_live_count(), f->live);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    node_close(&f->node);
    assert_int_equal(node_open(&f->node, sim_disk_port(f->disk)), 0);
}

static void a_new_store_is_at_revision_1(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_revision(f->node.store), 1);
    assert_null(node_get(&f->node, "a"));
}

static void each_change_makes_one_revision(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    assert_int_equal(node_put(n, "a", "1"), 0);
    assert_int_equal(n->result.revision, 2);
    struct store_op ops[] = {{.key = STR("a"), .value = STR("2")},
                             {.key = STR("b"), .value = STR("3")}};
    assert_int_equal(node_txn(n, NULL, 0, ops, 2), 0);
    assert_int_equal(n->result.revision, 3);
    struct store_value *a = store_get(n->store, STR("a")), *b = store_get(n->store, STR("b"));
    assert_int_equal(a->create_revision, 2);
    assert_int_equal(a->mod_revision, 3);
    assert_int_equal(a->version, 2);
    assert_int_equal(b->create_revision, 3);
    assert_int_equal(b->version, 1);
    assert_int_equal(node_delete(n, "missing"), 0);
    assert_int_equal(n->result.revision, 3);
    assert_int_equal(node_delete(n, "a"), 0);
    assert_int_equal(n->result.revision, 4);
    assert_null(node_get(n, "a"));
    assert_int_equal(node_put(n, "a", "again"), 0);
    assert_int_equal(store_get(n->store, STR("a"))->create_revision, 5);
    assert_int_equal(store_get(n->store, STR("a"))->version, 1);
}

static void a_failed_compare_changes_nothing_and_is_named(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    assert_int_equal(node_put(n, "a", "1"), 0);
    struct store_compare c[] = {
        {.kind = STORE_COMPARE_EXISTS, .key = STR("a")},
        {.kind = STORE_COMPARE_MOD_REVISION, .key = STR("b"), .revision = 0},
        {.kind = STORE_COMPARE_MOD_REVISION, .key = STR("a"), .revision = 7},
    };
    struct store_op op = {.key = STR("a"), .value = STR("2")};
    assert_int_equal(node_txn(n, c, 3, &op, 1), -E_CONFLICT);
    assert_int_equal(n->result.failed_compare, 2);
    assert_int_equal(n->result.revision, 2);
    assert_string_equal(node_get(n, "a"), "1");
    c[2].revision = 2;
    assert_int_equal(node_txn(n, c, 3, &op, 1), 0);
    assert_string_equal(node_get(n, "a"), "2");
    c[0].key = STR("zzz");
    assert_int_equal(node_txn(n, c, 1, &op, 1), -E_CONFLICT);
    assert_int_equal(n->result.failed_compare, 0);
}

/* So a command can build on what another one, still in flight, will store. */
static void a_value_is_compared_by_its_bytes(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    struct store_compare c = {STORE_COMPARE_VALUE, STR("a"), store_hash(STR("1"))};
    struct store_op op = {.key = STR("a"), .value = STR("2")};
    assert_int_equal(node_txn(n, &c, 1, &op, 1), -E_CONFLICT); /* it is not there */
    assert_int_equal(node_put(n, "a", "1"), 0);
    assert_int_equal(node_txn(n, &c, 1, &op, 1), 0);
    assert_int_equal(node_txn(n, &c, 1, &op, 1), -E_CONFLICT);
    c.revision = store_hash(STR("2"));
    reopen(f);
    assert_int_equal(node_txn(n, &c, 1, &op, 1), 0);
    /* These are in logs that were written before. */
    assert_true((uint64_t)store_hash(STR("")) == 0xefd01f60ba992926u);
    assert_true((uint64_t)store_hash(STR("{\"metadata\":{}}")) == 0xe51661f8f6b3695du);
}

static void bad_commands_are_refused(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    struct store_op op = {.key = STR(""), .value = STR("2")};
    assert_int_equal(node_txn(n, NULL, 0, &op, 1), -E_BAD_REQUEST);
    static char big[2 * 1024 * 1024];
    op = (struct store_op){.key = str_make(big, STORE_KEY_MAX + 1), .value = STR("")};
    assert_int_equal(node_txn(n, NULL, 0, &op, 1), -E_TOO_LARGE);
    op = (struct store_op){.key = STR("a"), .value = str_make(big, sizeof(big))};
    assert_int_equal(node_txn(n, NULL, 0, &op, 1), -E_TOO_LARGE);
    assert_int_equal(store_revision(n->store), 1);
    op.value = str_make(big, 1536 * 1024);
    assert_int_equal(node_txn(n, NULL, 0, &op, 1), 0);
    reopen(f);
    assert_int_equal(store_get(n->store, STR("a"))->size, 1536 * 1024);
}

struct collected {
    char text[4096];
    int64_t last_revision;
};

static bool collect_value(void *ctx, struct store_value *v)
{
    struct collected *c = ctx;
    size_t at = strlen(c->text);
    snprintf(c->text + at, sizeof(c->text) - at, "%.*s=%.*s ", STR_ARG(store_value_key(v)),
             STR_ARG(store_value_bytes(v)));
    return true;
}

static void a_snapshot_does_not_change(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_put(n, "/a/1", "x");
    node_put(n, "/a/2", "y");
    node_put(n, "/b/1", "z");
    struct store_snapshot *snap;
    assert_int_equal(store_snapshot_take(n->store, &snap), 0);
    node_put(n, "/a/1", "changed");
    node_put(n, "/a/3", "new");
    node_delete(n, "/a/2");
    struct collected c = {0};
    store_snapshot_range(snap, STR("/a/"), STR("/a0"), collect_value, &c);
    assert_string_equal(c.text, "/a/1=x /a/2=y ");
    assert_int_equal(store_snapshot_count(snap, STR("/a/"), STR("/a0")), 2);
    assert_int_equal(store_snapshot_count(snap, STR(""), STR("")), 3);
    assert_int_equal(store_snapshot_revision(snap), 4);
    assert_null(store_snapshot_get(snap, STR("/a/3")));
    store_snapshot_release(snap);
    assert_int_equal(store_snapshot_take(n->store, &snap), 0);
    c = (struct collected){0};
    store_snapshot_range(snap, STR("/a/2"), STR(""), collect_value, &c);
    assert_string_equal(c.text, "/a/3=new /b/1=z ");
    store_snapshot_release(snap);
}

static void collect_event(void *ctx, const struct store_event *e)
{
    struct collected *c = ctx;
    size_t at = strlen(c->text);
    const struct store_value *v = e->value ? e->value : e->previous;
    snprintf(c->text + at, sizeof(c->text) - at, "%lld%s%.*s ", (long long)e->revision,
             !e->value      ? "-"
             : !e->previous ? "+"
                            : "~",
             STR_ARG(store_value_key(v)));
    assert_true(e->revision >= c->last_revision);
    c->last_revision = e->revision;
}

static void a_watch_tells_history_then_live_without_gap(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_put(n, "/a/1", "x");
    node_put(n, "/b/1", "x");
    node_put(n, "/a/2", "x");
    struct collected all = {0}, a = {0}, late = {0}, exact = {0};
    struct store_watch *w[4];
    assert_int_equal(store_watch_new(n->store, STR(""), 0, collect_event, &all, &w[0]), 0);
    assert_int_equal(store_watch_new(n->store, STR("/a/"), 2, collect_event, &a, &w[1]), 0);
    assert_int_equal(store_watch_new(n->store, STR("/a/"), 4, collect_event, &late, &w[2]), 0);
    assert_int_equal(store_watch_new(n->store, STR("/b/1"), 3, collect_event, &exact, &w[3]), 0);
    assert_string_equal(all.text, ""); /* never from inside */
    node_put(n, "/a/1", "y");
    node_delete(n, "/a/2");
    node_delete(n, "/b/1");
    assert_string_equal(all.text, "2+/a/1 3+/b/1 4+/a/2 5~/a/1 6-/a/2 7-/b/1 ");
    assert_string_equal(a.text, "4+/a/2 5~/a/1 6-/a/2 ");
    assert_string_equal(late.text, "5~/a/1 6-/a/2 ");
    assert_string_equal(exact.text, "7-/b/1 ");
    store_watch_free(w[1]);
    node_put(n, "/a/9", "y");
    assert_string_equal(a.text, "4+/a/2 5~/a/1 6-/a/2 ");
    struct store_watch *bad;
    assert_int_equal(store_watch_new(n->store, STR(""), 9, collect_event, &a, &bad),
                     -E_BAD_REQUEST);
}

static void history_is_bounded_and_past_it_a_watch_is_expired(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_close(n);
    n->options.history_revisions = 10;
    assert_int_equal(node_open(n, sim_disk_port(f->disk)), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(node_put(n, "k", "v"), 0);
    int64_t compacted = store_compacted(n->store);
    assert_int_equal(compacted, store_revision(n->store) - 10);
    struct collected c = {0};
    struct store_watch *w;
    assert_int_equal(store_watch_new(n->store, STR("k"), compacted - 1, collect_event, &c, &w),
                     -E_EXPIRED);
    assert_int_equal(store_watch_new(n->store, STR("k"), compacted, collect_event, &c, &w), 0);
    node_settle(n);
    assert_int_equal(c.last_revision, store_revision(n->store));
    struct store_stats stats;
    store_stats(n->store, &stats);
    assert_int_equal(stats.history_events, 10);
}

static void count_in_order(void *ctx, const struct store_event *e)
{
    int64_t *last = ctx;
    assert_int_equal(e->revision, *last + 1);
    *last = e->revision;
}

static void ignore(void *ctx, const struct store_result *r)
{
    (void)ctx;
    (void)r;
}

static void what_a_watch_still_has_to_read_is_not_dropped(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_close(n);
    n->options.history_revisions = 1000;
    assert_int_equal(node_open(n, sim_disk_port(f->disk)), 0);
    struct store_op op = {.key = STR("k"), .value = STR("v")};
    for (int i = 0; i < 1500; i++)
        assert_int_equal(store_txn(n->store, NULL, 0, &op, 1, ignore, NULL), 0);
    node_settle(n);
    int64_t last = store_compacted(n->store);
    assert_int_equal(last, 501);
    struct store_watch *w;
    assert_int_equal(store_watch_new(n->store, STR("k"), last, count_in_order, &last, &w), 0);
    for (int i = 0; i < 1500; i++) /* more than the history holds, before it has caught up */
        assert_int_equal(store_txn(n->store, NULL, 0, &op, 1, ignore, NULL), 0);
    for (int i = 0; i < 20; i++)
        node_settle(n);
    assert_int_equal(last, 3001);
    assert_int_equal(store_compacted(n->store), 2001);
}

struct meddler {
    struct sim_node *node;
    struct store_watch *self, *other, *born;
    int calls;
    struct collected seen;
};

static void meddle(void *ctx, const struct store_event *e)
{
    struct meddler *m = ctx;
    m->calls++;
    if (m->self)
        store_watch_free(m->self);
    if (m->other)
        store_watch_free(m->other);
    m->self = m->other = NULL;
    assert_int_equal(store_watch_new(m->node->store, STR("a"), e->revision, collect_event,
                                     &m->seen, &m->born),
                     0);
}

static void watches_may_come_and_go_within_a_callback(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    struct meddler m = {.node = n};
    struct collected other = {0};
    assert_int_equal(store_watch_new(n->store, STR("a"), 1, meddle, &m, &m.self), 0);
    assert_int_equal(store_watch_new(n->store, STR("a"), 1, collect_event, &other, &m.other), 0);
    struct store_op ops[] = {{.key = STR("a1"), .value = STR("2")},
                             {.key = STR("a2"), .value = STR("3")}};
    assert_int_equal(node_txn(n, NULL, 0, ops, 2), 0);
    assert_int_equal(m.calls, 1);
    assert_string_equal(other.text, "");
    assert_string_equal(m.seen.text, "");
    node_put(n, "a1", "x");
    assert_string_equal(m.seen.text, "3~a1 ");
}

static void a_store_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    char key[32], value[300];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "key-%d", i % 50);
        assert_int_equal(node_put(n, key, value), 0);
        if (i % 10 == 0)
            assert_int_equal(node_delete(n, key), 0);
    }
    struct store_stats stats;
    store_stats(n->store, &stats);
    assert_true(stats.snapshots > 2);
    assert_true(stats.log_bytes < 40 * 1024);
    int64_t revision = store_revision(n->store);
    struct store_value *v = store_value_ref(store_get(n->store, STR("key-42")));
    uint64_t keys = stats.keys;
    for (int i = 0; i < 3; i++) {
        reopen(f);
        store_stats(n->store, &stats);
        assert_int_equal(store_revision(n->store), revision);
        assert_int_equal(stats.keys, keys);
        struct store_value *again = store_get(n->store, STR("key-42"));
        assert_int_equal(again->mod_revision, v->mod_revision);
        assert_int_equal(again->create_revision, v->create_revision);
        assert_int_equal(again->version, v->version);
        assert_true(str_eq(store_value_bytes(again), store_value_bytes(v)));
    }
    store_value_unref(v);
    assert_int_equal(node_put(n, "a", "b"), 0);
    assert_int_equal(n->result.revision, revision + 1);
}

struct tally {
    int count, closed;
    int64_t last_revision;
};

static void on_tally(void *ctx, const struct store_result *r)
{
    struct tally *t = ctx;
    t->count++;
    t->closed += r->rc == -E_CLOSED;
    assert_true(r->rc == -E_CLOSED || r->revision == t->last_revision + 1);
    t->last_revision = r->revision;
}

static void commands_waiting_share_one_sync(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    uint64_t before = sim_disk_sync_count(f->disk);
    struct store_op op = {.key = STR("a"), .value = STR("b")};
    struct tally t = {.last_revision = 1};
    for (int i = 0; i < 50; i++)
        assert_int_equal(store_txn(n->store, NULL, 0, &op, 1, on_tally, &t), 0);
    assert_int_equal(t.count, 0);
    node_settle(n);
    assert_int_equal(t.count, 50);
    assert_int_equal(sim_disk_sync_count(f->disk), before + 1);
}

static void closing_answers_what_is_in_flight(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    struct store_op op = {.key = STR("a"), .value = STR("b")};
    struct tally t = {.last_revision = 1};
    for (int i = 0; i < 5; i++)
        assert_int_equal(store_txn(n->store, NULL, 0, &op, 1, on_tally, &t), 0);
    node_close(n);
    assert_int_equal(t.count, 5);
    assert_int_equal(t.closed, 5);
}

static int freed;
static void count_free(void *attached)
{
    (void)attached;
    freed++;
}

static void an_attachment_is_freed_with_its_value(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_close(n);
    n->options.attach_free = count_free;
    n->options.history_revisions = 1;
    assert_int_equal(node_open(n, sim_disk_port(f->disk)), 0);
    freed = 0;
    int mark;
    struct store_op op = {.key = STR("a"), .value = STR("b"), .attached = &mark};
    struct store_compare c = {.kind = STORE_COMPARE_EXISTS, .key = STR("nothing")};
    assert_int_equal(node_txn(n, &c, 1, &op, 1), -E_CONFLICT);
    assert_int_equal(freed, 1);
    assert_int_equal(node_txn(n, NULL, 0, &op, 1), 0);
    assert_ptr_equal(store_get(n->store, STR("a"))->attached, &mark);
    op.attached = NULL;
    for (int i = 0; i < 3; i++)
        assert_int_equal(node_txn(n, NULL, 0, &op, 1), 0);
    assert_int_equal(freed, 2);
}

static void a_full_disk_refuses_writes_and_goes_on_reading(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_close(n);
    n->options.min_free_bytes = 600 * 1024;
    sim_disk_capacity(f->disk, 2 * 1024 * 1024);
    assert_int_equal(node_open(n, sim_disk_port(f->disk)), 0);
    assert_int_equal(node_put(n, "a", "1"), 0);
    sim_disk_capacity(f->disk, 700 * 1024);
    node_put(n, "a", "2");
    assert_int_equal(node_put(n, "a", "3"), -E_NO_SPACE);
    assert_string_equal(node_get(n, "a"), "2");
    reopen(f);
    assert_string_equal(node_get(n, "a"), "2");
    assert_int_equal(node_put(n, "a", "3"), -E_NO_SPACE);
    /* Room again: it is noticed within about a second, without a restart. */
    sim_disk_capacity(f->disk, 0);
    int rc = -E_NO_SPACE;
    for (int i = 0; i < 30 && rc == -E_NO_SPACE; i++) {
        assert_int_equal(loop_turn(n->loop, 0), 0);
        usleep(100 * 1000);
        rc = node_put(n, "a", "3");
    }
    assert_int_equal(rc, 0);
    assert_int_equal(n->fatal_count, 0);
}

static void a_store_opens_again_and_again_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    assert_int_equal(node_put(n, "a", "1"), 0);
    sim_disk_capacity(f->disk, 1);
    for (int i = 0; i < 300; i++) {
        reopen(f);
        assert_string_equal(node_get(n, "a"), "1");
    }
}

static void with_a_disk_thread_all_is_the_same(void **state)
{
    struct fixture *f = *state;
    struct sim_node *n = &f->node;
    node_close(n);
    n->options.synchronous = false;
    assert_int_equal(node_open(n, sim_disk_port(f->disk)), 0);
    char key[32];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "key-%d", i % 20);
        assert_int_equal(node_put(n, key, "some value that is long enough to fill the log"), 0);
    }
    int64_t revision = store_revision(n->store);
    assert_int_equal(revision, 301);
    reopen(f);
    assert_int_equal(store_revision(n->store), revision);
    assert_int_equal(n->fatal_count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_new_store_is_at_revision_1),
        T(each_change_makes_one_revision),
        T(a_failed_compare_changes_nothing_and_is_named),
        T(a_value_is_compared_by_its_bytes),
        T(bad_commands_are_refused),
        T(a_snapshot_does_not_change),
        T(a_watch_tells_history_then_live_without_gap),
        T(history_is_bounded_and_past_it_a_watch_is_expired),
        T(what_a_watch_still_has_to_read_is_not_dropped),
        T(watches_may_come_and_go_within_a_callback),
        T(a_store_comes_back_as_it_was),
        T(commands_waiting_share_one_sync),
        T(an_attachment_is_freed_with_its_value),
        T(a_full_disk_refuses_writes_and_goes_on_reading),
        T(a_store_opens_again_and_again_on_a_full_disk),
        T(with_a_disk_thread_all_is_the_same),
        T(closing_answers_what_is_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
