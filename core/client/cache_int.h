/* What cache.c (what is known) and reflector.c (how it is learned) share. */
#ifndef CLIENT_CACHE_INT_H
#define CLIENT_CACHE_INT_H

#include "base/map.h"
#include "client/cache.h"

struct reflector {
    struct client_call *call; /* the list or watch under way */
    struct loop_timer retry;
    int64_t retry_ms;    /* next back-off */
    int status;          /* of the answer under way */
    bool watching;       /* else listing */
    bool relist;         /* the revision is too old, or never listed */
    struct buf input;    /* list body, or the unfinished line of the watch */
    char *continue_token; /* of the list under way; NULL for the first chunk */
    int64_t list_revision;
};

struct cache {
    struct client *client;
    char *path, *field_selector, *label_selector;
    bool metadata_only;
    struct map entries; /* "ns/name" -> struct entry */
    struct list indexes, listeners;
    int64_t revision;
    uint32_t generation; /* of the list under way: entries not seen in it are deleted at its end */
    bool synced;
    bool freed; /* cache_free was called from within a callback */
    unsigned depth; /* callbacks under way */
    struct loop_task announce; /* tells late listeners */
    struct reflector reflector;
};

/* ---- cache.c, for the reflector ---- */
void cache_list_begin(struct cache *c);
int cache_list_item(struct cache *c, const struct json *tree) MUST_CHECK;
void cache_list_end(struct cache *c, int64_t revision);
int cache_apply(struct cache *c, const struct json *tree, bool deleted) MUST_CHECK;

/* ---- reflector.c, for the cache ---- */
int reflector_start(struct cache *c) MUST_CHECK;
void reflector_stop(struct cache *c);

#endif
