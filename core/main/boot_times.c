/* See boot_times.h. */
#include "main/boot_times.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void boot_times_start(struct boot_times *t)
{
    *t = (struct boot_times){.start_ns = now_ns()};
}

static const char *const names[BOOT__COUNT] = {
    [BOOT_MOUNTED] = "mounted",       [BOOT_CONFIGURED] = "configured", [BOOT_STATE] = "state",
    [BOOT_ADDRESS] = "address",       [BOOT_CONTAINERS] = "containers", [BOOT_DEVICES] = "devices",
    [BOOT_API] = "API",               [BOOT_READY] = "Ready",           [BOOT_POD] = "pod",
};

static void show(const struct boot_times *t)
{
    char text[BOOT__COUNT * 32];
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < BOOT__COUNT; i++)
        if (t->ms[i])
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %lld", n ? ", " : "", names[i], (long long)t->ms[i]);
    console_line(t->console, "Keelson: boot ms: %s", text);
}

void boot_times_reached(struct boot_times *t, enum boot_mark mark)
{
    if (t->ms[mark])
        return;
    int64_t ms = (now_ns() - t->start_ns) / 1000000;
    t->ms[mark] = ms ? ms : 1;
    log_info("boot: %s after %lld ms", names[mark], (long long)t->ms[mark]);
    if (mark >= BOOT_READY && t->console)
        show(t);
}
