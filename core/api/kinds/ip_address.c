/* IPAddresses, as upstream's pkg/apis/networking. */
#include "api/kinds/cidr.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

/* The rule for names tells what is wrong in words that hold the name: see check_name. */
static const char *any_name(struct str name)
{
    (void)name;
    return NULL;
}

static void check_name(struct write *w)
{
    const struct field *f = FIELD(FIELD(NULL, "metadata"), "name");
    struct net_addr addr;
    if (names_ip(w->name) || net_addr_parse(w->name, false, &addr) < 0)
        field_invalid_str(&w->errors, f, w->name,
                          arena_printf(w->a, "ParseAddr(\"" STR_FMT "\"): unable to parse IP",
                                       STR_ARG(w->name)));
    else if (!str_is(w->name, ip_canonical(w->a, &addr)))
        field_invalid_str(&w->errors, f, w->name, "not a valid ip in canonical format");
}

static void validate(struct write *w)
{
    static const char *const parts[] = {"resource", "name", "namespace"};
    const struct field *f = FIELD(FIELD(NULL, "spec"), "parentRef");
    const struct json *ref = json_path(w->object, "spec.parentRef");
    struct str group = json_path_str(ref, "group");
    check_name(w);
    if (!json_count(ref)) {
        field_required(&w->errors, f, NULL);
        return;
    }
    if (group.n)
        field_check_name(&w->errors, FIELD(f, "group"), group, names_dns1123_subdomain);
    for (size_t i = 0; i < 3; i++) {
        struct str s = json_path_str(ref, parts[i]);
        if (s.n)
            field_check_name(&w->errors, FIELD(f, parts[i]), s, names_path_segment);
        else if (i < 2)
            field_required(&w->errors, FIELD(f, parts[i]), NULL);
    }
}

/* As upstream's type is printed. */
static struct json *as_printed(struct arena *a, const struct json *ref)
{
    static const char *const names[][2] = {
        {"group", "Group"}, {"resource", "Resource"}, {"namespace", "Namespace"}, {"name", "Name"}};
    struct json *to = json_new(a, json_absent(ref) ? JSON_NULL : JSON_OBJECT);
    for (size_t i = 0; i < 4 && !json_absent(ref); i++)
        json_set_str(a, to, names[i][1], json_path_str(ref, names[i][0]));
    return to;
}

static void validate_update(struct write *w)
{
    const struct json *now = as_printed(w->a, json_path(w->object, "spec.parentRef")),
                      *before = as_printed(w->a, json_path(w->old, "spec.parentRef"));
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "parentRef"), now, before);
}

const struct kind kind_ip_address = {
    .group = "networking.k8s.io",
    .resource = "ipaddresses",
    .name_rule = any_name,
    .validate = validate,
    .validate_update = validate_update,
};
