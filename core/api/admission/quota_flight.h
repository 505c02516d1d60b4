/*
 * Charges under way. A command of the store takes a moment to become durable, and many commands
 * share that moment. So that the charges of one moment need not wait for each other, each builds on
 * what the one before it makes of the quota, and its command compares the quota with just that:
 * when one of them fails, those that build on it fail too and are decided again.
 */
#ifndef API_ADMISSION_QUOTA_FLIGHT_H
#define API_ADMISSION_QUOTA_FLIGHT_H

#include "api/write.h"

struct quota_charge { /* of one quota, by one write; in its work arena */
    struct quota_charge *next;
    struct str key, value;
    struct quota_flight *flight; /* NULL: not under way */
    uint64_t generation;
};

/* What the charges under way make of the quota; false: there are none. Valid for this turn. */
bool quota_flight_latest(struct api *api, struct str key, struct str *ret_value);
/* The write's command is on its way to the store. */
void quota_flight_begin(struct write *w);
/* It has ended; stored: its charges are in force. Harmless when none is under way. */
void quota_flight_end(struct write *w, bool stored);
void quota_flights_free(struct api *api);

#endif
