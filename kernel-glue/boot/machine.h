/* Small devices of the machine: clock, watchdog, random seed, power button, network cards. */
#ifndef KERNEL_GLUE_BOOT_MACHINE_H
#define KERNEL_GLUE_BOOT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Sets the system's clock when it is behind; seconds since 1970. True when it was set. */
bool machine_clock_at_least(int64_t seconds);
int machine_clock_set(int64_t nanoseconds) MUST_CHECK; /* by a time server; also into the RTC */

/* The first watchdog, armed with this timeout; -1: none. */
int machine_watchdog_open(int timeout_s);
void machine_watchdog_feed(int fd);
void machine_watchdog_disarm(int fd); /* and closes */

/* Bytes into the kernel's pool, counted as entropy. */
int machine_entropy_add(const void *p, unsigned n, struct err *err) MUST_CHECK;

/* The kernel's messages about devices (uevents), as a datagram socket; -1: none. machine_uevent_read: 1 a device was added, 0 nothing of interest, -E_AGAIN. */
int machine_uevent_open(void);
int machine_uevent_read(int fd);

/* The first wired network card by name order; false: none yet. */
bool machine_wired_card(char ret_name[16]);
/* It is up and has a link. */
bool machine_card_ready(const char *name);
/* Brings every wired card up, so that it finds its link. */
void machine_cards_up(void);

#endif
