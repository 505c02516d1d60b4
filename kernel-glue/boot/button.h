/* The power button, as ACPI tells of it (generic netlink family acpi_event). */
#ifndef KERNEL_GLUE_BOOT_BUTTON_H
#define KERNEL_GLUE_BOOT_BUTTON_H

#include <stdbool.h>

#include "base/err.h"

/* Non-blocking. -E_NOT_FOUND: a machine without ACPI. */
int button_open(int *ret_fd, struct err *err) MUST_CHECK;
/* Reads what has come: true when the power button was pressed. */
bool button_pressed(int fd);

#endif
