/* See apply_int.h. */
#include <stdlib.h>

#include "schema/apply_int.h"

enum { SHORT = 12, KEYS_MOST = 16, IDENTITY_BYTES = 64 * 1024 };

void apply_link(struct json *parent, struct json *child, struct str key)
{
    child->key = key;
    child->next = NULL;
    if (parent->list.first)
        parent->list.last->next = child;
    else
        parent->list.first = child;
    parent->list.last = child;
    parent->list.count++;
}

/* ---- identity ---- */

static int refuse(struct err *err, const char *why)
{
    return err_set(err, E_INVALID, "%s", why);
}

static int refuse_keyless(const struct str *names, uint32_t count, struct err *err)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, IDENTITY_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        buf_puts(&b, i ? " " : "");
        json_write_string(&b, names[i]);
    }
    return err_set(err, E_INVALID,
                   "associative list with keys has an element that omits all key fields [%s] (and "
                   "doesn't have default values for any key fields)",
                   buf_cstr(&b));
}

static int keyed_identity(struct apply_node list, const struct json *element, struct buf *out,
                          struct err *err)
{
    struct str names[KEYS_MOST], name;
    const char *presets[KEYS_MOST], *preset;
    uint32_t count = 0, written = 0;
    if (!element || element->type == JSON_NULL)
        return refuse(err, "associative list with keys may not have a null element");
    if (element->type != JSON_OBJECT)
        return refuse(err, "associative list with keys may not have non-map elements");
    for (uint32_t i = 0; i < KEYS_MOST && list.ops->key(list, i, &name, &preset); i++) {
        uint32_t to = count++;
        for (; to > 0 && str_cmp(names[to - 1], name) > 0; to--) {
            names[to] = names[to - 1];
            presets[to] = presets[to - 1];
        }
        names[to] = name;
        presets[to] = preset;
    }
    buf_puts(out, "k:{");
    for (uint32_t i = 0; i < count; i++) {
        const struct json *value = json_get_str(element, names[i]);
        if (!value && !presets[i])
            continue;
        buf_puts(out, written++ ? "," : "");
        json_write_string(out, names[i]);
        buf_putc(out, ':');
        if (value)
            json_write(out, value);
        else
            buf_puts(out, presets[i]);
    }
    buf_putc(out, '}');
    return written || !count ? 0 : refuse_keyless(names, count, err);
}

static int set_identity(const struct json *element, struct buf *out, struct err *err)
{
    switch (element ? (enum json_type)element->type : JSON_NULL) {
    case JSON_OBJECT:
        return refuse(err, "associative list without keys has an element that's a map type");
    case JSON_ARRAY:
        return refuse(err, "not supported: associative list with lists as elements");
    case JSON_NULL:
        return refuse(err, "associative list without keys has an element that's an explicit null");
    default:
        buf_puts(out, "v:");
        json_write(out, element);
        return 0;
    }
}

int apply_identity(struct arena *a, struct apply_node list, const struct json *element,
                   struct str *ret, struct err *err)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, IDENTITY_BYTES);
    int rc = apply_shape_of(list, NULL) == APPLY_LIST_KEYED ? keyed_identity(list, element, &b, err)
                                                            : set_identity(element, &b, err);
    if (rc)
        return rc;
    if (buf_len(&b) >= IDENTITY_BYTES - 1)
        return refuse(err, "an element's key is too long");
    struct str kept = b.failed ? (struct str){NULL, 0} : arena_str(a, buf_str(&b));
    if (!kept.p)
        return err_set(err, E_NOMEM, "out of memory");
    *ret = kept;
    return 0;
}

/* ---- indexes ---- */

static int compare_items(const void *x, const void *y)
{
    const struct apply_item *a = *(struct apply_item *const *)x,
                            *b = *(struct apply_item *const *)y;
    int c = str_cmp(a->id, b->id);
    return c ? c : a->at < b->at ? -1 : a->at > b->at;
}

static bool make_sorted(struct apply_index *x)
{
    struct apply_item **sorted =
        arena_alloc(x->arena, (x->count + 1) * sizeof(struct apply_item *));
    if (!sorted)
        return false;
    for (uint32_t i = 0; i < x->count; i++)
        sorted[i] = &x->items[i];
    qsort(sorted, x->count, sizeof sorted[0], compare_items);
    for (uint32_t i = 0, end; i < x->count; i = end) {
        for (end = i + 1; end < x->count && str_eq(sorted[end]->id, sorted[i]->id); end++)
            ;
        for (uint32_t k = i; k < end; k++)
            sorted[k]->same = end - i;
    }
    x->sorted = sorted;
    return true;
}

const struct apply_item *apply_index_find(const struct apply_index *x, struct str id)
{
    uint32_t low = 0, high = x->sorted ? x->count : 0;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (str_cmp(x->sorted[mid]->id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return x->sorted && low < x->count && str_eq(x->sorted[low]->id, id) ? x->sorted[low] : NULL;
}

static bool index_all_members(struct apply_index *x)
{
    x->items = arena_alloc(x->arena, (x->count + 1) * sizeof *x->items);
    if (!x->items)
        return false;
    uint32_t at = 0;
    for (struct json *m = json_first(x->parent); m && at < x->count; m = m->next, at++)
        x->items[at] = (struct apply_item){m->key, m, at, 1};
    x->count = at;
    return make_sorted(x);
}

void apply_index_members(struct arena *a, const struct json *object, struct apply_index *ret)
{
    bool has = json_is(object, JSON_OBJECT);
    *ret =
        (struct apply_index){.arena = a, .parent = object, .hint = json_first(has ? object : NULL)};
    ret->count = has ? json_count(object) : 0;
}

struct json *apply_index_member(struct apply_index *x, struct str key)
{
    struct json *found = NULL;
    if (!x->count)
        return NULL;
    if (x->hint && str_eq(x->hint->key, key)) {
        found = x->hint;
    } else if (x->count <= SHORT) {
        found = json_get_str(x->parent, key);
    } else if (x->sorted || index_all_members(x)) {
        const struct apply_item *item = apply_index_find(x, key);
        found = item ? item->value : NULL;
    }
    if (found)
        x->hint = found->next;
    return found;
}

int apply_index_list(struct arena *a, struct apply_node n, const struct json *list,
                     struct apply_index *ret, struct err *err)
{
    struct apply_index x = {.arena = a, .parent = list};
    uint32_t count = json_is(list, JSON_ARRAY) ? json_count(list) : 0;
    struct err why = {0};
    x.items = arena_alloc(a, (count + 1) * sizeof *x.items);
    if (!x.items)
        return err_set(err, E_NOMEM, "out of memory");
    for (struct json *e = json_first(count ? list : NULL); e; e = e->next) {
        struct apply_item *item = &x.items[x.count];
        *item = (struct apply_item){.value = e, .at = x.count, .same = 1};
        int rc = apply_identity(a, n, e, &item->id, &why);
        if (rc == -E_NOMEM)
            return err_set(err, E_NOMEM, "out of memory");
        if (rc)
            return err_set(err, E_INVALID, "element %u: %s", (unsigned)x.count, why.text);
        x.count++;
    }
    if (!make_sorted(&x))
        return err_set(err, E_NOMEM, "out of memory");
    *ret = x;
    return 0;
}
