/* Directories and files of the store. See store.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/image/store_int.h"
#include "drivers/image/tree.h"

static const char scratch[] = "archive.part";

void image_layer_name(const char *digest, bool part, char ret_name[STORE_NAME_BYTES])
{
    snprintf(ret_name, STORE_NAME_BYTES, "%s%s", digest + 7, part ? ".part" : "");
}

int image_parts_remove(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    int rc = 0;
    if (!list)
        return -err_from_errno(errno);
    while (rc == 0 && (e = readdir(list)))
        if (str_ends(str_of(e->d_name), STR(".part")))
            rc = tree_remove(dir_fd, e->d_name);
    closedir(list);
    return rc;
}

bool image_store_has_layer(const struct image_store *s, const char *diff_id)
{
    char name[STORE_NAME_BYTES];
    struct stat st;
    image_layer_name(diff_id, false, name);
    return fstatat(s->layers_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int fresh_directory(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    int rc = tree_remove(dir_fd, name);
    if (rc < 0)
        return err_set(err, -rc, "cannot remove what is left of %s: %s", name, err_text(rc));
    if (mkdirat(dir_fd, name, 0755) < 0)
        return err_set_errno(err, "cannot make %s", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot open %s", name);
    *ret_fd = fd;
    return 0;
}

int image_store_layer_begin(struct image_store *s, const char *diff_id, int *ret_fd, struct err *err)
{
    char name[STORE_NAME_BYTES];
    image_layer_name(diff_id, true, name);
    return fresh_directory(s->layers_fd, name, ret_fd, err);
}

int image_store_layer_commit(struct image_store *s, const char *diff_id, struct err *err)
{
    char part[STORE_NAME_BYTES], name[STORE_NAME_BYTES];
    image_layer_name(diff_id, true, part);
    image_layer_name(diff_id, false, name);
    if (renameat(s->layers_fd, part, s->layers_fd, name) < 0 || fsync(s->layers_fd) < 0)
        return err_set_errno(err, "cannot keep layer %s", diff_id);
    return 0;
}

void image_store_layer_abort(struct image_store *s, const char *diff_id)
{
    char part[STORE_NAME_BYTES];
    image_layer_name(diff_id, true, part);
    if (tree_remove(s->layers_fd, part) < 0)
        unlinkat(s->layers_fd, part, AT_REMOVEDIR); /* what stays goes at the next open */
}

int image_store_blob_begin(struct image_store *s, const char *digest, int *ret_fd, struct err *err)
{
    char part[STORE_NAME_BYTES];
    image_layer_name(digest, true, part);
    int fd = openat(s->blobs_fd, part, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "cannot make a file for %s", digest);
    *ret_fd = fd;
    return 0;
}

void image_store_blob_remove(struct image_store *s, const char *digest)
{
    char part[STORE_NAME_BYTES];
    image_layer_name(digest, true, part);
    unlinkat(s->blobs_fd, part, 0);
}

int image_store_scratch_begin(struct image_store *s, int *ret_fd, struct err *err)
{
    return fresh_directory(s->blobs_fd, scratch, ret_fd, err);
}

void image_store_scratch_remove(struct image_store *s)
{
    if (tree_remove(s->blobs_fd, scratch) < 0)
        unlinkat(s->blobs_fd, scratch, AT_REMOVEDIR);
}

int image_store_next_garbage(struct image_store *s, char ret_diff_id[IMAGE_DIGEST_TEXT], int *ret_fd)
{
    int dir_fd = openat(s->layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    const struct dirent *e;
    int rc = -E_NOT_FOUND;
    if (!list)
        return -err_from_errno(errno);
    while (rc == -E_NOT_FOUND && (e = readdir(list))) {
        if (strlen(e->d_name) != 64 + 5 || !str_ends(str_of(e->d_name), STR(".part")))
            continue;
        int fd = openat(s->layers_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        snprintf(ret_diff_id, IMAGE_DIGEST_TEXT, "sha256:%.64s", e->d_name);
        *ret_fd = fd;
        rc = 0;
    }
    closedir(list);
    return rc;
}
