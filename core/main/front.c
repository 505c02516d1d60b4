/* The role front: its identity, its link to control, its listener. See front.h. */
#include "main/front.h"

#include "base/log.h"
#include "main/front_int.h"

static void control_message(void *ctx, struct imsg_in *m)
{
    front_control_message(ctx, m);
}

static void control_closed(void *ctx, int rc)
{
    struct front *f = ctx;
    role_link_free(f->control);
    f->control = NULL;
    front_control_gone(f);
    if (rc == -E_TOO_LARGE) { /* broken although control lives: only a restart makes another */
        err_set(&f->failure, E_LIMIT, "control takes no requests: the link's queue is full");
        loop_stop(f->env->loop);
    }
}

static void control_drained(void *ctx)
{
    front_control_drained(ctx);
}

static void control_linked(void *ctx, int fd)
{
    static const struct role_link_handlers handlers = {control_message, control_closed, control_drained};
    struct front *f = ctx;
    if (f->control)
        control_closed(f, -E_CLOSED);
    int rc = role_link_new(f->env->loop, fd, &handlers, f, &f->control);
    if (rc < 0) {
        log_err("link to control: %s", err_text(rc));
        f->env->net.ops->close(f->env->net.ctx, fd);
        f->control = NULL;
    }
}

static int make_context(const struct keys_identity *id, bool server, struct tls_context **ret_ctx)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL}; /* kubelets speak the latter */
    struct tls_config c = {.server = server,
                           .cert_chain_pem = id->cert_pem,
                           .key_pem = id->key_pem,
                           .trust_pem = id->ca_pem,
                           .peer = server ? TLS_PEER_OPTIONAL : TLS_PEER_REQUIRED,
                           .alpn = server ? alpn : alpn + 1};
    struct err err = {0};
    int rc = tls_context_new(&c, ret_ctx, &err);
    if (rc < 0)
        log_err("%s", err.text);
    return rc;
}

/* A renewed certificate serves new connections; those that are open keep the old context, which
 * stays until the process ends (a certificate is renewed a few times a year). */
static void serving_ready(void *ctx, const struct keys_identity *id)
{
    struct front *f = ctx;
    struct tls_context *fresh;
    if (make_context(id, true, &fresh) < 0)
        return;
    f->serving = fresh;
    if (f->server) {
        http_server_set_tls(f->server, fresh);
        return;
    }
    struct http_server_options o = {.loop = f->env->loop,
                                    .net = f->env->net,
                                    .tls = fresh,
                                    .listen_fd = role_env_socket(f->env, ROLE_SOCKET_API),
                                    .handlers = &front_handlers,
                                    .ctx = f};
    int rc = o.listen_fd < 0 ? -E_NOT_FOUND : http_server_new(&o, &f->server);
    if (rc < 0) {
        role_env_status(f->env, "the API's socket: %s", err_text(rc));
        log_err("the API's socket: %s", err_text(rc));
        return;
    }
    role_env_ready(f->env);
}

static void kubelet_client_ready(void *ctx, const struct keys_identity *id)
{
    struct front *f = ctx;
    struct tls_context *fresh;
    if (make_context(id, false, &fresh) == 0)
        f->kubelet_client = fresh;
}

int front_run(struct role_env *env, struct err *err)
{
    struct front *f = mem_zalloc(sizeof *f);
    if (!f)
        return err_set(err, E_NOMEM, "front: out of memory");
    f->env = env;
    list_init(&f->calls);
    f->buffer = mem_alloc(LIMIT_IMSG_BYTES);
    int rc = f->buffer ? keys_client_new(env, &f->keys) : -E_NOMEM;
    if (rc == 0)
        rc = keys_client_identity(f->keys, KEYS_FRONT_SERVING, serving_ready, f);
    if (rc == 0)
        rc = keys_client_identity(f->keys, KEYS_KUBELET_CLIENT, kubelet_client_ready, f);
    if (rc < 0)
        return err_set(err, -rc, "front: %s", err_text(rc));
    role_env_on_link(env, ROLE_CONTROL, control_linked, f);
    rc = role_env_loop(env, err); /* the process ends with it: nothing is taken down by hand */
    return rc == 0 && f->failure.code ? err_set(err, f->failure.code, "%s", f->failure.text) : rc;
}
