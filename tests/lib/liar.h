/*
 * A registry that lies: a child process on a loopback port that answers from a script, one request
 * a connection.
 */
#ifndef TESTS_LIB_LIAR_H
#define TESTS_LIB_LIAR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

enum { LIAR_RULES = 32 };

struct liar_rule {
    const char *path;   /* of the request, query included */
    const char *header; /* text that must be in the request's head, or NULL */
    const char *without; /* text that must not be in it, or NULL */
    struct str answer;  /* sent as it is */
    bool stall;         /* then the connection stays open and silent */
};

struct liar {
    int listen_fd;
    unsigned port;
    pid_t pid;
    struct liar_rule rules[LIAR_RULES]; /* the first that fits; else 500 */
    size_t rule_count;
    struct buf text[LIAR_RULES]; /* owns the answers */
};

/* The port is known then; liar_start when all rules are there. */
static inline void liar_open(struct liar *l)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    memset(l, 0, sizeof *l);
    l->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(l->listen_fd, (struct sockaddr *)&at, size) < 0 || listen(l->listen_fd, 16) < 0 ||
        getsockname(l->listen_fd, (struct sockaddr *)&at, &size) < 0)
        abort();
    l->port = ntohs(at.sin_port);
    l->pid = -1;
}

static inline const struct liar_rule *liar_find(const struct liar *l, const char *head)
{
    const char *from = strchr(head, ' '), *to = from ? strchr(from + 1, ' ') : NULL;
    for (size_t i = 0; to && i < l->rule_count; i++) {
        const struct liar_rule *r = &l->rules[i];
        size_t n = strlen(r->path);
        if ((size_t)(to - from - 1) == n && memcmp(from + 1, r->path, n) == 0 &&
            (!r->header || strstr(head, r->header)) && (!r->without || !strstr(head, r->without)))
            return r;
    }
    return NULL;
}

static inline void liar_serve(const struct liar *l)
{
    static const char nothing[] = "HTTP/1.1 500 Unscripted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (;;) {
        char head[16384];
        size_t n = 0;
        int fd = accept(l->listen_fd, NULL, NULL);
        if (fd < 0)
            continue;
        head[0] = 0;
        while (n < sizeof head - 1 && !strstr(head, "\r\n\r\n")) {
            ssize_t got = read(fd, head + n, sizeof head - 1 - n);
            if (got <= 0)
                break;
            n += (size_t)got;
            head[n] = 0;
        }
        const struct liar_rule *r = liar_find(l, head);
        if (write(fd, r ? r->answer.p : nothing, r ? r->answer.n : sizeof nothing - 1) < 0) {
            close(fd);
            continue;
        }
        if (r && r->stall)
            continue; /* the descriptor is left open */
        shutdown(fd, SHUT_WR);
        while (read(fd, head, sizeof head) > 0)
            ;
        close(fd);
    }
}

static inline void liar_start(struct liar *l)
{
    l->pid = fork();
    if (l->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        alarm(60);
        liar_serve(l);
    }
}

static inline void liar_stop(struct liar *l)
{
    if (l->pid > 0) {
        kill(l->pid, SIGKILL);
        waitpid(l->pid, NULL, 0);
    }
    close(l->listen_fd);
    for (size_t i = 0; i < l->rule_count; i++)
        buf_done(&l->text[i]);
}

static inline struct liar_rule *liar_add(struct liar *l, const char *path)
{
    struct liar_rule *r = &l->rules[l->rule_count];
    if (l->rule_count == LIAR_RULES)
        abort();
    *r = (struct liar_rule){.path = path};
    buf_init(&l->text[l->rule_count++], 1 << 22);
    return r;
}

/* Adds a rule with a whole answer; head: more header lines, each with CR LF, or "". */
static inline struct liar_rule *liar_says(struct liar *l, const char *path, const char *status, const char *head, struct str body)
{
    struct liar_rule *r = liar_add(l, path);
    struct buf *b = &l->text[l->rule_count - 1];
    buf_printf(b, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status, body.n, head);
    buf_append_str(b, body);
    r->answer = buf_str(b);
    return r;
}

/* As it is. */
PRINTF_LIKE(3, 4)
static inline struct liar_rule *liar_sends(struct liar *l, const char *path, const char *format, ...)
{
    struct liar_rule *r = liar_add(l, path);
    struct buf *b = &l->text[l->rule_count - 1];
    char text[8192];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    buf_puts(b, text);
    r->answer = buf_str(b);
    return r;
}

#endif
