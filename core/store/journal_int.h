/* Shared by journal.c (writing) and journal_recover.c (reading). */
#ifndef STORE_JOURNAL_INT_H
#define STORE_JOURNAL_INT_H

#include "store/journal.h"

enum {
    SEGMENT_VERSION = 2,
    SEGMENT_HEAD = 40,
    SEGMENT_DATA_AT = 4096,
    FRAME_HEAD = 32,
    FRAME_ALIGN = 8,
    FRAME_PAYLOAD_MAX = 16 * 1024 * 1024,
    ENTRY_HEAD = 24,
};
#define FRAME_MAGIC 0x4d52464bu /* "KFRM" */

struct frame_head {
    uint64_t sequence, offset;
    uint32_t payload_size, payload_crc;
};

void journal_segment_name(char name[JOURNAL_NAME_MAX], uint64_t first_sequence);
bool journal_segment_parse(const char *name, uint64_t *ret_first_sequence);
void journal_segment_head(char head[SEGMENT_HEAD], uint64_t log_id,
                          const struct journal_segment *s);
int journal_segment_add(struct journal *j, struct journal_segment s) MUST_CHECK;
/* Makes the next segment and makes it active. */
int journal_segment_create(struct journal *j, uint64_t frame_bytes, struct err *err) MUST_CHECK;

void frame_head_encode(char *p, uint64_t log_id, const struct frame_head *h);
/* False when it is no good frame head of this log. */
bool frame_head_decode(const char *p, uint64_t log_id, struct frame_head *ret_head);
static inline uint64_t frame_align(uint64_t n)
{
    return (n + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1);
}

#endif
