/*
 * When the machine's boot reached what: milliseconds since process 1's first instruction. Each mark
 * is logged once; when the node is Ready, and when the first pod runs, the console gets one line of
 * all of them so far, in the order of enum boot_mark:
 *
 *   Keelson: boot ms: mounted 41, configured 420, state 610, ..., API 812, Ready 1033
 */
#ifndef MAIN_BOOT_TIMES_H
#define MAIN_BOOT_TIMES_H

#include "main/console.h"

enum boot_mark {
    BOOT_MOUNTED,   /* the kernel's file systems are there, the supervisor runs */
    BOOT_CONFIGURED,
    BOOT_STATE,     /* the state partition is mounted */
    BOOT_ADDRESS,
    BOOT_CONTAINERS, /* the modules that pods need are loaded */
    BOOT_DEVICES,    /* all modules that devices ask for are loaded */
    BOOT_API,        /* front listens, control serves what every cluster begins with */
    BOOT_READY,      /* the API has taken a Ready condition that is true */
    BOOT_POD,        /* the API has taken the first pod's phase Running */
    BOOT__COUNT
};

struct boot_times {
    int64_t start_ns;
    int64_t ms[BOOT__COUNT]; /* 0: not yet */
    struct console *console; /* NULL: none yet */
};

/* The first thing that process 1 does. */
void boot_times_start(struct boot_times *t);
/* Only the first time counts. */
void boot_times_reached(struct boot_times *t, enum boot_mark mark);

#endif
