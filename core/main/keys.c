/* See keys.h. */
#include "main/keys.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"
#include "main/account_keys.h"
#include "main/pki.h"

enum { FILE_MOST = 32 * 1024, RENEW_MS = 12 * 3600 * 1000 };

struct issued { /* what one link asked to be certified: issued again when addresses change */
    enum keys_profile profile;
    uint32_t id;
    struct crypto_key *public_key;
};

struct keys_link {
    struct keys *keys;
    enum role_id peer;
    int fd;
    struct loop_fd watch;
    struct issued issued[KEYS_PROFILE__COUNT];
    uint32_t info_id; /* of the question that KEYS_INFO_IS answers; 0: not asked */
};

struct keys {
    struct role_env *env;
    int dir_fd;
    struct pki_ca ca;
    struct account_keys accounts;
    struct keys_link links[ROLE__COUNT];
    struct loop_timer renew;
    unsigned char in[LIMIT_IMSG_BYTES], out[LIMIT_IMSG_BYTES];
};

static int64_t now_s(struct keys *k)
{
    return loop_realtime_ns(k->env->loop) / 1000000000;
}

/* ---- answers ---- */

static void send(struct keys_link *l, struct imsg_out *m)
{
    int rc = imsg_send(l->fd, m);
    if (rc < 0 && rc != -E_CLOSED)
        log_warn("answer to %s: %s", role_get(l->peer)->name, err_text(rc));
}

static void refuse(struct keys_link *l, uint32_t id, int rc, const char *why)
{
    struct imsg_out m;
    log_warn("%s asked in vain: %s", role_get(l->peer)->name, why);
    imsg_begin(&m, l->keys->out, sizeof l->keys->out, KEYS_REFUSED, id);
    imsg_put_u64(&m, KEYS_TAG_VALUE, (uint64_t)-rc);
    imsg_put_cstr(&m, KEYS_TAG_TEXT, why);
    send(l, &m);
}

static void issue(struct keys_link *l, struct issued *i)
{
    struct keys *k = l->keys;
    struct pki_subject subject = {k->env->start.node_name, &k->env->start.net, k->env->start.endpoint};
    CLEANUP_BUF struct buf cert;
    struct err err = {0};
    struct imsg_out m;
    buf_init(&cert, FILE_MOST);
    int rc = pki_issue(&k->ca, i->profile, &subject, i->public_key, now_s(k), &cert, NULL, &err);
    if (rc < 0) {
        refuse(l, i->id, rc, err.text);
        return;
    }
    imsg_begin(&m, k->out, sizeof k->out, KEYS_ISSUED, i->id);
    imsg_put(&m, KEYS_TAG_CERT, buf_str(&cert));
    imsg_put(&m, KEYS_TAG_CA, buf_str(&k->ca.cert_pem));
    send(l, &m);
}

static void issue_all(void *ctx)
{
    struct keys *k = ctx;
    for (int i = 0; i < ROLE__COUNT; i++)
        for (int p = 0; p < KEYS_PROFILE__COUNT; p++)
            if (k->links[i].issued[p].public_key && k->links[i].fd >= 0)
                issue(&k->links[i], &k->links[i].issued[p]);
    loop_timer_set(k->env->loop, &k->renew, RENEW_MS);
}

static void asked_issue(struct keys_link *l, const struct imsg_in *m)
{
    uint64_t profile;
    struct str der;
    struct err err = {0};
    struct crypto_key *key;
    if (!imsg_get_u64(m, KEYS_TAG_PROFILE, &profile) || !imsg_get(m, KEYS_TAG_PUBLIC, &der)) {
        refuse(l, m->id, -E_SYNTAX, "malformed request for a certificate");
        return;
    }
    if (profile >= KEYS_PROFILE__COUNT || !keys_allowed_profile(l->peer, (enum keys_profile)profile)) {
        refuse(l, m->id, -E_FORBIDDEN, "this link does not get certificates of that profile");
        return;
    }
    int rc = crypto_key_public_parse_der(der, &key, &err);
    if (rc < 0) {
        refuse(l, m->id, rc, err.text);
        return;
    }
    struct issued *i = &l->issued[profile];
    crypto_key_free(i->public_key);
    *i = (struct issued){(enum keys_profile)profile, m->id, key};
    issue(l, i);
}

static void asked_sign(struct keys_link *l, const struct imsg_in *m)
{
    struct str message;
    uint8_t sig[64];
    struct imsg_out out;
    if (!keys_allowed_sign(l->peer)) {
        refuse(l, m->id, -E_FORBIDDEN, "this link gets no signatures");
        return;
    }
    if (!imsg_get(m, KEYS_TAG_MESSAGE, &message) || message.n > KEYS_SIGN_MOST) {
        refuse(l, m->id, -E_SYNTAX, "malformed request for a signature");
        return;
    }
    uint64_t created_s = 0;
    bool named = imsg_get_u64(m, KEYS_TAG_VALUE, &created_s);
    const struct crypto_key *key = account_keys_find(&l->keys->accounts, named ? (int64_t)created_s : 0);
    int rc = key ? crypto_sign(key, message, sig) : -E_GONE;
    if (rc < 0) {
        refuse(l, m->id, rc, err_text(rc));
        return;
    }
    imsg_begin(&out, l->keys->out, sizeof l->keys->out, KEYS_SIGNED, m->id);
    imsg_put(&out, KEYS_TAG_SIGNATURE, str_make(sig, sizeof sig));
    send(l, &out);
}

static void asked_grant(struct keys_link *l, const struct imsg_in *m)
{
    struct keys *k = l->keys;
    struct imsg_out out;
    struct str csr;
    uint64_t signer, usage, seconds;
    struct err err = {0};
    CLEANUP_BUF struct buf cert;
    buf_init(&cert, FILE_MOST);
    if (!keys_allowed_sign(l->peer)) {
        refuse(l, m->id, -E_FORBIDDEN, "this link gets no certificates of others");
        return;
    }
    if (!imsg_get(m, KEYS_TAG_MESSAGE, &csr) || !imsg_get_u64(m, KEYS_TAG_PROFILE, &signer) ||
        !imsg_get_u64(m, KEYS_TAG_USAGE, &usage) || !imsg_get_u64(m, KEYS_TAG_SECONDS, &seconds) ||
        csr.n > KEYS_SIGN_MOST || seconds > INT32_MAX) {
        refuse(l, m->id, -E_SYNTAX, "malformed request for a certificate");
        return;
    }
    int rc = pki_grant(&k->ca, (enum keys_signer)signer, csr, (unsigned)usage, (int64_t)seconds, now_s(k), &cert, &err);
    if (rc < 0) {
        refuse(l, m->id, rc, err.text);
        return;
    }
    imsg_begin(&out, k->out, sizeof k->out, KEYS_GRANTED, m->id);
    imsg_put(&out, KEYS_TAG_CERT, buf_str(&cert));
    send(l, &out);
}

static void tell_info(struct keys_link *l, uint32_t id)
{
    struct imsg_out out;
    imsg_begin(&out, l->keys->out, sizeof l->keys->out, KEYS_INFO_IS, id);
    imsg_put(&out, KEYS_TAG_CA, buf_str(&l->keys->ca.cert_pem));
    imsg_put(&out, KEYS_TAG_PUBLIC, buf_str(&l->keys->accounts.public_pem));
    imsg_put_u64(&out, KEYS_TAG_VALUE, (uint64_t)l->keys->accounts.created_s);
    send(l, &out);
}

/* Asked once; told again when the service-account key has changed. */
static void asked_info(struct keys_link *l, const struct imsg_in *m)
{
    l->info_id = m->id;
    tell_info(l, m->id);
}

static void turn_accounts(struct keys *k)
{
    struct err err = {0};
    int rc = account_keys_turn(&k->accounts, k->dir_fd, now_s(k), &err);
    if (rc < 0)
        log_err("service-account key: %s", err.text);
    for (int i = 0; i < ROLE__COUNT && rc > 0; i++)
        if (k->links[i].fd >= 0 && k->links[i].info_id)
            tell_info(&k->links[i], k->links[i].info_id);
}

static void renew(void *ctx)
{
    issue_all(ctx);
    turn_accounts(ctx);
}

/* ---- links ---- */

static void unlink_peer(struct keys_link *l)
{
    if (l->fd < 0)
        return;
    loop_fd_remove(l->keys->env->loop, &l->watch);
    close(l->fd);
    l->fd = -1;
    l->info_id = 0;
    for (int p = 0; p < KEYS_PROFILE__COUNT; p++) {
        crypto_key_free(l->issued[p].public_key);
        l->issued[p] = (struct issued){0};
    }
}

static void readable(void *ctx, unsigned events)
{
    struct keys_link *l = ctx;
    struct imsg_in m;
    (void)events;
    for (int i = 0; i < 16 && l->fd >= 0; i++) {
        int rc = imsg_recv(l->fd, l->keys->in, sizeof l->keys->in, &m);
        if (rc == -E_AGAIN)
            return;
        if (rc < 0) {
            unlink_peer(l);
            return;
        }
        imsg_close_fds(&m);
        if (m.type == KEYS_ISSUE)
            asked_issue(l, &m);
        else if (m.type == KEYS_SIGN)
            asked_sign(l, &m);
        else if (m.type == KEYS_GRANT)
            asked_grant(l, &m);
        else if (m.type == KEYS_INFO)
            asked_info(l, &m);
        else
            refuse(l, m.id, -E_UNSUPPORTED, "unknown request");
    }
}

static void linked(void *ctx, int fd)
{
    struct keys_link *l = ctx;
    unlink_peer(l);
    if (loop_fd_add(l->keys->env->loop, &l->watch, fd, POLL_IN) < 0)
        close(fd);
    else
        l->fd = fd;
}

/* ---- what is on disk ---- */

static int keep_ca(struct keys *k, struct err *err)
{
    /* The key first: with a certificate there is always its key. */
    int rc = file_write_atomic(k->dir_fd, "ca.key", buf_str(&k->ca.key_pem), 0600, err);
    return rc < 0 ? rc : file_write_atomic(k->dir_fd, "ca.crt", buf_str(&k->ca.cert_pem), 0600, err);
}

/* Both files as one text of PEM blocks. */
static int load_ca(struct keys *k, struct err *err)
{
    CLEANUP_FREE char *text = mem_alloc(2 * FILE_MOST);
    size_t cert, key;
    if (!text)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = file_read(k->dir_fd, "ca.crt", text, FILE_MOST, &cert, err);
    if (rc == 0)
        rc = file_read(k->dir_fd, "ca.key", text + cert, FILE_MOST, &key, err);
    if (rc == 0)
        rc = pki_ca_parse(str_make(text, cert + key), &k->ca, err);
    mem_wipe(text, 2 * FILE_MOST);
    return rc < 0 ? err_wrap(err, rc, "the cluster's CA on the state partition") : 0;
}

static int take_ca(struct keys *k, int fd, struct err *err)
{
    CLEANUP_FREE char *text = mem_alloc(FILE_MOST);
    size_t n;
    if (!text)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = file_read_fd(fd, text, FILE_MOST, &n, err);
    if (rc == 0)
        rc = pki_ca_parse(str_make(text, n), &k->ca, err);
    mem_wipe(text, FILE_MOST);
    return rc < 0 ? err_wrap(err, rc, "the CA of keelson.yaml") : 0;
}

static int obtain_ca(struct keys *k, struct err *err)
{
    int fd = role_env_socket(k->env, ROLE_SOCKET_CA), rc = -E_NOT_FOUND;
    if (file_exists(k->dir_fd, "ca.crt")) {
        rc = load_ca(k, err);
    } else if (fd >= 0) {
        rc = take_ca(k, fd, err);
        if (rc == 0)
            rc = keep_ca(k, err);
    } else {
        rc = pki_ca_make("keelson", now_s(k), &k->ca, err);
        if (rc == 0)
            rc = file_write_atomic(k->dir_fd, "kubeconfig.due", STR("admin.kubeconfig is to be left once\n"), 0600,
                                   err);
        if (rc == 0)
            rc = keep_ca(k, err);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- the administrator ---- */

/* Where the administrator reaches the API: "" while the machine has no address yet. */
static void server_url(const struct role_start *s, char *url, size_t size)
{
    char text[NET_ADDR_TEXT];
    struct net_addr at = s->api;
    url[0] = 0;
    if (s->endpoint[0]) {
        snprintf(url, size, "https://%s", s->endpoint);
        return;
    }
    if (s->appliance) {
        if (!s->net.addr_count)
            return;
        at = s->net.addrs[0];
        at.port = s->listen.port;
    }
    snprintf(url, size, "https://%s", net_addr_format(&at, true, text));
}

/* On an ordinary host at each start of Keelson, on the appliance once, when it made its own CA. */
static bool kubeconfig_due(struct keys *k)
{
    if (k->env->start.appliance)
        return file_exists(k->dir_fd, "kubeconfig.due");
    return k->env->start.restarts == 0 && k->env->start.with_control;
}

static void tell_ca(void *ctx)
{
    struct keys *k = ctx;
    char url[START_ENDPOINT + 16], print[PKI_FINGERPRINT_TEXT];
    CLEANUP_BUF struct buf text;
    struct imsg_out m;
    struct err err = {0};
    int fd = -1;
    if (pki_fingerprint(buf_str(&k->ca.cert_pem), print, &err) < 0)
        print[0] = 0;
    imsg_begin(&m, k->out, sizeof k->out, MSG_CA, 0);
    imsg_put_cstr(&m, TAG_TEXT, print);
    server_url(&k->env->start, url, sizeof url);
    if (url[0] && kubeconfig_due(k)) {
        buf_init(&text, FILE_MOST);
        int rc = pki_admin_kubeconfig(&k->ca, "keelson", url, now_s(k), &text, &err);
        if (rc == 0)
            rc = file_memory("admin.kubeconfig", buf_str(&text), &fd, &err);
        if (rc < 0)
            log_err("%s", err.text);
        else
            imsg_put_fd(&m, fd);
        if (text.data)
            mem_wipe(text.data, text.cap);
    }
    role_env_send(k->env, &m);
    if (fd >= 0)
        close(fd);
}

static void told(void *ctx, struct imsg_in *m)
{
    struct keys *k = ctx;
    if (m->type != MSG_DELIVERED || !file_exists(k->dir_fd, "kubeconfig.due"))
        return;
    int rc = file_rename(k->dir_fd, "kubeconfig.due", "kubeconfig.done");
    if (rc < 0)
        log_warn("kubeconfig.due: %s", err_text(rc));
}

static void addresses_changed(void *ctx)
{
    struct keys *k = ctx;
    issue_all(k);
    if (kubeconfig_due(k))
        tell_ca(k);
}

int keys_run(struct role_env *env, struct err *err)
{
    CLEANUP_FREE struct keys *k = mem_zalloc(sizeof *k);
    if (!k)
        return err_set(err, E_NOMEM, "out of memory");
    k->env = env;
    k->dir_fd = role_env_socket(env, ROLE_SOCKET_DIR);
    for (int i = 0; i < ROLE__COUNT; i++) {
        struct keys_link *l = &k->links[i];
        *l = (struct keys_link){.keys = k, .peer = (enum role_id)i, .fd = -1};
        loop_fd_init(&l->watch, readable, l);
    }
    loop_timer_init(&k->renew, renew, k);
    int rc = obtain_ca(k, err);
    if (rc == 0)
        rc = account_keys_open(&k->accounts, k->dir_fd, now_s(k), err);
    if (rc < 0)
        return rc;
    for (int i = 1; i < ROLE__COUNT; i++)
        if (role_linked(ROLE_KEYS, (enum role_id)i))
            role_env_on_link(env, (enum role_id)i, linked, &k->links[i]);
    role_env_on_addrs(env, addresses_changed, k);
    role_env_on_message(env, told, k);
    loop_timer_set(env->loop, &k->renew, RENEW_MS);
    role_env_ready(env);
    tell_ca(k);
    rc = role_env_loop(env, err);
    for (int i = 0; i < ROLE__COUNT; i++)
        unlink_peer(&k->links[i]);
    loop_timer_cancel(env->loop, &k->renew);
    pki_ca_done(&k->ca);
    account_keys_done(&k->accounts);
    close(k->dir_fd);
    return rc;
}
