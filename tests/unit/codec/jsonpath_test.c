/* JSONPath as columns of custom resources use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/jsonpath.h"

static const char document[] =
    "{\"a\":{\"b\":1,\"c.d\":\"x\",\"list\":[{\"n\":\"p\",\"v\":1},{\"n\":\"q\",\"v\":2},{\"n\":"
    "\"r\",\"v\":3}]},\"t\":true}";

static bool join(void *ctx, const struct json *value)
{
    struct buf *out = ctx;
    if (buf_len(out))
        buf_putc(out, ' ');
    json_write(out, value);
    return true;
}

static void paths_find_what_they_name(void **state)
{
    static const struct {
        const char *path, *found;
    } cases[] = {
        {".a.b", "1"},
        {"{.a.b}", "1"},
        {"$.a.b", "1"},
        {".a['c.d']", "\"x\""},
        {".a.c\\.d", "\"x\""},
        {".a.list[0].n", "\"p\""},
        {".a.list[-1].n", "\"r\""},
        {".a.list[1:].v", "2 3"},
        {".a.list[0:3:2].v", "1 3"},
        {".a.list[*].n", "\"p\" \"q\" \"r\""},
        {".a.list[?(@.n==\"q\")].v", "2"},
        {".a.list[?(@.v>=2)].n", "\"q\" \"r\""},
        {".a.list[?(@.n!='q')].v", "1 3"},
        {"..v", "1 2 3"},
        {".t", "true"},
        {".missing.x", ""},
        {".a.list[7].n", ""},
    };
    struct arena a CLEANUP_ARENA;
    struct json *root;
    (void)state;
    arena_init(&a, 1 << 20);
    assert_int_equal(json_parse(&a, str_of(document), NULL, &root, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEANUP_BUF struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(jsonpath_each(str_of(cases[i].path), root, join, &out, NULL), 0);
        assert_string_equal(buf_cstr(&out), cases[i].found);
    }
    assert_int_equal(json_i64(jsonpath_first(STR(".a.list[*].v"), root), 0), 1);
}

static void wrong_spellings_are_refused(void **state)
{
    static const char *const wrong[] = {".a[", ".a[]", ".a[x]", ".a[?(b)]", ".a[0:1:0]", ".a]"};
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_true(jsonpath_check(str_of(wrong[i]), &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_what_they_name),
        cmocka_unit_test(wrong_spellings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
