/*
 * Kernel modules: /lib/modules/modules.dep and modules.alias (kmod's text formats, paths relative to
 * /lib/modules), loaded with all they depend on. .xz files are unpacked by the kernel itself.
 */
#ifndef KERNEL_GLUE_BOOT_MODULES_H
#define KERNEL_GLUE_BOOT_MODULES_H

#include "base/arena.h"
#include "base/map.h"

struct modules {
    struct arena arena;
    struct map by_name;            /* name with '_' -> struct module */
    struct module_alias *aliases;  /* newest first */
    bool none;                     /* a kernel without modules */
};

int modules_open(struct modules *m, struct err *err) MUST_CHECK;
void modules_close(struct modules *m);

/* Loads a module and what it needs. 0 also when it is loaded or built in. -E_NOT_FOUND: not in the
 * image. */
int modules_load(struct modules *m, const char *name, struct err *err) MUST_CHECK;
/* Loads what the devices below /sys/devices ask for, again and again until nothing new appears. */
void modules_load_for_devices(struct modules *m);
/* Only a virtual machine's own devices: the bus, then what it shows. */
void modules_load_for_virtio(struct modules *m);

#endif
