/* Quantities, times, durations, names, selectors, PEM and tokens. */
#include "tests/lib/tree.h"

#include "codec/jwt.h"
#include "codec/names.h"
#include "codec/pem.h"
#include "codec/quantity.h"
#include "codec/selector.h"
#include "codec/time.h"

static void quantities_have_a_canonical_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"0", "0"},
                                           {"0.0", "0"},
                                           {"100m", "100m"},
                                           {"0.1", "100m"},
                                           {"1500m", "1500m"},
                                           {"1000m", "1"},
                                           {"1Gi", "1Gi"},
                                           {"1024Mi", "1Gi"},
                                           {"1.5Gi", "1536Mi"},
                                           {"1023", "1023"},
                                           {"1024Ki", "1Mi"},
                                           {"0.5Ki", "512"},
                                           {"1000k", "1M"},
                                           {"1e3", "1e3"},
                                           {"1E3", "1e3"},
                                           {"10e2", "1e3"},
                                           {"1e-3", "1e-3"},
                                           {"2E", "2E"},
                                           {"-5", "-5"},
                                           {"+5", "5"},
                                           {"5.", "5"},
                                           {".5", "500m"},
                                           {"0.0000000001", "1n"},
                                           {"12345678901", "12345678901"},
                                           {"9223372036854775807", "9223372036854775807"},
                                           {"9Ei", "9223372036854775807"},
                                           {"100Ei", "9223372036854775807"},
                                           {"1n", "1n"},
                                           {"1000n", "1u"},
                                           {"1.0000000001", "1000000001n"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct quantity q;
        char text[QUANTITY_TEXT];
        if (quantity_parse(str_of(pairs[i][0]), &q, &err))
            fail_msg("%s: %s", pairs[i][0], err.text);
        quantity_format(&q, text);
        if (strcmp(text, pairs[i][1]) != 0)
            fail_msg("%s: %s, expected %s", pairs[i][0], text, pairs[i][1]);
    }
}

static void malformed_quantities_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "1Q",  "1 Gi", "Gi",  "1.2.3", "--1",
                                        "1e", "1e+", "1mm",  "1ki", "0x1",   "1eKi"};
    struct quantity q;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (quantity_parse(str_of(wrong[i]), &q, &err) == 0)
            fail_msg("accepted: %s", wrong[i]);
    assert_non_null(strstr(err.text, "quantities must match the regular expression"));
}

static void quantities_are_exact(void **state)
{
    (void)state;
    struct quantity a, b;
    assert_int_equal(quantity_text_value(STR("1.1Gi")), 1181116007); /* rounded up */
    assert_int_equal(quantity_text_milli(STR("0.1")), 100);
    assert_int_equal(quantity_text_value(STR("100m")), 1);
    assert_int_equal(quantity_parse(STR("100m"), &a, NULL), 0);
    assert_int_equal(quantity_parse(STR("0.9"), &b, NULL), 0);
    quantity_add(&a, &b);
    assert_int_equal(quantity_value(&a), 1);
    assert_int_equal(quantity_cmp(&a, &b), 1);
    quantity_sub(&a, &b);
    assert_int_equal(quantity_milli(&a), 100);
}

static void times_are_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } good[] = {{"2026-11-23T11:48:09Z", "2026-11-23T11:48:09Z"},
                {"2026-11-23T13:48:09.5+02:00", "2026-11-23T11:48:09Z"},
                {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
                {"2024-02-29T23:59:59-00:30", "2024-03-01T00:29:59Z"},
                {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
                {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"}};
    static const char *const wrong[] = {"",
                                        "2026-11-23",
                                        "2026-13-01T00:00:00Z",
                                        "2025-02-29T00:00:00Z",
                                        "2026-11-23T24:00:00Z",
                                        "2026-11-23T11:48:09",
                                        "2026-11-23 11:48:09Z",
                                        "2026-11-23T11:48:09.Z",
                                        "2026-11-23T11:48:09Zx",
                                        "26-11-23T11:48:09Z"};
    char text[TIME_TEXT];
    int64_t us;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(time_parse(str_of(good[i].in), &us, &err), 0);
        time_format(us, text);
        assert_string_equal(text, good[i].out);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (time_parse(str_of(wrong[i]), &us, &err) == 0)
            fail_msg("accepted: %s", wrong[i]);
    assert_int_equal(time_parse(STR("2026-11-23T11:48:09.1234567Z"), &us, &err), 0);
    time_format_micro(us, text);
    assert_string_equal(text, "2026-11-23T11:48:09.123456Z");
    assert_int_equal(time_text_ms(STR("1970-01-01T00:00:01.5Z"), 0), 1500);
}

static void durations_are_go_s(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0", "0s"},        {"1h", "1h0m0s"}, {"90m", "1h30m0s"},       {"1.5s", "1.5s"},
        {"300ms", "300ms"}, {"-2m", "-2m0s"}, {"1h2m3.5s", "1h2m3.5s"}, {"1500us", "1.5ms"},
        {"7ns", "7ns"}};
    int64_t ns;
    char text[TIME_TEXT];
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(duration_parse(str_of(pairs[i][0]), &ns, &err), 0);
        duration_format(ns, text);
        assert_string_equal(text, pairs[i][1]);
    }
    assert_int_equal(duration_parse(STR("5"), &ns, &err), -E_SYNTAX);
    assert_int_equal(duration_parse(STR("5x"), &ns, &err), -E_SYNTAX);
    assert_int_equal(duration_parse(STR("9999999999h"), &ns, &err), -E_LIMIT);
}

static void names_follow_upstream(void **state)
{
    (void)state;
    assert_null(names_dns1123_label(STR("a-b1")));
    assert_non_null(names_dns1123_label(STR("a.b")));
    assert_string_equal(
        names_dns1123_label(STR("A")),
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
        "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
        "used "
        "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
    assert_null(names_dns1123_subdomain(STR("a.b-c.d")));
    assert_non_null(names_dns1123_subdomain(STR("a..b")));
    assert_non_null(names_dns1123_subdomain(STR("a.-b")));
    assert_non_null(names_dns1123_subdomain(str_make("a\0b", 3)));
    assert_non_null(names_dns1035_label(STR("1a")));
    assert_null(names_qualified(STR("example.com/My_name.1")));
    assert_string_equal(names_qualified(STR("/x")), "prefix part must be non-empty");
    assert_string_equal(names_qualified(STR("a/")), "name part must be non-empty");
    assert_non_null(names_qualified(STR("a/b/c")));
    assert_null(names_label_value(STR("")));
    assert_non_null(names_label_value(STR("a b")));
    assert_non_null(names_config_map_key(STR("..a")));
    assert_null(names_config_map_key(STR("a_b.C-1")));
    assert_null(names_port_name(STR("http-2")));
    assert_non_null(names_port_name(STR("80")));
    assert_non_null(names_port_name(STR("a--b")));
    assert_null(names_ip(STR("10.0.0.1")));
    assert_non_null(names_ip(STR("10.0.0.01")));
    assert_non_null(names_ip(STR("10.0.0.256")));
    assert_null(names_ip(STR("::1")));
    assert_null(names_ip(STR("2001:db8::ffff:10.0.0.1")));
    assert_non_null(names_ip(STR("1::2::3")));
    assert_non_null(names_ip(STR("1:2:3:4:5:6:7")));
    assert_non_null(names_ip(STR("fe80::1%eth0")));
}

static struct json *labels(const char *text)
{
    struct json *j = NULL;
    assert_int_equal(json_parse(&arena, str_of(text), NULL, &j, &err), 0);
    return j;
}

static void expect_match(const char *selector, const char *json, bool wanted)
{
    struct selector s;
    if (selector_parse(&arena, str_of(selector), &s, &err))
        fail_msg("%s: %s", selector, err.text);
    if (selector_matches(&s, labels(json)) != wanted)
        fail_msg("%s on %s is not %d", selector, json, wanted);
}

static void label_selectors_match(void **state)
{
    (void)state;
    expect_match("", "{}", true);
    expect_match("a=1", "{\"a\":\"1\"}", true);
    expect_match("a==1,b!=2", "{\"a\":\"1\"}", true);
    expect_match("a in (1, 2)", "{\"a\":\"2\"}", true);
    expect_match("a notin (1,2)", "{\"a\":\"2\"}", false);
    expect_match("a notin (1,2)", "{}", true);
    expect_match("a,!b", "{\"a\":\"\"}", true);
    expect_match("!a", "{\"a\":\"\"}", false);
    expect_match("a>5", "{\"a\":\"6\"}", true);
    expect_match("a<5", "{\"a\":\"6\"}", false);
    expect_match("a=", "{\"a\":\"\"}", true);
    expect_match("x.io/a = v , b", "{\"x.io/a\":\"v\",\"b\":\"1\"}", true);
}

static void malformed_selectors_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a=b=c", "a in", "a in (", "a in (1", "=a",  "a,,b", "a,",
                                        "!",     "a!b",  "A B",    "a=b c",   "a>x", "-a"};
    struct selector s;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (selector_parse(&arena, str_of(wrong[i]), &s, &err) != -E_BAD_REQUEST)
            fail_msg("accepted: %s", wrong[i]);
}

static void label_selector_objects_match(void **state)
{
    (void)state;
    struct selector s;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(
        selector_from_object(&arena,
                             labels("{\"matchLabels\":{\"a\":\"1\"},\"matchExpressions\":["
                                    "{\"key\":\"b\",\"operator\":\"In\",\"values\":[\"y\",\"x\"]},"
                                    "{\"key\":\"c\",\"operator\":\"DoesNotExist\"}]}"),
                             &s, &err),
        0);
    assert_true(selector_matches(&s, labels("{\"a\":\"1\",\"b\":\"x\"}")));
    assert_false(selector_matches(&s, labels("{\"a\":\"1\",\"b\":\"x\",\"c\":\"\"}")));
    selector_write(&b, &s);
    assert_string_equal(buf_cstr(&b), "a=1,b in (x,y),!c");
    assert_int_equal(selector_from_object(&arena, NULL, &s, &err), 0);
    assert_false(selector_matches(&s, labels("{}")));
    assert_int_equal(selector_from_object(&arena, labels("{}"), &s, &err), 0);
    assert_true(selector_matches(&s, labels("{}")));
    assert_int_equal(selector_from_map(&arena, labels("{}"), &s), 0);
    assert_false(selector_matches(&s, labels("{}")));
    assert_int_equal(
        selector_from_object(&arena,
                             labels("{\"matchExpressions\":[{\"key\":\"b\",\"operator\":\"Is\"}]}"),
                             &s, &err),
        -E_INVALID);
}

static void field_selectors_match(void **state)
{
    (void)state;
    struct selector_fields f;
    struct json *pod = labels("{\"metadata\":{\"name\":\"a,b\"},\"spec\":{\"hostNetwork\":true},"
                              "\"status\":{\"phase\":\"Running\"}}");
    assert_int_equal(
        selector_fields_parse(&arena,
                              STR("metadata.name=a\\,b,status.phase!=Failed,spec.hostNetwork==true,"
                                  "spec.nodeName="),
                              &f, &err),
        0);
    assert_int_equal(f.count, 4);
    assert_true(selector_fields_match(&f, pod));
    assert_int_equal(selector_fields_parse(&arena, STR("status.phase=Pending"), &f, &err), 0);
    assert_false(selector_fields_match(&f, pod));
    assert_int_equal(selector_fields_parse(&arena, STR("nonsense"), &f, &err), -E_BAD_REQUEST);
    assert_int_equal(selector_fields_parse(&arena, STR("a=b\\"), &f, &err), -E_BAD_REQUEST);
}

static void pem_blocks_are_found_and_written(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    struct pem_block block;
    struct str bytes, rest;
    char raw[100];
    buf_init(&b, 10000);
    memset(raw, 0xa5, sizeof(raw));
    buf_puts(&b, "a comment\n");
    pem_write(&b, "CERTIFICATE", str_make(raw, sizeof(raw)));
    pem_write(&b, "PRIVATE KEY", STR("k"));
    rest = buf_str(&b);
    assert_int_equal(pem_next(&rest, &block, &err), 0);
    assert_true(str_is(block.label, "CERTIFICATE"));
    assert_int_equal(pem_decode(&arena, &block, &bytes), 0);
    assert_int_equal(bytes.n, 100);
    assert_memory_equal(bytes.p, raw, 100);
    assert_int_equal(pem_next(&rest, &block, &err), 0);
    assert_int_equal(pem_next(&rest, &block, &err), -E_EOF);
    assert_int_equal(pem_find(&arena, buf_str(&b), "PRIVATE KEY", &bytes, &err), 0);
    assert_true(str_is(bytes, "k"));
    assert_int_equal(pem_find(&arena, buf_str(&b), "X", &bytes, &err), -E_NOT_FOUND);
    rest = STR("-----BEGIN A-----\nQQ==\n-----END B-----\n");
    assert_int_equal(pem_next(&rest, &block, &err), -E_SYNTAX);
    rest = STR("-----BEGIN A-----\nQQ==\n");
    assert_int_equal(pem_next(&rest, &block, &err), -E_SYNTAX);
}

static void tokens_are_taken_apart(void **state)
{
    (void)state;
    CLEANUP_BUF struct buf b;
    struct jwt t;
    buf_init(&b, 10000);
    jwt_write_signed_part(&b, labels("{\"alg\":\"ES256\",\"kid\":\"1\"}"),
                          labels("{\"iss\":\"me\",\"aud\":[\"a\",\"b\"]}"));
    size_t signed_bytes = buf_len(&b);
    jwt_write_signature(&b, "\xff\xfe\xfd", 3);
    assert_int_equal(jwt_parse(&arena, buf_str(&b), &t, &err), 0);
    assert_int_equal(t.signed_part.n, signed_bytes);
    assert_true(jwt_header_is(&t, "ES256"));
    assert_false(jwt_header_is(&t, "none"));
    assert_true(jwt_claim_has(&t, "aud", STR("b")));
    assert_true(jwt_claim_has(&t, "iss", STR("me")));
    assert_false(jwt_claim_has(&t, "aud", STR("c")));
    assert_int_equal(t.signature.n, 3);
    assert_int_equal(jwt_parse(&arena, STR("a.b"), &t, &err), -E_SYNTAX);
    assert_int_equal(jwt_parse(&arena, STR("e30.e30."), &t, &err), -E_SYNTAX);
    assert_int_equal(jwt_parse(&arena, STR("e30.e30.AA.AA"), &t, &err), -E_SYNTAX);
    assert_int_equal(jwt_parse(&arena, STR("W10.e30.AA"), &t, &err), -E_SYNTAX);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(quantities_have_a_canonical_form),
        T(malformed_quantities_are_refused),
        T(quantities_are_exact),
        T(times_are_rfc_3339),
        T(durations_are_go_s),
        T(names_follow_upstream),
        T(label_selectors_match),
        T(malformed_selectors_are_refused),
        T(label_selector_objects_match),
        T(field_selectors_match),
        T(pem_blocks_are_found_and_written),
        T(tokens_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
