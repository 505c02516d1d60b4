/* Small tar archives for tests, byte by byte, also malformed ones. */
#ifndef TESTS_LIB_TAR_MAKE_H
#define TESTS_LIB_TAR_MAKE_H

#include <stdio.h>

#include "base/buf.h"

struct tar_make {
    const char *name;
    char type; /* '0' when 0 */
    const char *link, *data, *prefix;
    unsigned mode, uid, gid, major, minor;
    long long size; /* when there is no data: as the header says it; else ignored */
    long mtime;
};

static inline void tar_make_octal(unsigned char *field, size_t n, unsigned long long v)
{
    char text[32];
    snprintf(text, sizeof text, "%0*llo", (int)n - 1, v);
    memcpy(field, text, n - 1);
}

static inline void tar_make_sum(unsigned char *b)
{
    unsigned sum = 0;
    memset(b + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += b[i];
    tar_make_octal(b + 148, 7, sum);
    b[154] = 0;
}

static inline void tar_make_header(unsigned char b[512], const struct tar_make *m, size_t size)
{
    memset(b, 0, 512);
    snprintf((char *)b, 100, "%s", m->name);
    tar_make_octal(b + 100, 8, m->mode ? m->mode : 0644);
    tar_make_octal(b + 108, 8, m->uid);
    tar_make_octal(b + 116, 8, m->gid);
    tar_make_octal(b + 124, 12, size);
    tar_make_octal(b + 136, 12, (unsigned long long)m->mtime);
    b[156] = (unsigned char)(m->type ? m->type : '0');
    snprintf((char *)b + 157, 100, "%s", m->link ? m->link : "");
    memcpy(b + 257, "ustar\0" "00", 8);
    tar_make_octal(b + 329, 8, m->major);
    tar_make_octal(b + 337, 8, m->minor);
    if (m->prefix)
        snprintf((char *)b + 345, 155, "%s", m->prefix);
    tar_make_sum(b);
}

static inline void tar_make_body(struct buf *out, const void *data, size_t n)
{
    static const char zero[512];
    buf_append(out, data, n);
    buf_append(out, zero, -n & 511);
}

static inline void tar_make_add(struct buf *out, struct tar_make m)
{
    unsigned char b[512];
    size_t n = m.data ? strlen(m.data) : 0;
    tar_make_header(b, &m, m.data ? n : (size_t)m.size);
    buf_append(out, b, sizeof b);
    tar_make_body(out, m.data, n);
}

/* A pax header with these records ("path=...", several joined by '\n'). */
static inline void tar_make_pax(struct buf *out, const char *records)
{
    char body[8192];
    size_t n = 0;
    while (*records) {
        size_t length = strcspn(records, "\n");
        size_t whole = length + 3; /* one digit, space, newline */
        while (snprintf(NULL, 0, "%zu", whole) + length + 2 != whole)
            whole++;
        n += (size_t)snprintf(body + n, sizeof body - n, "%zu %.*s\n", whole, (int)length, records);
        records += length + (records[length] == '\n');
    }
    body[n] = 0;
    tar_make_add(out, (struct tar_make){.name = "PaxHeaders/x", .type = 'x', .data = body});
}

static inline void tar_make_end(struct buf *out)
{
    static const char zero[1024];
    buf_append(out, zero, sizeof zero);
}

#endif
