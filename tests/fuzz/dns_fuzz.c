/* DNS messages from anybody: queries are read and answered, answers are summed up, all in bounds. */
#include <stddef.h>
#include <stdint.h>

#include "wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str m = str_make(data, size);
    struct dns_query q;
    struct dns_summary s;
    struct net_addr addr;
    if (dns_query_parse(m, &q) == 0) {
        struct buf out CLEANUP_BUF;
        struct dns_record r = {.type = DNS_A, .ttl_s = 1, .addr = {.family = 4}};
        struct dns_answer a = {.records = &r, .record_count = 1};
        buf_init(&out, 8192);
        dns_answer_write(&out, &q, &a, q.udp_size);
        if (buf_len(&out) > q.udp_size)
            __builtin_trap();
        if (!out.failed && dns_summary(buf_str(&out), &s) < 0)
            __builtin_trap();
    }
    if (dns_summary(m, &s) == 0)
        (void)!dns_first_addr(m, &addr);
    dns_answers(m, m);
    return 0;
}
