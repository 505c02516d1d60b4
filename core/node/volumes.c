/* See volumes.h. */
#include "node/volumes.h"

#include "base/limits.h"
#include "codec/quantity.h"
#include "node/events.h"

enum { RETRY_MS = 2 * 1000, EVENT_MS = 30 * 1000 };


void volume_init(struct volume *v, struct pod *p, const char *name)
{
    *v = (struct volume){.pod = p, .name = mem_strdup(name)};
    list_init(&v->tokens);
}

void volume_done(struct volume *v)
{
    tokens_free(v);
    mem_free(v->name);
    mem_free(v->failure);
}

static void fail(struct volume *v, const char *why)
{
    struct pod *p = v->pod;
    int64_t now = loop_now_ms(p->node->loop);
    if (!cstr_eq(v->failure, why) || now - v->event_ms >= EVENT_MS) {
        events_pod(p, NULL, "Warning", "FailedMount", "MountVolume.SetUp failed for volume \"%s\" : %s",
                   v->name, why);
        v->event_ms = now;
    }
    node_text_set(&v->failure, why);
    pod_wake_after(p, RETRY_MS);
}

static void set_done(void *ctx, const struct runtime_result *r)
{
    struct volume *v = ctx;
    struct pod *p = v->pod;
    v->applying = false;
    p->volumes_stale = true;
    if (r->rc < 0) {
        fail(v, r->message);
    } else {
        v->ready = true;
        v->content_hash = v->applying_hash;
        node_text_set(&v->failure, NULL);
        pod_wake(p);
    }
    pod_unref(p);
}

static int64_t fs_group(const struct json *spec)
{
    return json_path_i64(spec, "securityContext.fsGroup", -1);
}

/* ---- the kinds ---- */

static void set_empty_dir(struct step *s, struct volume *v, const struct json *source)
{
    struct runtime *rt = v->pod->node->runtime;
    bool memory = cstr_eq(json_path_cstr(source, "medium"), "Memory");
    struct runtime_volume volume = {
        .pod_uid = v->pod->uid, .name = v->name,
        .kind = memory ? RUNTIME_VOLUME_EMPTY_DIR_MEMORY : RUNTIME_VOLUME_EMPTY_DIR,
        .size_limit_bytes = quantity_text_value(json_path_str(source, "sizeLimit")),
        .fs_group = fs_group(s->spec)};
    v->applying = true;
    pod_ref(v->pod);
    rt->ops->volume_set(rt->self, &volume, set_done, v);
}

static void check_host_path(struct volume *v, const struct json *source)
{
    struct runtime *rt = v->pod->node->runtime;
    v->applying = true;
    pod_ref(v->pod);
    rt->ops->host_path(rt->self, json_path_cstr(source, "path"), json_path_cstr(source, "type"), set_done, v);
}

static uint64_t hash_of(const struct file_list *list)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < list->count; i++) {
        const struct runtime_file *f = &list->files[i];
        const uint64_t parts[] = {str_hash(str_of(f->path)), str_hash(f->content), f->mode};
        for (size_t k = 0; k < 3; k++)
            h = (h ^ parts[k]) * 1099511628211u + i;
    }
    return h ? h : 1;
}

static void set_files(struct step *s, struct volume *v, const struct json *volume)
{
    struct runtime *rt = v->pod->node->runtime;
    struct file_list list = {0};
    struct err err = {0};
    int rc = files_collect(s, v, volume, &list, &err);
    if (rc == -E_AGAIN)
        return; /* woken when it is there */
    if (rc < 0) {
        if (!v->ready)
            fail(v, err.text);
        return; /* what is mounted stays as it was, as upstream does */
    }
    v->applying_hash = hash_of(&list);
    if (v->ready && v->applying_hash == v->content_hash)
        return;
    struct runtime_volume files = {.pod_uid = v->pod->uid, .name = v->name, .kind = RUNTIME_VOLUME_FILES,
                                   .fs_group = fs_group(s->spec), .files = list.files, .file_count = list.count};
    v->applying = true;
    pod_ref(v->pod);
    rt->ops->volume_set(rt->self, &files, set_done, v);
}

static void set_up(struct step *s, struct volume *v, const struct json *volume)
{
    const struct json *source;
    if (v->applying)
        return;
    if (files_is_source(volume)) {
        set_files(s, v, volume);
    } else if (v->ready) {
        return;
    } else if ((source = json_get(volume, "emptyDir"))) {
        set_empty_dir(s, v, source);
    } else if ((source = json_get(volume, "hostPath"))) {
        check_host_path(v, source);
    } else {
        const struct json *kind = json_first(volume);
        while (kind && cstr_eq(kind->key.p, "name"))
            kind = kind->next;
        char *why = arena_printf(s->a, "volumes of kind %s are not supported", kind ? kind->key.p : "(none)");
        fail(v, why ? why : "not supported");
    }
}

void volumes_forget(struct pod *p)
{
    for (size_t i = 0; i < p->volume_count; i++)
        p->volumes[i].ready = false;
    p->volumes_stale = true;
}

bool volumes_work(struct step *s)
{
    struct pod *p = s->pod;
    bool ready = true;
    if (p->state == POD_RUNNING && !p->volumes_stale)
        return true;
    p->volumes_stale = false;
    for (struct json *j = json_first(json_get(s->spec, "volumes")); j; j = j->next) {
        for (size_t i = 0; i < p->volume_count; i++) {
            struct volume *v = &p->volumes[i];
            if (!cstr_eq(v->name, json_path_cstr(j, "name")))
                continue;
            set_up(s, v, j);
            ready &= v->ready;
        }
    }
    return ready;
}
