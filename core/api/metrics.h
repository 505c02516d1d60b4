/* What the API server counts, under upstream's names (k8s.io/apiserver/pkg/endpoints/metrics), and
 * /metrics. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/api_int.h"
#include "base/metrics.h"

struct api_metrics;

int api_metrics_new(struct api *api) MUST_CHECK; /* api->metrics */
void api_metrics_free(struct api *api);
/* For other parts' own. */
struct metrics *api_metrics_registry(struct api *api);

/* The request ended. */
void api_metrics_request(struct api_request *r);
/* What came of an admission webhook. rejected: what it said is why the write was refused; code: of
 * the refusal; error_type: "no_error" or "calling_webhook_error". */
struct api_metrics_hook {
    const char *name, *operation, *error_type;
    bool mutating, rejected;
    int code;
    int64_t began_us;
};
void api_metrics_webhook(struct api *api, const struct api_metrics_hook *h);
void api_metrics_authentication(struct api *api, bool good);
void api_metrics_authorization(struct api *api, bool allowed);

void metrics_handle(struct api_request *r);

#endif
