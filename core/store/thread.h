/* Starting the store's disk thread. In a file of its own, as <signal.h> and the loop's header both
 * want the names POLL_*. */
#ifndef STORE_THREAD_H
#define STORE_THREAD_H

#include <pthread.h>

#include "base/err.h"

/* A thread with a small stack that receives no signals. */
int thread_start(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg) MUST_CHECK;

#endif
