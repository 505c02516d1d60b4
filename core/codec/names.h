/*
 * The rules for names in Kubernetes (apimachinery/pkg/util/validation), with upstream's messages.
 * Each returns NULL when the text is right, else what is wrong with it (a constant).
 */
#ifndef CODEC_NAMES_H
#define CODEC_NAMES_H

#include "base/str.h"

const char *names_dns1123_label(struct str s);
const char *names_dns1123_subdomain(struct str s);
const char *names_dns1035_label(struct str s);
const char *names_wildcard_subdomain(struct str s); /* "*.example.com" */
const char *names_qualified(struct str s); /* label and annotation keys: "example.com/name" */
const char *names_label_value(struct str s);
const char *names_config_map_key(struct str s); /* of Secrets too */
const char *names_env_var(struct str s);
const char *names_port_name(struct str s);    /* IANA service name, at most 15 */
const char *names_path_segment(struct str s); /* names of most other objects */
const char *names_ip(struct str s);           /* IPv4 or IPv6, no leading zeros, no zone */
const char *names_port_number(int64_t port);
const char *names_uid_range(int64_t id); /* user and group ids: 0 to 2^31-1 */

#endif
