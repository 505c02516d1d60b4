/* ControllerRevisions and PodTemplates (pkg/registry/apps/controllerrevision, core/podtemplate). */
#include "api/kinds/kinds.h"

static void validate_revision(struct write *w)
{
    if (json_absent(json_get(w->object, "data")))
        field_required(&w->errors, FIELD(NULL, "data"), "data is mandatory");
    field_check_not_negative(&w->errors, FIELD(NULL, "revision"), json_get(w->object, "revision"));
}

static void update_revision(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(NULL, "data"), json_get(w->object, "data"),
                          json_get(w->old, "data"));
}

const struct kind kind_controller_revision = {
    .group = "apps",
    .resource = "controllerrevisions",
    .validate = validate_revision,
    .validate_update = update_revision,
};

/* ---- pod templates ---- */

static void set_template(struct write *w)
{
    template_default(w->a, w->object);
}

static void validate_template(struct write *w)
{
    template_validate(&w->errors, FIELD(NULL, "template"), json_get(w->object, "template"));
}

/* generation counts changes of the template, which is no spec. */
static void prepare_template(struct write *w)
{
    if (!json_equal(json_get(w->object, "template"), json_get(w->old, "template")))
        json_set_i64(w->a, json_get(w->object, "metadata"), "generation",
                     json_path_i64(w->old, "metadata.generation", 0) + 1);
}

const struct kind kind_pod_template = {
    .group = "",
    .resource = "podtemplates",
    .flags = KIND_GENERATION | KIND_RETURN_DELETED,
    .set_defaults = set_template,
    .prepare_update = prepare_template,
    .validate = validate_template,
};
