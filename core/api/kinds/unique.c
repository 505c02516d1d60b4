/* Duplicates. See unique.h. */
#include "api/kinds/unique.h"

void unique_done(struct unique *u)
{
    map_done(&u->map, NULL);
}

bool unique_add(struct unique *u, struct str key)
{
    struct str k = key.p ? key : STR("");
    if (map_has(&u->map, k))
        return false;
    /* Without memory a duplicate may pass; the write itself will not. */
    int rc = map_set(&u->map, k, u, NULL);
    (void)rc;
    return true;
}
