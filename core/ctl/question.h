/*
 * Questions that a reconcile asks of somebody who answers later (the role keys, an access review):
 * each is remembered under the reconcile's key until its answer brings that key back, and then
 * until a reconcile has taken the answer.
 */
#ifndef CTL_QUESTION_H
#define CTL_QUESTION_H

#include "base/buf.h"
#include "base/list.h"
#include "client/controller.h"

enum { QUESTIONS_MOST = 64 }; /* of one unit at a time; the rest is asked later */

struct questions {
    struct controller *controller;
    struct list all;
    unsigned count;
};

struct client_call;
struct question {
    struct list link;
    struct questions *owner;  /* NULL: nobody waits for the answer any more */
    struct client_call *call; /* that can be cancelled, or NULL: the answer comes in any case */
    char *key, *uid;          /* of the reconcile, and of the object that it is about */
    bool answered;
    int rc;          /* of the answer */
    struct buf text; /* of at most the bytes given to question_new */
    /* What was asked and answered, for units with more than one kind of question. */
    bool is_grant, allowed;
    char why[300];
};

void questions_init(struct questions *s, struct controller *controller);
/* Those that can be cancelled are; the others are freed by their answer. */
void questions_done(struct questions *s, struct client *client);
/* NULL: out of memory, or QUESTIONS_MOST are under way. */
struct question *question_new(struct questions *s, const char *key, const char *uid,
                              size_t most_bytes);
struct question *question_find(struct questions *s, const char *key); /* or NULL */
/* First thing in the callback. false: nobody waits, and q is freed. */
bool question_take(struct question *q, int rc);
/* Last thing in it. */
void question_answered(struct question *q);
void question_free(struct question *q);

#endif
