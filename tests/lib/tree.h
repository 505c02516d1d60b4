/* Fixture of tests that work on trees: an arena that is new for each test, and texts read into it.
 * To be included once, before the test's own headers, by a program with cmocka. */
#ifndef TESTS_LIB_TREE_H
#define TESTS_LIB_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/yaml.h"

static struct arena arena;
static struct err err;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    err_clear(&err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    assert_int_equal(mem_live_count(), 0);
    return 0;
}

/* JSON, which must be good. */
static inline struct json *parse(const char *text)
{
    struct json *j = NULL;
    if (json_parse(&arena, str_of(text), NULL, &j, &err))
        fail_msg("%s: %s", text, err.text);
    return j;
}

static inline struct json *parse_yaml(const char *text)
{
    struct json *j = NULL;
    if (yaml_parse(&arena, str_of(text), NULL, &j, NULL, &err))
        fail_msg("%s: %s", text, err.text);
    return j;
}

#endif
