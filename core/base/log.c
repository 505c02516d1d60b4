/* One write(2) a line, cut at 1 KiB, control bytes made visible. See log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

static struct {
    const char *role;
    int fd;
    enum log_level most;
} logger = {"keelson", 2, LOG_INFO};

void log_init(const char *role, int fd, enum log_level most)
{
    logger.role = role;
    logger.fd = fd;
    logger.most = most;
}

void log_level_set(enum log_level most)
{
    logger.most = most;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {
        [LOG_ERR] = "error", [LOG_WARN] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    char line[1024];
    if (level > logger.most)
        return;
    int head = snprintf(line, sizeof line, "%s %s: ", names[level], logger.role);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line + head, sizeof line - (size_t)head - 1, fmt, ap);
    va_end(ap);
    n = n < 0 ? head : head + n;
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    for (int i = head; i < n; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    line[n++] = '\n';
    ssize_t ignored = write(logger.fd, line, (size_t)n);
    (void)ignored;
}

void assert_failed(const char *file, int line, const char *expr)
{
    log_err("assertion failed at %s:%d: %s", file, line, expr);
    abort();
}
