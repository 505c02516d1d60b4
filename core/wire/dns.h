/*
 * DNS messages (RFC 1035, EDNS0 of RFC 6891): reading queries and answers, writing answers.
 * Sans-I/O. Names are handled as text: labels joined by dots, lower case, without the final dot;
 * the root is "". A label byte outside printable ASCII, or a dot in a label, makes the name
 * unreadable for us (-E_SYNTAX), never something else.
 */
#ifndef WIRE_DNS_H
#define WIRE_DNS_H

#include "base/arena.h"
#include "base/buf.h"
#include "port/net.h"

enum {
    DNS_NAME_TEXT = 256, /* longest name as text, with its NUL */
    DNS_UDP_PLAIN = 512, /* largest answer without EDNS0 */
};

enum dns_type {
    DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_TXT = 16, DNS_AAAA = 28,
    DNS_SRV = 33, DNS_OPT = 41, DNS_ANY = 255
};
enum dns_rcode { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

struct dns_query {
    uint16_t id, type, class;
    uint8_t opcode;
    bool recursion_desired, checking_disabled;
    bool edns, dnssec_ok;
    uint16_t udp_size; /* what the asker takes; at least DNS_UDP_PLAIN */
    char name[DNS_NAME_TEXT];
    struct str question; /* the question's bytes as sent, to be echoed (also its case) */
};
/* -E_SYNTAX: malformed, or not exactly one question; -E_BAD_REQUEST: an answer, not a query. In
 * both cases ret_query->id is set when there were two bytes. */
int dns_query_parse(struct str message, struct dns_query *ret_query) MUST_CHECK;

struct dns_record { /* what we write; owner "" with same_owner: the question's name */
    const char *owner; /* NULL: the question's name */
    enum dns_type type;
    uint32_t ttl_s;
    struct net_addr addr;  /* A, AAAA */
    const char *target;    /* CNAME, PTR, SRV, NS; SOA: primary server */
    const char *mail;      /* SOA */
    const char *text;      /* TXT, at most 255 bytes */
    uint16_t priority, weight, port; /* SRV */
    uint32_t serial, minimum_s;      /* SOA */
};
struct dns_answer {
    enum dns_rcode rcode;
    bool authoritative, recursion_available;
    const struct dns_record *records;
    size_t record_count;
    const struct dns_record *authority; /* one SOA, or NULL */
    const struct dns_record *additional;
    size_t additional_count;
};
/* Appends one message of at most max_bytes; what does not fit is cut at a record and TC is set.
 * Additional records are left out first, without TC. */
void dns_answer_write(struct buf *out, const struct dns_query *q, const struct dns_answer *a, size_t max_bytes);

/* ---- as a resolver ---- */
/* A query message for name with a given id: recursion desired, EDNS0 of 1,232 bytes. */
int dns_query_write(struct buf *out, uint16_t id, const char *name, uint16_t type) MUST_CHECK;
/* Does this answer belong to that query: id, QR, opcode, exactly the same question (case too)? */
bool dns_answers(struct str answer, struct str query);
/* Least TTL over all records, and the rcode; for caching. -E_SYNTAX. */
struct dns_summary {
    enum dns_rcode rcode;
    bool truncated;
    uint32_t ttl_s;
    size_t answers;
};
int dns_summary(struct str message, struct dns_summary *ret_summary) MUST_CHECK;
/* First A or AAAA record of an answer. -E_NOT_FOUND. */
int dns_first_addr(struct str message, struct net_addr *ret_addr) MUST_CHECK;

/* Reads a possibly compressed name at *at; *at moves behind it. Pointers only lead backwards. */
int dns_name_read(struct str message, size_t *at, char ret_name[DNS_NAME_TEXT]) MUST_CHECK;

#endif
