/* Volumes of a pod: set up before its containers, and kept up to date while it runs. */
#ifndef NODE_VOLUMES_H
#define NODE_VOLUMES_H

#include "node/node_int.h"

void volume_init(struct volume *v, struct pod *p, const char *name);
void volume_done(struct volume *v);
/* Begins what is missing or has changed. True when all are there; else the pod is woken. What is
 * wrong is told by FailedMount events. */
bool volumes_work(struct step *s);
/* The sandbox is gone: all are set up again. */
void volumes_forget(struct pod *p);

/* ---- files.c: what configMap, secret, downwardAPI and projected volumes hold ---- */
struct file_list {
    struct runtime_file *files; /* in the step's arena */
    size_t count, room;
};
/* -E_AGAIN: something is still being fetched. */
int files_collect(struct step *s, struct volume *v, const struct json *source, struct file_list *ret_list,
                  struct err *err) MUST_CHECK;
bool files_is_source(const struct json *volume); /* is it one of these kinds? */

/* ---- token.c ---- */
/* A service-account token for a projected source, asked for by TokenRequest, bound to the pod and
 * renewed when 80 % of its life are over. The text stays valid until the next turn. */
int token_get(struct volume *v, const struct json *spec, const struct json *source, struct str *ret_token,
              struct err *err) MUST_CHECK;
void tokens_free(struct volume *v);

#endif
