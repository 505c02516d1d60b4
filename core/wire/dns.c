/*
 * DNS messages. See dns.h.
 *
 * Bounds: a compression pointer must lead to before the place where the name (or the last jump)
 * began, so every jump goes back and reading ends; names are at most 255 bytes.
 */
#include "wire/dns.h"

#include "base/limits.h"

enum { HEADER = 12, FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_RA = 0x0080, FLAG_CD = 0x0010 };

static uint16_t u16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static uint32_t u32(const char *p)
{
    return (uint32_t)u16(p) << 16 | u16(p + 2);
}

static bool label_byte(unsigned char c)
{
    return c > ' ' && c < 127 && c != '.';
}

int dns_name_read(struct str m, size_t *at, char ret_name[DNS_NAME_TEXT])
{
    size_t pos = *at, bound = *at, end = 0, n = 0;
    char name[DNS_NAME_TEXT];

    for (;;) {
        if (pos >= m.n)
            return -E_SYNTAX;
        unsigned len = (unsigned char)m.p[pos];
        if (len >= 0xc0) {
            if (pos + 2 > m.n)
                return -E_SYNTAX;
            size_t to = u16(m.p + pos) & 0x3fff;
            if (to >= bound)
                return -E_SYNTAX;
            if (!end)
                end = pos + 2;
            pos = bound = to;
            continue;
        }
        if (len > 63 || pos + 1 + len > m.n)
            return -E_SYNTAX;
        pos++;
        if (len == 0)
            break;
        if (n + len + 2 > sizeof name)
            return -E_SYNTAX;
        if (n)
            name[n++] = '.';
        for (unsigned i = 0; i < len; i++) {
            char c = m.p[pos + i];
            if (!label_byte((unsigned char)c))
                return -E_SYNTAX;
            name[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        pos += len;
    }
    name[n] = 0;
    memcpy(ret_name, name, n + 1);
    *at = end ? end : pos;
    return 0;
}

/* Skips one resource record behind its name; its parts, when wanted. */
struct record_view {
    uint16_t type, class;
    uint32_t ttl;
    struct str data;
};

static int record_read(struct str m, size_t *at, struct record_view *ret)
{
    char name[DNS_NAME_TEXT];
    int rc = dns_name_read(m, at, name);
    if (rc < 0)
        return rc;
    if (*at + 10 > m.n)
        return -E_SYNTAX;
    const char *p = m.p + *at;
    size_t size = u16(p + 8);
    if (*at + 10 + size > m.n)
        return -E_SYNTAX;
    *ret = (struct record_view){u16(p), u16(p + 2), u32(p + 4), str_make(p + 10, size)};
    *at += 10 + size;
    return 0;
}

int dns_query_parse(struct str m, struct dns_query *ret_query)
{
    struct dns_query *q = ret_query;
    *q = (struct dns_query){.udp_size = DNS_UDP_PLAIN};
    if (m.n >= 2)
        q->id = u16(m.p);
    if (m.n < HEADER)
        return -E_SYNTAX;
    unsigned flags = u16(m.p + 2);
    if (flags & FLAG_QR)
        return -E_BAD_REQUEST;
    q->opcode = flags >> 11 & 15;
    q->recursion_desired = flags & FLAG_RD;
    q->checking_disabled = flags & FLAG_CD;
    size_t extra = (size_t)u16(m.p + 6) + u16(m.p + 8) + u16(m.p + 10), at = HEADER;
    if (u16(m.p + 4) != 1 || extra > 16)
        return -E_SYNTAX;
    int rc = dns_name_read(m, &at, q->name);
    if (rc < 0 || at + 4 > m.n)
        return -E_SYNTAX;
    q->type = u16(m.p + at);
    q->class = u16(m.p + at + 2);
    at += 4;
    q->question = str_make(m.p + HEADER, at - HEADER);
    for (; extra; extra--) {
        struct record_view r;
        if (record_read(m, &at, &r) < 0)
            return -E_SYNTAX;
        if (r.type != DNS_OPT)
            continue;
        q->edns = true;
        q->dnssec_ok = r.ttl & 0x8000;
        q->udp_size = r.class > DNS_UDP_PLAIN ? r.class : DNS_UDP_PLAIN;
        if (q->udp_size > LIMIT_DNS_MESSAGE)
            q->udp_size = LIMIT_DNS_MESSAGE;
    }
    return 0;
}

/* ---- writing ---- */

static void put16(struct buf *b, unsigned v)
{
    char p[2] = {(char)(v >> 8), (char)v};
    buf_append(b, p, 2);
}

static void put32(struct buf *b, uint32_t v)
{
    put16(b, v >> 16);
    put16(b, v & 0xffff);
}

static void put_name(struct buf *b, const char *name)
{
    struct str rest = str_of(name), label;
    while (rest.n && str_split(&rest, '.', &label)) {
        if (label.n == 0 || label.n > 63) {
            b->failed = true;
            return;
        }
        buf_putc(b, (char)label.n);
        buf_append_str(b, label);
    }
    buf_putc(b, 0);
}

static void put_data(struct buf *b, const struct dns_record *r)
{
    switch (r->type) {
    case DNS_A: buf_append(b, r->addr.ip, 4); break;
    case DNS_AAAA: buf_append(b, r->addr.ip, 16); break;
    case DNS_SRV:
        put16(b, r->priority);
        put16(b, r->weight);
        put16(b, r->port);
        put_name(b, r->target);
        break;
    case DNS_TXT:
        buf_putc(b, (char)strlen(r->text));
        buf_puts(b, r->text);
        break;
    case DNS_SOA:
        put_name(b, r->target);
        put_name(b, r->mail);
        put32(b, r->serial);
        put32(b, 7200);
        put32(b, 1800);
        put32(b, 86400);
        put32(b, r->minimum_s);
        break;
    default: put_name(b, r->target); break;
    }
}

/* Appends a record, or nothing when it does not fit. */
static bool put_record(struct buf *b, size_t start, size_t max, const struct dns_record *r)
{
    size_t before = buf_len(b);
    if (r->owner)
        put_name(b, r->owner);
    else
        put16(b, 0xc000 | HEADER);
    put16(b, r->type);
    put16(b, 1);
    put32(b, r->ttl_s);
    size_t size_at = buf_len(b);
    put16(b, 0);
    put_data(b, r);
    if (b->failed || buf_len(b) - start > max) {
        buf_truncate(b, before);
        return false;
    }
    size_t size = buf_len(b) - size_at - 2;
    char *p = b->data + b->head + size_at;
    p[0] = (char)(size >> 8);
    p[1] = (char)size;
    return true;
}

static void set16(struct buf *b, size_t at, unsigned v)
{
    b->data[b->head + at] = (char)(v >> 8);
    b->data[b->head + at + 1] = (char)v;
}

void dns_answer_write(struct buf *b, const struct dns_query *q, const struct dns_answer *a,
                      size_t max_bytes)
{
    size_t start = buf_len(b), opt = q->edns ? 11 : 0, room = max_bytes - opt;
    unsigned flags = FLAG_QR | (unsigned)q->opcode << 11 | (unsigned)a->rcode;
    unsigned answers = 0, authority = 0, additional = 0;

    if (q->recursion_desired)
        flags |= FLAG_RD;
    if (a->authoritative)
        flags |= FLAG_AA;
    if (a->recursion_available)
        flags |= FLAG_RA;
    put16(b, q->id);
    put16(b, 0);
    put16(b, q->question.n ? 1 : 0);
    put16(b, 0);
    put32(b, 0);
    buf_append_str(b, q->question);
    while (answers < a->record_count && put_record(b, start, room, &a->records[answers]))
        answers++;
    if (answers < a->record_count)
        flags |= FLAG_TC;
    if (!(flags & FLAG_TC) && a->authority && put_record(b, start, room, a->authority))
        authority = 1;
    while (!(flags & FLAG_TC) && additional < a->additional_count &&
           put_record(b, start, room, &a->additional[additional]))
        additional++;
    if (b->failed)
        return;
    if (q->edns) {
        buf_putc(b, 0);
        put16(b, DNS_OPT);
        put16(b, 1232);
        put32(b, 0);
        put16(b, 0);
    }
    if (b->failed)
        return;
    set16(b, start + 2, flags);
    set16(b, start + 6, answers);
    set16(b, start + 8, authority);
    set16(b, start + 10, additional + (q->edns ? 1 : 0));
}

/* ---- as a resolver ---- */

int dns_query_write(struct buf *b, uint16_t id, const char *name, uint16_t type)
{
    if (strlen(name) > 253)
        return -E_TOO_LARGE;
    put16(b, id);
    put16(b, FLAG_RD);
    put16(b, 1);
    put32(b, 0);
    put16(b, 1);
    put_name(b, name);
    put16(b, type);
    put16(b, 1);
    buf_putc(b, 0);
    put16(b, DNS_OPT);
    put16(b, 1232);
    put32(b, 0);
    put16(b, 0);
    return b->failed ? -E_SYNTAX : 0;
}

/* Length of the only question, or 0. */
static size_t question_size(struct str m)
{
    char name[DNS_NAME_TEXT];
    size_t at = HEADER;
    if (m.n < HEADER || u16(m.p + 4) != 1 || dns_name_read(m, &at, name) < 0 || at + 4 > m.n)
        return 0;
    return at + 4 - HEADER;
}

bool dns_answers(struct str answer, struct str query)
{
    size_t n = question_size(query);
    return n && question_size(answer) == n && u16(answer.p) == u16(query.p) &&
           (u16(answer.p + 2) & FLAG_QR) && (u16(answer.p + 2) >> 11 & 15) == 0 &&
           memcmp(answer.p + HEADER, query.p + HEADER, n) == 0;
}

int dns_summary(struct str m, struct dns_summary *ret_summary)
{
    size_t n = question_size(m), at = HEADER + n;
    struct dns_summary s = {.ttl_s = 86400};
    if (!n)
        return -E_SYNTAX;
    s.rcode = u16(m.p + 2) & 15;
    s.truncated = u16(m.p + 2) & FLAG_TC;
    s.answers = u16(m.p + 6);
    size_t records = s.answers + u16(m.p + 8) + u16(m.p + 10);
    for (size_t i = 0; i < records; i++) {
        struct record_view r;
        if (record_read(m, &at, &r) < 0)
            return -E_SYNTAX;
        if (r.type != DNS_OPT && r.ttl < s.ttl_s)
            s.ttl_s = r.ttl;
    }
    *ret_summary = s;
    return 0;
}

int dns_first_addr(struct str m, struct net_addr *ret_addr)
{
    size_t n = question_size(m), at = HEADER + n;
    for (unsigned i = 0; n && i < u16(m.p + 6); i++) {
        struct record_view r;
        if (record_read(m, &at, &r) < 0)
            return -E_SYNTAX;
        bool v4 = r.type == DNS_A && r.data.n == 4, v6 = r.type == DNS_AAAA && r.data.n == 16;
        if (v4 || v6) {
            *ret_addr = (struct net_addr){.family = v4 ? 4 : 6};
            memcpy(ret_addr->ip, r.data.p, r.data.n);
            return 0;
        }
    }
    return n ? -E_NOT_FOUND : -E_SYNTAX;
}
