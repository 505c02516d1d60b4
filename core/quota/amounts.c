/* Lists of quantities by name. See quota.h. */
#include "base/buf.h"
#include "quota/quota.h"

enum { TEXT_MOST = 64 * 1024 };

void amounts_init(struct amounts *s, struct arena *a)
{
    *s = (struct amounts){.arena = a};
}

/* Where the name is, or would be. */
static size_t place(const struct amounts *s, struct str name)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(s->at[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct amount *amounts_get(const struct amounts *s, struct str name)
{
    size_t i = place(s, name);
    return i < s->count && str_eq(s->at[i].name, name) ? &s->at[i] : NULL;
}

/* Quantities are 128 bits wide, and so is their alignment; an arena's is 8 bytes. */
static struct amount *array(struct arena *a, size_t count)
{
    char *p = arena_alloc(a, count * sizeof(struct amount) + sizeof(__int128));
    size_t off = (uintptr_t)p % sizeof(__int128);
    return p ? (struct amount *)(void *)(p + (off ? sizeof(__int128) - off : 0)) : NULL;
}

static struct amount *make_room(struct amounts *s, size_t at)
{
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        struct amount *more = array(s->arena, room);
        if (!more)
            return NULL;
        if (s->count)
            memcpy(more, s->at, s->count * sizeof *more);
        s->at = more;
        s->room = room;
    }
    memmove(s->at + at + 1, s->at + at, (s->count - at) * sizeof *s->at);
    s->count++;
    return &s->at[at];
}

void amounts_set(struct amounts *s, struct str name, const struct quantity *q)
{
    struct amount *have = amounts_get(s, name);
    if (have) {
        have->quantity = *q;
        return;
    }
    struct str copy = arena_str(s->arena, name);
    struct amount *at = copy.p ? make_room(s, place(s, name)) : NULL;
    if (at)
        *at = (struct amount){copy, *q};
}

void amounts_set_i64(struct amounts *s, const char *name, int64_t value)
{
    struct quantity q = quantity_from_i64(value, QUANTITY_DECIMAL_SI);
    amounts_set(s, str_of(name), &q);
}

void amounts_read(struct amounts *s, const struct json *list)
{
    for (const struct json *m = json_first(list); m; m = m->next) {
        struct quantity q;
        if (json_is(list, JSON_OBJECT) && quantity_parse(json_str(m), &q, NULL) == 0)
            amounts_set(s, m->key, &q);
    }
}

struct json *amounts_write(const struct amounts *s, struct arena *a)
{
    struct json *list = json_new(a, JSON_OBJECT);
    for (size_t i = 0; i < s->count; i++) {
        char text[QUANTITY_TEXT];
        quantity_format(&s->at[i].quantity, text);
        json_set_key(a, list, s->at[i].name, json_new_cstr(a, text));
    }
    return list;
}

void amounts_add(struct amounts *s, const struct amounts *more)
{
    for (size_t i = 0; i < more->count; i++) {
        struct amount *have = amounts_get(s, more->at[i].name);
        if (have)
            quantity_add(&have->quantity, &more->at[i].quantity);
        else
            amounts_set(s, more->at[i].name, &more->at[i].quantity);
    }
}

void amounts_max(struct amounts *s, const struct amounts *other)
{
    for (size_t i = 0; i < other->count; i++) {
        struct amount *have = amounts_get(s, other->at[i].name);
        if (!have || quantity_cmp(&have->quantity, &other->at[i].quantity) < 0)
            amounts_set(s, other->at[i].name, &other->at[i].quantity);
    }
}

void amounts_less(struct amounts *s, const struct amounts *less)
{
    for (size_t i = 0; i < s->count; i++) {
        struct amount *off = amounts_get(less, s->at[i].name);
        if (off)
            quantity_sub(&s->at[i].quantity, &off->quantity);
        if (s->at[i].quantity.nano < 0)
            s->at[i].quantity.nano = 0;
    }
}

static const char *text_of(const struct amounts *s, bool values)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, TEXT_MOST);
    for (size_t i = 0; i < s->count; i++) {
        char value[QUANTITY_TEXT] = "";
        if (values)
            quantity_format(&s->at[i].quantity, value);
        buf_printf(&out, "%s" STR_FMT "%s%s", i ? "," : "", STR_ARG(s->at[i].name),
                   values ? "=" : "", value);
    }
    const char *text = arena_strdup(s->arena, buf_cstr(&out));
    return text ? text : "";
}

const char *amounts_text(const struct amounts *s)
{
    return text_of(s, true);
}

const char *amounts_names(const struct amounts *s)
{
    return text_of(s, false);
}
