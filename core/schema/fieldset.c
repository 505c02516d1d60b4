/* Sets of places: making and combining them. fieldset_text.c has their written forms. */
#include <stdlib.h>

#include "schema/fieldset.h"

bool fieldset_empty(const struct fieldset *s)
{
    return !s->member && s->count == 0;
}

static int rank(struct str element)
{
    switch (element.n ? element.p[0] : 0) {
    case 'f':
        return 0;
    case 'k':
        return 1;
    case 'v':
        return 2;
    default:
        return 3;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_from(struct str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && is_digit(s.p[at + n]))
        n++;
    return n;
}

/* Numbers (not within quotes) by size: k:{"port":80} before k:{"port":443}. */
static int compare_at(struct str a, struct str b, size_t at)
{
    size_t start = at;
    while (start > 0 && is_digit(a.p[start - 1]))
        start--;
    if (start > 0 && a.p[start - 1] == ':') {
        size_t m = digits_from(a, start), n = digits_from(b, start);
        if (m && n && m != n)
            return m < n ? -1 : 1;
    }
    if (at == a.n || at == b.n)
        return a.n < b.n ? -1 : 1;
    return (unsigned char)a.p[at] < (unsigned char)b.p[at] ? -1 : 1;
}

static int compare_elements(struct str a, struct str b)
{
    int ra = rank(a), rb = rank(b);
    size_t at = 0, most = a.n < b.n ? a.n : b.n;
    if (ra != rb)
        return ra < rb ? -1 : 1;
    if (ra == 0) {
        int rc = memcmp(a.p, b.p, most);
        return rc ? rc : a.n < b.n ? -1 : a.n > b.n;
    }
    while (at < most && a.p[at] == b.p[at])
        at++;
    return a.n == b.n && at == a.n ? 0 : compare_at(a, b, at);
}

static int compare_nodes(const void *x, const void *y)
{
    const struct fieldset *a = x, *b = y;
    return compare_elements(a->element, b->element);
}

int fieldset_add(struct arena *a, struct fieldset *parent, const struct fieldset *child)
{
    if (fieldset_empty(child))
        return 0;
    if (parent->count == parent->room) {
        uint32_t room = parent->room ? 2 * parent->room : 4;
        struct fieldset *more = arena_alloc(a, room * sizeof *more);
        if (!more)
            return -E_NOMEM;
        if (parent->count)
            memcpy(more, parent->children, parent->count * sizeof *more);
        parent->children = more;
        parent->room = room;
    }
    parent->children[parent->count++] = *child;
    return 0;
}

int fieldset_reserve(struct arena *a, struct fieldset *parent, uint32_t count)
{
    if (!count)
        return 0;
    parent->children = arena_alloc(a, count * sizeof *parent->children);
    if (!parent->children)
        return -E_NOMEM;
    parent->room = count;
    return 0;
}

void fieldset_sort(struct fieldset *parent)
{
    for (uint32_t i = 1; i < parent->count; i++)
        if (compare_nodes(&parent->children[i - 1], &parent->children[i]) > 0) {
            qsort(parent->children, parent->count, sizeof *parent->children, compare_nodes);
            return;
        }
}

const struct fieldset *fieldset_child(const struct fieldset *s, struct str element)
{
    uint32_t low = 0, high = s ? s->count : 0;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int c = compare_elements(s->children[mid].element, element);
        if (c == 0)
            return &s->children[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

bool fieldset_equal(const struct fieldset *a, const struct fieldset *b)
{
    if (a->member != b->member || a->count != b->count)
        return false;
    if (a->children == b->children)
        return true;
    for (uint32_t i = 0; i < a->count; i++)
        if (!str_eq(a->children[i].element, b->children[i].element) ||
            !fieldset_equal(&a->children[i], &b->children[i]))
            return false;
    return true;
}

/* ---- combining ---- */

enum combine { UNION, INTERSECTION, DIFFERENCE, WITHOUT };

static int combine(struct arena *a, enum combine how, const struct fieldset *x,
                   const struct fieldset *y, struct fieldset *ret);

/* What is left of children that only one side has. */
static int add_alone(struct arena *a, struct fieldset *out, const struct fieldset *child, bool keep)
{
    return keep ? fieldset_add(a, out, child) : 0;
}

static int combine_children(struct arena *a, enum combine how, const struct fieldset *x,
                            const struct fieldset *y, struct fieldset *out)
{
    uint32_t i = 0, j = 0;
    uint32_t most = how == UNION                                 ? x->count + y->count
                    : how == INTERSECTION && y->count < x->count ? y->count
                                                                 : x->count;
    int rc = fieldset_reserve(a, out, most);
    while (rc == 0 && (i < x->count || j < y->count)) {
        int c = i == x->count   ? 1
                : j == y->count ? -1
                                : compare_nodes(&x->children[i], &y->children[j]);
        if (c < 0) {
            rc = add_alone(a, out, &x->children[i++], how != INTERSECTION);
        } else if (c > 0) {
            rc = add_alone(a, out, &y->children[j++], how == UNION);
        } else {
            struct fieldset both;
            rc = combine(a, how, &x->children[i++], &y->children[j++], &both);
            if (rc == 0)
                rc = fieldset_add(a, out, &both);
        }
    }
    return rc;
}

static bool member_of(enum combine how, bool x, bool y)
{
    switch (how) {
    case UNION:
        return x || y;
    case INTERSECTION:
        return x && y;
    default:
        return x && !y;
    }
}

static int combine(struct arena *a, enum combine how, const struct fieldset *x,
                   const struct fieldset *y, struct fieldset *ret)
{
    struct fieldset out = {.element = x->element, .member = member_of(how, x->member, y->member)};
    bool x_whole = y->count == 0 && how != INTERSECTION;
    int rc = 0;
    if (how == WITHOUT && y->member) {
        *ret = (struct fieldset){.element = x->element};
        return 0;
    }
    if (x_whole || (x->count == 0 && how == UNION)) {
        const struct fieldset *from = x_whole ? x : y;
        out.children = from->children;
        out.count = out.room = from->count; /* no room to write in what is shared */
    } else {
        rc = combine_children(a, how, x, y, &out);
    }
    if (rc == 0)
        *ret = out;
    return rc;
}

int fieldset_union(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                   struct fieldset *ret)
{
    return combine(a, UNION, x, y, ret);
}

int fieldset_intersection(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                          struct fieldset *ret)
{
    return combine(a, INTERSECTION, x, y, ret);
}

int fieldset_difference(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                        struct fieldset *ret)
{
    return combine(a, DIFFERENCE, x, y, ret);
}

int fieldset_without(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                     struct fieldset *ret)
{
    return combine(a, WITHOUT, x, y, ret);
}
