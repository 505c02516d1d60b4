/*
 * A command as bytes of a log entry, little-endian:
 *   u64 session, u64 sequence: which opening of which store gave it, and its number there; by
 *   them the giver finds its own again
 *   u16 compares, u16 ops
 *   a compare: u8 kind, u16 key size, i64 revision, key
 *   an op:     u8 1 for delete else 0, u16 key size, u32 value size, key, value
 */
#ifndef STORE_COMMAND_H
#define STORE_COMMAND_H

#include "store/store.h"

enum { COMMAND_ORIGIN_BYTES = 16 };
struct command_origin {
    uint64_t session, sequence;
};
/* -E_CORRUPT: too short. *ret_command: what follows. */
int command_origin_read(struct str entry, struct command_origin *ret_origin,
                        struct str *ret_command) MUST_CHECK;
void command_origin_write(char *dst, struct command_origin o); /* COMMAND_ORIGIN_BYTES */

struct command {
    const struct store_compare *compares;
    size_t compare_count;
    const struct store_op *ops;
    size_t op_count;
};

/* Size as bytes; 0 with -E_TOO_LARGE or -E_BAD_REQUEST in *ret_rc when it breaks a bound. */
size_t command_size(const struct command *c, int *ret_rc);
void command_encode(const struct command *c, char *dst); /* exactly command_size bytes */

/* Reads compares, then ops, in place. Next: 1, 0 at the end, -E_CORRUPT. */
struct command_reader {
    const char *at, *end;
    uint32_t compares, ops; /* still to come */
};
int command_read(struct str bytes, struct command_reader *ret_reader) MUST_CHECK;
int command_next_compare(struct command_reader *r, struct store_compare *ret_compare) MUST_CHECK;
int command_check(struct str bytes) MUST_CHECK; /* 0, or -E_CORRUPT: it is not one, to its end */
int command_next_op(struct command_reader *r, struct store_op *ret_op) MUST_CHECK;

#endif
