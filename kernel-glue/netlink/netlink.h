/*
 * Netlink: building messages with attributes (pure) and a request socket. One request, one answer;
 * the caller blocks, which the kernel answers at once.
 */
#ifndef KERNEL_GLUE_NETLINK_NETLINK_H
#define KERNEL_GLUE_NETLINK_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { NETLINK_ROUTE_FAMILY = 0, NETLINK_NETFILTER_FAMILY = 12 };

/* ---- building: several messages may follow one another in a buffer ---- */
/* Starts a message whose fixed part is `fixed`; the result goes to netlink_end. */
size_t netlink_begin(struct buf *out, uint16_t type, uint16_t flags, uint32_t seq, const void *fixed, size_t n);
void netlink_end(struct buf *out, size_t at);
void netlink_put(struct buf *out, uint16_t attribute, const void *p, size_t n);
void netlink_put_cstr(struct buf *out, uint16_t attribute, const char *s); /* with its NUL */
void netlink_put_u8(struct buf *out, uint16_t attribute, uint8_t v);
void netlink_put_u16(struct buf *out, uint16_t attribute, uint16_t v);
void netlink_put_u32(struct buf *out, uint16_t attribute, uint32_t v);
void netlink_put_be32(struct buf *out, uint16_t attribute, uint32_t v); /* network order */
void netlink_put_be64(struct buf *out, uint16_t attribute, uint64_t v);
size_t netlink_nest(struct buf *out, uint16_t attribute);
void netlink_nest_end(struct buf *out, size_t at);

/* ---- reading ---- */
/* The next message of `in`; false at its end or when it is malformed. */
bool netlink_next(struct str *in, uint16_t *ret_type, struct str *ret_payload);
/* The next attribute (type without its flag bits). */
bool netlink_next_attribute(struct str *in, uint16_t *ret_type, struct str *ret_value);

/* ---- the socket ---- */
/* namespace_fd: -1, or a network namespace in which the socket is made. */
int netlink_open(int family, int namespace_fd, int *ret_fd, struct err *err) MUST_CHECK;
/* Any socket made in another network namespace; the caller stays where it is. */
int netlink_socket_in(int namespace_fd, int domain, int type, int protocol, int *ret_fd) MUST_CHECK;
/* Sends what is in `out` (one message that asks for an acknowledgement, or a batch of which only
 * failures and the last are answered) and waits for the answer to `last_seq`. The kernel's own
 * errno is left in errno. */
int netlink_call(int fd, const struct buf *out, uint32_t last_seq, struct err *err) MUST_CHECK;
/* A dump: fn for each message until the end. */
int netlink_dump(int fd, const struct buf *out, int (*fn)(void *ctx, uint16_t type, struct str payload),
                 void *ctx, struct err *err) MUST_CHECK;

#endif
