/*
 * The store against a disk that dies, lies and rots. A fixed script of commands runs against a
 * model that knows the whole map at each revision; whatever happens, a store that opens must equal
 * the model at one revision that is not older than the newest acknowledged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_node.h"

enum { KEYS = 8, COMMANDS = 120, BATCH = 3, VALUE_PAD = 120 };

/* ---- the model ---- */

/* For each key the number of the command that wrote it last; 0: absent. By revision. */
struct model {
    int state[COMMANDS + 2][KEYS];
    int64_t final;
};

/* Command c puts one key, and every third one deletes another. */
static int put_key(int c)
{
    return c * 7 % KEYS;
}

static int delete_key(int c)
{
    return c % 3 == 0 ? (c * 7 + 3) % KEYS : -1;
}

static void model_make(struct model *m)
{
    memset(m, 0, sizeof(*m));
    m->final = 1;
    for (int c = 1; c <= COMMANDS; c++) {
        int64_t r = ++m->final;
        memcpy(m->state[r], m->state[r - 1], sizeof(m->state[r]));
        m->state[r][put_key(c)] = c;
        if (delete_key(c) >= 0)
            m->state[r][delete_key(c)] = 0;
    }
}

static struct str key_text(int key, char buffer[16])
{
    snprintf(buffer, 16, "/k/%d", key);
    return str_of(buffer);
}

static struct str value_text(int command, char buffer[VALUE_PAD + 32])
{
    int n = snprintf(buffer, 32, "command %d ", command);
    memset(buffer + n, 'a' + command % 26, VALUE_PAD);
    return str_make(buffer, (size_t)n + VALUE_PAD);
}

static bool store_equals(struct store *s, const int *state)
{
    char kb[16], vb[VALUE_PAD + 32];
    struct store_stats stats;
    uint64_t keys = 0;
    for (int k = 0; k < KEYS; k++) {
        struct store_value *v = store_get(s, key_text(k, kb));
        if (!v != (state[k] == 0))
            return false;
        if (v && !str_eq(store_value_bytes(v), value_text(state[k], vb)))
            return false;
        keys += v != NULL;
    }
    store_stats(s, &stats);
    return stats.keys == keys;
}

/* ---- the script ---- */

struct script {
    struct sim_node node;
    struct sim_disk *disk;
    int64_t acknowledged;
    int given, answered;
};

static void on_done(void *ctx, const struct store_result *r)
{
    struct script *s = ctx;
    s->answered++;
    if (r->rc == 0 && r->revision > s->acknowledged)
        s->acknowledged = r->revision;
}

static int give(struct script *s, int c)
{
    char kb[16], db[16], vb[VALUE_PAD + 32];
    struct store_op ops[2] = {{.key = key_text(put_key(c), kb), .value = value_text(c, vb)}};
    size_t n = 1;
    if (delete_key(c) >= 0)
        ops[n++] = (struct store_op){.is_delete = true, .key = key_text(delete_key(c), db)};
    int rc = store_txn(s->node.store, NULL, 0, ops, n, on_done, s);
    if (!rc)
        s->given++;
    return rc;
}

/* Opens, and gives the commands from first on, some at a time, until the end or a failure. */
static int run(struct script *s, int first)
{
    int rc = node_open(&s->node, sim_disk_port(s->disk));
    if (rc)
        return rc;
    for (int c = first; c <= COMMANDS && !s->node.fatal_count; c++) {
        if (give(s, c))
            break;
        if (c % BATCH == 0 || c == COMMANDS)
            node_settle(&s->node);
    }
    node_settle(&s->node);
    node_close(&s->node);
    return 0;
}

static void script_init(struct script *s, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    s->acknowledged = 1;
    s->disk = sim_disk_new(seed);
    node_init(&s->node);
    s->node.options.snapshot_after_bytes = 6 * 1024;
}

static void script_done(struct script *s)
{
    node_done(&s->node);
    sim_disk_free(s->disk);
}

/* Opens after a fault: it must open, hold every acknowledged command, and go on to the end. */
static void check_recovered(struct script *s, const struct model *m, uint64_t seed, uint64_t at)
{
    s->node.fatal_count = 0;
    int rc = node_open(&s->node, sim_disk_port(s->disk));
    if (rc)
        fail_msg("seed %llu, operation %llu: does not open: %s", (unsigned long long)seed,
                 (unsigned long long)at, s->node.err.text);
    int64_t revision = store_revision(s->node.store);
    if (revision < s->acknowledged || revision > m->final ||
        !store_equals(s->node.store, m->state[revision]))
        fail_msg("seed %llu, operation %llu: wrong at revision %lld (acknowledged %lld)",
                 (unsigned long long)seed, (unsigned long long)at, (long long)revision,
                 (long long)s->acknowledged);
    node_close(&s->node);
    s->acknowledged = revision;
    assert_int_equal(run(s, (int)revision), 0); /* command c makes revision c + 1 */
    assert_int_equal(s->node.fatal_count, 0);
    assert_int_equal(s->acknowledged, m->final);
    assert_int_equal(node_open(&s->node, sim_disk_port(s->disk)), 0);
    assert_true(store_equals(s->node.store, m->state[m->final]));
}

/* ---- tests ---- */

static void a_crash_at_any_operation_loses_nothing_acknowledged(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        bool died = true;
        uint64_t at = 1;
        for (; died; at++) {
            struct script s;
            script_init(&s, seed * 1000 + at);
            sim_disk_die_at(s.disk, at);
            (void)run(&s, 1);
            died = sim_disk_dead(s.disk);
            sim_disk_crash(s.disk);
            check_recovered(&s, &m, seed, at);
            script_done(&s);
        }
        assert_true(at > 150);
    }
}

static void a_second_crash_in_recovery_loses_nothing_either(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    for (uint64_t first = 5; first < 240; first += 11) {
        bool died = true;
        for (uint64_t at = 1; died; at++) {
            struct script s;
            script_init(&s, first * 1000 + at);
            sim_disk_die_at(s.disk, first);
            (void)run(&s, 1);
            sim_disk_crash(s.disk);
            sim_disk_die_at(s.disk, at);
            s.node.fatal_count = 0;
            died = node_open(&s.node, sim_disk_port(s.disk)) != 0;
            node_close(&s.node);
            sim_disk_crash(s.disk);
            check_recovered(&s, &m, first, at);
            script_done(&s);
        }
    }
}

static void a_failed_sync_is_fatal_and_acknowledges_nothing(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct script s;
        script_init(&s, at);
        sim_disk_fail_sync(s.disk, at);
        int rc = run(&s, 1);
        failed = rc || s.node.fatal_count;
        if (!rc && failed) {
            assert_int_equal(s.node.fatal_count, 1);
            assert_non_null(strstr(s.node.fatal, "store file"));
            assert_int_equal(s.answered, s.given);
        }
        sim_disk_crash(s.disk);
        check_recovered(&s, &m, 0, at);
        script_done(&s);
    }
}

static void a_failed_write_is_fatal_and_loses_nothing(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct script s;
        script_init(&s, at);
        sim_disk_fail_write(s.disk, at);
        int rc = run(&s, 1);
        failed = rc || s.node.fatal_count;
        sim_disk_crash(s.disk);
        check_recovered(&s, &m, 0, at);
        script_done(&s);
    }
}

/* A store that opens is right or the fault was seen: never wrong data, never less than promised. */
static void check_right_or_refused(struct script *s, const struct model *m, const char *what,
                                   uint64_t at, int *refused)
{
    s->node.fatal_count = 0;
    int rc = node_open(&s->node, sim_disk_port(s->disk));
    if (rc) {
        if (rc != -E_CORRUPT && rc != -E_UNSUPPORTED)
            fail_msg("%s at %llu: %s", what, (unsigned long long)at, s->node.err.text);
        assert_non_null(strstr(s->node.err.text, "store"));
        assert_true(strstr(s->node.err.text, "estore") || strstr(s->node.err.text, "newer"));
        ++*refused;
        return;
    }
    int64_t revision = store_revision(s->node.store);
    if (revision < s->acknowledged || !store_equals(s->node.store, m->state[revision]))
        fail_msg("%s at %llu: revision %lld of %lld, or wrong contents", what,
                 (unsigned long long)at, (long long)revision, (long long)s->acknowledged);
    node_close(&s->node);
}

static void a_misplaced_write_is_never_taken_for_data(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    int refused = 0;
    for (uint64_t at = 1; at < 250; at++) {
        struct script s;
        script_init(&s, at);
        sim_disk_misplace_write(s.disk, at);
        (void)run(&s, 1);
        sim_disk_misplace_write(s.disk, 0);
        check_right_or_refused(&s, &m, "misplaced write", at, &refused);
        script_done(&s);
    }
    assert_true(refused > 5);
}

static void a_lost_write_is_never_taken_for_data(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    int refused = 0;
    for (uint64_t at = 1; at < 250; at++) {
        struct script s;
        script_init(&s, at);
        sim_disk_lose_write(s.disk, at);
        (void)run(&s, 1);
        sim_disk_lose_write(s.disk, 0);
        /* The last frame, lost without trace with nothing written behind it but its own mark, is
         * still told by that mark. */
        check_right_or_refused(&s, &m, "lost write", at, &refused);
        script_done(&s);
    }
    print_message("%d lost writes refused, the others harmless\n", refused);
    assert_true(refused > 2);
}

static void each_flipped_byte_is_refused_or_harmless(void **state)
{
    (void)state;
    struct model m;
    model_make(&m);
    struct script s;
    script_init(&s, 1);
    sim_disk_allocate_off(s.disk); /* smaller files: fewer bytes that mean nothing */
    assert_int_equal(run(&s, 1), 0);
    /* Opening writes too (term, first entry): each trial begins with the same bytes. */
    size_t files = sim_disk_file_count(s.disk);
    char *saved[16];
    size_t sizes[16];
    assert_true(files >= 3 && files <= 16);
    int refused = 0, trials = 0;
    for (size_t i = 0; i < files; i++) {
        char *bytes = sim_disk_file_bytes(s.disk, i, &sizes[i]);
        saved[i] = malloc(sizes[i]);
        memcpy(saved[i], bytes, sizes[i]);
    }
    for (size_t i = 0; i < files; i++) {
        bool log = strncmp(sim_disk_file_name(s.disk, i), "log-", 4) == 0;
        for (size_t at = 0; at < sizes[i]; at++) {
            bool gap = log && at >= 64 && at < 4096 - 64;
            if (gap && at % 97 != 0) /* between header and frames nothing is read */
                continue;
            struct script t;
            script_init(&t, 1);
            t.acknowledged = s.acknowledged;
            for (size_t j = 0; j < files; j++) {
                struct disk d = sim_disk_port(t.disk);
                struct disk_file *file;
                assert_int_equal(d.ops->open(d.ctx, sim_disk_file_name(s.disk, j), true, &file), 0);
                assert_int_equal(d.ops->write(d.ctx, file, 0, saved[j], sizes[j]), 0);
                d.ops->close(d.ctx, file);
            }
            size_t size;
            sim_disk_file_bytes(t.disk, i, &size)[at] ^= (char)(1 << at % 8);
            check_right_or_refused(&t, &m, sim_disk_file_name(s.disk, i), at, &refused);
            script_done(&t);
            trials++;
        }
    }
    print_message("%d of %d flips refused, the others harmless\n", refused, trials);
    assert_true(refused > 1000);
    for (size_t i = 0; i < files; i++)
        free(saved[i]);
    script_done(&s);
}

static void a_missing_file_is_refused(void **state)
{
    (void)state;
    const char *prefixes[] = {"hard", "log-", "snap-"};
    for (size_t i = 0; i < 3; i++) {
        struct script s;
        script_init(&s, 1);
        assert_int_equal(run(&s, 1), 0);
        struct disk d = sim_disk_port(s.disk);
        for (size_t j = sim_disk_file_count(s.disk); j-- > 0;) {
            char name[64];
            snprintf(name, sizeof(name), "%s", sim_disk_file_name(s.disk, j));
            if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
                assert_int_equal(d.ops->unlink(d.ctx, name), 0);
        }
        assert_int_equal(node_open(&s.node, d), -E_CORRUPT);
        assert_non_null(strstr(s.node.err.text, "backup"));
        script_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_at_any_operation_loses_nothing_acknowledged),
        cmocka_unit_test(a_second_crash_in_recovery_loses_nothing_either),
        cmocka_unit_test(a_failed_sync_is_fatal_and_acknowledges_nothing),
        cmocka_unit_test(a_failed_write_is_fatal_and_loses_nothing),
        cmocka_unit_test(a_misplaced_write_is_never_taken_for_data),
        cmocka_unit_test(a_lost_write_is_never_taken_for_data),
        cmocka_unit_test(each_flipped_byte_is_refused_or_harmless),
        cmocka_unit_test(a_missing_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
