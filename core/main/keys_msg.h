/*
 * Messages on the links to the role `keys`. An answer has its question's id. What a link may ask
 * is decided by who is at its other end (keys_allowed), never by what the message says.
 */
#ifndef MAIN_KEYS_MSG_H
#define MAIN_KEYS_MSG_H

#include "main/role.h"
#include "wire/imsg.h"

enum keys_msg_type {
    KEYS_ISSUE = 1, /* PROFILE, PUBLIC (DER); the id stays in use: renewals come under it too */
    KEYS_ISSUED,    /* CERT, CA */
    KEYS_SIGN,      /* MESSAGE, VALUE (which key, as KEYS_INFO_IS named it) */
    KEYS_SIGNED,    /* SIGNATURE (64 bytes) */
    KEYS_INFO,
    KEYS_INFO_IS, /* CA, PUBLIC (PEM, of the service-account keys, the signing one first), VALUE (names
                   * the signing one). Comes again when they change. */
    KEYS_REFUSED, /* VALUE (E_*), TEXT */
    KEYS_GRANT,   /* MESSAGE (a certificate request, PEM), PROFILE (keys_signer), USAGE, SECONDS */
    KEYS_GRANTED, /* CERT */
};

enum {
    KEYS_TAG_PROFILE = 1,
    KEYS_TAG_PUBLIC,
    KEYS_TAG_CERT,
    KEYS_TAG_CA,
    KEYS_TAG_MESSAGE,
    KEYS_TAG_SIGNATURE,
    KEYS_TAG_VALUE,
    KEYS_TAG_TEXT,
    KEYS_TAG_USAGE, /* keys_usage */
    KEYS_TAG_SECONDS,
};

/* The signers of the certificates API. */
enum keys_signer {
    KEYS_SIGNER_NONE,
    KEYS_SIGNER_CLIENT,         /* kubernetes.io/kube-apiserver-client */
    KEYS_SIGNER_CLIENT_KUBELET, /* kubernetes.io/kube-apiserver-client-kubelet */
    KEYS_SIGNER_KUBELET_SERVING /* kubernetes.io/kubelet-serving */
};
enum keys_usage {
    KEYS_USAGE_SIGNATURE = 1,
    KEYS_USAGE_ENCIPHERMENT = 2,
    KEYS_USAGE_CLIENT = 4,
    KEYS_USAGE_SERVER = 8,
};

enum { KEYS_SIGN_MOST = 16 * 1024 }; /* bytes of one message to be signed */

enum keys_profile {
    KEYS_PROFILE_NONE,
    KEYS_FRONT_SERVING,   /* server: the API's names and addresses */
    KEYS_KUBELET_CLIENT,  /* client: kube-apiserver-kubelet-client, system:masters */
    KEYS_NODE_CLIENT,     /* client: system:node:NAME, system:nodes */
    KEYS_KUBELET_SERVING, /* server: system:node:NAME, the machine's addresses */
    KEYS_DNS_CLIENT,      /* client: system:coredns */
    KEYS_PROXY_CLIENT,    /* client: front-proxy-client, whom other API servers believe */
    KEYS_PROFILE__COUNT
};

/* May the role at the other end of a link ask for this? */
bool keys_allowed_profile(enum role_id peer, enum keys_profile profile);
bool keys_allowed_sign(enum role_id peer);

#endif
