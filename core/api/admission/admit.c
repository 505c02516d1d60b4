/* The order of admission; each may change the object or answer the request. */
#include "api/write.h"

int admit(struct write *w)
{
    int rc = admit_namespace(w);
    if (rc == 0)
        rc = admit_node_restriction(w);
    if (rc == 0)
        rc = admit_service_account(w);
    if (rc == 0)
        rc = admit_tolerations(w);
    return rc == 0 ? admit_priority(w) : rc;
}
