/* The table of error codes and the fixed-buffer messages. See err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    const char *text;
    const char *reason;
    int status;
};

static const struct err_row rows[E__COUNT] = {
#define X(name, number, text_, status_, reason_) [E_##name] = {text_, reason_, status_},
    ERR_TABLE(X)
#undef X
};

static const struct err_row *row_of(int code)
{
    if (code < 0)
        code = -code;
    return &rows[code < E__COUNT ? code : E_INTERNAL];
}

const char *err_text(int code)
{
    return row_of(code)->text;
}

int err_http_status(int code)
{
    return row_of(code)->status;
}

const char *err_reason(int code)
{
    return row_of(code)->reason;
}

int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0: return E_OK;
    case ENOMEM: return E_NOMEM;
    case EAGAIN: return E_AGAIN;
    case ENOENT:
    case ENOTDIR:
    case ESRCH: return E_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return E_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return E_PERM;
    case ENOSPC:
    case EDQUOT: return E_NO_SPACE;
    case EINVAL: return E_BAD_REQUEST;
    case EBUSY: return E_BUSY;
    case ETIMEDOUT: return E_TIMEOUT;
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH: return E_UNAVAILABLE;
    case ECONNRESET:
    case EPIPE: return E_CLOSED;
    case ENOSYS:
    case EOPNOTSUPP: return E_UNSUPPORTED;
    case EMFILE:
    case ENFILE: return E_LIMIT;
    default: return E_IO;
    }
}

static void cut_mark(struct err *err, int written)
{
    if (written >= (int)sizeof err->text)
        memcpy(err->text + sizeof err->text - 4, "...", 4);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->code = code;
        cut_mark(err, vsnprintf(err->text, sizeof err->text, fmt, ap));
        va_end(ap);
    }
    return -code;
}

int err_set_errno(struct err *err, const char *fmt, ...)
{
    int saved = errno;
    int code = err_from_errno(saved);

    if (code == E_OK)
        code = E_INTERNAL;
    if (err) {
        char head[sizeof err->text];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(head, sizeof head, fmt, ap);
        va_end(ap);
        err->code = code;
        cut_mark(err, snprintf(err->text, sizeof err->text, "%s: %s", head, strerror(saved)));
        errno = saved;
    }
    return -code;
}

int err_wrap(struct err *err, int rc, const char *fmt, ...)
{
    if (!err)
        return rc;
    char head[sizeof err->text];
    char tail[sizeof err->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    if (!err->code) {
        err->code = rc < 0 ? -rc : E_INTERNAL;
        snprintf(tail, sizeof tail, "%s", err_text(err->code));
    } else {
        memcpy(tail, err->text, sizeof tail);
    }
    cut_mark(err, snprintf(err->text, sizeof err->text, "%s: %s", head, tail));
    return -err->code;
}

void err_clear(struct err *err)
{
    if (err) {
        err->code = 0;
        err->text[0] = 0;
    }
}
