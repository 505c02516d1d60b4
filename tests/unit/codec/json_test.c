#include "tests/lib/tree.h"

#include <stdio.h>

#include <cJSON.h>

#include "base/limits.h"

static void expect_error(const char *text, int code, const char *part)
{
    struct json *j = NULL;
    assert_int_equal(json_parse(&arena, str_of(text), NULL, &j, &err), -code);
    if (!strstr(err.text, part))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, err.text, part);
    assert_null(j);
}

static void expect_written(const char *text, const char *written)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    json_write(&b, parse(text));
    assert_string_equal(buf_cstr(&b), written);
}

static void reads_every_kind_of_value(void **state)
{
    (void)state;
    struct json *j = parse(" {\"a\":null,\"b\":true,\"c\":-12,\"d\":1.5e3,\"e\":\"x\\n\\u00e9\","
                           "\"f\":[1,[]],\"g\":{}} ");
    assert_int_equal(json_count(j), 7);
    assert_true(json_absent(json_get(j, "a")));
    assert_true(json_bool(json_get(j, "b"), false));
    assert_int_equal(json_i64(json_get(j, "c"), 0), -12);
    assert_true(json_get(j, "d")->number == 1500);
    assert_string_equal(json_cstr(json_get(j, "e")), "x\n\xc3\xa9");
    assert_int_equal(json_count(json_get(j, "f")), 2);
    assert_true(json_is(json_get(j, "g"), JSON_OBJECT));
}

static void keeps_int64_exact(void **state)
{
    (void)state;
    assert_int_equal(parse("9223372036854775807")->i64, INT64_MAX);
    assert_int_equal(parse("-9223372036854775808")->i64, INT64_MIN);
    assert_int_equal(parse("9223372036854775808")->type, JSON_DOUBLE);
    expect_written("9007199254740993", "9007199254740993");
}

static void spells_as_encoding_json(void **state)
{
    (void)state;
    expect_written("\"<a> & \\u2028 \\u0001 \\b\\f \\/ \x7f\"",
                   "\"\\u003ca\\u003e \\u0026 \\u2028 \\u0001 \\b\\f / \x7f\"");
    expect_written("[1.0,0.1,1e21,1e-7,123456.789,100000000000000000000,-0.5]",
                   "[1,0.1,1e+21,1e-7,123456.789,100000000000000000000,-0.5]");
    expect_written("\"\\ud83d\\ude00 \\ud800\"", "\"\xf0\x9f\x98\x80 \xef\xbf\xbd\"");
}

static void refuses_malformed_text_by_place(void **state)
{
    (void)state;
    expect_error("", E_SYNTAX, "unexpected end");
    expect_error("{\"a\":1,}", E_SYNTAX, "line 1, column 8");
    expect_error("{\n \"a\" 1}", E_SYNTAX, "line 2, column 6: invalid character '1', expected ':'");
    expect_error("[1 2]", E_SYNTAX, "expected ',' or ']'");
    expect_error("01", E_SYNTAX, "leading zero");
    expect_error("1.", E_SYNTAX, "digit");
    expect_error("\"\x01\"", E_SYNTAX, "control character");
    expect_error("\"\xc0\x80\"", E_SYNTAX, "UTF-8");
    expect_error("\"\xed\xa0\x80\"", E_SYNTAX, "UTF-8");
    expect_error("\"\\x\"", E_SYNTAX, "backslash");
    expect_error("\"abc\\", E_SYNTAX, "unexpected end");
    expect_error("truex", E_SYNTAX, "nothing after the document");
    expect_error("1e999", E_SYNTAX, "out of range");
    expect_error("{} {}", E_SYNTAX, "nothing after the document");
}

static void note_path(void *ctx, const char *path)
{
    struct buf *b = ctx;
    buf_printf(b, "%s;", path);
}

static void duplicate_keys_are_found_with_their_path(void **state)
{
    (void)state;
    expect_error("{\"spec\":{\"c\":[{},{\"n\":1,\"n\":2}]}}", E_SYNTAX,
                 "duplicate field \"spec.c[1].n\"");
    CLEANUP_BUF struct buf seen;
    buf_init(&seen, 10000);
    struct json_options o = {.duplicate = note_path, .ctx = &seen};
    struct json *j;
    assert_int_equal(
        json_parse(&arena, STR("{\"a\":1,\"b\":{\"x\":1,\"x\":2},\"a\":3}"), &o, &j, &err), 0);
    assert_string_equal(buf_cstr(&seen), "b.x;a;");
    assert_int_equal(json_i64(json_get(j, "a"), 0), 3);
    assert_int_equal(json_path_i64(j, "b.x", 0), 2);
    assert_int_equal(json_count(j), 2);
}

static void duplicates_among_many_members_are_found(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%s\"k%d\":%d", i ? "," : "{", i, i);
    buf_puts(&b, ",\"k7\":0}");
    expect_error(buf_cstr(&b), E_SYNTAX, "duplicate field \"k7\"");
}

static void depth_nodes_and_members_are_bounded(void **state)
{
    (void)state;
    struct json *j;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 8 << 20);
    for (int i = 0; i < 1000000; i++)
        buf_putc(&b, '[');
    expect_error(buf_cstr(&b), E_LIMIT, "nested deeper than 100 levels");
    struct json_options few = {.max_nodes = 3};
    assert_int_equal(json_parse(&arena, STR("[1,2,3]"), &few, &j, &err), -E_LIMIT);
    buf_clear(&b);
    for (int i = 0; i <= JSON_OBJECT_MEMBERS; i++)
        buf_printf(&b, "%s\"%d\":0", i ? "," : "{", i);
    buf_putc(&b, '}');
    expect_error(buf_cstr(&b), E_LIMIT, "members in one object");
}

static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    struct arena small;
    struct json *j;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_puts(&b, i ? ",1" : "[1");
    buf_putc(&b, ']');
    arena_init(&small, 100000);
    assert_int_equal(json_parse(&small, buf_str(&b), NULL, &j, &err), -E_NOMEM);
    arena_done(&small);
}

static void members_can_be_set_replaced_and_removed(void **state)
{
    (void)state;
    struct json *j = parse("{\"a\":1,\"b\":2,\"c\":3}");
    json_set_cstr(&arena, j, "b", "new");
    assert_true(json_remove(j, "c"));
    assert_false(json_remove(j, "c"));
    json_set_i64(&arena, j, "d", 4);
    json_set_path(&arena, j, "x.y.z", json_new_bool(&arena, true));
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1000);
    json_write(&b, j);
    assert_string_equal(buf_cstr(&b), "{\"a\":1,\"b\":\"new\",\"d\":4,\"x\":{\"y\":{\"z\":true}}}");
    assert_null(json_object_at(&arena, j, "a"));
    assert_null(json_set_path(&arena, j, "a.b", json_new_i64(&arena, 1)));
}

static void elements_can_be_inserted_and_removed(void **state)
{
    (void)state;
    struct json *j = parse("[1,2,3]");
    json_remove_at(j, 2);
    json_insert_at(j, 0, json_new_i64(&arena, 0));
    json_append(&arena, j, json_new_i64(&arena, 9));
    json_insert_at(j, 2, json_new_i64(&arena, 5));
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1000);
    json_write(&b, j);
    assert_string_equal(buf_cstr(&b), "[0,1,5,2,9]");
}

static void equality_ignores_the_order_of_members(void **state)
{
    (void)state;
    assert_true(json_equal(parse("{\"a\":[1,2],\"b\":{}}"), parse("{\"b\":{},\"a\":[1,2.0]}")));
    assert_false(json_equal(parse("{\"a\":[1,2]}"), parse("{\"a\":[2,1]}")));
    assert_false(json_equal(parse("{\"a\":1}"), parse("{\"b\":1}")));
    assert_false(json_equal(parse("{\"a\":null}"), parse("{\"b\":null}")));
}

static void a_clone_is_equal_and_apart(void **state)
{
    (void)state;
    struct json *j = parse("{\"a\":[{\"b\":\"c\"},1.5,true,null]}"), *copy = json_clone(&arena, j);
    assert_true(json_equal(j, copy));
    json_set_i64(&arena, json_at(json_get(copy, "a"), 0), "b", 1);
    assert_false(json_equal(j, copy));
}

/* cJSON as an oracle: it may accept more than we do, but what both accept must mean the same. */
static bool agrees(const struct json *j, const cJSON *c)
{
    const cJSON *child = c->child;
    switch (j->type) {
    case JSON_NULL:
        return cJSON_IsNull(c);
    case JSON_BOOL:
        return cJSON_IsBool(c) && cJSON_IsTrue(c) == j->boolean;
    case JSON_INT:
        return cJSON_IsNumber(c) && c->valuedouble == (double)j->i64;
    case JSON_DOUBLE:
        return cJSON_IsNumber(c) && c->valuedouble == j->number;
    case JSON_STRING:
        return cJSON_IsString(c) && strcmp(c->valuestring, j->string.p) == 0;
    default:
        for (const struct json *m = json_first(j); m; m = m->next, child = child->next)
            if (!child || !agrees(m, child) || (m->key.p && strcmp(m->key.p, child->string) != 0))
                return false;
        return child == NULL;
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void make_document(struct buf *b, uint32_t *seed, int depth)
{
    static const char *const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-17",
                                          "3.25",
                                          "1e5",
                                          "\"\"",
                                          "\"t\\u00fcr\\n\"",
                                          "\"\\\"q\\\"\"",
                                          "1234567890123"};
    uint32_t kind = next_random(seed) % (depth > 6 ? 8 : 12), count = next_random(seed) % 5;
    if (kind < 8) {
        buf_puts(b, scalars[next_random(seed) % 11]);
        return;
    }
    buf_putc(b, kind < 10 ? '[' : '{');
    for (uint32_t i = 0; i < count; i++) {
        buf_puts(b, i ? " ,\t" : "");
        if (kind >= 10)
            buf_printf(b, "\"k%u\" : ", i);
        make_document(b, seed, depth + 1);
    }
    buf_putc(b, kind < 10 ? ']' : '}');
}

static void agrees_with_cjson_on_thousands_of_documents(void **state)
{
    (void)state;
    uint32_t seed = 20261123, same = 0;
    for (int i = 0; i < 5000; i++) {
        CLEANUP_BUF struct buf b;
        struct json *j;
        buf_init(&b, 1 << 20);
        make_document(&b, &seed, 0);
        if (i % 3 == 0 && buf_len(&b) > 2) /* broken on purpose */
            b.data[next_random(&seed) % b.len] = (char)(0x20 + next_random(&seed) % 0x5f);
        cJSON *c = cJSON_ParseWithOpts(buf_cstr(&b), NULL, 1);
        arena_clear(&arena);
        int rc = json_parse(&arena, buf_str(&b), NULL, &j, &err);
        bool duplicate = rc && strstr(err.text, "duplicate field");
        if (rc == 0 && !c)
            fail_msg("seed 20261123, document %d: we accept what cJSON refuses: %s", i,
                     buf_cstr(&b));
        if (i % 3 != 0 && rc)
            fail_msg("document %d: refused: %s: %s", i, err.text, buf_cstr(&b));
        if (rc == 0 && !agrees(j, c))
            fail_msg("document %d: read differently: %s", i, buf_cstr(&b));
        if (rc == 0 && !duplicate)
            same++;
        cJSON_Delete(c);
    }
    assert_true(same > 3000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reads_every_kind_of_value),
        T(keeps_int64_exact),
        T(spells_as_encoding_json),
        T(refuses_malformed_text_by_place),
        T(duplicate_keys_are_found_with_their_path),
        T(duplicates_among_many_members_are_found),
        T(depth_nodes_and_members_are_bounded),
        T(a_full_arena_is_an_error),
        T(members_can_be_set_replaced_and_removed),
        T(elements_can_be_inserted_and_removed),
        T(equality_ignores_the_order_of_members),
        T(a_clone_is_equal_and_apart),
        T(agrees_with_cjson_on_thousands_of_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
