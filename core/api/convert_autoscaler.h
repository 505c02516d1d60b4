/*
 * HorizontalPodAutoscalers of autoscaling/v1 and v2 (pkg/apis/autoscaling/v1/conversion.go). v1 has
 * one number for the processor; every other metric, what was measured, the conditions and the
 * behavior travel in annotations that autoscaling/v2 and the stored form never show.
 */
#ifndef API_CONVERT_AUTOSCALER_H
#define API_CONVERT_AUTOSCALER_H

#include "codec/json.h"

/* v1 becomes v2, and back; in place. -E_NOMEM. */
int autoscaler_to_v2(struct arena *a, struct json *object) MUST_CHECK;
int autoscaler_to_v1(struct arena *a, struct json *object) MUST_CHECK;
/* What v2 has where no metric is named: the processor at 80 %. */
void autoscaler_default_metrics(struct arena *a, struct json *spec);

#endif
