/* See image_role.h. The socket blocks: these roles do one thing at a time. */
#include "main/image_role.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

int image_role_receive(unsigned char *buffer, struct imsg_in *ret_m, struct err *err)
{
    struct pollfd wait = {.fd = IMAGE_ROLE_SOCKET, .events = POLLIN};
    int rc;
    do
        rc = poll(&wait, 1, -1) < 0 && errno != EINTR ? -err_from_errno(errno)
                                                       : imsg_recv(IMAGE_ROLE_SOCKET, buffer, LIMIT_IMSG_BYTES, ret_m);
    while (rc == -E_AGAIN);
    return rc < 0 ? err_set(err, -rc, "no message from runtime: %s", err_text(rc)) : 0;
}

int image_role_send(const struct imsg_out *m, struct err *err)
{
    int rc = m->failed ? -E_TOO_LARGE : imsg_send(IMAGE_ROLE_SOCKET, m);
    return rc < 0 ? err_set(err, -rc, "cannot answer runtime: %s", err_text(rc)) : 0;
}

void image_role_fail(const struct err *err)
{
    unsigned char buffer[1024];
    struct imsg_out m;
    imsg_begin(&m, buffer, sizeof buffer, IMAGE_FAILED, 0);
    imsg_put_u64(&m, IMAGE_TAG_CODE, (uint64_t)(err->code ? err->code : E_INTERNAL));
    imsg_put_cstr(&m, IMAGE_TAG_TEXT, err->text);
    (void)!image_role_send(&m, NULL); /* who does not listen learns it from our end */
}

int image_role_memory(struct str text, int *ret_fd, struct err *err)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot pass on a document");
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR) {
            int rc = err_set_errno(err, "cannot pass on a document");
            close(fd);
            return rc;
        }
        if (n > 0)
            text = str_make(text.p + n, text.n - (size_t)n);
    }
    *ret_fd = fd;
    return 0;
}

int image_role_read(int fd, struct buf *out, struct err *err)
{
    char p[16384];
    for (;;) {
        ssize_t n = read(fd, p, sizeof p);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, "cannot read");
        if (n == 0)
            return 0;
        buf_append(out, p, (size_t)n);
        if (out->failed)
            return err_set(err, E_TOO_LARGE, "a document of more than %zu bytes", out->max_bytes);
    }
}
