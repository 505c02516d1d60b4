/* Service-account tokens of projected volumes. See volumes.h. */
#include "base/limits.h"
#include "base/log.h"
#include "codec/time.h"
#include "node/volumes.h"

enum {
    DEFAULT_SECONDS = 3600,
    RENEW_PERCENT = 80,
    LONGEST_MS = 24 * 3600 * 1000, /* renewed at least once a day, as upstream */
    RETRY_FIRST_MS = 500,
    RETRY_LONGEST_MS = 60 * 1000,
};

struct token {
    struct list link;
    struct volume *volume;
    char *account, *audience;
    int64_t seconds;
    char *text;    /* NULL: none yet */
    char *failure; /* of the last try */
    struct client_call *call;
    struct loop_timer timer;
    int64_t retry_ms;
};

static void token_free(struct token *t)
{
    struct node *n = t->volume->pod->node;
    loop_timer_cancel(n->loop, &t->timer);
    if (t->call)
        client_cancel(n->client, t->call);
    list_remove(&t->link);
    mem_free(t->account);
    mem_free(t->audience);
    if (t->text)
        mem_free_secret(t->text, strlen(t->text));
    mem_free(t->failure);
    mem_free(t);
}

void tokens_free(struct volume *v)
{
    struct token *t, *next;
    LIST_EACH_SAFE (t, next, &v->tokens, link)
        token_free(t);
}

/* ---- asking ---- */

static void tell(struct token *t)
{
    t->volume->pod->volumes_stale = true;
    pod_wake(t->volume->pod);
}

static void failed(struct token *t, const char *why)
{
    node_text_set(&t->failure, why);
    loop_timer_set(t->volume->pod->node->loop, &t->timer, t->retry_ms);
    t->retry_ms = t->retry_ms * 2 < RETRY_LONGEST_MS ? t->retry_ms * 2 : RETRY_LONGEST_MS;
    tell(t);
}

static void answered(void *ctx, const struct client_reply *r)
{
    struct token *t = ctx;
    struct node *n = t->volume->pod->node;
    struct arena a CLEANUP_ARENA = {0};
    struct json *tree = NULL;
    t->call = NULL;
    if (r->rc < 0) {
        failed(t, r->message);
        return;
    }
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (json_parse(&a, r->body, NULL, &tree, NULL) < 0 || !json_path_cstr(tree, "status.token")[0]) {
        failed(t, "the answer to the TokenRequest holds no token");
        return;
    }
    if (t->text)
        mem_free_secret(t->text, strlen(t->text));
    t->text = mem_strdup(json_path_cstr(tree, "status.token"));
    int64_t now_ms = loop_realtime_ns(n->loop) / 1000000;
    int64_t until_ms = time_text_ms(json_path_str(tree, "status.expirationTimestamp"), now_ms + t->seconds * 1000);
    int64_t renew_ms = (until_ms - now_ms) * RENEW_PERCENT / 100;
    if (renew_ms > LONGEST_MS)
        renew_ms = LONGEST_MS;
    loop_timer_set(n->loop, &t->timer, renew_ms > 1000 ? renew_ms : 1000);
    t->retry_ms = RETRY_FIRST_MS;
    node_text_set(&t->failure, NULL);
    tell(t);
}

static void ask(void *ctx)
{
    struct token *t = ctx;
    struct pod *p = t->volume->pod;
    struct arena a CLEANUP_ARENA = {0};
    struct buf text CLEANUP_BUF = {0};
    if (t->call)
        return;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    buf_init(&text, LIMIT_BODY_BYTES);
    struct json *o = json_new(&a, JSON_OBJECT), *spec, *bound;
    json_set_cstr(&a, o, "apiVersion", "authentication.k8s.io/v1");
    json_set_cstr(&a, o, "kind", "TokenRequest");
    spec = json_object_at(&a, o, "spec");
    json_array_at(&a, spec, "audiences");
    if (t->audience && t->audience[0])
        json_append(&a, json_get(spec, "audiences"), json_new_cstr(&a, t->audience));
    json_set_i64(&a, spec, "expirationSeconds", t->seconds);
    bound = json_object_at(&a, spec, "boundObjectRef");
    json_set_cstr(&a, bound, "kind", "Pod");
    json_set_cstr(&a, bound, "apiVersion", "v1");
    json_set_cstr(&a, bound, "name", p->name);
    json_set_cstr(&a, bound, "uid", p->uid);
    json_write(&text, o);
    struct client_request q = {
        .method = "POST", .body = buf_str(&text),
        .path = client_path(&a, NULL, "v1", p->namespace, "serviceaccounts", t->account, "token")};
    if (a.failed || text.failed || client_do(p->node->client, &q, answered, t, &t->call) < 0)
        failed(t, "the API cannot be asked now");
}

/* ---- finding ---- */

static struct token *token_new(struct volume *v, const char *account, const char *audience, int64_t seconds)
{
    struct token *t = mem_zalloc(sizeof *t);
    if (!t)
        return NULL;
    t->volume = v;
    t->account = mem_strdup(account);
    t->audience = mem_strdup(audience);
    t->seconds = seconds;
    t->retry_ms = RETRY_FIRST_MS;
    list_push_back(&v->tokens, &t->link);
    loop_timer_init(&t->timer, ask, t);
    if (!t->account || !t->audience) {
        token_free(t);
        return NULL;
    }
    ask(t);
    return t;
}

int token_get(struct volume *v, const struct json *spec, const struct json *source, struct str *ret_token,
              struct err *err)
{
    const char *account = json_path_cstr(spec, "serviceAccountName");
    const char *audience = json_path_cstr(source, "audience");
    int64_t seconds = json_path_i64(source, "expirationSeconds", DEFAULT_SECONDS);
    struct token *t, *found = NULL;
    LIST_EACH (t, &v->tokens, link)
        if (cstr_eq(t->audience, audience) && t->seconds == seconds)
            found = t;
    if (!found)
        found = token_new(v, account[0] ? account : "default", audience, seconds);
    if (!found)
        return err_set(err, E_NOMEM, "out of memory");
    if (found->text) {
        *ret_token = str_of(found->text);
        return 0;
    }
    if (found->failure)
        return err_set(err, E_UNAVAILABLE, "failed to fetch token: %s", found->failure);
    return err_set(err, E_AGAIN, "the token is being fetched");
}
