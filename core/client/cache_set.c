/* Caches by path, shared. See cache.h. */
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

int cache_set_get(struct cache_set *s, const char *path, struct cache **ret_cache)
{
    struct cache *c = map_get(&s->caches, str_of(path));
    if (!c) {
        int rc = cache_new(s->client, path, NULL, NULL, &c);
        if (rc < 0)
            return rc;
        rc = map_set(&s->caches, str_of(path), c, NULL);
        if (rc < 0) {
            cache_free(c);
            return rc;
        }
    }
    *ret_cache = c;
    return 0;
}
