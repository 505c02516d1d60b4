/* See pki.h. */
#include "main/pki.h"

#include <stdio.h>

#include "base/limits.h"
#include "codec/pem.h"

enum { DAY_S = 24 * 3600, PEM_MOST = 64 * 1024 };
static const int64_t ca_life_s = 20LL * 365 * DAY_S;
static const int64_t leaf_life_s = 1LL * 365 * DAY_S;
static const int64_t admin_life_s = 10LL * 365 * DAY_S;

static void ca_init(struct pki_ca *ca)
{
    *ca = (struct pki_ca){0};
    buf_init(&ca->cert_pem, PEM_MOST);
    buf_init(&ca->key_pem, PEM_MOST);
}

void pki_ca_done(struct pki_ca *ca)
{
    crypto_key_free(ca->key);
    if (ca->key_pem.data)
        mem_wipe(ca->key_pem.data, ca->key_pem.cap);
    buf_done(&ca->cert_pem);
    buf_done(&ca->key_pem);
    *ca = (struct pki_ca){0};
}

int pki_ca_make(const char *name, int64_t now_s, struct pki_ca *ret_ca, struct err *err)
{
    struct pki_ca ca;
    struct cert_profile profile = {
        .common_name = name,
        .use = CERT_USE_CA,
        .not_before_s = now_s - DAY_S,
        .not_after_s = now_s + ca_life_s,
    };
    ca_init(&ca);
    int rc = crypto_key_generate(&ca.key, err);
    if (rc == 0)
        rc = cert_issue(&profile, ca.key, ca.key, STR(""), &ca.cert_pem, err);
    if (rc == 0)
        rc = crypto_key_private_pem(ca.key, &ca.key_pem);
    if (rc < 0) {
        pki_ca_done(&ca);
        return err_wrap(err, rc, "make the cluster's CA");
    }
    *ret_ca = ca;
    return 0;
}

/* The key must be the one that the certificate is about: its public half stands in it. */
static int ca_check(const struct pki_ca *ca, struct err *err)
{
    CLEANUP_ARENA struct arena arena;
    CLEANUP_BUF struct buf public_der;
    struct cert_info info;
    struct str der;
    arena_init(&arena, PEM_MOST);
    buf_init(&public_der, PEM_MOST);
    int rc = cert_parse(buf_str(&ca->cert_pem), &info, err);
    if (rc == 0)
        rc = pem_find(&arena, buf_str(&ca->cert_pem), "CERTIFICATE", &der, err);
    if (rc == 0)
        rc = crypto_key_public_der(ca->key, &public_der);
    if (rc < 0)
        return rc;
    if (!info.is_ca)
        return err_set(err, E_INVALID, "the certificate of '%s' is not a CA's", info.common_name);
    if (str_find(der, buf_str(&public_der)) < 0)
        return err_set(err, E_INVALID, "certificate and private key do not belong together");
    return 0;
}

/* Takes the blocks apart by their labels, without decoding them. */
static void split_pem(struct str pem, struct pki_ca *ca)
{
    static const struct str begin = {"-----BEGIN ", 11}, end = {"-----END ", 9};
    for (;;) {
        ptrdiff_t from = str_find(pem, begin);
        if (from < 0)
            return;
        pem = str_make(pem.p + from, pem.n - (size_t)from);
        ptrdiff_t to = str_find(pem, end);
        if (to < 0)
            return;
        struct str tail = str_make(pem.p + to, pem.n - (size_t)to);
        ptrdiff_t line = str_find_byte(tail, '\n');
        size_t n = line < 0 ? pem.n : (size_t)to + (size_t)line + 1;
        struct str block = str_make(pem.p, n);
        struct buf *out = str_starts(block, STR("-----BEGIN CERTIFICATE")) ? &ca->cert_pem : &ca->key_pem;
        buf_append_str(out, block);
        if (n && block.p[n - 1] != '\n')
            buf_putc(out, '\n');
        pem = str_make(pem.p + n, pem.n - n);
    }
}

int pki_ca_parse(struct str pem, struct pki_ca *ret_ca, struct err *err)
{
    struct pki_ca ca;
    int rc = 0;
    ca_init(&ca);
    split_pem(pem, &ca);
    if (!buf_len(&ca.cert_pem))
        rc = err_set(err, E_INVALID, "there is no certificate");
    else if (!buf_len(&ca.key_pem))
        rc = err_set(err, E_INVALID, "there is no private key");
    else if ((rc = crypto_key_parse(buf_str(&ca.key_pem), &ca.key, err)) == 0)
        rc = ca_check(&ca, err);
    if (rc < 0) {
        pki_ca_done(&ca);
        return rc;
    }
    *ret_ca = ca;
    return 0;
}

/* ---- profiles ---- */

static void add_dns(struct cert_profile *p, const char *name)
{
    for (size_t i = 0; i < p->dns_count; i++)
        if (cstr_eq(p->dns[i], name))
            return;
    if (name[0] && p->dns_count < CERT_MAX_NAMES)
        p->dns[p->dns_count++] = name;
}

static void add_ip(struct cert_profile *p, const struct net_addr *ip)
{
    for (size_t i = 0; i < p->ip_count; i++)
        if (net_addr_same_ip(&p->ips[i], ip))
            return;
    if (p->ip_count < CERT_MAX_NAMES)
        p->ips[p->ip_count++] = *ip;
}

static void add_ip_text(struct cert_profile *p, const char *text)
{
    struct net_addr ip;
    if (net_addr_parse(str_of(text), false, &ip) == 0)
        add_ip(p, &ip);
}

static void add_machine(struct cert_profile *p, const struct pki_subject *s)
{
    add_dns(p, s->node_name);
    for (size_t i = 0; i < s->net->addr_count; i++)
        add_ip(p, &s->net->addrs[i]);
}

/* host: room for the endpoint's host, which the profile keeps pointing to. */
static void fill_front(struct cert_profile *p, const struct pki_subject *s, char host[START_ENDPOINT])
{
    static const char *const names[] = {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                        "kubernetes.default.svc.cluster.local"};
    struct net_addr ip;
    p->common_name = "kube-apiserver";
    p->use = CERT_USE_SERVER;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        add_dns(p, names[i]);
    add_ip_text(p, "127.0.0.1");
    add_ip_text(p, "::1");
    add_ip_text(p, "10.96.0.1");
    if (s->endpoint[0]) {
        if (net_addr_parse(str_of(s->endpoint), true, &ip) == 0) {
            add_ip(p, &ip);
        } else {
            snprintf(host, START_ENDPOINT, "%s", s->endpoint);
            char *colon = strrchr(host, ':');
            if (colon)
                *colon = 0;
            add_dns(p, host);
        }
    }
    add_machine(p, s);
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* No certificate outlives its CA or is older than it. */
static int issue(const struct pki_ca *ca, struct cert_profile *p, const struct crypto_key *key, int64_t now_s,
                 int64_t life_s, struct buf *out, int64_t *ret_not_after_s, struct err *err)
{
    struct cert_info ca_info;
    int rc = cert_parse(buf_str(&ca->cert_pem), &ca_info, err);
    if (rc < 0)
        return rc;
    p->not_before_s = now_s - DAY_S;
    if (p->not_before_s < ca_info.not_before_s)
        p->not_before_s = ca_info.not_before_s;
    p->not_after_s = min64(p->not_before_s + DAY_S + life_s, ca_info.not_after_s);
    rc = cert_issue(p, key, ca->key, buf_str(&ca->cert_pem), out, err);
    if (rc == 0 && ret_not_after_s)
        *ret_not_after_s = p->not_after_s;
    return rc;
}

int pki_issue(const struct pki_ca *ca, enum keys_profile profile, const struct pki_subject *subject,
              const struct crypto_key *public_key, int64_t now_s, struct buf *out, int64_t *ret_not_after_s,
              struct err *err)
{
    struct cert_profile p = {0};
    char node_user[START_NAME + 16], host[START_ENDPOINT];
    snprintf(node_user, sizeof node_user, "system:node:%s", subject->node_name);
    switch (profile) {
    case KEYS_FRONT_SERVING: fill_front(&p, subject, host); break;
    case KEYS_KUBELET_CLIENT:
        p.common_name = "kube-apiserver-kubelet-client";
        p.orgs[p.org_count++] = "system:masters";
        p.use = CERT_USE_CLIENT;
        break;
    case KEYS_NODE_CLIENT:
    case KEYS_KUBELET_SERVING:
        p.common_name = node_user;
        p.orgs[p.org_count++] = "system:nodes";
        p.use = profile == KEYS_NODE_CLIENT ? CERT_USE_CLIENT : CERT_USE_SERVER;
        if (profile == KEYS_KUBELET_SERVING) {
            add_machine(&p, subject);
            add_ip_text(&p, "127.0.0.1");
        }
        break;
    case KEYS_DNS_CLIENT:
        p.common_name = "system:coredns";
        p.use = CERT_USE_CLIENT;
        break;
    case KEYS_PROXY_CLIENT:
        p.common_name = "front-proxy-client";
        p.use = CERT_USE_CLIENT;
        break;
    default: return err_set(err, E_INVALID, "there is no profile %d", profile);
    }
    return issue(ca, &p, public_key, now_s, leaf_life_s, out, ret_not_after_s, err);
}

/* ---- the certificates API ---- */

static bool has_org(const struct csr_info *info, const char *org)
{
    for (size_t i = 0; i < info->org_count; i++)
        if (cstr_eq(info->orgs[i], org))
            return true;
    return false;
}

/* The last word on what a signer grants: whoever approved, nobody becomes an administrator here, and
 * nobody but a node a node. */
static const char *why_not(enum keys_signer signer, const struct csr_info *info, unsigned usage)
{
    bool node = info->org_count == 1 && has_org(info, "system:nodes") &&
                str_starts(str_of(info->common_name), STR("system:node:"));
    size_t names = info->dns_count + info->ip_count + info->other_names;
    unsigned allowed = KEYS_USAGE_SIGNATURE | KEYS_USAGE_ENCIPHERMENT |
                       (signer == KEYS_SIGNER_KUBELET_SERVING ? KEYS_USAGE_SERVER : KEYS_USAGE_CLIENT);
    if (usage & ~allowed || !(usage & (KEYS_USAGE_CLIENT | KEYS_USAGE_SERVER)))
        return "the signer does not grant these usages";
    if (has_org(info, "system:masters"))
        return "the signer grants no certificate of system:masters";
    switch (signer) {
    case KEYS_SIGNER_CLIENT: return NULL;
    case KEYS_SIGNER_CLIENT_KUBELET:
        if (!node)
            return "the subject must be O=system:nodes, CN=system:node:NAME";
        return names ? "a client certificate of a node has no alternative names" : NULL;
    case KEYS_SIGNER_KUBELET_SERVING:
        if (!node)
            return "the subject must be O=system:nodes, CN=system:node:NAME";
        if (info->other_names)
            return "a serving certificate has no e-mail addresses and URIs";
        return names ? NULL : "a serving certificate needs a DNS name or an IP address";
    default: return "there is no such signer";
    }
}

int pki_grant(const struct pki_ca *ca, enum keys_signer signer, struct str csr_pem, unsigned usage, int64_t seconds,
              int64_t now_s, struct buf *out, struct err *err)
{
    enum { EARLIER_S = 300 }; /* for clocks that are a little behind */
    CLEANUP_FREE struct csr_info *info = mem_zalloc(sizeof *info);
    struct cert_info ca_info;
    if (!info)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = csr_parse(csr_pem, info, err);
    if (rc == 0)
        rc = cert_parse(buf_str(&ca->cert_pem), &ca_info, err);
    if (rc < 0)
        return rc;
    const char *why = why_not(signer, info, usage);
    if (why)
        return err_set(err, E_FORBIDDEN, "%s", why);
    struct csr_grant grant = {
        .digital_signature = usage & KEYS_USAGE_SIGNATURE,
        .key_encipherment = usage & KEYS_USAGE_ENCIPHERMENT,
        .use = usage & KEYS_USAGE_SERVER ? CERT_USE_SERVER : CERT_USE_CLIENT,
        .not_before_s = now_s - EARLIER_S > ca_info.not_before_s ? now_s - EARLIER_S : ca_info.not_before_s,
        .not_after_s = min64(now_s + seconds, ca_info.not_after_s),
    };
    return csr_issue(csr_pem, &grant, ca->key, buf_str(&ca->cert_pem), out, err);
}

/* ---- admin.kubeconfig ---- */

static void put_base64(struct buf *out, const char *field, struct str s)
{
    buf_printf(out, "    %s: ", field);
    char *to = buf_reserve(out, base64_encoded_size(s.n));
    if (to)
        buf_commit(out, base64_encode(to, s.p, s.n));
    buf_putc(out, '\n');
}

static void kubeconfig_write(struct buf *out, const char *cluster, const char *server, struct str ca_pem,
                             struct str cert_pem, struct str key_pem)
{
    buf_printf(out, "apiVersion: v1\nkind: Config\nclusters:\n- name: %s\n  cluster:\n    server: %s\n", cluster,
               server);
    put_base64(out, "certificate-authority-data", ca_pem);
    buf_puts(out, "users:\n- name: kubernetes-admin\n  user:\n");
    put_base64(out, "client-certificate-data", cert_pem);
    put_base64(out, "client-key-data", key_pem);
    buf_printf(out,
               "contexts:\n- name: kubernetes-admin@%s\n  context:\n    cluster: %s\n"
               "    user: kubernetes-admin\ncurrent-context: kubernetes-admin@%s\n",
               cluster, cluster, cluster);
}

int pki_admin_kubeconfig(const struct pki_ca *ca, const char *cluster, const char *server, int64_t now_s,
                         struct buf *out, struct err *err)
{
    struct cert_profile p = {
        .common_name = "kubernetes-admin", .orgs = {"system:masters"}, .org_count = 1, .use = CERT_USE_CLIENT};
    struct crypto_key *key = NULL;
    CLEANUP_BUF struct buf cert, key_pem;
    buf_init(&cert, PEM_MOST);
    buf_init(&key_pem, PEM_MOST);
    int rc = crypto_key_generate(&key, err);
    if (rc == 0)
        rc = issue(ca, &p, key, now_s, admin_life_s, &cert, NULL, err);
    if (rc == 0)
        rc = crypto_key_private_pem(key, &key_pem);
    if (rc == 0)
        kubeconfig_write(out, cluster, server, buf_str(&ca->cert_pem), buf_str(&cert), buf_str(&key_pem));
    if (rc == 0 && out->failed)
        rc = err_set(err, E_NOMEM, "out of memory");
    if (key_pem.data)
        mem_wipe(key_pem.data, key_pem.cap);
    crypto_key_free(key);
    return rc < 0 ? err_wrap(err, rc, "admin.kubeconfig") : 0;
}

int pki_fingerprint(struct str cert_pem, char ret_text[PKI_FINGERPRINT_TEXT], struct err *err)
{
    struct cert_info info;
    int rc = cert_parse(cert_pem, &info, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 16; i++)
        snprintf(ret_text + 3 * i, 4, i < 15 ? "%02X:" : "%02X", info.fingerprint[i]);
    return 0;
}
