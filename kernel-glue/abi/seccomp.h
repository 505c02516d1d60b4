/*
 * The default system call filter of containers, as Docker and containerd choose it: what is known
 * to be harmless is allowed, a few calls when the container has the capability for them, all else
 * fails with EPERM (clone3 with ENOSYS, so that libc falls back to clone, whose flags a filter can
 * see). Built here as classic BPF for x86-64; other ABIs of the machine are refused.
 */
#ifndef KERNEL_GLUE_ABI_SECCOMP_H
#define KERNEL_GLUE_ABI_SECCOMP_H

#include <stdint.h>

#include "base/buf.h"

/* Appends the program for a container that is bounded by these capabilities. */
int seccomp_default_filter(uint64_t capabilities, struct buf *out) MUST_CHECK;
/* Puts the program (as seccomp_default_filter wrote it) in force for the calling process. */
int seccomp_install(struct str program) MUST_CHECK;

#endif
