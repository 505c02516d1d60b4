/* The types of `request` and `namespaceObject` (apiserver/pkg/admission/plugin/cel/compile.go). */
#include "cel/cel.h"

#define FIELD(text, of)                    \
    {                                      \
        {"" text, sizeof(text) - 1}, &(of) \
    }
#define OBJECT(of, list)                                                                  \
    {                                                                                     \
        .kind = CEL_T_OBJECT, .name = "kubernetes." of, .nullable = true, .fields = list, \
        .field_count = sizeof list / sizeof *list                                         \
    }

static const struct cel_type texts = {.kind = CEL_T_LIST, .element = &cel_string};
static const struct cel_type text_map = {
    .kind = CEL_T_MAP, .key = &cel_string, .element = &cel_string};
static const struct cel_type lists_map = {.kind = CEL_T_MAP, .key = &cel_string, .element = &texts};
static const struct cel_type flag = {.kind = CEL_T_BOOL, .nullable = true};

static const struct cel_field kind_fields[] = {
    FIELD("group", cel_string), FIELD("version", cel_string), FIELD("kind", cel_string)};
static const struct cel_type kind_type = OBJECT("GroupVersionKind", kind_fields);

static const struct cel_field resource_fields[] = {
    FIELD("group", cel_string), FIELD("version", cel_string), FIELD("resource", cel_string)};
static const struct cel_type resource_type = OBJECT("GroupVersionResource", resource_fields);

static const struct cel_field user_fields[] = {FIELD("username", cel_string),
                                               FIELD("uid", cel_string), FIELD("groups", texts),
                                               FIELD("extra", lists_map)};
static const struct cel_type user_type = OBJECT("UserInfo", user_fields);

static const struct cel_field request_fields[] = {
    FIELD("kind", kind_type),
    FIELD("resource", resource_type),
    FIELD("subResource", cel_string),
    FIELD("requestKind", kind_type),
    FIELD("requestResource", resource_type),
    FIELD("requestSubResource", cel_string),
    FIELD("name", cel_string),
    FIELD("namespace", cel_string),
    FIELD("operation", cel_string),
    FIELD("userInfo", user_type),
    FIELD("dryRun", flag),
    FIELD("options", cel_dyn),
};
const struct cel_type cel_admission_request = OBJECT("AdmissionRequest", request_fields);

static const struct cel_type when = {.kind = CEL_T_TIMESTAMP, .nullable = true};

static const struct cel_field condition_fields[] = {
    FIELD("status", cel_string), FIELD("type", cel_string), FIELD("lastTransitionTime", when),
    FIELD("message", cel_string), FIELD("reason", cel_string)};
static const struct cel_type condition_type = OBJECT("NamespaceCondition", condition_fields);
static const struct cel_type conditions = {.kind = CEL_T_LIST, .element = &condition_type};

static const struct cel_field status_fields[] = {FIELD("conditions", conditions),
                                                 FIELD("phase", cel_string)};
static const struct cel_type status_type = OBJECT("NamespaceStatus", status_fields);
static const struct cel_field spec_fields[] = {FIELD("finalizers", texts)};
static const struct cel_type spec_type = OBJECT("NamespaceSpec", spec_fields);

static const struct cel_field metadata_fields[] = {
    FIELD("name", cel_string),
    FIELD("generateName", cel_string),
    FIELD("namespace", cel_string),
    FIELD("labels", text_map),
    FIELD("annotations", text_map),
    FIELD("UID", cel_string),
    FIELD("creationTimestamp", when),
    FIELD("deletionGracePeriodSeconds", cel_int),
    FIELD("deletionTimestamp", when),
    FIELD("generation", cel_int),
    FIELD("resourceVersion", cel_string),
    FIELD("finalizers", texts),
};
static const struct cel_type metadata_type = OBJECT("NamespaceMetadata", metadata_fields);

static const struct cel_field namespace_fields[] = {
    FIELD("metadata", metadata_type), FIELD("spec", spec_type), FIELD("status", status_type)};
const struct cel_type cel_namespace_object = OBJECT("Namespace", namespace_fields);
