/*
 * Messages between roles over a SOCK_SEQPACKET socketpair: encoded field by field, versioned and
 * length-checked, never raw structs. Descriptors travel with them (SCM_RIGHTS).
 *
 * Layout, little endian: u8 version (1), u8 reserved 0, u16 type, u32 id, then fields: u8 tag,
 * u32 length, bytes. A message is at most LIMIT_IMSG_BYTES. Tags may repeat (lists); order within
 * one tag is kept. Nothing here allocates, so PID 1 may use it: the caller gives the buffer.
 * Bulk that does not fit travels as a memfd.
 */
#ifndef WIRE_IMSG_H
#define WIRE_IMSG_H

#include "base/limits.h"
#include "base/str.h"

struct imsg_out {
    unsigned char *p; /* caller's buffer */
    size_t n, size;
    int fds[LIMIT_IMSG_FDS];
    unsigned fd_count;
    bool failed; /* did not fit */
};

void imsg_begin(struct imsg_out *m, void *buffer, size_t size, uint16_t type, uint32_t id);
void imsg_put(struct imsg_out *m, uint8_t tag, struct str bytes);
void imsg_put_cstr(struct imsg_out *m, uint8_t tag, const char *s); /* NULL: nothing is put */
void imsg_put_u64(struct imsg_out *m, uint8_t tag, uint64_t v);     /* 8 bytes */
void imsg_put_fd(struct imsg_out *m, int fd);                       /* not taken over */

struct imsg_in {
    uint16_t type;
    uint32_t id;
    struct str fields; /* valid until the next receive into the same buffer */
    int fds[LIMIT_IMSG_FDS];
    unsigned fd_count;
};

/* Checks the envelope and that the fields tile it exactly. -E_SYNTAX. */
int imsg_parse(struct imsg_in *m, const void *p, size_t n) MUST_CHECK;
/* Walks all fields: at starts as {0}; false at the end. */
struct imsg_cursor {
    size_t at;
};
bool imsg_next(const struct imsg_in *m, struct imsg_cursor *at, uint8_t *ret_tag,
               struct str *ret_bytes);
/* First field with tag. */
bool imsg_get(const struct imsg_in *m, uint8_t tag, struct str *ret_bytes);
bool imsg_get_u64(const struct imsg_in *m, uint8_t tag, uint64_t *ret_value);
int imsg_take_fd(struct imsg_in *m); /* next descriptor, now the caller's; -1 when none is left */
void imsg_close_fds(struct imsg_in *m);

/* One sendmsg / recvmsg. -E_AGAIN, -E_CLOSED, -E_TOO_LARGE. Received fds are close-on-exec. */
int imsg_send(int sock, const struct imsg_out *m) MUST_CHECK;
int imsg_recv(int sock, void *buffer, size_t size, struct imsg_in *ret_m) MUST_CHECK;

#endif
