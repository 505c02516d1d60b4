/* See spec.h. */
#include "node/spec.h"

#include <signal.h>
#include <stdio.h>

#include "base/limits.h"
#include "node/env.h"
#include "node/qos.h"

static const char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* ---- process ---- */

static void append_expanded(struct arena *a, struct json *to, const struct json *from, const struct env *env)
{
    for (struct json *j = json_first(from); j; j = j->next)
        json_append(a, to, json_new_str(a, env ? env_expand(a, env, json_str(j)) : json_str(j)));
}

/* command replaces ENTRYPOINT and with it CMD; args replaces CMD. */
static int put_args(struct arena *a, const struct json *container, const struct json *image,
                    const struct env *env, struct json *process, struct err *err)
{
    const struct json *command = json_get(container, "command"), *args = json_get(container, "args");
    const struct json *entry = json_path(image, "config.Entrypoint"), *cmd = json_path(image, "config.Cmd");
    struct json *out = json_array_at(a, process, "args");
    if (json_count(command))
        append_expanded(a, out, command, env);
    else
        append_expanded(a, out, entry, NULL);
    if (json_count(args))
        append_expanded(a, out, args, env);
    else if (!json_count(command))
        append_expanded(a, out, cmd, NULL);
    return json_count(out) ? 0 : err_set(err, E_INVALID, "no command specified: neither the container nor its image has one");
}

static bool names_variable(const struct json *entry, struct str name)
{
    struct str text = json_str(entry);
    return text.n > name.n && text.p[name.n] == '=' && memcmp(text.p, name.p, name.n) == 0;
}

static void put_env(struct arena *a, const struct json *image, const struct env *env,
                    const char *hostname, bool tty, struct json *process)
{
    struct json *out = json_array_at(a, process, "env");
    bool path = false, given;
    struct str value;
    for (struct json *j = json_first(json_path(image, "config.Env")); j; j = j->next) {
        given = false;
        for (size_t i = 0; i < env->count && !given; i++)
            given = names_variable(j, env->pairs[i].name);
        if (!given)
            json_append(a, out, json_new_str(a, json_str(j)));
        path |= names_variable(j, STR("PATH"));
    }
    if (!path && !env_get(env, STR("PATH"), &value))
        json_append(a, out, json_new_cstr(a, default_path));
    if (!env_get(env, STR("HOSTNAME"), &value))
        json_append(a, out, json_new_cstr(a, arena_printf(a, "HOSTNAME=%s", hostname)));
    if (tty && !env_get(env, STR("TERM"), &value))
        json_append(a, out, json_new_cstr(a, "TERM=xterm"));
    for (size_t i = 0; i < env->count; i++) {
        struct env_pair *p = &env->pairs[i];
        json_append(a, out, json_new_cstr(a, arena_printf(a, STR_FMT "=" STR_FMT, STR_ARG(p->name), STR_ARG(p->value))));
    }
}

static int put_process(struct step *s, const struct json *container, const struct json *image,
                       const struct env *env, struct json *root, struct err *err)
{
    struct arena *a = s->a;
    struct json *process = json_object_at(a, root, "process");
    const char *cwd = json_path_cstr(container, "workingDir");
    bool tty = json_path_bool(container, "tty", false);
    const char *hostname = json_path_cstr(s->spec, "hostname");
    int rc = put_args(a, container, image, env, process, err);
    if (rc == 0)
        rc = security_user(s, container, image, process, err);
    if (rc < 0)
        return rc;
    if (!cwd[0])
        cwd = json_path_cstr(image, "config.WorkingDir");
    if (s->pod->host_network)
        hostname = s->pod->node->o.node_name;
    json_set_bool(a, process, "terminal", tty);
    json_set_cstr(a, process, "cwd", cwd[0] ? cwd : "/");
    put_env(a, image, env, hostname[0] ? hostname : s->pod->name, tty, process);
    security_capabilities(a, container, process);
    json_set_bool(a, process, "noNewPrivileges",
                  !security_privileged(container) &&
                      !json_path_bool(container, "securityContext.allowPrivilegeEscalation", true));
    json_set_i64(a, process, "oomScoreAdj",
                 qos_oom_score_adj(s->spec, container, s->pod->node->o.memory_bytes));
    return 0;
}

/* ---- linux ---- */

static void put_resources(struct step *s, const struct json *container, struct json *section)
{
    struct arena *a = s->a;
    int64_t request = qos_cpu_milli(container, "requests"), limit = qos_cpu_milli(container, "limits");
    int64_t memory = qos_memory_bytes(container, "limits");
    if (s->pod->node->o.no_cgroup_limits)
        return;
    struct json *resources = json_object_at(a, section, "resources");
    struct json *cpu = json_object_at(a, resources, "cpu");
    if (request < 0)
        request = limit > 0 ? limit : 0;
    json_set_i64(a, cpu, "shares", qos_cpu_shares(request));
    if (limit > 0) {
        json_set_i64(a, cpu, "quota", qos_cpu_quota_us(limit));
        json_set_i64(a, cpu, "period", QOS_CPU_PERIOD_US);
    }
    if (memory > 0)
        json_set_i64(a, json_object_at(a, resources, "memory"), "limit", memory);
}

static void put_linux(struct step *s, const struct json *container, struct json *root)
{
    struct arena *a = s->a;
    struct json *section = json_object_at(a, root, "linux");
    struct json *namespaces = json_array_at(a, section, "namespaces");
    static const char *const own[] = {"mount", "cgroup", "pid"};
    bool host_pid = json_path_bool(s->spec, "hostPID", false);
    bool shared = json_path_bool(s->spec, "shareProcessNamespace", false);
    for (int i = 0; i < (host_pid || shared ? 2 : 3); i++) {
        struct json *one = json_new(a, JSON_OBJECT);
        json_set_cstr(a, one, "type", own[i]);
        json_append(a, namespaces, one);
    }
    put_resources(s, container, section);
    security_paths(a, container, section);
    struct json *notes = json_object_at(a, root, "annotations");
    json_set_cstr(a, notes, "dev.keelson.seccomp", security_seccomp(a, s->spec, container));
    if (shared && !host_pid)
        json_set_cstr(a, notes, "dev.keelson.share-pid", "true");
    if (security_privileged(container))
        json_set_cstr(a, notes, "dev.keelson.privileged", "true");
}

/* ---- all ---- */

int spec_build(struct step *s, struct container *c, const struct json *image, struct str *ret_text,
               struct err *err)
{
    struct arena *a = s->a;
    const struct json *container = container_spec(s->spec, c);
    struct buf text CLEANUP_BUF = {0};
    struct env env;
    int rc = env_build(s, container, &env, err);
    if (rc < 0)
        return rc;
    struct json *root = json_new(a, JSON_OBJECT);
    json_set_cstr(a, root, "ociVersion", "1.2.0");
    rc = put_process(s, container, image, &env, root, err);
    if (rc == 0)
        rc = mounts_build(s, c, container, &env, json_array_at(a, root, "mounts"), err);
    if (rc < 0)
        return rc;
    put_linux(s, container, root);
    buf_init(&text, LIMIT_OBJECT_BYTES);
    json_write(&text, root);
    *ret_text = arena_str(a, buf_str(&text));
    return text.failed || a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

static int signal_number(struct str name)
{
    static const struct {
        const char *name;
        int number;
    } table[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
                 {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"ALRM", SIGALRM},
                 {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
                 {"PIPE", SIGPIPE}, {"WINCH", SIGWINCH}, {"PWR", SIGPWR}, {"TRAP", SIGTRAP}};
    int64_t number;
    if (str_to_i64(name, &number) == 0)
        return number > 0 && number <= 64 ? (int)number : SIGTERM;
    if (str_starts(name, STR("SIG")))
        name = str_make(name.p + 3, name.n - 3);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (str_is(name, table[i].name))
            return table[i].number;
    if (str_starts(name, STR("RTMIN+")) &&
        str_to_i64(str_make(name.p + 6, name.n - 6), &number) == 0 && number >= 0 && number < 31)
        return 34 + (int)number;
    return SIGTERM;
}

int spec_stop_signal(const struct json *image, const struct json *container)
{
    struct str own = json_path_str(container, "lifecycle.stopSignal");
    return signal_number(own.n ? own : json_path_str(image, "config.StopSignal"));
}
