/* See console.h. */
#include "main/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "keelson_version.h"

enum { SCREEN_BYTES = 4096, DRAW_DELAY_MS = 1000 };

struct screen {
    char text[SCREEN_BYTES];
    size_t n;
};

static PRINTF_LIKE(2, 3) void put(struct screen *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->text + s->n, sizeof s->text - s->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        s->n = s->n + (size_t)n < sizeof s->text ? s->n + (size_t)n : sizeof s->text - 1;
}

static void put_addresses(struct screen *s, const struct role_start *start)
{
    char text[NET_ADDR_TEXT];
    put(s, "  addresses ");
    for (size_t i = 0; i < start->net.addr_count; i++)
        put(s, " %s", net_addr_format(&start->net.addrs[i], false, text));
    put(s, "%s\r\n", start->net.addr_count ? "" : " none yet");
}

static void put_roles(struct screen *s, const struct console *c)
{
    for (int i = 1; i < ROLE__COUNT; i++) {
        const struct supervised *r = &c->sup->roles[i];
        if (r->state == ROLE_ABSENT)
            continue;
        put(s, "  %-8s  %-10s", role_get((enum role_id)i)->name, role_state_text(r->state));
        if (r->restarts)
            put(s, "  restarts %llu", (unsigned long long)r->restarts);
        put(s, "%s%s\r\n", r->status[0] ? "  " : "", r->status);
    }
}

static void draw(void *ctx)
{
    struct console *c = ctx;
    const struct role_start *start = &c->sup->start;
    struct screen s = {.n = 0};
    put(&s, "\r\nKeelson %s  %s\r\n", c->version, start->node_name);
    put_addresses(&s, start);
    if (start->endpoint[0])
        put(&s, "  API         https://%s\r\n", start->endpoint);
    else
        put(&s, "  API         port %u of these addresses\r\n", start->listen.port);
    put(&s, "  CA          %s\r\n", c->fingerprint[0] ? c->fingerprint : "not known yet");
    put_roles(&s, c);
    if (c->notice[0])
        put(&s, "  NOTE        %s\r\n", c->notice);
    if (c->error[0])
        put(&s, "  last error  %s\r\n", c->error);
    uint64_t hash = str_hash(str_make(s.text, s.n));
    if (hash == c->shown_hash || c->fd < 0)
        return;
    c->shown_hash = hash;
    /* Cursor home and what is below cleared; a log of the serial line shows the screens one after
     * the other. */
    static const char clear[] = "\033[H\033[J";
    if (write(c->fd, clear, sizeof clear - 1) < 0 || write(c->fd, s.text, s.n) < 0)
        c->shown_hash = 0;
}

void console_init(struct console *c, struct loop *loop, const struct supervisor *sup, int fd)
{
    *c = (struct console){.loop = loop, .sup = sup, .fd = fd, .version = KEELSON_VERSION};
    loop_timer_init(&c->timer, draw, c);
    loop_timer_set(loop, &c->timer, DRAW_DELAY_MS); /* also makes the loop's room for it */
}

void console_changed(struct console *c)
{
    if (!loop_timer_armed(&c->timer))
        loop_timer_set(c->loop, &c->timer, DRAW_DELAY_MS);
}

void console_error(struct console *c, const char *text)
{
    str_copy(c->error, sizeof c->error, str_of(text));
    console_changed(c);
}

void console_notice(struct console *c, const char *text)
{
    str_copy(c->notice, sizeof c->notice, str_of(text));
    console_changed(c);
}

void console_line(struct console *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text - 2, fmt, ap);
    va_end(ap);
    if (n < 0 || c->fd < 0)
        return;
    if (n > (int)sizeof text - 3)
        n = (int)sizeof text - 3;
    text[n++] = '\r';
    text[n++] = '\n';
    ssize_t ignored = write(c->fd, text, (size_t)n);
    (void)ignored;
}
