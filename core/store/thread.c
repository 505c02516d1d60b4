/* See thread.h. */
#include "store/thread.h"

#include <signal.h>

enum { STACK_BYTES = 256 * 1024 };

int thread_start(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int rc = pthread_attr_init(&attr);
    if (rc)
        return -err_from_errno(rc);
    sigfillset(&all);
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (!rc)
        rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!rc) {
        rc = pthread_create(ret_thread, &attr, fn, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    return rc ? -err_from_errno(rc) : 0;
}
