/*
 * The screen of the machine's console: who this is, where it is reached, how its roles are. Drawn
 * again when something changed, at most once a second. Never waits for the terminal: what does not
 * fit its buffer is lost, and the next drawing shows it.
 */
#ifndef MAIN_CONSOLE_H
#define MAIN_CONSOLE_H

#include "main/supervisor.h"

struct console {
    struct loop *loop;
    const struct supervisor *sup;
    int fd; /* -1: no console */
    struct loop_timer timer;
    char version[64], fingerprint[48], error[192], notice[192];
    uint64_t shown_hash;
};

void console_init(struct console *c, struct loop *loop, const struct supervisor *sup, int fd);
/* Something that is shown has changed. */
void console_changed(struct console *c);
void console_error(struct console *c, const char *text);  /* the last error */
void console_notice(struct console *c, const char *text); /* stays until replaced: no disk, bad configuration */
/* A plain line, at once: boot and shutdown. */
void console_line(struct console *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
