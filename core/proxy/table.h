/* From objects to rules: a pure function, so that it can be tested without a network. */
#ifndef PROXY_TABLE_H
#define PROXY_TABLE_H

#include "codec/json.h"
#include "port/rules.h"

struct table_input {
    struct arena *arena; /* the table lives in it */
    const char *node_name;
    struct net_addr dns_addr;
    size_t service_count, service_size;
    struct rules_service *services;
};

/* Adds the rules of one Service; slices: its EndpointSlices. Fields that do not parse are skipped:
 * the API validated them. 0 or -E_NOMEM. */
int table_add(struct table_input *in, const struct json *service, const struct json *const *slices,
              size_t slice_count) MUST_CHECK;

#endif
