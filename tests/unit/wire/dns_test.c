/* DNS messages: real queries are read, hostile ones refused, answers fit and are cut at records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "wire/dns.h"

static void a_query_is_read_and_its_case_kept(void **state)
{
    struct buf b CLEANUP_BUF;
    struct dns_query q;
    (void)state;
    buf_init(&b, 1000);
    assert_int_equal(dns_query_write(&b, 0x1234, "WwW.Example.org", DNS_A), 0);
    assert_int_equal(dns_query_parse(buf_str(&b), &q), 0);
    assert_int_equal(q.id, 0x1234);
    assert_string_equal(q.name, "www.example.org");
    assert_true(q.edns && q.recursion_desired);
    assert_int_equal(q.udp_size, 1232);
    assert_memory_equal(q.question.p + 1, "WwW", 3);
}

static void pointer_loops_and_truncation_are_refused(void **state)
{
    struct dns_query q;
    char loop[] = "\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1";
    char forward[] = "\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x10\0\1\0\1";
    struct buf b CLEANUP_BUF;
    (void)state;
    assert_int_equal(dns_query_parse(str_make(loop, sizeof loop - 1), &q), -E_SYNTAX);
    assert_int_equal(dns_query_parse(str_make(forward, sizeof forward - 1), &q), -E_SYNTAX);
    buf_init(&b, 1000);
    assert_int_equal(dns_query_write(&b, 1, "a.b", DNS_A), 0);
    for (size_t n = 0; n < buf_len(&b); n++)
        assert_int_equal(dns_query_parse(str_make(buf_str(&b).p, n), &q), -E_SYNTAX);
}

static void an_answer_is_cut_at_a_record_and_says_so(void **state)
{
    struct buf in CLEANUP_BUF, out CLEANUP_BUF;
    struct dns_query q;
    struct dns_record r[100];
    struct dns_summary s;
    (void)state;
    buf_init(&in, 1000);
    buf_init(&out, 10000);
    assert_int_equal(dns_query_write(&in, 9, "svc.ns.svc.cluster.local", DNS_A), 0);
    assert_int_equal(dns_query_parse(buf_str(&in), &q), 0);
    for (int i = 0; i < 100; i++)
        r[i] = (struct dns_record){.type = DNS_A, .ttl_s = 5, .addr = {.family = 4, .ip = {10, 1, 1, (uint8_t)i}}};
    struct dns_answer a = {.records = r, .record_count = 100, .authoritative = true};
    dns_answer_write(&out, &q, &a, 512);
    assert_false(out.failed);
    assert_true(buf_len(&out) <= 512);
    assert_int_equal(dns_summary(buf_str(&out), &s), 0);
    assert_true(s.truncated);
    assert_int_equal(s.answers, (512 - 12 - (int)q.question.n - 11) / 16);
    assert_true(dns_answers(buf_str(&out), buf_str(&in)));
    buf_clear(&out);
    dns_answer_write(&out, &q, &a, 4096);
    assert_int_equal(dns_summary(buf_str(&out), &s), 0);
    assert_false(s.truncated);
    assert_int_equal(s.answers, 100);
    assert_int_equal(s.ttl_s, 5);
}

static void a_forged_answer_does_not_match(void **state)
{
    struct buf query CLEANUP_BUF, other CLEANUP_BUF;
    (void)state;
    buf_init(&query, 1000);
    buf_init(&other, 1000);
    assert_int_equal(dns_query_write(&query, 7, "a.example", DNS_A), 0);
    assert_int_equal(dns_query_write(&other, 7, "b.example", DNS_A), 0);
    assert_false(dns_answers(buf_str(&query), buf_str(&query))); /* a query is no answer */
    other.data[2] |= (char)0x80;
    assert_false(dns_answers(buf_str(&other), buf_str(&query)));
    struct buf good CLEANUP_BUF;
    buf_init(&good, 1000);
    buf_append_str(&good, buf_str(&query));
    good.data[2] |= (char)0x80;
    assert_true(dns_answers(buf_str(&good), buf_str(&query)));
    good.data[1] ^= 1; /* another id */
    assert_false(dns_answers(buf_str(&good), buf_str(&query)));
}

static void every_record_type_is_read_back(void **state)
{
    struct buf in CLEANUP_BUF, out CLEANUP_BUF;
    struct dns_query q;
    struct net_addr addr;
    const struct dns_record r[] = {
        {.type = DNS_CNAME, .target = "x.y", .ttl_s = 9},
        {.type = DNS_SRV, .target = "a.b.c", .port = 80, .ttl_s = 9},
        {.type = DNS_TXT, .text = "1.1.0", .ttl_s = 9},
        {.type = DNS_AAAA, .ttl_s = 3, .addr = {.family = 6, .ip = {1, 2}}},
    };
    const struct dns_record soa = {.owner = "cluster.local", .type = DNS_SOA, .target = "ns", .mail = "m", .ttl_s = 5};
    struct dns_answer a = {.records = r, .record_count = 4, .authority = &soa};
    (void)state;
    buf_init(&in, 1000);
    buf_init(&out, 10000);
    assert_int_equal(dns_query_write(&in, 9, "q.example", DNS_ANY), 0);
    assert_int_equal(dns_query_parse(buf_str(&in), &q), 0);
    dns_answer_write(&out, &q, &a, 4096);
    struct dns_summary s;
    assert_int_equal(dns_summary(buf_str(&out), &s), 0);
    assert_int_equal(s.answers, 4);
    assert_int_equal(s.ttl_s, 3);
    assert_int_equal(dns_first_addr(buf_str(&out), &addr), 0);
    assert_int_equal(addr.family, 6);
    assert_int_equal(addr.ip[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_read_and_its_case_kept),
        cmocka_unit_test(pointer_loops_and_truncation_are_refused),
        cmocka_unit_test(an_answer_is_cut_at_a_record_and_says_so),
        cmocka_unit_test(a_forged_answer_does_not_match),
        cmocka_unit_test(every_record_type_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
