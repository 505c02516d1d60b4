/* What a container must be (pkg/apis/core/validation). */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

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
        field_invalid_int(e, f, 0, names_port_number(0));
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

static const char *header_rule(struct str s)
{
    bool good = s.n > 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        good = good &&
               (((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '-');
    }
    return good ? NULL
                : "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                  "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
}

static void http_validate(struct field_errors *e, const struct field *f, const struct json *http)
{
    static const char *const schemes[] = {"HTTP", "HTTPS"};
    struct str scheme = json_path_str(http, "scheme");
    if (!json_path_str(http, "path").n)
        field_required(e, FIELD(f, "path"), NULL);
    check_port_number(e, FIELD(f, "port"), json_get(http, "port"));
    if (!str_is(scheme, schemes[0]) && !str_is(scheme, schemes[1]))
        field_unsupported(e, FIELD(f, "scheme"), scheme,
                          (const char *const[]){"HTTP", "HTTPS", NULL});
    for (const struct json *h = json_first(json_get(http, "httpHeaders")); h; h = h->next)
        field_check_name(e, FIELD(f, "httpHeaders"), json_path_str(h, "name"), header_rule);
}

static void action_validate(struct field_errors *e, const struct field *f, const char *name,
                            const struct json *action)
{
    if (cstr_eq(name, "exec") && !json_count(json_get(action, "command")))
        field_required(e, FIELD(f, "command"), NULL);
    if (cstr_eq(name, "httpGet"))
        http_validate(e, f, action);
    if (cstr_eq(name, "tcpSocket") || cstr_eq(name, "grpc"))
        check_port_number(e, FIELD(f, "port"), json_get(action, "port"));
}

/* Exactly one action. */
static void handler_validate(struct field_errors *e, const struct field *f, const struct json *h)
{
    static const char *const actions[] = {"exec", "httpGet", "tcpSocket", "grpc", "sleep"};
    unsigned count = 0;
    for (size_t i = 0; i < 5; i++) {
        const struct json *x = json_get(h, actions[i]);
        if (json_absent(x))
            continue;
        if (count++)
            field_forbidden(e, FIELD(f, actions[i]), "may not specify more than 1 handler type");
        else
            action_validate(e, FIELD(f, actions[i]), actions[i], x);
    }
    if (!count)
        field_required(e, f, "must specify a handler type");
}

/* A pod is not awaited longer than its grace period. */
static void sleep_validate(struct field_errors *e, const struct field *f, const struct json *sleep,
                           int64_t grace)
{
    int64_t seconds = json_path_i64(sleep, "seconds", 0);
    if (json_absent(sleep) || (seconds >= 0 && seconds <= grace))
        return;
    field_invalid_int(
        e, FIELD(FIELD(f, "sleep"), "seconds"), seconds,
        arena_printf(e->arena,
                     "must be non-negative and less than terminationGracePeriodSeconds "
                     "(%lld)",
                     (long long)grace));
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
                                  const struct json *c, int64_t grace)
{
    static const char *const hooks[] = {"postStart", "preStop"};
    for (size_t i = 0; i < 2; i++) {
        const struct json *hook = json_get(json_get(c, "lifecycle"), hooks[i]);
        const struct field *at = FIELD(FIELD(f, "lifecycle"), hooks[i]);
        if (json_absent(hook))
            continue;
        handler_validate(e, at, hook);
        sleep_validate(e, at, json_get(hook, "sleep"), grace);
    }
    probe_validate(e, FIELD(f, "livenessProbe"), json_get(c, "livenessProbe"), false);
    probe_validate(e, FIELD(f, "readinessProbe"), json_get(c, "readinessProbe"), true);
    probe_validate(e, FIELD(f, "startupProbe"), json_get(c, "startupProbe"), false);
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
    for (const struct json *m = json_first(json_path(s, "capabilities.add")); m; m = m->next)
        if (escalate && !json_bool(escalate, true) && str_is(json_str(m), "CAP_SYS_ADMIN"))
            field_invalid(e, f, s,
                          "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                          "CAP_SYS_ADMIN");
    const struct json *mount = json_get(s, "procMount");
    if (mount)
        field_check_enum(e, FIELD(f, "procMount"), mount,
                         (const char *const[]){"Default", "Unmasked", NULL});
}

static void resize_validate(struct field_errors *e, const struct field *f,
                            const struct json *policies)
{
    static const char *const resources[] = {"cpu", "memory", NULL};
    static const char *const restarts[] = {"NotRequired", "RestartContainer", NULL};
    int64_t i = 0;
    for (const struct json *p = json_first(policies); p; p = p->next, i++) {
        struct str name = json_path_str(p, "resourceName");
        const struct json *o = json_first(policies);
        while (o != p && !str_eq(json_path_str(o, "resourceName"), name))
            o = o->next;
        if (o != p)
            field_duplicate(e, FIELD_AT(f, i), name);
        field_check_enum(e, f, json_get(p, "resourceName"), resources);
        field_check_enum(e, f, json_get(p, "restartPolicy"), restarts);
    }
}

void container_validate(struct field_errors *e, const struct field *f, const struct json *c,
                        const struct map *volumes, struct map *names)
{
    static const char *const pulls[] = {"Always", "IfNotPresent", "Never", NULL};
    static const char *const messages[] = {"File", "FallbackToLogsOnError", NULL};
    struct str name = json_path_str(c, "name");
    if (!name.n)
        field_required(e, FIELD(f, "name"), NULL);
    else
        field_check_name(e, FIELD(f, "name"), name, names_dns1123_label);
    if (!json_path_str(c, "image").n)
        field_required(e, FIELD(f, "image"), NULL);
    field_check_enum(e, FIELD(f, "terminationMessagePolicy"),
                     json_get(c, "terminationMessagePolicy"), messages);
    ports_validate(e, FIELD(f, "ports"), json_get(c, "ports"));
    env_validate(e, f, c);
    mounts_validate(e, f, c, volumes);
    devices_validate(e, f, c, volumes);
    field_check_enum(e, FIELD(f, "imagePullPolicy"), json_get(c, "imagePullPolicy"), pulls);
    resources_validate(e, FIELD(f, "resources"), json_get(c, "resources"));
    resize_validate(e, FIELD(f, "resizePolicy"), json_get(c, "resizePolicy"));
    security_validate(e, FIELD(f, "securityContext"), json_get(c, "securityContext"));
    if (name.n && map_has(names, name))
        field_duplicate(e, FIELD(f, "name"), name);
    else if (name.n && map_set(names, name, (void *)c, NULL) < 0)
        field_forbidden(e, f, "out of memory");
}
