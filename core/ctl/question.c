#include "ctl/question.h"
#include "base/mem.h"
#include "client/client.h"

void questions_init(struct questions *s, struct controller *controller)
{
    s->controller = controller;
    list_init(&s->all);
    s->count = 0;
}

void question_free(struct question *q)
{
    list_remove(&q->link);
    if (q->owner)
        q->owner->count--;
    buf_done(&q->text);
    mem_free(q->key);
    mem_free(q->uid);
    mem_free(q);
}

void questions_done(struct questions *s, struct client *client)
{
    struct question *q, *next;
    LIST_EACH_SAFE(q, next, &s->all, link) {
        if (q->call)
            client_cancel(client, q->call);
        if (q->answered || q->call) {
            question_free(q);
        } else {
            list_remove(&q->link);
            q->owner = NULL;
        }
    }
}

struct question *question_new(struct questions *s, const char *key, const char *uid,
                              size_t most_bytes)
{
    struct question *q = s->count < QUESTIONS_MOST ? mem_zalloc(sizeof *q) : NULL;
    if (!q)
        return NULL;
    q->owner = s;
    q->key = mem_strdup(key);
    q->uid = mem_strdup(uid);
    buf_init(&q->text, most_bytes);
    list_push_back(&s->all, &q->link);
    s->count++;
    if (q->key && q->uid)
        return q;
    question_free(q);
    return NULL;
}

struct question *question_find(struct questions *s, const char *key)
{
    struct question *q;
    LIST_EACH(q, &s->all, link)
        if (cstr_eq(q->key, key))
            return q;
    return NULL;
}

bool question_take(struct question *q, int rc)
{
    if (!q->owner) {
        question_free(q);
        return false;
    }
    q->call = NULL;
    q->answered = true;
    q->rc = rc;
    return true;
}

void question_answered(struct question *q)
{
    controller_enqueue(q->owner->controller, q->key);
}
