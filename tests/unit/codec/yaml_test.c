#include "tests/lib/tree.h"

static void expect(const char *yaml, const char *json)
{
    struct json *j;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    if (yaml_parse(&arena, str_of(yaml), NULL, &j, NULL, &err))
        fail_msg("%s: %s", yaml, err.text);
    json_write(&b, j);
    assert_string_equal(buf_cstr(&b), json);
}

static void expect_error(const char *yaml, int code, const char *part)
{
    struct json *j = NULL;
    assert_int_equal(yaml_parse(&arena, str_of(yaml), NULL, &j, NULL, &err), -code);
    if (!strstr(err.text, part))
        fail_msg("%s: \"%s\" lacks \"%s\"", yaml, err.text, part);
    assert_null(j);
}

static void scalars_are_those_of_yaml_1_1(void **state)
{
    (void)state;
    expect("[yes, No, on, off, y, N, true, FALSE, ~, null, '']",
           "[true,false,true,false,true,false,true,false,null,null,\"\"]");
    expect("[1, -1, +1, 0x1F, 0o17, 017, 0b101, 1_000, 08]", "[1,-1,1,31,15,15,5,1000,8]");
    expect("[1.5, .5, 1e3, -2.5E-3, 1.]", "[1.5,0.5,1000,-0.0025,1]");
    expect("['1', \"true\", 1.2.3, 12h, 2026-11-23, 1:30, -, a-b]",
           "[\"1\",\"true\",\"1.2.3\",\"12h\",\"2026-11-23\",\"1:30\",\"-\",\"a-b\"]");
    expect("!!str 12", "\"12\"");
    expect("!!int \"12\"", "12");
    expect_error("!!int abc", E_SYNTAX, "cannot decode");
    expect_error("a: .inf", E_SYNTAX, "line 1, column 4");
}

static void keys_become_strings(void **state)
{
    (void)state;
    expect("1: a\ntrue: b\n1.5: c\nx: d\n",
           "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"x\":\"d\"}");
    expect_error("? [a]\n: b\n", E_SYNTAX, "must be a scalar");
}

static void anchors_and_merges_are_expanded(void **state)
{
    (void)state;
    expect("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n",
           "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":2},\"c\":{\"q\":3,\"p\":1}}");
    expect_error("a: &x [*x]", E_SYNTAX, "contains itself");
    expect_error("a: *nobody", E_SYNTAX, "unknown anchor 'nobody'");
    expect_error("a:\n  <<: 3\n", E_SYNTAX, "map merge");
}

static void an_alias_bomb_ends_early(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 100000);
    buf_puts(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++)
        buf_printf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    expect_error(buf_cstr(&b), E_LIMIT, "after aliases are expanded");
    buf_clear(&b); /* few nodes, much text */
    buf_puts(&b, "a: &a \"");
    for (int i = 0; i < 50000; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\"\nb: [");
    for (int i = 0; i < 200; i++)
        buf_puts(&b, "*a,");
    buf_puts(&b, "]\n");
    expect_error(buf_cstr(&b), E_LIMIT, "bytes of text");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 500; i++)
        buf_putc(&b, '[');
    expect_error(buf_cstr(&b), E_LIMIT, "nested deeper");
}

static void errors_name_line_and_column(void **state)
{
    (void)state;
    expect_error("a: 1\nb: [1, 2\nc: 3\n", E_SYNTAX, "line 3");
    expect_error("a: 1\na: 2\n", E_SYNTAX, "line 2, column 1: key \"a\" already set in map");
    expect_error("a: 1\n---\nb: 2\n", E_SYNTAX, "only one document");
    expect_error("a: \"\\q\"\n", E_SYNTAX, "line 1");
}

static void marks_say_where_values_stand(void **state)
{
    (void)state;
    struct yaml_marks marks;
    struct json *j;
    assert_int_equal(
        yaml_parse(&arena, STR("node:\n  name: x\n  list:\n  - 7\n"), NULL, &j, &marks, &err), 0);
    const struct yaml_mark *name = yaml_mark_of(&marks, json_path(j, "node.name"));
    assert_int_equal(name->line, 2);
    assert_int_equal(name->column, 3);
    assert_int_equal(yaml_mark_of(&marks, json_at(json_path(j, "node.list"), 0))->line, 4);
    assert_null(yaml_mark_of(&marks, &(struct json){0}));
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":\"yes\",\"b\":[{\"c\":1,\"d\":[\"x\",\"1.5\",\"\"]},[],{},[["
                               "1,2],[3]]],\"e\":{\"f\":null,\"g\":"
                               "\"two\\nlines: #\"},\"on\":true,\"h\":\"http://a:1/b\",\"i\":\"- "
                               "x\",\"j\":\"2026-11-23\",\"k\":\"a #b\"}";
    struct json *j, *back;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 10000);
    assert_int_equal(json_parse(&arena, str_of(text), NULL, &j, &err), 0);
    yaml_write(&b, j);
    if (yaml_parse(&arena, buf_str(&b), NULL, &back, NULL, &err))
        fail_msg("%s\n%s", err.text, buf_cstr(&b));
    if (!json_equal(j, back))
        fail_msg("changed:\n%s", buf_cstr(&b));
}

static void empty_input_is_null(void **state)
{
    (void)state;
    expect("", "null");
    expect("# nothing\n", "null");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(scalars_are_those_of_yaml_1_1),
        T(keys_become_strings),
        T(anchors_and_merges_are_expanded),
        T(an_alias_bomb_ends_early),
        T(depth_is_bounded),
        T(errors_name_line_and_column),
        T(marks_say_where_values_stand),
        T(what_is_written_reads_back),
        T(empty_input_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
