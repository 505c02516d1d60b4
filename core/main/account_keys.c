/* See account_keys.h. */
#include "main/account_keys.h"

#include "kernel-glue/boot/file.h"

enum {
    FILE_MOST = 32 * 1024,
    PUBLIC_MOST = 8, /* that the API takes */
    DAY_S = 24 * 3600,
    ROTATE_S = 90 * DAY_S,
    FORGET_S = 366 * DAY_S,
};

void account_keys_done(struct account_keys *k)
{
    crypto_key_free(k->signing);
    crypto_key_free(k->before);
    buf_done(&k->old);
    buf_done(&k->public_pem);
    *k = (struct account_keys){0};
}

const struct crypto_key *account_keys_find(const struct account_keys *k, int64_t created_s)
{
    if (!created_s || created_s == k->created_s)
        return k->signing;
    return created_s == k->before_created_s ? k->before : NULL;
}

/* "label: N" at the start of text. 0: not there. */
static int64_t read_stamp(struct str text, struct str label)
{
    struct str line;
    int64_t n;
    if (!str_split(&text, '\n', &line) || !str_starts(line, label))
        return 0;
    line = str_trim(str_make(line.p + label.n, line.n - label.n));
    return str_to_i64(line, &n) == 0 ? n : 0;
}

/* Takes one "retired: N" and PEM block from the front of *rest. */
static bool next_old(struct str *rest, struct str *ret_entry, int64_t *ret_retired_s)
{
    static const char end[] = "-----END PUBLIC KEY-----\n";
    ptrdiff_t at = str_find(*rest, str_of(end));
    if (at < 0)
        return false;
    size_t n = (size_t)at + sizeof end - 1;
    *ret_entry = str_make(rest->p, n);
    *ret_retired_s = read_stamp(*ret_entry, STR("retired:"));
    *rest = str_make(rest->p + n, rest->n - n);
    return true;
}

/* Today's, then former ones that are not forgotten. */
static int make_public(struct account_keys *k, int64_t now_s)
{
    struct str rest = buf_str(&k->old), entry;
    int64_t retired_s;
    buf_clear(&k->public_pem);
    int rc = crypto_key_public_pem(k->signing, &k->public_pem);
    for (int i = 1; rc == 0 && i < PUBLIC_MOST && next_old(&rest, &entry, &retired_s); i++) {
        ptrdiff_t at = str_find(entry, STR("-----BEGIN"));
        if (at >= 0 && retired_s + FORGET_S > now_s)
            buf_append_str(&k->public_pem, str_make(entry.p + at, entry.n - (size_t)at));
    }
    return rc == 0 && k->public_pem.failed ? -E_NOMEM : rc;
}

static int write_signing(const struct crypto_key *key, int dir_fd, int64_t created_s, struct err *err)
{
    CLEANUP_BUF struct buf text;
    buf_init(&text, FILE_MOST);
    buf_printf(&text, "created: %lld\n", (long long)created_s);
    int rc = crypto_key_private_pem(key, &text);
    if (rc < 0)
        err_set(err, -rc, "%s", err_text(rc));
    else
        rc = file_write_atomic(dir_fd, "sa.key", buf_str(&text), 0600, err);
    if (text.data)
        mem_wipe(text.data, text.cap);
    return rc;
}

/* The former public half is on disk before the new key is: whatever signed can be verified. */
static int rotate(struct account_keys *k, int dir_fd, int64_t now_s, struct err *err)
{
    CLEANUP_BUF struct buf old;
    struct str rest = buf_str(&k->old), entry;
    struct crypto_key *fresh;
    int64_t retired_s;
    buf_init(&old, FILE_MOST);
    buf_printf(&old, "retired: %lld\n", (long long)now_s);
    int rc = crypto_key_public_pem(k->signing, &old);
    for (int i = 2; rc == 0 && i < PUBLIC_MOST && next_old(&rest, &entry, &retired_s); i++)
        if (retired_s + FORGET_S > now_s)
            buf_append_str(&old, entry);
    if (rc == 0 && old.failed)
        rc = -E_NOMEM;
    if (rc < 0)
        return err_set(err, -rc, "former service-account keys: %s", err_text(rc));
    if ((rc = crypto_key_generate(&fresh, err)) < 0)
        return rc;
    rc = file_write_atomic(dir_fd, "sa.old", buf_str(&old), 0600, err);
    if (rc == 0)
        rc = write_signing(fresh, dir_fd, now_s, err);
    if (rc < 0) {
        crypto_key_free(fresh);
        return rc;
    }
    crypto_key_free(k->before);
    k->before = k->signing;
    k->before_created_s = k->created_s;
    k->signing = fresh;
    k->created_s = now_s;
    buf_clear(&k->old);
    buf_append_str(&k->old, buf_str(&old));
    rc = k->old.failed ? -E_NOMEM : make_public(k, now_s);
    return rc < 0 ? err_set(err, -rc, "service-account keys: %s", err_text(rc)) : 1;
}

int account_keys_turn(struct account_keys *k, int dir_fd, int64_t now_s, struct err *err)
{
    bool asked = file_exists(dir_fd, "sa.rotate");
    if (!asked && now_s < k->created_s + ROTATE_S)
        return 0;
    int rc = rotate(k, dir_fd, now_s > k->created_s ? now_s : k->created_s + 1, err);
    if (rc > 0 && asked)
        (void)!file_rename(dir_fd, "sa.rotate", "sa.rotated");
    return rc;
}

static int read_file(struct buf *to, int dir_fd, const char *name, struct err *err)
{
    size_t n;
    char *room = buf_reserve(to, FILE_MOST / 2);
    if (!room)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = file_read(dir_fd, name, room, FILE_MOST / 2, &n, err);
    if (rc == 0)
        buf_commit(to, n);
    return rc;
}

static int open_signing(struct account_keys *k, int dir_fd, int64_t now_s, struct err *err)
{
    CLEANUP_BUF struct buf text;
    buf_init(&text, FILE_MOST);
    int rc = read_file(&text, dir_fd, "sa.key", err);
    if (rc == 0)
        rc = crypto_key_parse(buf_str(&text), &k->signing, err);
    k->created_s = rc == 0 ? read_stamp(buf_str(&text), STR("created:")) : 0;
    if (text.data)
        mem_wipe(text.data, text.cap);
    if (rc == 0 && !k->created_s) { /* from before keys had a date: its age counts from now */
        k->created_s = now_s;
        rc = write_signing(k->signing, dir_fd, now_s, err);
    }
    return rc;
}

int account_keys_open(struct account_keys *ret, int dir_fd, int64_t now_s, struct err *err)
{
    struct account_keys k = {0};
    int rc;
    buf_init(&k.old, FILE_MOST);
    buf_init(&k.public_pem, FILE_MOST);
    if (file_exists(dir_fd, "sa.key")) {
        rc = open_signing(&k, dir_fd, now_s, err);
    } else {
        k.created_s = now_s;
        rc = crypto_key_generate(&k.signing, err);
        if (rc == 0)
            rc = write_signing(k.signing, dir_fd, now_s, err);
    }
    if (rc == 0 && file_exists(dir_fd, "sa.old"))
        rc = read_file(&k.old, dir_fd, "sa.old", err);
    if (rc == 0 && (rc = make_public(&k, now_s)) < 0)
        err_set(err, -rc, "%s", err_text(rc));
    if (rc == 0)
        rc = account_keys_turn(&k, dir_fd, now_s, err);
    if (rc < 0) {
        account_keys_done(&k);
        return err_wrap(err, rc, "service-account key");
    }
    *ret = k;
    return 0;
}
