/* Regular expressions as RE2 and Go's regexp take them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cel/regex.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 32 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

/* The match as text, "-" for none, "!..." for an expression that is refused. */
static const char *find(const char *pattern, const char *text)
{
    struct regex *r;
    struct err err;
    struct regex_match m;
    int rc = regex_compile(&arena, str_of(pattern), &r, &err);
    if (rc < 0)
        return arena_printf(&arena, "!%s", err.text);
    assert_int_equal(regex_find(r, str_of(text), 0, false, UINT64_MAX, &m), 0);
    if (!m.found)
        return "-";
    return arena_printf(&arena, "%zu:%.*s", m.start, (int)(m.end - m.start), text + m.start);
}

static void the_leftmost_and_preferred_match_is_found(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "bab", "1:a"},
        {"a+", "baaab", "1:aaa"},
        {"a+?", "baaab", "1:a"},
        {"a*", "baaab", "0:"},
        {"a|ab", "ab", "0:a"},
        {"ab|a", "ab", "0:ab"},
        {"(a|ab)(c|bcd)", "abcd", "0:abcd"},
        {"(foo|bar)+$", "xfoobar", "1:foobar"},
        {"^abc", "zabc", "-"},
        {"abc$", "abcz", "-"},
        {"(?m)^b$", "a\nb\nc", "2:b"},
        {"a.c", "a\nc", "-"},
        {"(?s)a.c", "a\nc", "0:a\nc"},
        {"(?i)HeLLo", "say hello", "4:hello"},
        {"(?i:h)ELLO", "hELLO Hello", "0:hELLO"},
        {"[a-c]+", "xxabcd", "2:abc"},
        {"[^a-c]+", "abxyc", "2:xy"},
        {"[]a]+", "]a]", "0:]a]"},
        {"[a\\-z]+", "-za", "0:-za"},
        {"[[:alpha:]]+[[:^alpha:]]", "abc1", "0:abc1"},
        {"\\d{2,3}", "1 12345", "2:123"},
        {"\\d{2,3}?", "12345", "0:12"},
        {"x{0}y", "xy", "1:y"},
        {"a{,2}", "a{,2}", "0:a{,2}"},
        {"\\bword\\b", "a word.", "2:word"},
        {"\\Bord", "word", "1:ord"},
        {"\\w+\\s\\S+", "ab c!", "0:ab c!"},
        {"\\x41\\x{e9}\\n", "A\u00e9\n", "0:A\u00e9\n"},
        {"\u00e9+", "h\u00e9\u00e9", "1:\u00e9\u00e9"},
        {".", "\u00e9", "0:\u00e9"},
        {"\\Qa.b\\E+", "xa.bb", "1:a.bb"},
        {"\\Q(*\\Ea|c", "(*a", "0:(*a"},
        {"(?P<name>a)(?:b)", "ab", "0:ab"},
        {"(a*)*b", "aaab", "0:aaab"},
        {"(a?){30}a{30}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "0:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"", "abc", "0:"},
        {"a||b", "b", "0:"},
        {"\\Aab\\z", "ab", "0:ab"},
        {"[\\d\\-x]+", "1-x", "0:1-x"},
        {"(?U)a+", "aaa", "0:a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = find(cases[i][0], cases[i][1]);
        if (strcmp(got, cases[i][2]) != 0)
            fail_msg("%s in %s: %s, not %s", cases[i][0], cases[i][1], got, cases[i][2]);
    }
}

static void malformed_expressions_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a(", "!error parsing regexp: missing closing ): `a(`"},
        {"a)", "!error parsing regexp: unexpected ): `a)`"},
        {"*a", "!error parsing regexp: missing argument to repetition operator: `*`"},
        {"a**", "!error parsing regexp: invalid nested repetition operator: `**`"},
        {"[a", "!error parsing regexp: missing closing ]: `[a`"},
        {"[z-a]", "!error parsing regexp: invalid character class range: `z-a`"},
        {"a{1001}", "!error parsing regexp: invalid repeat count: `{1001}`"},
        {"a{3,2}", "!error parsing regexp: invalid repeat count: `{3,2}`"},
        {"\\", "!error parsing regexp: trailing backslash at end of expression: ``"},
        {"\\q", "!error parsing regexp: invalid escape sequence: `\\q`"},
        {"(?=a)", "!error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
        {"(a)\\1", "!error parsing regexp: invalid escape sequence: `\\1`"},
        {"\xff", "!error parsing regexp: invalid UTF-8"},
        {"((a{500}){500}){500}", "!error parsing regexp: expression too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(find(cases[i][0], "a"), cases[i][1]);
    char nested[2000];
    memset(nested, '(', sizeof nested);
    nested[sizeof nested - 1] = 0;
    assert_true(strstr(find(nested, "a"), "expression nests too deeply") != NULL);
}

static void time_is_linear_and_bounded(void **state)
{
    (void)state;
    struct regex *r;
    struct regex_match m;
    size_t n = 100000;
    char *text = arena_alloc(&arena, n);
    assert_non_null(text);
    memset(text, 'a', n);
    assert_int_equal(regex_compile(&arena, STR("(a+)+$|(a|aa)+b"), &r, NULL), 0);
    assert_int_equal(regex_find(r, str_make(text, n), 0, true, UINT64_MAX, &m), 0);
    assert_true(m.found && m.steps < 100 * n);
    assert_int_equal(regex_find(r, str_make(text, n), 0, false, n, &m), -E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_leftmost_and_preferred_match_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_expressions_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(time_is_linear_and_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
