/* Between the rules for Services and the reservation of their addresses and ports. */
#ifndef API_KINDS_SERVICE_H
#define API_KINDS_SERVICE_H

#include "api/kinds/kinds.h"

bool service_external(const struct json *service); /* type ExternalName */
bool service_headless(const struct json *service);
bool service_has_node_ports(const struct json *service);

/* Chooses what the service needs and adds the reservations to the write; 0, or answered. */
int service_allocate(struct write *w);
/* Gives back all that w->old holds. */
void service_release(struct write *w);

#endif
