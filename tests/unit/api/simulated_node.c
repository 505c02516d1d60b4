/* See simulated.c. The clock can be pushed forward: fixture_pass. */
#include <stdint.h>
#include <time.h>

#include "api_fixture.h"

static int64_t pushed_ns;

static int pushed_clock(clockid_t id, struct timespec *t)
{
    int rc = clock_gettime(id, t);
    int64_t ns = t->tv_sec * 1000000000ll + t->tv_nsec + pushed_ns;
    t->tv_sec = ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
    return rc;
}

void fixture_pass(struct fixture *f, int64_t ms)
{
    pushed_ns += ms * 1000000;
    fixture_turn(f, 20);
}

#define clock_gettime pushed_clock
#include "../store/sim_node.c"
