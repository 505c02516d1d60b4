/* The cluster's certificates: the CA, and what it signs. */
#ifndef MAIN_PKI_H
#define MAIN_PKI_H

#include "base/buf.h"
#include "main/keys_msg.h"
#include "main/start_msg.h"
#include "port/crypto.h"

struct pki_ca {
    struct crypto_key *key;
    struct buf cert_pem, key_pem;
};

/* now_s: seconds since 1970. Certificates begin a day earlier, so that a clock that is behind locks
 * nobody out. */
int pki_ca_make(const char *name, int64_t now_s, struct pki_ca *ret_ca, struct err *err) MUST_CHECK;
/* From PEM text that holds the certificate and its private key, checked to belong together. */
int pki_ca_parse(struct str pem, struct pki_ca *ret_ca, struct err *err) MUST_CHECK;
void pki_ca_done(struct pki_ca *ca);

struct pki_subject { /* what the profiles fill in */
    const char *node_name;
    const struct machine_net *net;
    const char *endpoint; /* HOST:PORT or "" */
};
/* Appends the certificate of a role's public key. *ret_not_after_s: when it ends. */
int pki_issue(const struct pki_ca *ca, enum keys_profile profile, const struct pki_subject *subject,
              const struct crypto_key *public_key, int64_t now_s, struct buf *out, int64_t *ret_not_after_s,
              struct err *err) MUST_CHECK;

/* Appends the certificate that a request of the certificates API asks for, if its signer may grant
 * such a subject, names and usages (enum keys_usage). -E_FORBIDDEN with why. */
int pki_grant(const struct pki_ca *ca, enum keys_signer signer, struct str csr_pem, unsigned usage,
              int64_t seconds, int64_t now_s, struct buf *out, struct err *err) MUST_CHECK;

/* A complete admin.kubeconfig with a fresh key: kubernetes-admin of system:masters. server:
 * "https://HOST:PORT". */
int pki_admin_kubeconfig(const struct pki_ca *ca, const char *cluster, const char *server, int64_t now_s,
                         struct buf *out, struct err *err) MUST_CHECK;

/* "AB:CD:..." of the first 16 bytes of the SHA-256 over the certificate's DER. */
enum { PKI_FINGERPRINT_TEXT = 48 };
int pki_fingerprint(struct str cert_pem, char ret_text[PKI_FINGERPRINT_TEXT], struct err *err) MUST_CHECK;

#endif
