#include "tests/lib/tree.h"

#include "codec/patch.h"

static void expect(const char *target, const char *patch, const char *result)
{
    struct json *j;
    if (patch_json(&arena, parse(target), parse(patch), &j, &err))
        fail_msg("%s: %s", patch, err.text);
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    json_write(&b, j);
    assert_string_equal(buf_cstr(&b), result);
}

static void expect_error(const char *target, const char *patch, int code, const char *part)
{
    struct json *j = NULL;
    assert_int_equal(patch_json(&arena, parse(target), parse(patch), &j, &err), -code);
    if (!strstr(err.text, part))
        fail_msg("%s: \"%s\" lacks \"%s\"", patch, err.text, part);
    assert_null(j);
}

/* The examples of RFC 6902, appendix A. */
static void json_patch_does_what_the_rfc_shows(void **state)
{
    (void)state;
    expect("{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
           "{\"foo\":\"bar\",\"baz\":\"qux\"}");
    expect("{\"foo\":[\"bar\",\"baz\"]}",
           "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
           "{\"foo\":[\"bar\",\"qux\",\"baz\"]}");
    expect("{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
           "{\"foo\":\"bar\"}");
    expect("{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
           "{\"foo\":[\"bar\",\"baz\"]}");
    expect("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]", "{\"a\":2}");
    expect("{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
           "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
           "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}");
    expect("{\"foo\":[\"a\",\"b\",\"c\",\"d\"]}",
           "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
           "{\"foo\":[\"a\",\"c\",\"d\",\"b\"]}");
    expect("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":[2]}]", "{\"a\":[1,[2]]}");
    expect("{\"/\":9,\"~1\":10}",
           "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10},"
           "{\"op\":\"remove\",\"path\":\"/~1\"}]",
           "{\"~1\":10}");
    expect("{\"a\":{\"b\":1}}",
           "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},"
           "{\"op\":\"replace\",\"path\":\"/c/b\",\"value\":2}]",
           "{\"a\":{\"b\":1},\"c\":{\"b\":2}}");
    expect("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]", "[]");
}

static void what_does_not_apply_is_refused(void **state)
{
    (void)state;
    expect_error("{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", E_INVALID, "/a");
    expect_error("{}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", E_INVALID,
                 "missing path");
    expect_error("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", E_INVALID,
                 "testing value");
    expect_error("[1]", "[{\"op\":\"add\",\"path\":\"/5\",\"value\":1}]", E_INVALID,
                 "missing path");
    expect_error("[1]", "[{\"op\":\"add\",\"path\":\"/01\",\"value\":1}]", E_INVALID,
                 "malformed pointer");
    expect_error("[1]", "[{\"op\":\"add\",\"path\":\"/4294967296\",\"value\":1}]", E_INVALID,
                 "missing path");
    expect_error("[1]", "[{\"op\":\"add\",\"path\":\"/18446744073709551617\",\"value\":1}]",
                 E_INVALID, "malformed");
    expect_error("{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", E_INVALID,
                 "within");
    expect_error("{}", "[{\"op\":\"remove\",\"path\":\"\"}]", E_INVALID, "whole document");
    expect_error("{}", "{}", E_BAD_REQUEST, "array of operations");
    expect_error("{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", E_BAD_REQUEST, "needs a \"value\"");
    expect_error("{}", "[{\"op\":\"burn\",\"path\":\"/a\"}]", E_BAD_REQUEST, "unexpected kind");
    expect_error("{}", "[{\"op\":\"add\",\"value\":1}]", E_BAD_REQUEST, "string \"path\"");
}

static void copies_cannot_blow_a_document_up(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 40; i++)
        buf_printf(&b, "%s{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/%d\"}", i ? "," : "[", i);
    buf_putc(&b, ']');
    expect_error("{\"a\":{\"x\":\"0123456789\"}}", buf_cstr(&b), E_TOO_LARGE, "too large");
}

static void moves_cannot_nest_without_end(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 300; i++) /* each wraps the whole in one more object */
        buf_printf(&b,
                   "%s{\"op\":\"add\",\"path\":\"/w\",\"value\":{}},{\"op\":\"move\",\"from\":\"/"
                   "a\",\"path\":"
                   "\"/w/a\"},{\"op\":\"move\",\"from\":\"/w\",\"path\":\"/a\"}",
                   i ? "," : "[");
    buf_putc(&b, ']');
    expect_error("{\"a\":1}", buf_cstr(&b), E_INVALID, "nested too deeply");
}

static void expect_merge(const char *target, const char *patch, const char *result)
{
    struct json *j;
    assert_int_equal(patch_merge(&arena, parse(target), parse(patch), &j), 0);
    if (!json_equal(j, parse(result))) {
        CLEANUP_BUF struct buf b;
        buf_init(&b, 1 << 20);
        json_write(&b, j);
        fail_msg("%s + %s = %s", target, patch, buf_cstr(&b));
    }
}

/* The table of RFC 7386, appendix A. */
static void merge_patch_does_what_the_rfc_shows(void **state)
{
    (void)state;
    expect_merge("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    expect_merge("{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}");
    expect_merge("{\"a\":\"b\"}", "{\"a\":null}", "{}");
    expect_merge("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
    expect_merge("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    expect_merge("{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}");
    expect_merge("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
                 "{\"a\":{\"b\":\"d\"}}");
    expect_merge("{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}");
    expect_merge("[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]");
    expect_merge("{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]");
    expect_merge("{\"a\":\"foo\"}", "null", "null");
    expect_merge("{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}");
    expect_merge("[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}");
    expect_merge("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(json_patch_does_what_the_rfc_shows),  T(what_does_not_apply_is_refused),
        T(copies_cannot_blow_a_document_up),    T(moves_cannot_nest_without_end),
        T(merge_patch_does_what_the_rfc_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
