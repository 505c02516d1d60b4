/* What lwIP asks of its platform: errno, randomness, and how to print and to give up. */
#ifndef KEELSON_LWIP_CC_H
#define KEELSON_LWIP_CC_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

/* Both are defined in drivers/net/lwip. */
unsigned lwip_port_rand(void);
void lwip_port_time_set(uint32_t seconds, uint32_t microseconds);

#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_ERRNO_INCLUDE <errno.h>
#define LWIP_RAND() ((u32_t)lwip_port_rand())
#define LWIP_PLATFORM_DIAG(args) do { printf args; } while (0)
#define LWIP_PLATFORM_ASSERT(text) do { fprintf(stderr, "lwip: %s\n", text); abort(); } while (0)

#endif
