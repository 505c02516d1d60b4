/* See runtime_msg.h. */
#include "wire/runtime_msg.h"

enum { ADDR_BYTES = 24, FIELD_HEAD = 5 };
enum { POD_HOST_NETWORK = 1, POD_HOST_PID = 2, POD_HOST_IPC = 4 };
enum { CONTAINER_READ_ONLY = 1, CONTAINER_TTY = 2, CONTAINER_STDIN = 4, CONTAINER_STDIN_ONCE = 8 };
enum { EXEC_TTY = 1, EXEC_IN = 2, EXEC_OUT = 4, EXEC_ERROR = 8 };
enum { SERVICE_NODE_PORT = 1, SERVICE_MASQUERADE = 2 };

static void put_le(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const char *at, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return v;
}

/* ---- fields ---- */

void runtime_put(struct buf *out, uint8_t tag, struct str bytes)
{
    unsigned char head[FIELD_HEAD] = {tag};
    put_le(head + 1, bytes.n, 4);
    buf_append(out, head, sizeof head);
    buf_append_str(out, bytes);
}

void runtime_put_cstr(struct buf *out, uint8_t tag, const char *s)
{
    if (s)
        runtime_put(out, tag, str_of(s));
}

void runtime_put_u64(struct buf *out, uint8_t tag, uint64_t v)
{
    unsigned char p[8];
    put_le(p, v, 8);
    runtime_put(out, tag, str_make(p, sizeof p));
}

static void addr_bytes(unsigned char *p, const struct net_addr *a)
{
    memset(p, 0, ADDR_BYTES);
    p[0] = a->family;
    put_le(p + 1, a->port, 2);
    put_le(p + 3, a->scope, 4);
    memcpy(p + 8, a->ip, 16);
}

void runtime_put_addr(struct buf *out, uint8_t tag, const struct net_addr *a)
{
    unsigned char p[ADDR_BYTES];
    addr_bytes(p, a);
    runtime_put(out, tag, str_make(p, sizeof p));
}

int runtime_get_addr(struct str b, struct net_addr *ret_addr)
{
    struct net_addr a = {0};
    if (b.n < ADDR_BYTES)
        return -E_SYNTAX;
    a.family = (uint8_t)b.p[0];
    a.port = (uint16_t)get_le(b.p + 1, 2);
    a.scope = (uint32_t)get_le(b.p + 3, 4);
    memcpy(a.ip, b.p + 8, 16);
    if (a.family != 0 && a.family != 4 && a.family != 6)
        return -E_SYNTAX;
    *ret_addr = a;
    return 0;
}

static int text(struct arena *a, struct str b, const char **ret_text)
{
    if (b.n && memchr(b.p, 0, b.n))
        return -E_SYNTAX;
    const char *copy = arena_strndup(a, b.n ? b.p : "", b.n);
    if (!copy)
        return -E_NOMEM;
    *ret_text = copy;
    return 0;
}

int runtime_get_cstr(struct arena *a, const struct imsg_in *m, uint8_t tag, const char **ret_text)
{
    struct str b;
    return imsg_get(m, tag, &b) ? text(a, b, ret_text) : -E_SYNTAX;
}

/* "" when it is missing. */
static int optional(struct arena *a, const struct imsg_in *m, uint8_t tag, const char **ret_text)
{
    struct str b = {"", 0};
    imsg_get(m, tag, &b);
    return text(a, b, ret_text);
}

uint64_t runtime_u64(struct str b)
{
    return b.n == 8 ? get_le(b.p, 8) : 0;
}

uint64_t runtime_get_u64(const struct imsg_in *m, uint8_t tag, uint64_t otherwise)
{
    uint64_t v;
    return imsg_get_u64(m, tag, &v) ? v : otherwise;
}

static size_t count(const struct imsg_in *m, uint8_t wanted)
{
    struct imsg_cursor at = {0};
    uint8_t tag;
    struct str b;
    size_t n = 0;
    while (imsg_next(m, &at, &tag, &b))
        n += tag == wanted;
    return n;
}

/* All fields of a tag as a NULL-terminated list. */
static int texts(struct arena *a, const struct imsg_in *m, uint8_t wanted, const char *const **ret_list)
{
    struct imsg_cursor at = {0};
    uint8_t tag;
    struct str b;
    size_t n = 0;
    int rc = 0;
    const char **list = arena_zalloc(a, (count(m, wanted) + 1) * sizeof *list);
    if (!list)
        return -E_NOMEM;
    while (rc == 0 && imsg_next(m, &at, &tag, &b))
        if (tag == wanted)
            rc = text(a, b, &list[n++]);
    *ret_list = list;
    return rc;
}

static void put_texts(struct buf *out, uint8_t tag, const char *const *list)
{
    for (; list && *list; list++)
        runtime_put_cstr(out, tag, *list);
}

/* ---- pod ---- */

void runtime_put_pod(struct buf *out, const struct runtime_pod *p)
{
    runtime_put_cstr(out, RT_UID, p->uid);
    runtime_put_cstr(out, RT_NAMESPACE, p->namespace);
    runtime_put_cstr(out, RT_NAME, p->name);
    runtime_put_cstr(out, RT_HOSTNAME, p->hostname);
    runtime_put_cstr(out, RT_CGROUP, p->cgroup);
    runtime_put_u64(out, RT_FLAGS, (p->host_network ? POD_HOST_NETWORK : 0) | (p->host_pid ? POD_HOST_PID : 0) |
                                       (p->host_ipc ? POD_HOST_IPC : 0));
    for (size_t i = 0; i < p->addr_count; i++)
        runtime_put_addr(out, RT_ADDR, &p->addrs[i]);
    put_texts(out, RT_SYSCTL, p->sysctls);
    runtime_put_u64(out, RT_MEMORY, (uint64_t)p->memory_limit_bytes);
    runtime_put_u64(out, RT_CPU_QUOTA, (uint64_t)p->cpu_quota_us);
    runtime_put_u64(out, RT_CPU_SHARES, (uint64_t)p->cpu_shares);
    runtime_put_u64(out, RT_PIDS, (uint64_t)p->pids_limit);
}

int runtime_get_pod(struct arena *a, const struct imsg_in *m, struct runtime_pod *ret_pod)
{
    struct runtime_pod p = {0};
    struct imsg_cursor at = {0};
    uint64_t flags = runtime_get_u64(m, RT_FLAGS, 0);
    uint8_t tag;
    struct str b;
    int rc = runtime_get_cstr(a, m, RT_UID, &p.uid);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_NAMESPACE, &p.namespace);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_NAME, &p.name);
    if (rc == 0)
        rc = optional(a, m, RT_HOSTNAME, &p.hostname);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_CGROUP, &p.cgroup);
    if (rc == 0)
        rc = texts(a, m, RT_SYSCTL, &p.sysctls);
    while (rc == 0 && imsg_next(m, &at, &tag, &b))
        if (tag == RT_ADDR)
            rc = p.addr_count < RUNTIME_MAX_ADDRS ? runtime_get_addr(b, &p.addrs[p.addr_count++]) : -E_LIMIT;
    p.host_network = flags & POD_HOST_NETWORK;
    p.host_pid = flags & POD_HOST_PID;
    p.host_ipc = flags & POD_HOST_IPC;
    p.memory_limit_bytes = (int64_t)runtime_get_u64(m, RT_MEMORY, 0);
    p.cpu_quota_us = (int64_t)runtime_get_u64(m, RT_CPU_QUOTA, 0);
    p.cpu_shares = (int64_t)runtime_get_u64(m, RT_CPU_SHARES, 0);
    p.pids_limit = (int64_t)runtime_get_u64(m, RT_PIDS, 0);
    if (rc == 0)
        *ret_pod = p;
    return rc;
}

/* ---- container, exec ---- */

void runtime_put_container(struct buf *out, const struct runtime_container *c)
{
    runtime_put_cstr(out, RT_UID, c->pod_uid);
    runtime_put_cstr(out, RT_ID, c->id);
    runtime_put_cstr(out, RT_NAME, c->name);
    runtime_put_u64(out, RT_ATTEMPT, c->attempt);
    runtime_put_cstr(out, RT_IMAGE, c->image_id);
    runtime_put(out, RT_SPEC, c->oci_spec_json);
    runtime_put_cstr(out, RT_LOG_PATH, c->log_path);
    runtime_put_u64(out, RT_FLAGS, (c->read_only_root ? CONTAINER_READ_ONLY : 0) | (c->tty ? CONTAINER_TTY : 0) |
                                       (c->stdin_open ? CONTAINER_STDIN : 0) |
                                       (c->stdin_once ? CONTAINER_STDIN_ONCE : 0));
}

int runtime_get_container(struct arena *a, const struct imsg_in *m, struct runtime_container *ret_c)
{
    struct runtime_container c = {.attempt = (uint32_t)runtime_get_u64(m, RT_ATTEMPT, 0)};
    uint64_t flags = runtime_get_u64(m, RT_FLAGS, 0);
    int rc = runtime_get_cstr(a, m, RT_UID, &c.pod_uid);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_ID, &c.id);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_NAME, &c.name);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_IMAGE, &c.image_id);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_LOG_PATH, &c.log_path);
    if (rc == 0 && !imsg_get(m, RT_SPEC, &c.oci_spec_json))
        rc = -E_SYNTAX;
    c.read_only_root = flags & CONTAINER_READ_ONLY;
    c.tty = flags & CONTAINER_TTY;
    c.stdin_open = flags & CONTAINER_STDIN;
    c.stdin_once = flags & CONTAINER_STDIN_ONCE;
    if (rc == 0)
        *ret_c = c;
    return rc;
}

void runtime_put_exec(struct buf *out, const struct runtime_exec *x)
{
    runtime_put_cstr(out, RT_ID, x->container_id);
    put_texts(out, RT_ARG, x->args);
    runtime_put_u64(out, RT_FLAGS, (x->tty ? EXEC_TTY : 0) | (x->in ? EXEC_IN : 0) | (x->out ? EXEC_OUT : 0) |
                                       (x->error ? EXEC_ERROR : 0));
    runtime_put_u64(out, RT_TIMEOUT, x->timeout_ms);
}

int runtime_get_exec(struct arena *a, const struct imsg_in *m, struct runtime_exec *ret_exec)
{
    struct runtime_exec x = {.timeout_ms = (uint32_t)runtime_get_u64(m, RT_TIMEOUT, 0)};
    uint64_t flags = runtime_get_u64(m, RT_FLAGS, 0);
    int rc = runtime_get_cstr(a, m, RT_ID, &x.container_id);
    if (rc == 0)
        rc = texts(a, m, RT_ARG, &x.args);
    x.tty = flags & EXEC_TTY;
    x.in = flags & EXEC_IN;
    x.out = flags & EXEC_OUT;
    x.error = flags & EXEC_ERROR;
    if (rc == 0)
        *ret_exec = x;
    return rc;
}

/* ---- volume ---- */

void runtime_put_volume(struct buf *out, const struct runtime_volume *v)
{
    runtime_put_cstr(out, RT_UID, v->pod_uid);
    runtime_put_cstr(out, RT_NAME, v->name);
    runtime_put_u64(out, RT_KIND, v->kind);
    runtime_put_u64(out, RT_SIZE, (uint64_t)v->size_limit_bytes);
    runtime_put_u64(out, RT_GROUP, (uint64_t)v->fs_group);
    for (size_t i = 0; i < v->file_count; i++) {
        runtime_put_cstr(out, RT_FILE, v->files[i].path);
        runtime_put_u64(out, RT_MODE, v->files[i].mode);
        runtime_put(out, RT_CONTENT, v->files[i].content);
    }
}

static int get_files(struct arena *a, const struct imsg_in *m, struct runtime_volume *v)
{
    struct runtime_file *files = arena_zalloc(a, (count(m, RT_FILE) + 1) * sizeof *files);
    struct imsg_cursor at = {0};
    uint8_t tag;
    struct str b;
    int rc = files ? 0 : -E_NOMEM;
    v->files = files;
    while (rc == 0 && imsg_next(m, &at, &tag, &b)) {
        if (tag == RT_FILE)
            rc = text(a, b, &files[v->file_count++].path);
        else if ((tag == RT_MODE || tag == RT_CONTENT) && !v->file_count)
            rc = -E_SYNTAX;
        else if (tag == RT_MODE)
            files[v->file_count - 1].mode = (uint32_t)runtime_u64(b);
        else if (tag == RT_CONTENT)
            files[v->file_count - 1].content = b;
    }
    return rc;
}

int runtime_get_volume(struct arena *a, const struct imsg_in *m, struct runtime_volume *ret_volume)
{
    struct runtime_volume v = {.kind = (enum runtime_volume_kind)runtime_get_u64(m, RT_KIND, 0),
                               .size_limit_bytes = (int64_t)runtime_get_u64(m, RT_SIZE, 0),
                               .fs_group = (int64_t)runtime_get_u64(m, RT_GROUP, UINT64_MAX)};
    int rc = runtime_get_cstr(a, m, RT_UID, &v.pod_uid);
    if (rc == 0)
        rc = runtime_get_cstr(a, m, RT_NAME, &v.name);
    if (rc == 0)
        rc = get_files(a, m, &v);
    if (rc == 0 && v.kind > RUNTIME_VOLUME_EMPTY_DIR_MEMORY)
        rc = -E_SYNTAX;
    if (rc == 0)
        *ret_volume = v;
    return rc;
}

/* ---- images ---- */

void runtime_put_pull(struct buf *out, const struct runtime_pull *p)
{
    runtime_put_cstr(out, RT_IMAGE, p->image);
    runtime_put(out, RT_AUTH, p->auth_json);
}

int runtime_get_pull(struct arena *a, const struct imsg_in *m, struct runtime_pull *ret_pull)
{
    struct runtime_pull p = {.auth_json = {"", 0}};
    int rc = runtime_get_cstr(a, m, RT_IMAGE, &p.image);
    imsg_get(m, RT_AUTH, &p.auth_json);
    if (rc == 0)
        *ret_pull = p;
    return rc;
}

void runtime_put_image(struct buf *out, const struct runtime_image *i)
{
    runtime_put_cstr(out, RT_ID, i->id);
    runtime_put_cstr(out, RT_DIGEST, i->repo_digest);
    put_texts(out, RT_NAME, i->names);
    runtime_put_u64(out, RT_SIZE, (uint64_t)i->size_bytes);
    runtime_put(out, RT_CONTENT, i->config_json);
}

int runtime_get_image(struct arena *a, const struct imsg_in *m, struct runtime_image *ret_image)
{
    struct runtime_image i = {.size_bytes = (int64_t)runtime_get_u64(m, RT_SIZE, 0), .config_json = {"", 0}};
    int rc = runtime_get_cstr(a, m, RT_ID, &i.id);
    if (rc == 0)
        rc = optional(a, m, RT_DIGEST, &i.repo_digest);
    if (rc == 0)
        rc = texts(a, m, RT_NAME, &i.names);
    imsg_get(m, RT_CONTENT, &i.config_json);
    if (rc == 0)
        *ret_image = i;
    return rc;
}

/* ---- exits, usage ---- */

void runtime_put_exit(struct buf *out, const struct runtime_exit *e)
{
    runtime_put_u64(out, RT_CODE, (uint64_t)(int64_t)e->code);
    runtime_put_u64(out, RT_SIGNAL, (uint64_t)e->signal);
    runtime_put_u64(out, RT_FLAGS, e->oom);
    runtime_put_u64(out, RT_STARTED, (uint64_t)e->started_ns);
    runtime_put_u64(out, RT_FINISHED, (uint64_t)e->finished_ns);
}

void runtime_get_exit(const struct imsg_in *m, struct runtime_exit *ret_exit)
{
    *ret_exit = (struct runtime_exit){.code = (int)runtime_get_u64(m, RT_CODE, 0),
                                      .signal = (int)runtime_get_u64(m, RT_SIGNAL, 0),
                                      .oom = runtime_get_u64(m, RT_FLAGS, 0),
                                      .started_ns = (int64_t)runtime_get_u64(m, RT_STARTED, 0),
                                      .finished_ns = (int64_t)runtime_get_u64(m, RT_FINISHED, 0)};
}

void runtime_put_usage(struct buf *out, const struct runtime_usage *u)
{
    unsigned char p[32];
    put_le(p, (uint64_t)u->cpu_ns, 8);
    put_le(p + 8, (uint64_t)u->memory_bytes, 8);
    put_le(p + 16, (uint64_t)u->working_set_bytes, 8);
    put_le(p + 24, (uint64_t)u->fs_bytes, 8);
    runtime_put(out, RT_USAGE, str_make(p, sizeof p));
}

void runtime_get_usage(const struct imsg_in *m, struct runtime_usage *ret_usage)
{
    struct str b;
    *ret_usage = (struct runtime_usage){-1, -1, -1, -1};
    if (imsg_get(m, RT_USAGE, &b) && b.n == 32)
        *ret_usage = (struct runtime_usage){(int64_t)get_le(b.p, 8), (int64_t)get_le(b.p + 8, 8),
                                            (int64_t)get_le(b.p + 16, 8), (int64_t)get_le(b.p + 24, 8)};
}

/* ---- rules ---- */

/* A service: its address, protocol, flags and affinity in one field. */
void runtime_put_rules(struct buf *out, const struct rules_table *t)
{
    unsigned char p[ADDR_BYTES + 8];
    runtime_put_addr(out, RT_ADDR, &t->pod_cidr);
    runtime_put_u64(out, RT_PREFIX, t->pod_prefix_len);
    for (size_t i = 0; i < t->service_count; i++) {
        const struct rules_service *s = &t->services[i];
        addr_bytes(p, &s->vip);
        p[ADDR_BYTES] = (unsigned char)s->protocol;
        p[ADDR_BYTES + 1] = (unsigned char)((s->node_port ? SERVICE_NODE_PORT : 0) |
                                            (s->masquerade ? SERVICE_MASQUERADE : 0));
        put_le(p + ADDR_BYTES + 2, 0, 2);
        put_le(p + ADDR_BYTES + 4, s->affinity_s, 4);
        runtime_put(out, RT_SERVICE, str_make(p, sizeof p));
        for (size_t k = 0; k < s->backend_count; k++)
            runtime_put_addr(out, RT_BACKEND, &s->backends[k]);
    }
}

static int get_service(struct str b, struct rules_service *s)
{
    if (b.n != ADDR_BYTES + 8 || runtime_get_addr(b, &s->vip) < 0)
        return -E_SYNTAX;
    s->protocol = (enum rules_protocol)(unsigned char)b.p[ADDR_BYTES];
    s->node_port = b.p[ADDR_BYTES + 1] & SERVICE_NODE_PORT;
    s->masquerade = b.p[ADDR_BYTES + 1] & SERVICE_MASQUERADE;
    s->affinity_s = (uint32_t)get_le(b.p + ADDR_BYTES + 4, 4);
    return s->protocol == RULES_TCP || s->protocol == RULES_UDP || s->protocol == RULES_SCTP ? 0 : -E_SYNTAX;
}

int runtime_get_rules(struct arena *a, const struct imsg_in *m, struct rules_table *ret_table)
{
    struct rules_table t = {.pod_prefix_len = (unsigned)runtime_get_u64(m, RT_PREFIX, 0)};
    struct rules_service *services = arena_zalloc(a, (count(m, RT_SERVICE) + 1) * sizeof *services);
    struct net_addr *backends = arena_zalloc(a, (count(m, RT_BACKEND) + 1) * sizeof *backends);
    struct imsg_cursor at = {0};
    uint8_t tag;
    struct str b;
    int rc = services && backends ? 0 : -E_NOMEM;
    if (rc == 0 && imsg_get(m, RT_ADDR, &b))
        rc = runtime_get_addr(b, &t.pod_cidr);
    while (rc == 0 && imsg_next(m, &at, &tag, &b)) {
        if (tag == RT_SERVICE) {
            struct rules_service *s = &services[t.service_count++];
            rc = get_service(b, s);
            s->backends = backends;
        } else if (tag == RT_BACKEND) {
            rc = t.service_count ? runtime_get_addr(b, backends) : -E_SYNTAX;
            if (rc == 0) {
                services[t.service_count - 1].backend_count++;
                backends++;
            }
        }
    }
    t.services = services;
    if (rc == 0)
        *ret_table = t;
    return rc;
}
