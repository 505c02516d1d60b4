/* PEM blocks found by their dashes; the base64 is decoded only when asked for. */
#include "codec/pem.h"

#define BEGIN  "-----BEGIN "
#define END    "-----END "
#define DASHES "-----"

enum { LINE = 64, LABEL_MOST = 64 };

static void skip(struct str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

/* A label up to its closing dashes; the rest of its line must be blank. */
static bool take_label(struct str *rest, struct str *ret)
{
    ptrdiff_t n = str_find(*rest, STR(DASHES));
    if (n < 0 || n > LABEL_MOST || memchr(rest->p, '\n', (size_t)n))
        return false;
    *ret = str_make(rest->p, (size_t)n);
    skip(rest, (size_t)n + sizeof(DASHES) - 1);
    while (rest->n && (*rest->p == ' ' || *rest->p == '\t' || *rest->p == '\r'))
        skip(rest, 1);
    if (rest->n && *rest->p != '\n')
        return false;
    if (rest->n)
        skip(rest, 1);
    return true;
}

int pem_next(struct str *rest, struct pem_block *ret, struct err *err)
{
    struct pem_block b;
    struct str at = *rest, closing;
    ptrdiff_t n = str_find(at, STR(BEGIN));
    if (n < 0)
        return err_set(err, E_EOF, "no PEM block");
    skip(&at, (size_t)n);
    b.text = at;
    skip(&at, sizeof(BEGIN) - 1);
    if (!take_label(&at, &b.label))
        return err_set(err, E_SYNTAX, "a PEM block begins with a malformed line");
    n = str_find(at, STR(END));
    if (n < 0)
        return err_set(err, E_SYNTAX, "PEM block " STR_FMT " has no end", STR_ARG(b.label));
    b.body = str_make(at.p, (size_t)n);
    skip(&at, (size_t)n + sizeof(END) - 1);
    if (!take_label(&at, &closing) || !str_eq(closing, b.label))
        return err_set(err, E_SYNTAX, "PEM block " STR_FMT " ends as another one",
                       STR_ARG(b.label));
    if (str_find_byte(b.body, ':') >= 0 || str_find_byte(b.body, '-') >= 0)
        return err_set(err, E_SYNTAX, "PEM block " STR_FMT " has headers or dashes within",
                       STR_ARG(b.label));
    b.text.n = (size_t)(at.p - b.text.p);
    *ret = b;
    *rest = at;
    return 0;
}

int pem_decode(struct arena *a, const struct pem_block *block, struct str *ret_bytes)
{
    char *clean = arena_alloc(a, block->body.n + 1),
         *bytes = arena_alloc(a, block->body.n / 4 * 3 + 4);
    size_t n = 0, size;
    if (!clean || !bytes)
        return -E_NOMEM;
    for (size_t i = 0; i < block->body.n; i++) {
        char c = block->body.p[i];
        if (c != '\n' && c != '\r' && c != ' ' && c != '\t')
            clean[n++] = c;
    }
    int rc = base64_decode(bytes, &size, str_make(clean, n));
    if (rc == 0)
        *ret_bytes = str_make(bytes, size);
    return rc;
}

int pem_find(struct arena *a, struct str text, const char *label, struct str *ret_bytes,
             struct err *err)
{
    struct pem_block b;
    int rc;
    while ((rc = pem_next(&text, &b, err)) == 0)
        if (str_is(b.label, label)) {
            rc = pem_decode(a, &b, ret_bytes);
            return rc ? err_set(err, -rc, "PEM block %s is not valid base64", label) : 0;
        }
    return rc == -E_EOF ? err_set(err, E_NOT_FOUND, "no PEM block %s", label) : rc;
}

void pem_write(struct buf *out, const char *label, struct str bytes)
{
    char line[LINE + 4];
    buf_printf(out, BEGIN "%s" DASHES "\n", label);
    for (size_t at = 0; at < bytes.n; at += LINE / 4 * 3) {
        size_t n = bytes.n - at < LINE / 4 * 3 ? bytes.n - at : LINE / 4 * 3;
        size_t written = base64_encode(line, bytes.p + at, n);
        buf_append(out, line, written);
        buf_putc(out, '\n');
    }
    buf_printf(out, END "%s" DASHES "\n", label);
}
