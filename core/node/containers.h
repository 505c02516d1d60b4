/* Which of a pod's containers are to run now: order, restart policy, sidecars. */
#ifndef NODE_CONTAINERS_H
#define NODE_CONTAINERS_H

#include "node/node_int.h"

/* Begins what is due. False: nothing of the pod runs any more or will. */
bool containers_work(struct step *s);
/* Stops them: ordinary ones together, then sidecars in reverse order. False: none is alive. */
bool containers_stop(struct step *s, int64_t grace_ms);
/* Is there anything for which a new sandbox would be needed? */
bool containers_any_to_run(struct step *s);
bool containers_all_succeeded(struct step *s);

#endif
