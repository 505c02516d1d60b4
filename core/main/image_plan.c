/* IMAGE_FOUND as a plan. What a role says is checked like any stranger's word. */
#include <sys/stat.h>
#include <unistd.h>

#include "main/image_msg.h"
#include "main/images_int.h"
#include "port/crypto.h"

void image_plan_free(struct image_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->names[i]; i++)
        mem_free(p->names[i]);
    for (size_t i = 0; i < LIMIT_IMAGE_LAYERS; i++)
        if (p->layer_fds[i] >= 0)
            close(p->layer_fds[i]);
    mem_free(p->repo_digest);
    mem_free(p->config);
    mem_free(p);
}

static int add_name(struct image_plan *p, struct str name)
{
    size_t n = 0;
    while (p->names[n])
        n++;
    if (n == IMAGE_NAMES)
        return 0;
    p->names[n] = mem_strndup(name.p, name.n);
    return p->names[n] ? 0 : -E_NOMEM;
}

static int add_digest(char list[][IMAGE_DIGEST_TEXT], size_t *count, struct str digest)
{
    if (*count == LIMIT_IMAGE_LAYERS || !image_digest_ok(digest))
        return -E_SYNTAX;
    str_copy(list[(*count)++], IMAGE_DIGEST_TEXT, digest);
    return 0;
}

static int take_field(struct image_plan *p, uint8_t tag, struct str bytes)
{
    switch (tag) {
    case IMAGE_TAG_NAME: return add_name(p, bytes);
    case IMAGE_TAG_DIFF_ID: return add_digest(p->diff_ids, &p->layer_count, bytes);
    case IMAGE_TAG_DIGEST: return add_digest(p->digests, &p->digest_count, bytes);
    case IMAGE_TAG_ID:
        return image_digest_ok(bytes) && str_copy(p->id, sizeof p->id, bytes) ? 0 : -E_SYNTAX;
    case IMAGE_TAG_REPO_DIGEST:
        mem_free(p->repo_digest);
        p->repo_digest = mem_strndup(bytes.p, bytes.n);
        return p->repo_digest ? 0 : -E_NOMEM;
    default: return 0;
    }
}

/* The configuration must be what the image's id says. */
static int take_config(struct image_plan *p, int fd)
{
    struct stat st;
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > IMAGES_CONFIG_BYTES)
        return -E_SYNTAX;
    p->config_bytes = (size_t)st.st_size;
    p->config = mem_alloc(p->config_bytes + 1);
    if (!p->config)
        return -E_NOMEM;
    if (pread(fd, p->config, p->config_bytes, 0) != st.st_size)
        return -E_SYNTAX;
    p->config[p->config_bytes] = 0;
    sha256_of(str_make(p->config, p->config_bytes), digest);
    hex_encode(hex, digest, sizeof digest);
    return strcmp(hex, p->id + 7) == 0 ? 0 : -E_CORRUPT;
}

int image_plan_take(struct imsg_in *m, struct image_plan **ret_plan, struct err *err)
{
    struct imsg_cursor at = {0};
    struct str bytes;
    uint8_t tag;
    uint64_t size = 0;
    int rc = 0;
    struct image_plan *p = mem_zalloc(sizeof *p);
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    for (size_t i = 0; i < LIMIT_IMAGE_LAYERS; i++)
        p->layer_fds[i] = -1;
    while (rc == 0 && imsg_next(m, &at, &tag, &bytes))
        rc = take_field(p, tag, bytes);
    if (rc == 0 && (!p->id[0] || (p->digest_count && p->digest_count != p->layer_count)))
        rc = -E_SYNTAX;
    if (imsg_get_u64(m, IMAGE_TAG_SIZE, &size) && size > INT64_MAX)
        rc = -E_SYNTAX;
    p->size_bytes = (int64_t)size;
    if (rc == 0) {
        int fd = imsg_take_fd(m);
        rc = take_config(p, fd);
        if (fd >= 0)
            close(fd);
    }
    if (rc < 0) {
        image_plan_free(p);
        return err_set(err, -rc, "the description of the image is not acceptable: %s", err_text(rc));
    }
    *ret_plan = p;
    return 0;
}
