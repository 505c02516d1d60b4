/* Unified diffs, as difflib makes them (which upstream's library follows). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/kinds/spec_diff.h"
#include "base/buf.h"

static const struct {
    const char *before, *now, *diff;
} cases[] = {
    {"{\"a\": 1, \"b\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], \"c\": \"x\"}",
     "{\"a\": 2, \"b\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 14], \"c\": \"x\"}",
     "@@ -1,5 +1,5 @@\n"
     " {\n"
     "- \"a\": 1,\n"
     "+ \"a\": 2,\n"
     "  \"b\": [\n"
     "   1,\n"
     "   2,\n"
     "@@ -14,6 +14,7 @@\n"
     "   11,\n"
     "   12,\n"
     "   13,\n"
     "+  15,\n"
     "   14\n"
     "  ],\n"
     "  \"c\": \"x\"\n"},
    {"{\"a\": [\"x\", \"x\", \"y\"], \"b\": {}}",
     "{\"a\": [\"x\", \"y\", \"x\"], \"b\": {\"c\": null}}",
     "@@ -1,8 +1,10 @@\n"
     " {\n"
     "  \"a\": [\n"
     "   \"x\",\n"
     "-  \"x\",\n"
     "-  \"y\"\n"
     "+  \"y\",\n"
     "+  \"x\"\n"
     "  ],\n"
     "- \"b\": {}\n"
     "+ \"b\": {\n"
     "+  \"c\": null\n"
     "+ }\n"
     " }\n"},
    {"{\"a\": true}",
     "{\"a\": true, \"b\": 1}",
     "@@ -1,3 +1,4 @@\n"
     " {\n"
     "- \"a\": true\n"
     "+ \"a\": true,\n"
     "+ \"b\": 1\n"
     " }\n"},
    {"{\"l\": [1, 2, 3, 4, 5, 6, 7, 8]}",
     "{\"l\": [1, 9, 3, 4, 5, 6, 7, 8, 8]}",
     "@@ -1,12 +1,13 @@\n"
     " {\n"
     "  \"l\": [\n"
     "   1,\n"
     "-  2,\n"
     "+  9,\n"
     "   3,\n"
     "   4,\n"
     "   5,\n"
     "   6,\n"
     "   7,\n"
     "+  8,\n"
     "   8\n"
     "  ]\n"
     " }\n"},
};

static struct json *parsed(struct arena *a, const char *text)
{
    struct json *j = NULL;
    assert_int_equal(json_parse(a, str_of(text), NULL, &j, NULL), 0);
    return j;
}

static void what_changed_is_told(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(spec_diff(&a, parsed(&a, cases[i].before), parsed(&a, cases[i].now)),
                            cases[i].diff);
    arena_done(&a);
}

static void nothing_and_too_much(void **state)
{
    struct arena a;
    struct buf text;
    (void)state;
    arena_init(&a, 16 << 20);
    assert_string_equal(spec_diff(&a, parsed(&a, "{\"a\":1}"), parsed(&a, "{\"a\":1}")), "");
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "%s%d", i ? "," : "[", i);
    buf_putc(&text, ']');
    assert_string_equal(spec_diff(&a, parsed(&a, "[]"), parsed(&a, buf_cstr(&text))), "");
    buf_done(&text);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changed_is_told),
        cmocka_unit_test(nothing_and_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
