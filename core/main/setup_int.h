/* The steps of setup.c that live in files of their own. Each returns 0 or -E_* with err. */
#ifndef MAIN_SETUP_INT_H
#define MAIN_SETUP_INT_H

#include "main/setup.h"

enum { CONFIG_TEXT_MOST = 256 * 1024 }; /* of keelson.yaml, and of admin.kubeconfig */

int setup_config_file(struct setup *s, struct err *err) MUST_CHECK;
int setup_config_esp(struct setup *s, struct err *err) MUST_CHECK;
int setup_deliver(struct setup *s, struct err *err) MUST_CHECK;
int setup_deliver_esp(struct setup *s, struct err *err) MUST_CHECK;
int setup_modules(struct setup *s, struct err *err) MUST_CHECK;
int setup_state(struct setup *s, struct err *err) MUST_CHECK;
int setup_address(struct setup *s, struct err *err) MUST_CHECK;
int setup_seed(struct setup *s, struct err *err) MUST_CHECK;

/* keelson.yaml, already open, parsed after all rights are gone; file: its name in messages. */
int setup_parse_config(struct setup *s, int fd, const char *file, struct err *err) MUST_CHECK;

#endif
