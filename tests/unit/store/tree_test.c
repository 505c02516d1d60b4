/* The copy-on-write tree against a plain sorted array, with versions kept from along the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/prng.h"
#include "store/tree.h"
#include "store/value.h"

enum { KEYS = 3000, STEPS = 30000, VERSIONS = 20 };

struct plain {
    int value[KEYS]; /* 0: absent */
};

struct version {
    struct plain plain;
    struct tree_node *root;
};

static struct str key_of(int key, char buffer[16])
{
    snprintf(buffer, 16, "k%06d", key);
    return str_of(buffer);
}

struct walk {
    const struct plain *plain;
    int at;
    int count;
};

static bool walk_fn(void *ctx, struct store_value *v)
{
    struct walk *w = ctx;
    char kb[16], vb[16];
    while (w->at < KEYS && !w->plain->value[w->at])
        w->at++;
    assert_true(w->at < KEYS);
    snprintf(vb, sizeof(vb), "%d", w->plain->value[w->at]);
    assert_true(str_eq(store_value_key(v), key_of(w->at, kb)));
    assert_true(str_is(store_value_bytes(v), vb));
    w->at++;
    w->count++;
    return true;
}

static void check_version(const struct version *v, struct prng *prng)
{
    char fb[16], tb[16];
    assert_true(tree_valid(v->root));
    int from = (int)prng_below(prng, KEYS), to = (int)prng_below(prng, KEYS), expected = 0, all = 0;
    for (int i = 0; i < KEYS; i++) {
        expected += i >= from && i < to && v->plain.value[i];
        all += v->plain.value[i] != 0;
    }
    struct walk w = {&v->plain, from, 0};
    assert_true(tree_range(v->root, key_of(from, fb), key_of(to, tb), walk_fn, &w));
    assert_int_equal(w.count, expected);
    w = (struct walk){&v->plain, 0, 0};
    assert_true(tree_range(v->root, STR(""), STR(""), walk_fn, &w));
    assert_int_equal(w.count, all);
    assert_int_equal(tree_total(v->root), all);
    int rank = 0;
    for (int i = 0; i < from; i++)
        rank += v->plain.value[i] != 0;
    assert_int_equal(tree_rank(v->root, key_of(from, fb)), rank);
}

static void change(struct version *v, struct prng *prng, int step, int key, bool remove)
{
    char kb[16], vb[16];
    struct store_value *old = NULL;
    (void)prng;
    if (remove) {
        assert_int_equal(tree_delete(&v->root, key_of(key, kb), &old), 0);
    } else {
        snprintf(vb, sizeof(vb), "%d", step);
        struct store_value *new;
        assert_int_equal(store_value_new(key_of(key, kb), str_of(vb), NULL, &new), 0);
        assert_int_equal(tree_put(&v->root, new, &old), 0);
        store_value_unref(new);
    }
    assert_int_equal(old != NULL, v->plain.value[key] != 0);
    store_value_unref(old);
    v->plain.value[key] = remove ? 0 : step;
}

static void every_version_keeps_what_it_had(void **state)
{
    (void)state;
    static struct version now, kept[VERSIONS];
    uint64_t live = mem_live_count();
    struct prng prng;
    prng_init(&prng, 5);
    for (int step = 1; step <= STEPS; step++) {
        /* It grows, then shrinks to nothing. */
        bool growing = step < STEPS / 2;
        bool remove = growing ? prng_below(&prng, 4) == 0 : prng_below(&prng, 8) != 0;
        change(&now, &prng, step, (int)prng_below(&prng, KEYS), remove);
        if (step % 500 == 0) {
            struct version *v = &kept[prng_below(&prng, VERSIONS)];
            tree_unref(v->root);
            *v = now;
            tree_ref(v->root);
            check_version(&kept[prng_below(&prng, VERSIONS)], &prng);
        }
    }
    for (int i = 0; i < VERSIONS; i++)
        check_version(&kept[i], &prng);
    for (int i = 0; i < KEYS; i++)
        change(&now, &prng, 1, i, true);
    assert_null(now.root);
    for (int i = 0; i < VERSIONS; i++) {
        check_version(&kept[i], &prng);
        tree_unref(kept[i].root);
    }
    assert_int_equal(mem_live_count(), live);
}

static void a_failed_change_hurts_no_other_version(void **state)
{
    (void)state;
    static struct version v;
    uint64_t live = mem_live_count();
    struct prng prng;
    prng_init(&prng, 6);
    for (int i = 0; i < 1200; i++)
        change(&v, &prng, i + 1, (int)prng_below(&prng, KEYS), false);
    for (int i = 0; i < 3000; i++) {
        char kb[16];
        int key = (int)prng_below(&prng, KEYS);
        struct tree_node *work = tree_ref(v.root);
        struct store_value *new, *old = NULL;
        assert_int_equal(store_value_new(key_of(key, kb), STR("x"), NULL, &new), 0);
        mem_fail_nth(1 + prng_below(&prng, 8));
        int rc = i % 2 ? tree_put(&work, new, &old) : tree_delete(&work, key_of(key, kb), &old);
        mem_fail_nth(0);
        assert_true(rc == 0 || rc == -E_NOMEM);
        if (!rc)
            store_value_unref(old);
        store_value_unref(new);
        tree_unref(work);
        if (i % 100 == 0)
            check_version(&v, &prng);
    }
    tree_unref(v.root);
    assert_int_equal(mem_live_count(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_keeps_what_it_had),
        cmocka_unit_test(a_failed_change_hurts_no_other_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
