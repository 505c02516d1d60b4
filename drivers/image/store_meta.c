/* An image as a file. See store.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"
#include "drivers/image/store_int.h"

enum { META_BYTES = 16 * 1024 * 1024 };

void image_free(struct image *i)
{
    if (!i)
        return;
    for (size_t n = 0; i->names[n]; n++)
        mem_free(i->names[n]);
    for (size_t n = 0; i->repo_digests[n]; n++)
        mem_free(i->repo_digests[n]);
    mem_free(i->config);
    mem_free(i);
}

static int write_all(int fd, struct str s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            s = str_make(s.p + n, s.n - (size_t)n);
    }
    return 0;
}

int image_file_write(int dir_fd, const char *name, struct str content, struct err *err)
{
    char part[STORE_NAME_BYTES + 8];
    snprintf(part, sizeof part, "%s.part", name);
    int fd = openat(dir_fd, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "cannot make %s", part);
    int rc = write_all(fd, content) < 0 || fsync(fd) < 0 ? err_set_errno(err, "cannot write %s", part) : 0;
    close(fd);
    if (rc == 0 && (renameat(dir_fd, part, dir_fd, name) < 0 || fsync(dir_fd) < 0))
        rc = err_set_errno(err, "cannot write %s", name);
    if (rc < 0)
        unlinkat(dir_fd, part, 0);
    return rc;
}

static void put_list(struct arena *a, struct json *o, const char *key, char *const *list)
{
    struct json *array = json_array_at(a, o, key);
    for (; *list; list++)
        json_append(a, array, json_new_cstr(a, *list));
}

int image_meta_write(struct image_store *s, const struct image *i, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct buf out CLEANUP_BUF;
    char name[STORE_NAME_BYTES];
    arena_init(&a, 2 * META_BYTES);
    buf_init(&out, META_BYTES);
    struct json *o = json_new(&a, JSON_OBJECT);
    json_set_cstr(&a, o, "id", i->id);
    put_list(&a, o, "names", i->names);
    put_list(&a, o, "repoDigests", i->repo_digests);
    struct json *layers = json_array_at(&a, o, "diffIDs");
    for (size_t n = 0; n < i->layer_count; n++)
        json_append(&a, layers, json_new_cstr(&a, i->diff_ids[n]));
    json_set_i64(&a, o, "sizeBytes", i->size_bytes);
    json_set_str(&a, o, "config", str_make(i->config, i->config_bytes));
    json_write(&out, o);
    if (a.failed || out.failed)
        return err_set(err, E_NOMEM, "out of memory for the image's metadata");
    snprintf(name, sizeof name, "%s.json", i->id + 7);
    return image_file_write(s->meta_fd, name, buf_str(&out), err);
}

static int take_list(const struct json *array, char **list)
{
    size_t n = 0;
    for (const struct json *j = json_first(array); j && n < IMAGE_NAMES; j = j->next)
        if (!(list[n++] = mem_strdup(json_cstr(j))))
            return -E_NOMEM;
    return 0;
}

static int take(const struct json *o, struct image *i, struct err *err)
{
    const struct json *layers = json_get(o, "diffIDs");
    struct str id = json_path_str(o, "id"), config = json_path_str(o, "config");
    if (!image_digest_ok(id) || json_count(layers) > LIMIT_IMAGE_LAYERS || !config.n)
        return err_set(err, E_CORRUPT, "not an image's metadata");
    str_copy(i->id, sizeof i->id, id);
    for (const struct json *j = json_first(layers); j; j = j->next) {
        if (!image_digest_ok(json_str(j)))
            return err_set(err, E_CORRUPT, "not a layer's digest");
        str_copy(i->diff_ids[i->layer_count++], IMAGE_DIGEST_TEXT, json_str(j));
    }
    i->size_bytes = json_path_i64(o, "sizeBytes", 0);
    i->config = mem_strndup(config.p, config.n);
    i->config_bytes = config.n;
    if (!i->config || take_list(json_get(o, "names"), i->names) < 0 ||
        take_list(json_get(o, "repoDigests"), i->repo_digests) < 0)
        return err_set(err, E_NOMEM, "out of memory for an image's metadata");
    return 0;
}

int image_meta_read(struct image_store *s, const char *file, struct image **ret_image, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct buf text CLEANUP_BUF;
    struct json *o;
    struct stat st;
    arena_init(&a, 4 * META_BYTES);
    buf_init(&text, META_BYTES + 1);
    int fd = openat(s->meta_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot open");
    char *p = fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < META_BYTES
                  ? buf_reserve(&text, (size_t)st.st_size) : NULL;
    ssize_t n = p ? read(fd, p, (size_t)st.st_size) : -1;
    close(fd);
    if (n != st.st_size)
        return err_set(err, E_CORRUPT, "cannot be read");
    buf_commit(&text, (size_t)n);
    int rc = json_parse(&a, buf_str(&text), NULL, &o, err);
    if (rc < 0)
        return rc;
    struct image *i = mem_zalloc(sizeof *i);
    if (!i)
        return err_set(err, E_NOMEM, "out of memory for an image's metadata");
    rc = take(o, i, err);
    if (rc < 0) {
        image_free(i);
        return rc;
    }
    *ret_image = i;
    return 0;
}
