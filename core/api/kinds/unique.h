/* What is there twice, in lists of any length that clients send. */
#ifndef API_KINDS_UNIQUE_H
#define API_KINDS_UNIQUE_H

#include "base/map.h"

struct unique { /* all-zero: nothing seen */
    struct map map;
};

void unique_done(struct unique *u);
#define CLEANUP_UNIQUE __attribute__((cleanup(unique_done)))

/* false: it was added before. */
bool unique_add(struct unique *u, struct str key);

#endif
