/* What changed, as upstream tells it where a change is refused (apimachinery/pkg/util/diff). */
#ifndef API_KINDS_SPEC_DIFF_H
#define API_KINDS_SPEC_DIFF_H

#include "codec/json.h"

/* A unified diff with three lines of context of both as indented JSON; "" when there is nothing to
 * tell, or more than can be. Upstream spells the members as its Go types do. */
const char *spec_diff(struct arena *a, const struct json *before, const struct json *now);

#endif
