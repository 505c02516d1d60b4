/* Caches by path, shared. See cache.h. */
#include <stdio.h>

#include "base/map.h"
#include "client/cache.h"

struct cache_set {
    struct client *client;
    struct map caches; /* path -> struct cache */
};

int cache_set_new(struct client *c, struct cache_set **ret_set)
{
    struct cache_set *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->client = c;
    *ret_set = s;
    return 0;
}

static void free_cache(void *c)
{
    cache_free(c);
}

void cache_set_free(struct cache_set *s)
{
    if (!s)
        return;
    map_done(&s->caches, free_cache);
    mem_free(s);
}

static int get(struct cache_set *s, const char *path, bool metadata_only, struct cache **ret_cache)
{
    char key[300];
    struct cache *c = map_get(&s->caches, str_of(path));

    snprintf(key, sizeof key, "%s%s", path, metadata_only ? "#metadata" : "");
    if (!c)
        c = map_get(&s->caches, str_of(key));
    if (!c) {
        int rc = metadata_only ? cache_new_metadata(s->client, path, &c)
                               : cache_new(s->client, path, NULL, NULL, &c);
        if (rc < 0)
            return rc;
        rc = map_set(&s->caches, str_of(key), c, NULL);
        if (rc < 0) {
            cache_free(c);
            return rc;
        }
    }
    *ret_cache = c;
    return 0;
}

int cache_set_get(struct cache_set *s, const char *path, struct cache **ret_cache)
{
    return get(s, path, false, ret_cache);
}

int cache_set_get_metadata(struct cache_set *s, const char *path, struct cache **ret_cache)
{
    return get(s, path, true, ret_cache);
}
