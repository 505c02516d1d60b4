/* The list of images, in memory and in meta/. See store.h. */
#include "drivers/image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/image/store_int.h"

bool image_digest_ok(struct str digest)
{
    if (digest.n != 71 || !str_starts(digest, STR("sha256:")))
        return false;
    for (size_t i = 7; i < digest.n; i++)
        if (!strchr("0123456789abcdef", digest.p[i]) || !digest.p[i])
            return false;
    return true;
}

static int open_directory(int at_fd, const char *name, int *ret_fd, struct err *err)
{
    if (mkdirat(at_fd, name, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, "cannot make %s", name);
    int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot open %s", name);
    *ret_fd = fd;
    return 0;
}

/* Names of an image point to it; a name that two images claim is the last one's. */
static int index_image(struct image_store *s, struct image *i)
{
    int rc = map_set(&s->images, str_of(i->id), i, NULL);
    for (size_t n = 0; rc == 0 && i->names[n]; n++)
        rc = map_set(&s->names, str_of(i->names[n]), i, NULL);
    for (size_t n = 0; rc == 0 && i->repo_digests[n]; n++)
        rc = map_set(&s->names, str_of(i->repo_digests[n]), i, NULL);
    return rc;
}

static void forget_image(struct image_store *s, struct image *i)
{
    map_remove(&s->images, str_of(i->id));
    for (size_t n = 0; i->names[n]; n++)
        if (map_get(&s->names, str_of(i->names[n])) == i)
            map_remove(&s->names, str_of(i->names[n]));
    for (size_t n = 0; i->repo_digests[n]; n++)
        if (map_get(&s->names, str_of(i->repo_digests[n])) == i)
            map_remove(&s->names, str_of(i->repo_digests[n]));
}

static bool layers_present(const struct image_store *s, const struct image *i)
{
    for (size_t n = 0; n < i->layer_count; n++)
        if (!image_store_has_layer(s, i->diff_ids[n]))
            return false;
    return true;
}

static int load(struct image_store *s, const char *file)
{
    struct image *i;
    struct err err = {0};
    if (!str_ends(str_of(file), STR(".json")))
        return 0;
    int rc = image_meta_read(s, file, &i, &err);
    if (rc == -E_NOMEM)
        return rc;
    if (rc < 0 || !layers_present(s, i)) {
        log_warn("image %.64s is left out: %s", file, rc < 0 ? err.text : "a layer is missing");
        if (rc == 0)
            image_free(i);
        return 0;
    }
    rc = index_image(s, i);
    if (rc < 0) {
        forget_image(s, i);
        image_free(i);
    }
    return rc;
}

static int load_all(struct image_store *s, struct err *err)
{
    int fd = openat(s->meta_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    int rc = 0;
    if (!list)
        return err_set_errno(err, "cannot list images");
    while (rc == 0 && (e = readdir(list)))
        rc = load(s, e->d_name);
    closedir(list);
    return rc < 0 ? err_set(err, -rc, "cannot read the images: %s", err_text(rc)) : 0;
}

static bool layer_used(const struct image_store *s, const char *diff_id)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&s->images, &it);
    while (map_iter_next(&s->images, &it, &key, &value)) {
        const struct image *i = value;
        for (size_t n = 0; n < i->layer_count; n++)
            if (strcmp(i->diff_ids[n], diff_id) == 0)
                return true;
    }
    return false;
}

/* Layers of pulls that never became an image. */
static int condemn_unused(struct image_store *s, struct err *err)
{
    int fd = openat(s->layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    if (!list)
        return err_set_errno(err, "cannot list layers");
    while ((e = readdir(list))) {
        char digest[IMAGE_DIGEST_TEXT], part[STORE_NAME_BYTES];
        snprintf(digest, sizeof digest, "sha256:%.64s", e->d_name);
        if (strlen(e->d_name) != 64 || !image_digest_ok(str_of(digest)) || layer_used(s, digest))
            continue;
        image_layer_name(digest, true, part);
        renameat(s->layers_fd, e->d_name, s->layers_fd, part);
    }
    closedir(list);
    return 0;
}

int image_store_open(const char *dir, struct image_store **ret_store, struct err *err)
{
    struct image_store *s = mem_zalloc(sizeof *s);
    int fd = -1;
    if (!s)
        return err_set(err, E_NOMEM, "out of memory");
    s->layers_fd = s->blobs_fd = s->meta_fd = -1;
    int rc = str_copy(s->dir, sizeof s->dir, str_of(dir)) && dir[0] == '/'
                 ? open_directory(AT_FDCWD, dir, &fd, err)
                 : err_set(err, E_BAD_REQUEST, "the image directory must be an absolute path: %s", dir);
    if (rc == 0)
        rc = open_directory(fd, "layers", &s->layers_fd, err);
    if (rc == 0)
        rc = open_directory(fd, "blobs", &s->blobs_fd, err);
    if (rc == 0)
        rc = open_directory(fd, "meta", &s->meta_fd, err);
    if (rc == 0 && (rc = image_parts_remove(s->blobs_fd)) == 0)
        rc = image_parts_remove(s->meta_fd);
    if (rc < 0 && err && !err->code)
        err_set(err, -rc, "cannot remove what is left of former pulls: %s", err_text(rc));
    if (rc == 0)
        rc = load_all(s, err);
    if (rc == 0)
        rc = condemn_unused(s, err);
    if (fd >= 0)
        close(fd);
    if (rc < 0) {
        image_store_close(s);
        return err_wrap(err, rc, "image store %s", dir);
    }
    *ret_store = s;
    return 0;
}

static void free_image(void *p)
{
    image_free(p);
}

void image_store_close(struct image_store *s)
{
    if (!s)
        return;
    map_done(&s->names, NULL);
    map_done(&s->images, free_image);
    if (s->layers_fd >= 0)
        close(s->layers_fd);
    if (s->blobs_fd >= 0)
        close(s->blobs_fd);
    if (s->meta_fd >= 0)
        close(s->meta_fd);
    mem_free(s);
}

const struct image *image_store_find(const struct image_store *s, const char *what)
{
    const struct image *i = map_get(&s->images, str_of(what));
    return i ? i : map_get(&s->names, str_of(what));
}

void image_store_each(const struct image_store *s, void (*fn)(void *ctx, const struct image *i), void *ctx)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&s->images, &it);
    while (map_iter_next(&s->images, &it, &key, &value))
        fn(ctx, value);
}

/* Adds text to a list unless it is there; the oldest makes room. */
static int list_add(char **list, const char *text)
{
    size_t n = 0;
    for (; list[n]; n++)
        if (strcmp(list[n], text) == 0)
            return 0;
    char *copy = mem_strdup(text);
    if (!copy)
        return -E_NOMEM;
    if (n == IMAGE_NAMES) {
        mem_free(list[0]);
        memmove(list, list + 1, --n * sizeof *list);
    }
    list[n] = copy;
    list[n + 1] = NULL;
    return 0;
}

static bool list_remove_text(char **list, const char *text)
{
    for (size_t n = 0; list[n]; n++) {
        if (strcmp(list[n], text) != 0)
            continue;
        mem_free(list[n]);
        for (; list[n]; n++)
            list[n] = list[n + 1];
        return true;
    }
    return false;
}

static int image_make(const char *id, const char *const *diff_ids, size_t layer_count, int64_t size_bytes,
                      struct str config, struct image **ret_image)
{
    struct image *i = mem_zalloc(sizeof *i);
    if (!i)
        return -E_NOMEM;
    i->config = mem_strndup(config.p, config.n);
    if (!i->config) {
        mem_free(i);
        return -E_NOMEM;
    }
    i->config_bytes = config.n;
    str_copy(i->id, sizeof i->id, str_of(id));
    for (size_t n = 0; n < layer_count; n++)
        str_copy(i->diff_ids[n], IMAGE_DIGEST_TEXT, str_of(diff_ids[n]));
    i->layer_count = layer_count;
    i->size_bytes = size_bytes;
    *ret_image = i;
    return 0;
}

/* The image that had the name loses it, on disk too. */
static int take_name(struct image_store *s, const struct image *new_owner, const char *name, struct err *err)
{
    struct image *old = map_get(&s->names, str_of(name));
    if (!old || old == new_owner)
        return 0;
    map_remove(&s->names, str_of(name));
    return list_remove_text(old->names, name) ? image_meta_write(s, old, err) : 0;
}

static int add_names(struct image_store *s, struct image *i, const char *name, const char *repo_digest,
                     struct err *err)
{
    int rc = name ? take_name(s, i, name, err) : 0;
    if (rc < 0)
        return rc;
    if ((name && list_add(i->names, name) < 0) || (repo_digest && list_add(i->repo_digests, repo_digest) < 0) ||
        index_image(s, i) < 0)
        return err_set(err, E_NOMEM, "out of memory for an image's names");
    return image_meta_write(s, i, err);
}

int image_store_put(struct image_store *s, const char *id, const char *name, const char *repo_digest,
                    const char *const *diff_ids, size_t layer_count, int64_t size_bytes,
                    struct str config, const struct image **ret_image, struct err *err)
{
    struct image *i = map_get(&s->images, str_of(id));
    bool is_new = !i;
    if (layer_count > LIMIT_IMAGE_LAYERS || !image_digest_ok(str_of(id)))
        return err_set(err, E_LIMIT, "an image of %zu layers; %d are possible", layer_count, LIMIT_IMAGE_LAYERS);
    if (is_new && image_make(id, diff_ids, layer_count, size_bytes, config, &i) < 0)
        return err_set(err, E_NOMEM, "out of memory for an image");
    int rc = add_names(s, i, name, repo_digest, err);
    if (rc < 0 && is_new) {
        forget_image(s, i);
        image_free(i);
    }
    if (rc == 0)
        *ret_image = i;
    return rc;
}

int image_store_remove(struct image_store *s, const char *id, struct err *err)
{
    char file[STORE_NAME_BYTES], name[STORE_NAME_BYTES], part[STORE_NAME_BYTES];
    struct image *i = map_get(&s->images, str_of(id));
    if (!i)
        return err_set(err, E_NOT_FOUND, "no image %s", id);
    snprintf(file, sizeof file, "%s.json", i->id + 7);
    if ((unlinkat(s->meta_fd, file, 0) < 0 && errno != ENOENT) || fsync(s->meta_fd) < 0)
        return err_set_errno(err, "cannot remove image %s", id);
    forget_image(s, i);
    for (size_t n = 0; n < i->layer_count; n++) {
        if (layer_used(s, i->diff_ids[n]))
            continue;
        image_layer_name(i->diff_ids[n], false, name);
        image_layer_name(i->diff_ids[n], true, part);
        renameat(s->layers_fd, name, s->layers_fd, part); /* what fails stays as an unused layer */
    }
    image_free(i);
    return 0;
}

/* overlayfs refuses a directory twice; what a repeated layer says counts where it is uppermost. */
static bool seen_above(const struct image *i, size_t n)
{
    for (size_t k = n + 1; k < i->layer_count; k++)
        if (strcmp(i->diff_ids[k], i->diff_ids[n]) == 0)
            return true;
    return false;
}

int image_store_root(const struct image_store *s, const char *id, struct buf *out, struct err *err)
{
    const struct image *i = map_get(&s->images, str_of(id));
    if (!i)
        return err_set(err, E_NOT_FOUND, "no image %s", id);
    bool first = true;
    for (size_t n = i->layer_count; n-- > 0;) {
        if (seen_above(i, n))
            continue;
        buf_printf(out, "%s%s/layers/%s", first ? "" : ":", s->dir, i->diff_ids[n] + 7);
        first = false;
    }
    return out->failed ? err_set(err, E_NOMEM, "out of memory for the layers' paths") : 0;
}
