/*
 * The audit log: who asked for what and what came of it, as far as a policy (audit.k8s.io/v1) asks to
 * know. A request whose level is None costs one walk through the rules and nothing more.
 *
 *   policy.c  the policy, and which level a request has
 *   event.c   an Event as a line of JSON
 *   audit.c   the stages of a request
 *
 * Lines go to a sink that never blocks; what it cannot take is dropped and counted.
 */
#ifndef API_AUDIT_AUDIT_H
#define API_AUDIT_AUDIT_H

#include "api/api_int.h"

enum audit_level { AUDIT_NONE, AUDIT_METADATA, AUDIT_REQUEST, AUDIT_REQUEST_RESPONSE };
enum audit_stage {
    AUDIT_REQUEST_RECEIVED,
    AUDIT_RESPONSE_STARTED, /* of watches and streams, at their head */
    AUDIT_RESPONSE_COMPLETE,
    AUDIT_STAGES
};
enum { AUDIT_RULES = 256 };

/* ---- policy.c ---- */
struct audit_policy;
/* policy: the object of keelson.yaml's api.audit; copied. -E_INVALID: err names the place and what is
 * expected there. */
int audit_policy_new(const struct json *policy, struct audit_policy **ret,
                     struct err *err) MUST_CHECK;
void audit_policy_free(struct audit_policy *p); /* accepts NULL */

struct audit_decision {
    enum audit_level level;
    bool omits[AUDIT_STAGES];
    bool omits_managed_fields;
};
struct audit_decision audit_policy_decide(const struct audit_policy *p, const struct api_request *r);

/* ---- audit.c ---- */
struct audit; /* api->audit; NULL: there is no policy */
struct audit_request; /* api_request->audit; NULL: nothing is told of it */

int audit_new(struct api *api, const struct json *policy, struct err *err) MUST_CHECK;
void audit_free(struct api *api);
/* The request is known, and who asks. */
void audit_begin(struct api_request *r, const struct api_peer *peer);
void audit_head(struct api_request *r);  /* the head of its answer goes out */
void audit_answer(struct api_request *r, const char *content_type, struct str bytes);
void audit_end(struct api_request *r);
/* The last value of a key stays: whether somebody may act as another comes before whether that one
 * may. */
void audit_annotate(struct api_request *r, const char *key, const char *value);
/* GET /logs/audit.log: the newest events. */
void audit_log_handle(struct api_request *r);
/* "Audit-Id" of the answer, or NULL. */
const char *audit_id(const struct api_request *r);

/* ---- event.c ---- */
struct audit_request {
    struct arena *arena; /* the request's */
    struct audit_decision decision;
    char id[64];
    const char *address, *agent;
    struct user user; /* who asked, before impersonation */
    struct json *annotations, *response;
    bool begun;
};
/* A line with its line break. false: out of memory, or larger than out may be. */
bool audit_event(const struct api_request *r, const struct audit_request *q,
                 enum audit_stage stage, struct buf *out);

#endif
