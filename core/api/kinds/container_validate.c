/* What a container must be (pkg/apis/core/validation). */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"
#include "codec/quantity.h"

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

void resources_validate(struct field_errors *e, const struct field *f, const struct json *resources)
{
    static const char *const parts[] = {"limits", "requests"};
    const struct json *limits = json_get(resources, "limits");
    for (size_t i = 0; i < 2; i++)
        for (const struct json *m = json_first(json_get(resources, parts[i])); m; m = m->next) {
            struct quantity q, limit;
            const struct field *at = FIELD_KEY(FIELD(f, parts[i]), m->key);
            field_check_name(e, at, m->key, names_qualified);
            if (quantity_parse(json_str(m), &q, NULL) < 0)
                continue; /* the decoder said so already */
            if (q.nano < 0)
                field_invalid(e, at, m, "must be greater than or equal to 0");
            const struct json *most = json_get_str(limits, m->key);
            if (i == 1 && most && quantity_parse(json_str(most), &limit, NULL) == 0 &&
                quantity_cmp(&q, &limit) > 0)
                field_invalid(e, at, m,
                              arena_printf(e->arena,
                                           "must be less than or equal to " STR_FMT
                                           " limit of " STR_FMT,
                                           STR_ARG(m->key), STR_ARG(json_str(most))));
        }
}

static void check_port_number(struct field_errors *e, const struct field *f,
                              const struct json *port)
{
    if (json_is(port, JSON_INT)) {
        const char *wrong = names_port_number(port->i64);
        if (wrong)
            field_invalid(e, f, port, wrong);
    } else if (json_is(port, JSON_STRING)) {
        field_check_name(e, f, port->string, names_port_name);
    } else {
        field_required(e, f, NULL);
    }
}

static void ports_validate(struct field_errors *e, const struct field *f, const struct json *ports)
{
    int64_t i = 0;
    for (const struct json *p = json_first(ports); p; p = p->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(p, "name");
        if (name.n)
            field_check_name(e, FIELD(at, "name"), name, names_port_name);
        for (const struct json *q = json_first(ports); q != p && name.n; q = q->next)
            if (str_eq(json_path_str(q, "name"), name))
                field_duplicate(e, FIELD(at, "name"), name);
        int64_t number = json_path_i64(p, "containerPort", 0),
                host = json_path_i64(p, "hostPort", 0);
        if (number == 0)
            field_required(e, FIELD(at, "containerPort"), NULL);
        else if (names_port_number(number))
            field_invalid_int(e, FIELD(at, "containerPort"), number, names_port_number(number));
        if (host != 0 && names_port_number(host))
            field_invalid_int(e, FIELD(at, "hostPort"), host, names_port_number(host));
        field_check_enum(e, FIELD(at, "protocol"), json_get(p, "protocol"), protocols);
    }
}

static void env_from_validate(struct field_errors *e, const struct field *f,
                              const struct json *from)
{
    static const char *const kinds[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef",
                                        "secretKeyRef", "fileKeyRef"};
    unsigned count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct json *k = json_get(from, kinds[i]);
        if (!k)
            continue;
        count++;
        if (i == 2 || i == 3) {
            if (!json_path_str(k, "name").n)
                field_required(e, FIELD(FIELD(f, kinds[i]), "name"), NULL);
            if (!json_path_str(k, "key").n)
                field_required(e, FIELD(FIELD(f, kinds[i]), "key"), NULL);
        }
        if (i == 0 && !json_path_str(k, "fieldPath").n)
            field_required(e, FIELD(FIELD(f, kinds[i]), "fieldPath"), NULL);
        if (i == 1 && !json_path_str(k, "resource").n)
            field_required(e, FIELD(FIELD(f, kinds[i]), "resource"), NULL);
    }
    if (count == 0)
        field_invalid_str(e, f, STR(""),
                          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` "
                          "or `secretKeyRef`");
    else if (count > 1)
        field_invalid_str(e, f, STR(""), "may not have more than one field specified at a time");
}

static const char *env_name_rule(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    return NULL;
}

static void env_validate(struct field_errors *e, const struct field *f,
                         const struct json *container)
{
    int64_t i = 0;
    for (const struct json *v = json_first(json_get(container, "env")); v; v = v->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "env"), i);
        struct str name = json_path_str(v, "name");
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else
            field_check_name(e, FIELD(at, "name"), name, env_name_rule);
        const struct json *from = json_get(v, "valueFrom");
        if (from && json_path_str(v, "value").n)
            field_invalid_str(e, FIELD(at, "valueFrom"), STR(""),
                              "may not be specified when `value` is not empty");
        else if (from)
            env_from_validate(e, FIELD(at, "valueFrom"), from);
    }
    i = 0;
    for (const struct json *v = json_first(json_get(container, "envFrom")); v; v = v->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "envFrom"), i);
        bool map = json_get(v, "configMapRef"), secret = json_get(v, "secretRef");
        if (map == secret)
            field_invalid_str(e, at, STR(""),
                              map ? "may not have more than one field specified at a time"
                                  : "must specify one of: `configMapRef` or `secretRef`");
        else if (!json_path_str(v, map ? "configMapRef.name" : "secretRef.name").n)
            field_required(e, FIELD(FIELD(at, map ? "configMapRef" : "secretRef"), "name"), NULL);
    }
}

static void mounts_validate(struct field_errors *e, const struct field *f,
                            const struct json *mounts, const struct map *volumes)
{
    int64_t i = 0;
    for (const struct json *m = json_first(mounts); m; m = m->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(m, "name"), path = json_path_str(m, "mountPath");
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else if (!map_has(volumes, name))
            field_not_found(e, FIELD(at, "name"), name);
        if (!path.n)
            field_required(e, FIELD(at, "mountPath"), NULL);
        for (const struct json *o = json_first(mounts); o != m && path.n; o = o->next)
            if (str_eq(json_path_str(o, "mountPath"), path))
                field_invalid_str(e, FIELD(at, "mountPath"), path, "must be unique");
        struct str sub = json_path_str(m, "subPath"), expr = json_path_str(m, "subPathExpr"),
                   rest = sub, part;
        if (sub.n && expr.n)
            field_invalid_str(e, FIELD(at, "subPathExpr"), expr,
                              "subPathExpr and subPath are mutually exclusive");
        if (sub.n && sub.p[0] == '/')
            field_invalid_str(e, FIELD(at, "subPath"), sub, "must be a relative path");
        while (sub.n && str_split(&rest, '/', &part))
            if (str_is(part, ".."))
                field_invalid_str(e, FIELD(at, "subPath"), sub, "must not contain '..'");
    }
}

/* Exactly one action. */
static void handler_validate(struct field_errors *e, const struct field *f, const struct json *h)
{
    static const char *const actions[] = {"exec", "httpGet", "tcpSocket", "grpc", "sleep"};
    unsigned count = 0;
    for (size_t i = 0; i < 5; i++) {
        const struct json *x = json_get(h, actions[i]);
        const struct field *at = FIELD(f, actions[i]);
        if (!x)
            continue;
        if (count++)
            field_forbidden(e, at, "may not specify more than 1 handler type");
        if (i == 0 && !json_count(json_get(x, "command")))
            field_required(e, FIELD(at, "command"), NULL);
        if (i == 1 || i == 2)
            check_port_number(e, FIELD(at, "port"), json_get(x, "port"));
        if (i == 1 && !json_path_str(x, "path").n)
            field_required(e, FIELD(at, "path"), NULL);
        if (i == 1)
            field_check_enum(e, FIELD(at, "scheme"), json_get(x, "scheme"),
                             (const char *const[]){"HTTP", "HTTPS", NULL});
        if (i == 4)
            field_check_not_negative(e, FIELD(at, "seconds"), json_get(x, "seconds"));
    }
    if (!count)
        field_required(e, f, "must specify a handler type");
}

static void probe_validate(struct field_errors *e, const struct field *f, const struct json *p,
                           bool readiness)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    if (!p)
        return;
    handler_validate(e, f, p);
    for (size_t i = 0; i < 5; i++)
        field_check_not_negative(e, FIELD(f, numbers[i]), json_get(p, numbers[i]));
    if (!readiness && json_path_i64(p, "successThreshold", 1) != 1)
        field_invalid(e, FIELD(f, "successThreshold"), json_get(p, "successThreshold"),
                      "must be 1");
    const struct json *grace = json_get(p, "terminationGracePeriodSeconds");
    if (grace && readiness)
        field_invalid(e, FIELD(f, "terminationGracePeriodSeconds"), grace,
                      "must not be set for readinessProbes");
    else if (grace && json_i64(grace, 0) <= 0)
        field_invalid(e, FIELD(f, "terminationGracePeriodSeconds"), grace,
                      "must be greater than 0");
}

void container_lifecycle_validate(struct field_errors *e, const struct field *f,
                                  const struct json *c)
{
    const struct json *start = json_path(c, "lifecycle.postStart"),
                      *stop = json_path(c, "lifecycle.preStop");
    const struct field *at = FIELD(f, "lifecycle");
    if (start)
        handler_validate(e, FIELD(at, "postStart"), start);
    if (stop)
        handler_validate(e, FIELD(at, "preStop"), stop);
    probe_validate(e, FIELD(f, "livenessProbe"), json_get(c, "livenessProbe"), false);
    probe_validate(e, FIELD(f, "startupProbe"), json_get(c, "startupProbe"), false);
    probe_validate(e, FIELD(f, "readinessProbe"), json_get(c, "readinessProbe"), true);
}

static void security_validate(struct field_errors *e, const struct field *f, const struct json *s)
{
    static const char *const ids[] = {"runAsUser", "runAsGroup"};
    if (!s)
        return;
    for (size_t i = 0; i < 2; i++) {
        const struct json *id = json_get(s, ids[i]);
        const char *wrong = json_is(id, JSON_INT) ? names_uid_range(id->i64) : NULL;
        if (wrong)
            field_invalid(e, FIELD(f, ids[i]), id, wrong);
    }
    const struct json *escalate = json_get(s, "allowPrivilegeEscalation");
    if (escalate && !json_bool(escalate, true) && json_path_bool(s, "privileged", false))
        field_invalid(e, f, s,
                      "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    seccomp_validate(e, FIELD(f, "seccompProfile"), json_get(s, "seccompProfile"));
    app_armor_validate(e, FIELD(f, "appArmorProfile"), json_get(s, "appArmorProfile"));
    const struct json *mount = json_get(s, "procMount");
    if (mount)
        field_check_enum(e, FIELD(f, "procMount"), mount,
                         (const char *const[]){"Default", "Unmasked", NULL});
}

void container_validate(struct field_errors *e, const struct field *f, const struct json *c,
                        const struct map *volumes, struct map *names)
{
    struct str name = json_path_str(c, "name"), image = json_path_str(c, "image");
    if (!name.n)
        field_required(e, FIELD(f, "name"), NULL);
    else
        field_check_name(e, FIELD(f, "name"), name, names_dns1123_label);
    if (name.n && map_has(names, name))
        field_duplicate(e, FIELD(f, "name"), name);
    else if (name.n && map_set(names, name, (void *)c, NULL) < 0)
        field_forbidden(e, f, "out of memory");
    if (!image.n)
        field_required(e, FIELD(f, "image"), NULL);
    field_check_enum(e, FIELD(f, "imagePullPolicy"), json_get(c, "imagePullPolicy"),
                     (const char *const[]){"Always", "IfNotPresent", "Never", NULL});
    field_check_enum(e, FIELD(f, "terminationMessagePolicy"),
                     json_get(c, "terminationMessagePolicy"),
                     (const char *const[]){"FallbackToLogsOnError", "File", NULL});
    ports_validate(e, FIELD(f, "ports"), json_get(c, "ports"));
    env_validate(e, f, c);
    mounts_validate(e, FIELD(f, "volumeMounts"), json_get(c, "volumeMounts"), volumes);
    resources_validate(e, FIELD(f, "resources"), json_get(c, "resources"));
    security_validate(e, FIELD(f, "securityContext"), json_get(c, "securityContext"));
}
