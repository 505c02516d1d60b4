/*
 * See seed.h. Some requests are under way at a time, so that the store makes them durable together.
 * A binding whose role is another one than the default's is deleted and made again, for roleRef
 * cannot change.
 */
#include "api/auth/seed.h"

#include <stdio.h>

#include "api/api_int.h"
#include "api/auth/default_roles.h"

enum { AT_ONCE = 32, SEED_BYTES = 4 * 1024 * 1024, BODY_BYTES = 256 * 1024 };

struct slot {
    struct seed *seed;
    struct client_call *call; /* NULL: idle */
    size_t object;
    bool deleting;
};

struct seed {
    struct api *api;
    struct client *client;
    struct arena arena;
    struct default_object objects[DEFAULT_OBJECTS_MOST];
    size_t count, next;
    struct slot slots[AT_ONCE];
    struct loop_timer timer;
    void (*done)(void *ctx, int rc, const char *message);
    void *ctx;
};

void seed_free(struct seed *s)
{
    if (!s)
        return;
    loop_timer_cancel(s->api->loop, &s->timer);
    for (size_t i = 0; i < AT_ONCE; i++)
        if (s->slots[i].call)
            client_cancel(s->client, s->slots[i].call);
    arena_done(&s->arena);
    mem_free(s);
}

static void finish(struct seed *s, int rc, const char *message)
{
    void (*done)(void *, int, const char *) = s->done;
    void *ctx = s->ctx;
    char text[600];
    snprintf(text, sizeof text, "%s", message);
    seed_free(s);
    done(ctx, rc, text);
}

static void on_reply(void *ctx, const struct client_reply *reply);

/* method on the slot's object; object NULL: no body. */
static int send(struct slot *slot, const char *method, const struct json *object)
{
    struct seed *s = slot->seed;
    const struct default_object *o = &s->objects[slot->object];
    struct buf body CLEANUP_BUF;
    char path[400];
    bool whole = cstr_eq(method, "POST");
    snprintf(path, sizeof path, "%s%s%s", o->path, whole ? "" : "/", whole ? "" : o->name);
    buf_init(&body, BODY_BYTES);
    if (object)
        json_write(&body, object);
    if (body.failed)
        return -E_NOMEM;
    struct client_request r = {.method = method, .path = path, .body = buf_str(&body)};
    return client_do(s->client, &r, on_reply, slot, &slot->call);
}

/* 1: sent, 0: nothing to do. */
static int begin(struct slot *slot)
{
    struct seed *s = slot->seed;
    const struct default_object *o = &s->objects[slot->object];
    struct arena a CLEANUP_ARENA;
    arena_init(&a, SEED_BYTES);
    struct json *stored = object_load(s->api, &a, "rbac.authorization.k8s.io", o->group_resource,
                                      str_of(o->ns), str_of(o->name), NULL);
    slot->deleting = false;
    int rc = stored ? default_object_mend(&a, stored, o->object) : 1;
    if (rc == 0)
        return 0;
    if (rc == -E_CONFLICT) {
        slot->deleting = true;
        rc = send(slot, "DELETE", NULL);
    } else if (rc == 1) {
        rc = stored ? send(slot, "PUT", stored) : send(slot, "POST", o->object);
    }
    return rc < 0 ? rc : 1;
}

/* Gives idle slots work; ends when there is none left. */
static void go_on(void *ctx)
{
    struct seed *s = ctx;
    size_t busy = 0;
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct slot *slot = &s->slots[i];
        while (!slot->call && s->next < s->count) {
            slot->object = s->next++;
            int rc = begin(slot);
            if (rc < 0) {
                finish(s, rc, err_text(rc));
                return;
            }
        }
        busy += slot->call != NULL;
    }
    if (!busy)
        finish(s, 0, "");
}

static void on_reply(void *ctx, const struct client_reply *reply)
{
    struct slot *slot = ctx;
    struct seed *s = slot->seed;
    char text[600];
    int rc = reply->rc;
    slot->call = NULL;
    if (rc == 0 && slot->deleting) {
        slot->deleting = false;
        rc = send(slot, "POST", s->objects[slot->object].object);
    } else if (rc == -E_EXISTS || rc == -E_CONFLICT || rc == -E_NOT_FOUND) {
        rc = 0; /* somebody else was at it: the next start looks again */
    }
    if (rc < 0) {
        snprintf(text, sizeof text, "default role %s: %s", s->objects[slot->object].name,
                 reply->message ? reply->message : err_text(rc));
        finish(s, rc, text);
        return;
    }
    loop_timer_set(s->api->loop, &s->timer, 0);
}

int seed_start(struct api *api, struct client *client,
               void (*done)(void *ctx, int rc, const char *message), void *ctx,
               struct seed **ret_seed)
{
    struct seed *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->api = api;
    s->client = client;
    s->done = done;
    s->ctx = ctx;
    arena_init(&s->arena, SEED_BYTES);
    loop_timer_init(&s->timer, go_on, s);
    for (size_t i = 0; i < AT_ONCE; i++)
        s->slots[i].seed = s;
    int rc = default_objects(&s->arena, s->objects, &s->count);
    if (rc < 0) {
        seed_free(s);
        return rc;
    }
    loop_timer_set(api->loop, &s->timer, 0);
    *ret_seed = s;
    return 0;
}
