/*
 * Errors. A function that can fail returns 0 or a negative code (-E_NOT_FOUND ...); outputs are its
 * last parameters, named ret_*, and are never written on failure. Where a person reads the message
 * the very last parameter is `struct err *`, a fixed buffer that each caller may prefix with what
 * it was doing. `struct err *` may be NULL everywhere: then only the code is returned.
 *
 * Each code carries the HTTP status and the Kubernetes reason it becomes at the API.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

/* X(name, number, text, http status, kubernetes reason) */
#define ERR_TABLE(X)                                                                               \
    X(OK, 0, "ok", 200, "")                                                                        \
    X(NOMEM, 1, "out of memory", 500, "InternalError")                                             \
    X(IO, 2, "input/output error", 500, "InternalError")                                           \
    X(AGAIN, 3, "would block", 503, "ServiceUnavailable")                                          \
    X(EOF, 4, "end of data", 500, "InternalError")                                                 \
    X(SYNTAX, 5, "malformed input", 400, "BadRequest")                                             \
    X(BAD_REQUEST, 6, "bad request", 400, "BadRequest")                                            \
    X(INVALID, 7, "invalid object", 422, "Invalid")                                                \
    X(UNAUTHORIZED, 8, "unauthorized", 401, "Unauthorized")                                        \
    X(FORBIDDEN, 9, "forbidden", 403, "Forbidden")                                                 \
    X(NOT_FOUND, 10, "not found", 404, "NotFound")                                                 \
    X(METHOD, 11, "method not allowed", 405, "MethodNotAllowed")                                   \
    X(NOT_ACCEPTABLE, 12, "not acceptable", 406, "NotAcceptable")                                  \
    X(EXISTS, 13, "already exists", 409, "AlreadyExists")                                          \
    X(CONFLICT, 14, "conflict", 409, "Conflict")                                                   \
    X(GONE, 15, "gone", 410, "Gone")                                                               \
    X(EXPIRED, 16, "expired", 410, "Expired")                                                      \
    X(TOO_LARGE, 17, "too large", 413, "RequestEntityTooLarge")                                    \
    X(MEDIA_TYPE, 18, "unsupported media type", 415, "UnsupportedMediaType")                       \
    X(TOO_MANY, 19, "too many requests", 429, "TooManyRequests")                                   \
    X(INTERNAL, 20, "internal error", 500, "InternalError")                                        \
    X(UNSUPPORTED, 21, "not supported", 501, "NotImplemented")                                     \
    X(UNAVAILABLE, 22, "unavailable", 503, "ServiceUnavailable")                                   \
    X(TIMEOUT, 23, "timed out", 504, "Timeout")                                                    \
    X(NO_SPACE, 24, "no space left", 507, "InternalError")                                         \
    X(CORRUPT, 25, "corrupt data", 500, "InternalError")                                           \
    X(LIMIT, 26, "limit reached", 400, "BadRequest")                                               \
    X(PERM, 27, "not permitted", 403, "Forbidden")                                                 \
    X(CLOSED, 28, "closed", 503, "ServiceUnavailable")                                             \
    X(BUSY, 29, "busy", 503, "ServiceUnavailable")

enum err_code {
#define X(name, number, text, status, reason) E_##name = number,
    ERR_TABLE(X)
#undef X
    E__COUNT
};

struct err {
    int code;       /* positive E_*; 0 while nothing was set */
    char text[504]; /* always terminated; cut with "..." when longer */
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Text, HTTP status and Kubernetes reason of a code; the sign does not matter. */
const char *err_text(int code);
int err_http_status(int code);
const char *err_reason(int code);

/* The code nearest to an errno value (E_NOT_FOUND for ENOENT, E_NO_SPACE for ENOSPC ...). */
int err_from_errno(int errno_value);

/* Sets code and message; returns -code. err may be NULL. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set, with ": " and strerror(errno) behind; the code comes from errno. errno is kept. */
int err_set_errno(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prefixes the message with "<fmt>: "; returns -(its code), or rc when err is NULL. */
int err_wrap(struct err *err, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
void err_clear(struct err *err);

#endif
