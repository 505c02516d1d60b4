/* Gates, tolerations and operating system of pods. See pod_parts.h. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

void readiness_gates_validate(struct field_errors *e, const struct field *f,
                              const struct json *gates)
{
    int64_t i = 0;
    for (const struct json *g = json_first(gates); g; g = g->next)
        field_check_name(e, FIELD(FIELD_AT(f, i++), "conditionType"),
                         json_path_str(g, "conditionType"), names_qualified);
}

void scheduling_gates_validate(struct field_errors *e, const struct field *f,
                               const struct json *gates)
{
    int64_t i = 0;
    for (const struct json *g = json_first(gates); g; g = g->next, i++) {
        struct str name = json_path_str(g, "name");
        const struct json *o = json_first(gates);
        field_check_name(e, FIELD_AT(f, i), name, names_qualified);
        while (o != g && !str_eq(json_path_str(o, "name"), name))
            o = o->next;
        if (o != g)
            field_duplicate(e, FIELD_AT(f, i), name);
    }
}

void tolerations_validate(struct field_errors *e, const struct field *f, const struct json *list)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    int64_t i = 0;
    for (const struct json *t = json_first(list); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str key = json_path_str(t, "key"), op = json_path_str(t, "operator"),
                   effect = json_path_str(t, "effect"), value = json_path_str(t, "value");
        if (key.n)
            field_check_name(e, FIELD(at, "key"), key, names_qualified);
        else if (!str_is(op, "Exists"))
            field_invalid_str(e, FIELD(at, "operator"), op,
                              "operator must be Exists when `key` is empty, which means \"match "
                              "all values and all keys\"");
        if (!json_absent(json_get(t, "tolerationSeconds")) && !str_is(effect, "NoExecute"))
            field_invalid_str(e, FIELD(at, "effect"), effect,
                              "effect must be 'NoExecute' when `tolerationSeconds` is set");
        if (!op.n || str_is(op, "Equal"))
            field_check_name(e, FIELD(at, "operator"), value, names_label_value);
        else if (!str_is(op, "Exists"))
            field_unsupported(e, FIELD(at, "operator"), op,
                              (const char *const[]){"Equal", "Exists", NULL});
        else if (value.n)
            field_invalid(e, FIELD(at, "operator"), t,
                          "value must be empty when `operator` is 'Exists'");
        if (effect.n)
            field_check_enum(e, FIELD(at, "effect"), json_get(t, "effect"), effects);
    }
}

/* ---- operating systems ---- */

static void forbid(struct field_errors *e, const struct field *f, const struct json *object,
                   const char *const *names, const char *why)
{
    for (; *names; names++)
        if (!json_absent(json_get(object, *names)))
            field_forbidden(e, FIELD(f, *names), why);
}

static void forbid_in_containers(struct field_errors *e, const struct field *spec_field,
                                 const struct json *spec, const char *const *names, const char *why)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
    for (size_t i = 0; i < 3; i++) {
        int64_t k = 0;
        for (const struct json *c = json_first(json_get(spec, lists[i])); c; c = c->next, k++)
            forbid(e, FIELD(FIELD_AT(FIELD(spec_field, lists[i]), k), "securityContext"),
                   json_get(c, "securityContext"), names, why);
    }
}

void pod_os_validate(struct field_errors *e, const struct field *spec_field,
                     const struct json *spec)
{
    static const char *const windows_only[] = {"windowsOptions", NULL};
    static const char *const of_spec[] = {"hostUsers", "hostPID", "hostIPC",
                                          "shareProcessNamespace", NULL};
    static const char *const of_pod[] = {"appArmorProfile",
                                         "seLinuxOptions",
                                         "seccompProfile",
                                         "fsGroup",
                                         "fsGroupChangePolicy",
                                         "sysctls",
                                         "runAsUser",
                                         "runAsGroup",
                                         "supplementalGroups",
                                         "supplementalGroupsPolicy",
                                         NULL};
    static const char *const of_container[] = {"appArmorProfile",
                                               "seLinuxOptions",
                                               "seccompProfile",
                                               "capabilities",
                                               "readOnlyRootFilesystem",
                                               "privileged",
                                               "allowPrivilegeEscalation",
                                               "procMount",
                                               "runAsUser",
                                               "runAsGroup",
                                               NULL};
    static const char linux_text[] = "windows options cannot be set for a linux pod",
                      windows_text[] = "cannot be set for a windows pod";
    struct str name = json_path_str(spec, "os.name");
    const struct field *security = FIELD(spec_field, "securityContext");
    const struct json *context = json_get(spec, "securityContext");
    if (json_absent(json_get(spec, "os")))
        return;
    if (!name.n) {
        field_required(e, FIELD(FIELD(spec_field, "os"), "name"), "cannot be empty");
    } else if (str_is(name, "linux")) {
        forbid(e, security, context, windows_only, linux_text);
        forbid_in_containers(e, spec_field, spec, windows_only, linux_text);
    } else if (str_is(name, "windows")) {
        forbid(e, spec_field, spec, of_spec, windows_text);
        forbid(e, security, context, of_pod, windows_text);
        forbid_in_containers(e, spec_field, spec, of_container, windows_text);
    } else {
        field_unsupported(e, FIELD(spec_field, "os"), name,
                          (const char *const[]){"linux", "windows", NULL});
    }
}
