/* The node's images as its status lists them: the 50 largest, as upstream. Asked of the runtime when
 * something was pulled or loaded, and with every full report. */
#include <stdlib.h>

#include "node/register.h"

enum { MOST_IMAGES = 50, MOST_NAMES = 5, NAMES_BYTES = 1024 };

struct seen {
    int64_t size_bytes;
    char names[NAMES_BYTES]; /* JSON strings, comma-separated */
};

struct node_images {
    struct node *node;
    bool busy, again;
    size_t count;            /* of the listing under way */
    struct seen *listing;    /* MOST_IMAGES of them, while it is under way */
    char *text;              /* JSON array; NULL: not known yet */
};

int node_images_new(struct node *n, struct node_images **ret_images)
{
    struct node_images *i = mem_zalloc(sizeof *i);
    if (!i)
        return -E_NOMEM;
    i->node = n;
    *ret_images = i;
    return 0;
}

void node_images_free(struct node_images *i)
{
    if (!i)
        return;
    mem_free(i->listing);
    mem_free(i->text);
    mem_free(i);
}

const char *node_images_text(const struct node_images *i)
{
    return i && i->text ? i->text : "[]";
}

static bool put_name(struct buf *b, const char *name)
{
    struct buf one CLEANUP_BUF = {0};
    buf_init(&one, NAMES_BYTES);
    json_write_string(&one, str_of(name));
    if (one.failed || buf_len(b) + buf_len(&one) + 2 > NAMES_BYTES)
        return false;
    buf_printf(b, "%s" STR_FMT, buf_len(b) ? "," : "", STR_ARG(buf_str(&one)));
    return true;
}

/* Where it goes among the largest so far; NULL: it is too small for the list. */
static struct seen *slot_for(struct node_images *i, int64_t size_bytes)
{
    struct seen *least = &i->listing[0];
    if (i->count < MOST_IMAGES)
        return &i->listing[i->count++];
    for (size_t k = 1; k < i->count; k++)
        if (i->listing[k].size_bytes < least->size_bytes)
            least = &i->listing[k];
    return least->size_bytes < size_bytes ? least : NULL;
}

static void on_image(void *ctx, const struct runtime_result *r, const struct runtime_image *image)
{
    struct node_images *i = ctx;
    struct buf names CLEANUP_BUF = {0};
    if (r->rc < 0 || !image)
        return;
    struct seen *s = slot_for(i, image->size_bytes);
    if (!s)
        return;
    buf_init(&names, NAMES_BYTES);
    if (image->repo_digest && image->repo_digest[0])
        (void)put_name(&names, image->repo_digest);
    for (size_t k = 0; image->names && image->names[k] && k < MOST_NAMES; k++)
        if (!put_name(&names, image->names[k]))
            break;
    s->size_bytes = image->size_bytes;
    str_copy(s->names, sizeof s->names, buf_str(&names));
}

static int by_size(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? 1 : -1;
    return strcmp(x->names, y->names);
}

static void on_listed(void *ctx, const struct runtime_result *r)
{
    struct node_images *i = ctx;
    struct buf b CLEANUP_BUF = {0};
    size_t n;
    buf_init(&b, MOST_IMAGES * (NAMES_BYTES + 64));
    qsort(i->listing, i->count, sizeof i->listing[0], by_size);
    for (size_t k = 0; k < i->count; k++)
        buf_printf(&b, "%s{\"names\":[%s],\"sizeBytes\":%lld}", k ? "," : "[", i->listing[k].names,
                   (long long)i->listing[k].size_bytes);
    buf_puts(&b, i->count ? "]" : "[]");
    mem_free(i->listing);
    i->listing = NULL;
    i->busy = false;
    if (r->rc == 0) {
        char *text = buf_take(&b, &n);
        bool changed = text && !cstr_eq(text, i->text);
        mem_free(text ? i->text : NULL);
        i->text = text ? text : i->text;
        if (changed)
            registration_refresh(i->node->registration);
    }
    if (i->again) {
        i->again = false;
        node_images_refresh(i);
    }
}

void node_images_refresh(struct node_images *i)
{
    struct runtime *rt = i->node->runtime;
    if (i->busy) {
        i->again = true;
        return;
    }
    i->listing = mem_calloc(MOST_IMAGES, sizeof *i->listing);
    if (!i->listing)
        return;
    i->count = 0;
    i->busy = true;
    rt->ops->image_list(rt->self, on_image, on_listed, i);
}
