/* What the roles `pull` and `unpack` have in common: their socket and their last words. */
#ifndef MAIN_IMAGE_ROLE_H
#define MAIN_IMAGE_ROLE_H

#include "base/buf.h"
#include "main/image_msg.h"

enum { IMAGE_ROLE_SOCKET = 3 };

/* Waits for a message. -E_CLOSED: `runtime` wants no more. buffer: LIMIT_IMSG_BYTES. */
int image_role_receive(unsigned char *buffer, struct imsg_in *ret_m, struct err *err) MUST_CHECK;
int image_role_send(const struct imsg_out *m, struct err *err) MUST_CHECK;
void image_role_fail(const struct err *err); /* IMAGE_FAILED */
/* Text in a descriptor that can be passed on. */
int image_role_memory(struct str text, int *ret_fd, struct err *err) MUST_CHECK;
/* All of a descriptor. -E_TOO_LARGE past the buffer's cap. */
int image_role_read(int fd, struct buf *out, struct err *err) MUST_CHECK;

#endif
