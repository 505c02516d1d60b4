/* See keys_client.h. What was asked stays in a list until answered; a new link gets all of it. */
#include "main/keys_client.h"

#include <unistd.h>

#include "base/log.h"

enum { PEM_MOST = 64 * 1024, SIGN_WAITING = 256, INFO_ID = 1, IDENTITY_ID = 16, SIGN_ID = 1024 };

struct identity {
    struct crypto_key *key;
    struct buf cert_pem, key_pem, ca_pem;
    void (*fn)(void *ctx, const struct keys_identity *id);
    void *ctx;
};

struct sign { /* a signature (done) or a certificate (granted) that is waited for */
    struct list link;
    uint32_t id;
    void (*done)(void *arg, int rc, const uint8_t sig[64]);
    void (*granted)(void *arg, int rc, struct str pem, struct str why);
    void *arg;
    struct keys_grant grant;
    uint64_t key; /* that the message says signs it */
    struct str message; /* behind this struct */
};

struct keys_client {
    struct role_env *env;
    int fd;
    struct loop_fd watch;
    struct identity identities[KEYS_PROFILE__COUNT];
    void (*info_fn)(void *ctx, const struct keys_info *info);
    void *info_ctx;
    struct buf info_ca, info_public;
    uint64_t info_key; /* names the signing key that info told of */
    struct list signs;
    unsigned sign_count;
    uint32_t last_id;
    unsigned char buffer[LIMIT_IMSG_BYTES], out[LIMIT_IMSG_BYTES];
};

/* ---- asking ---- */

static void send(struct keys_client *k, const struct imsg_out *m)
{
    int rc = k->fd < 0 ? 0 : imsg_send(k->fd, m);
    if (rc < 0 && rc != -E_CLOSED) /* the link is replaced when keys comes back: then asked again */
        log_warn("question to keys: %s", err_text(rc));
}

static void ask_identity(struct keys_client *k, enum keys_profile profile)
{
    struct imsg_out m;
    CLEANUP_BUF struct buf der;
    buf_init(&der, PEM_MOST);
    if (crypto_key_public_der(k->identities[profile].key, &der) < 0)
        return;
    imsg_begin(&m, k->out, sizeof k->out, KEYS_ISSUE, IDENTITY_ID + (uint32_t)profile);
    imsg_put_u64(&m, KEYS_TAG_PROFILE, profile);
    imsg_put(&m, KEYS_TAG_PUBLIC, buf_str(&der));
    send(k, &m);
}

static void ask_info(struct keys_client *k)
{
    struct imsg_out m;
    imsg_begin(&m, k->out, sizeof k->out, KEYS_INFO, INFO_ID);
    send(k, &m);
}

static void ask_sign(struct keys_client *k, const struct sign *s)
{
    struct imsg_out m;
    imsg_begin(&m, k->out, sizeof k->out, s->granted ? KEYS_GRANT : KEYS_SIGN, s->id);
    imsg_put(&m, KEYS_TAG_MESSAGE, s->message);
    if (!s->granted)
        imsg_put_u64(&m, KEYS_TAG_VALUE, s->key);
    if (s->granted) {
        imsg_put_u64(&m, KEYS_TAG_PROFILE, s->grant.signer);
        imsg_put_u64(&m, KEYS_TAG_USAGE, s->grant.usage);
        imsg_put_u64(&m, KEYS_TAG_SECONDS, s->grant.seconds);
    }
    send(k, &m);
}

/* ---- answers ---- */

static void issued(struct keys_client *k, const struct imsg_in *m)
{
    uint32_t profile = m->id - IDENTITY_ID;
    struct str cert, ca;
    if (profile >= KEYS_PROFILE__COUNT || !k->identities[profile].key || !imsg_get(m, KEYS_TAG_CERT, &cert) ||
        !imsg_get(m, KEYS_TAG_CA, &ca))
        return;
    struct identity *i = &k->identities[profile];
    buf_clear(&i->cert_pem);
    buf_clear(&i->ca_pem);
    buf_append_str(&i->cert_pem, cert);
    buf_append_str(&i->ca_pem, ca);
    if (i->cert_pem.failed || i->ca_pem.failed) {
        log_err("certificate: out of memory");
        return;
    }
    struct keys_identity id = {buf_str(&i->cert_pem), buf_str(&i->key_pem), buf_str(&i->ca_pem)};
    i->fn(i->ctx, &id);
}

static struct sign *find_sign(struct keys_client *k, uint32_t id)
{
    struct sign *s;
    LIST_EACH(s, &k->signs, link)
        if (s->id == id)
            return s;
    return NULL;
}

static void sign_end(struct sign *s, int rc, struct str answer, struct str why)
{
    if (s->granted)
        s->granted(s->arg, rc, answer, why);
    else if (rc == 0 && answer.n != 64)
        s->done(s->arg, -E_SYNTAX, NULL);
    else
        s->done(s->arg, rc, rc == 0 ? (const uint8_t *)answer.p : NULL);
    mem_free(s);
}

static void signed_now(struct keys_client *k, uint32_t id, int rc, struct str answer, struct str why)
{
    struct sign *s = find_sign(k, id);
    if (!s)
        return;
    list_remove(&s->link);
    k->sign_count--;
    sign_end(s, rc, answer, why);
}

static void info_is(struct keys_client *k, const struct imsg_in *m)
{
    struct str ca, public;
    if (!k->info_fn || !imsg_get(m, KEYS_TAG_CA, &ca) || !imsg_get(m, KEYS_TAG_PUBLIC, &public))
        return;
    buf_clear(&k->info_ca);
    buf_clear(&k->info_public);
    buf_append_str(&k->info_ca, ca);
    buf_append_str(&k->info_public, public);
    if (!imsg_get_u64(m, KEYS_TAG_VALUE, &k->info_key) || k->info_ca.failed || k->info_public.failed)
        return;
    struct keys_info info = {buf_str(&k->info_ca), buf_str(&k->info_public)};
    k->info_fn(k->info_ctx, &info);
}

static void refused(struct keys_client *k, const struct imsg_in *m)
{
    struct str why = STR("");
    uint64_t code = E_INTERNAL;
    bool told = imsg_get(m, KEYS_TAG_TEXT, &why);
    bool coded = imsg_get_u64(m, KEYS_TAG_VALUE, &code) && code && code < E__COUNT;
    (void)told;
    log_err("keys refuses: " STR_FMT, STR_ARG(why));
    if (m->id >= SIGN_ID)
        signed_now(k, m->id, -(int)(coded ? code : E_INTERNAL), STR(""), why);
    else
        role_env_status(k->env, "keys refuses: " STR_FMT, STR_ARG(why));
}

static void readable(void *ctx, unsigned events)
{
    struct keys_client *k = ctx;
    struct imsg_in m;
    struct str sig = STR("");
    (void)events;
    for (int i = 0; i < 16 && k->fd >= 0; i++) {
        int rc = imsg_recv(k->fd, k->buffer, sizeof k->buffer, &m);
        if (rc == -E_AGAIN)
            return;
        if (rc < 0) { /* keys has ended; the next link comes with its successor */
            loop_fd_remove(k->env->loop, &k->watch);
            close(k->fd);
            k->fd = -1;
            return;
        }
        imsg_close_fds(&m);
        switch (m.type) {
        case KEYS_ISSUED: issued(k, &m); break;
        case KEYS_SIGNED:
            if (imsg_get(&m, KEYS_TAG_SIGNATURE, &sig))
                signed_now(k, m.id, 0, sig, STR(""));
            break;
        case KEYS_GRANTED:
            if (imsg_get(&m, KEYS_TAG_CERT, &sig))
                signed_now(k, m.id, 0, sig, STR(""));
            break;
        case KEYS_INFO_IS: info_is(k, &m); break;
        case KEYS_REFUSED: refused(k, &m); break;
        default: log_warn("message %u from keys is unknown", m.type);
        }
    }
}

static void linked(void *ctx, int fd)
{
    struct keys_client *k = ctx;
    struct sign *s;
    if (k->fd >= 0) {
        loop_fd_remove(k->env->loop, &k->watch);
        close(k->fd);
        k->fd = -1;
    }
    if (loop_fd_add(k->env->loop, &k->watch, fd, POLL_IN) < 0) {
        close(fd);
        return;
    }
    k->fd = fd;
    for (int p = 0; p < KEYS_PROFILE__COUNT; p++)
        if (k->identities[p].key)
            ask_identity(k, (enum keys_profile)p);
    if (k->info_fn)
        ask_info(k);
    LIST_EACH(s, &k->signs, link)
        ask_sign(k, s);
}

/* ---- for the role ---- */

int keys_client_new(struct role_env *env, struct keys_client **ret_client)
{
    struct keys_client *k = mem_zalloc(sizeof *k);
    if (!k)
        return -E_NOMEM;
    k->env = env;
    k->fd = -1;
    k->last_id = SIGN_ID;
    loop_fd_init(&k->watch, readable, k);
    list_init(&k->signs);
    buf_init(&k->info_ca, PEM_MOST);
    buf_init(&k->info_public, PEM_MOST);
    role_env_on_link(env, ROLE_KEYS, linked, k);
    *ret_client = k;
    return 0;
}

void keys_client_free(struct keys_client *k)
{
    struct sign *s, *next;
    if (!k)
        return;
    role_env_on_link(k->env, ROLE_KEYS, NULL, NULL);
    if (k->fd >= 0) {
        loop_fd_remove(k->env->loop, &k->watch);
        close(k->fd);
    }
    LIST_EACH_SAFE(s, next, &k->signs, link) {
        list_remove(&s->link);
        sign_end(s, -E_CLOSED, STR(""), STR(""));
    }
    for (int p = 0; p < KEYS_PROFILE__COUNT; p++) {
        struct identity *i = &k->identities[p];
        crypto_key_free(i->key);
        if (i->key_pem.data)
            mem_wipe(i->key_pem.data, i->key_pem.cap);
        buf_done(&i->key_pem);
        buf_done(&i->cert_pem);
        buf_done(&i->ca_pem);
    }
    buf_done(&k->info_ca);
    buf_done(&k->info_public);
    mem_free(k);
}

int keys_client_identity(struct keys_client *k, enum keys_profile profile,
                         void (*fn)(void *ctx, const struct keys_identity *id), void *ctx)
{
    struct identity *i = &k->identities[profile];
    struct err err = {0};
    struct crypto_key *key;
    int rc = crypto_key_generate(&key, &err);
    if (rc < 0) {
        log_err("%s", err.text);
        return rc;
    }
    buf_init(&i->cert_pem, PEM_MOST);
    buf_init(&i->key_pem, PEM_MOST);
    buf_init(&i->ca_pem, PEM_MOST);
    if ((rc = crypto_key_private_pem(key, &i->key_pem)) < 0) {
        crypto_key_free(key);
        return rc;
    }
    i->key = key;
    i->fn = fn;
    i->ctx = ctx;
    ask_identity(k, profile);
    return 0;
}

int keys_client_info(struct keys_client *k, void (*fn)(void *ctx, const struct keys_info *info), void *ctx)
{
    k->info_fn = fn;
    k->info_ctx = ctx;
    ask_info(k);
    return 0;
}

static int ask(struct keys_client *k, const struct sign *what, struct str message)
{
    if (message.n > KEYS_SIGN_MOST)
        return -E_TOO_LARGE;
    if (k->sign_count >= SIGN_WAITING)
        return -E_BUSY;
    struct sign *s = mem_alloc(sizeof *s + message.n);
    if (!s)
        return -E_NOMEM;
    if (++k->last_id < SIGN_ID) /* wrapped */
        k->last_id = SIGN_ID;
    *s = *what;
    s->id = k->last_id;
    s->key = k->info_key;
    s->message = str_make(s + 1, message.n);
    memcpy(s + 1, message.p, message.n);
    list_push_back(&k->signs, &s->link);
    k->sign_count++;
    ask_sign(k, s);
    return 0;
}

int keys_client_sign(void *client, struct str message, void (*done)(void *arg, int rc, const uint8_t sig[64]),
                     void *arg)
{
    return ask(client, &(struct sign){.done = done, .arg = arg}, message);
}

int keys_client_grant(struct keys_client *client, const struct keys_grant *grant,
                      void (*done)(void *arg, int rc, struct str pem, struct str why), void *arg)
{
    return ask(client, &(struct sign){.granted = done, .arg = arg, .grant = *grant}, grant->csr_pem);
}
