/* ResourceClaims and ResourceClaimTemplates, as upstream's pkg/apis/resource. */
#include "api/kinds/device.h"
#include "api/kinds/kinds.h"

/* ---- claims ---- */

static void default_claim(struct write *w)
{
    device_claim_default(w->a, json_get(w->object, "spec"));
}

static bool lists_device(const struct json *status, const struct json *device)
{
    static const char *const parts[] = {"driver", "pool", "device"};
    const struct json *r = json_first(json_path(status, "allocation.devices.results"));
    for (int n = 0; r && n < DEVICES_LIST_MOST; r = r->next, n++) {
        bool same = true;
        for (size_t i = 0; i < 3; i++)
            same = same && str_eq(json_path_str(r, parts[i]), json_path_str(device, parts[i]));
        if (same)
            return true;
    }
    return false;
}

/* What drivers said of devices goes with their allocation. */
static void drop_deallocated(struct write *w)
{
    struct json *status = json_get(w->object, "status"), *list = json_get(status, "devices");
    uint32_t i = 0;
    if (!cstr_eq(w->subresource, "status"))
        return;
    for (struct json *d = json_first(list), *next; d; d = next) {
        next = d->next;
        if (lists_device(json_get(w->old, "status"), d) && !lists_device(status, d))
            json_remove_at(list, i);
        else
            i++;
    }
    if (list && !json_count(list))
        json_remove(status, "devices");
}

static void validate_claim(struct write *w)
{
    if (!w->is_create)
        return; /* it cannot change: see below */
    device_claim_validate(&w->errors, FIELD(NULL, "spec"), json_get(w->object, "spec"));
    device_admin_validate(w, json_path(w->object, "spec.devices.requests"));
}

static void update_claim(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        device_claim_status_validate(w);
    else
        field_check_immutable(&w->errors, FIELD(NULL, "spec"), json_get(w->object, "spec"),
                              json_get(w->old, "spec"));
}

const struct kind kind_resource_claim = {
    .group = "resource.k8s.io",
    .resource = "resourceclaims",
    .flags = KIND_STATUS | KIND_STATUS_ONLY | KIND_RETURN_DELETED,
    .set_defaults = default_claim,
    .prepare_update = drop_deallocated,
    .validate = validate_claim,
    .validate_update = update_claim,
};

/* ---- templates ---- */

static void default_template(struct write *w)
{
    device_claim_default(w->a, json_path(w->object, "spec.spec"));
}

static void validate_template(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    if (!w->is_create)
        return;
    field_check_labels(&w->errors, FIELD(FIELD(f, "metadata"), "labels"),
                       json_path(w->object, "spec.metadata.labels"));
    device_claim_validate(&w->errors, FIELD(f, "spec"), json_path(w->object, "spec.spec"));
    device_admin_validate(w, json_path(w->object, "spec.spec.devices.requests"));
}

static void update_template(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(NULL, "spec"), json_get(w->object, "spec"),
                          json_get(w->old, "spec"));
}

const struct kind kind_resource_claim_template = {
    .group = "resource.k8s.io",
    .resource = "resourceclaimtemplates",
    .flags = KIND_RETURN_DELETED,
    .set_defaults = default_template,
    .validate = validate_template,
    .validate_update = update_template,
};
