/* The end: everything else stopped, disks in order, the machine off or started again. */
#ifndef KERNEL_GLUE_BOOT_POWER_H
#define KERNEL_GLUE_BOOT_POWER_H

#include <stdbool.h>

/* Ctrl-Alt-Del becomes a SIGINT for process 1. */
void power_catch_keys(void);
/* Every process but this one: SIGTERM, at most grace_ms, SIGKILL; reaped. */
void power_end_processes(int grace_ms);
/* Syncs and unmounts what can be unmounted; what is busy becomes read-only. */
void power_unmount_all(void);
/* Does not return as process 1. A machine without a way to power itself off (a microvm without
 * ACPI) is started again instead: its hypervisor ends it then. */
void power_off(bool restart);

#endif
