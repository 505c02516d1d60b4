/* Fails the Nth allocation of reading, changing and writing, until none fails: an error each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/patch.h"
#include "codec/selector.h"
#include "codec/yaml.h"

static const char document[] = "{\"a\":{\"b\":[1,2,{\"c\":\"d\\n\"}]},\"e\":1.5}";

static int read_change_write(struct arena *a, struct buf *out)
{
    struct json *j, *operations, *result;
    struct selector s;
    int rc = json_parse(a, str_of(document), NULL, &j, NULL);
    rc = rc ? rc
            : json_parse(a, STR("[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/x\"}]"), NULL,
                         &operations, NULL);
    rc = rc ? rc : patch_json(a, j, operations, &result, NULL);
    rc = rc ? rc : yaml_parse(a, STR("k: [v, &x {y: 1}, *x]"), NULL, &j, NULL, NULL);
    rc = rc ? rc : patch_merge(a, result, j, &result);
    rc = rc ? rc : selector_parse(a, STR("a in (b,c),d"), &s, NULL);
    if (rc)
        return rc;
    json_write(out, result);
    yaml_write(out, result);
    return out->failed ? -E_NOMEM : 0;
}

static void every_failed_allocation_is_an_error(void **state)
{
    int rc = -E_NOMEM;
    (void)state;
    for (uint64_t n = 1; rc != 0; n++) {
        struct arena a;
        struct buf b;
        arena_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        mem_fail_nth(n);
        rc = read_change_write(&a, &b);
        mem_fail_nth(0);
        arena_done(&a);
        buf_done(&b);
        if (rc != 0 && rc != -E_NOMEM)
            fail_msg("allocation %d failed: answer %d", (int)n, rc);
        assert_int_equal(mem_live_count(), 0);
        assert_true(n < 1000);
    }
}

/* An arena's chunks hide single allocations, so its cap is swept too. */
static void every_cap_of_the_arena_is_an_error_or_enough(void **state)
{
    int rc = -E_NOMEM;
    (void)state;
    for (size_t cap = 0; rc != 0; cap += 64) {
        struct arena a;
        struct buf b;
        arena_init(&a, cap);
        buf_init(&b, 1 << 20);
        rc = read_change_write(&a, &b);
        if (rc != 0 && rc != -E_NOMEM)
            fail_msg("arena of %d bytes: answer %d", (int)cap, rc);
        arena_done(&a);
        buf_done(&b);
        assert_true(cap < 1 << 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(every_cap_of_the_arena_is_an_error_or_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
