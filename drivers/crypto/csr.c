/*
 * Certificate requests (PKCS #10, RFC 2986): what one asks for, and the certificate that grants it.
 * Subject and names are taken over byte for byte, so that several organisations stay several;
 * mbedTLS's own writer keeps one value of each attribute. See port/crypto.h.
 */
#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_csr.h>

#include "drivers/crypto/crypto_int.h"

enum { PEM_BYTES = 16 * 1024, SERIAL_BYTES = 16, NAMES_MOST = 32, NAMES_BYTES = 4096 };

static int parse(struct str text, mbedtls_x509_csr *csr, struct err *err)
{
    char *copy = crypto_terminated(text);
    if (!copy)
        return err_set(err, E_NOMEM, "certificate request: out of memory");
    crypto_setup();
    int rc = mbedtls_x509_csr_parse(csr, (unsigned char *)copy, text.n + 1);
    mem_free(copy);
    return rc ? crypto_failed(err, rc, "reading a certificate request") : 0;
}

/* That who asks has the key. */
static int check_signature(mbedtls_x509_csr *csr, struct err *err)
{
    unsigned char hash[MBEDTLS_MD_MAX_SIZE];
    mbedtls_md_type_t kind = csr->MBEDTLS_PRIVATE(sig_md);
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(kind);
    if (!md || mbedtls_md(md, csr->cri.p, csr->cri.len, hash) != 0)
        return err_set(err, E_INVALID, "certificate request: its digest is unknown");
    int rc = mbedtls_pk_verify_ext(csr->MBEDTLS_PRIVATE(sig_pk), csr->MBEDTLS_PRIVATE(sig_opts),
                                   &csr->pk, kind, hash, mbedtls_md_get_size(md),
                                   csr->MBEDTLS_PRIVATE(sig).p, csr->MBEDTLS_PRIVATE(sig).len);
    return rc ? crypto_failed(err, rc, "checking the signature of a certificate request") : 0;
}

static bool take_text(char *dst, size_t size, const mbedtls_asn1_buf *v)
{
    struct str s = str_make(v->p, v->len);
    return str_find_byte(s, 0) < 0 && str_copy(dst, size, s);
}

static bool read_subject(const mbedtls_x509_csr *csr, struct csr_info *info)
{
    for (const mbedtls_x509_name *n = &csr->subject; n && n->oid.p; n = n->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0) {
            if (info->common_name[0] ||
                !take_text(info->common_name, sizeof info->common_name, &n->val))
                return false;
        } else if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &n->oid) == 0) {
            if (info->org_count == CERT_MAX_ORGS ||
                !take_text(info->orgs[info->org_count], sizeof info->orgs[0], &n->val))
                return false;
            info->org_count++;
        } else {
            info->other_attributes++;
        }
    }
    return true;
}

static bool read_names(const mbedtls_x509_csr *csr, struct csr_info *info)
{
    const mbedtls_x509_sequence *s = &csr->subject_alt_names;
    for (; s && s->buf.p; s = s->next) {
        struct net_addr *ip = &info->ips[info->ip_count];
        switch (s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) {
        case MBEDTLS_X509_SAN_DNS_NAME:
            if (info->dns_count == NAMES_MOST ||
                !take_text(info->dns[info->dns_count], sizeof info->dns[0], &s->buf))
                return false;
            info->dns_count++;
            break;
        case MBEDTLS_X509_SAN_IP_ADDRESS:
            if (info->ip_count == CERT_MAX_NAMES || (s->buf.len != 4 && s->buf.len != 16))
                return false;
            ip->family = s->buf.len == 4 ? 4 : 6;
            memcpy(ip->ip, s->buf.p, s->buf.len);
            info->ip_count++;
            break;
        default: info->other_names++;
        }
    }
    return true;
}

int csr_parse(struct str pem, struct csr_info *ret_info, struct err *err)
{
    CLEANUP_FREE struct csr_info *info = mem_zalloc(sizeof *info);
    mbedtls_x509_csr csr;
    if (!info)
        return err_set(err, E_NOMEM, "certificate request: out of memory");
    mbedtls_x509_csr_init(&csr);
    int rc = parse(pem, &csr, err);
    if (rc == 0)
        rc = check_signature(&csr, err);
    if (rc == 0 && !(read_subject(&csr, info) && read_names(&csr, info)))
        rc = err_set(err, E_INVALID, "certificate request: too many or malformed names");
    mbedtls_x509_csr_free(&csr);
    if (rc == 0)
        *ret_info = *info;
    return rc;
}

/* ---- issuing ---- */

struct granting {
    mbedtls_x509write_cert write;
    mbedtls_x509_crt issuer;
    mbedtls_x509_csr csr;
    mbedtls_asn1_named_data subject[NAMES_MOST], issuer_name[NAMES_MOST];
};

/* The writer wants the last attribute first. NULL: none, or too many. */
static mbedtls_asn1_named_data *reversed(const mbedtls_x509_name *from,
                                         mbedtls_asn1_named_data to[NAMES_MOST])
{
    mbedtls_asn1_named_data *head = NULL;
    size_t n = 0;
    for (; from && from->oid.p; from = from->next) {
        if (n == NAMES_MOST)
            return NULL;
        to[n] = (mbedtls_asn1_named_data){.oid = from->oid, .val = from->val, .next = head};
        head = &to[n++];
    }
    return head;
}

/* One GeneralName: tag, length, bytes. */
static bool put_der(unsigned char *to, size_t size, size_t *n, int tag, const unsigned char *p,
                    size_t len)
{
    if (len > 0xff || *n + len + 3 > size)
        return false;
    to[(*n)++] = (unsigned char)tag;
    if (len > 0x7f)
        to[(*n)++] = 0x81;
    to[(*n)++] = (unsigned char)len;
    memcpy(to + *n, p, len);
    *n += len;
    return true;
}

static int copy_names(struct granting *g)
{
    unsigned char der[NAMES_BYTES];
    size_t n = 4;
    if (!g->csr.subject_alt_names.buf.p)
        return 0;
    for (const mbedtls_x509_sequence *s = &g->csr.subject_alt_names; s && s->buf.p; s = s->next)
        if (!put_der(der, sizeof der, &n, s->buf.tag, s->buf.p, s->buf.len))
            return MBEDTLS_ERR_X509_BUFFER_TOO_SMALL;
    der[0] = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
    der[1] = 0x82;
    der[2] = (unsigned char)((n - 4) >> 8);
    der[3] = (unsigned char)(n - 4);
    unsigned char *at = der;
    if (n - 4 < 0x80) { /* DER has one way to write a length */
        at = der + 2;
        at[0] = der[0];
        at[1] = (unsigned char)(n - 4);
    } else if (n - 4 < 0x100) {
        at = der + 1;
        at[0] = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
        at[1] = 0x81;
    }
    return mbedtls_x509write_crt_set_extension(&g->write, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                               MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, at,
                                               n - (size_t)(at - der));
}

static int fill(struct granting *g, const struct csr_grant *grant, const struct crypto_key *issuer_key)
{
    unsigned char serial[SERIAL_BYTES];
    char from[16], until[16];
    unsigned usage = (grant->digital_signature ? MBEDTLS_X509_KU_DIGITAL_SIGNATURE : 0) |
                     (grant->key_encipherment ? MBEDTLS_X509_KU_KEY_ENCIPHERMENT : 0);
    crypto_random(serial, sizeof serial);
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x01);
    cert_time(grant->not_before_s, from);
    cert_time(grant->not_after_s, until);
    mbedtls_x509write_crt_set_version(&g->write, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&g->write, MBEDTLS_MD_SHA256);
    g->write.MBEDTLS_PRIVATE(subject) = reversed(&g->csr.subject, g->subject);
    g->write.MBEDTLS_PRIVATE(issuer) = reversed(&g->issuer.subject, g->issuer_name);
    mbedtls_x509write_crt_set_subject_key(&g->write, &g->csr.pk);
    mbedtls_x509write_crt_set_issuer_key(&g->write, (mbedtls_pk_context *)&issuer_key->pk);
    int rc = mbedtls_x509write_crt_set_serial_raw(&g->write, serial, sizeof serial);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_validity(&g->write, from, until);
    if (rc == 0 && usage) /* an empty one would allow nothing; none says nothing */
        rc = mbedtls_x509write_crt_set_key_usage(&g->write, usage);
    if (rc == 0)
        rc = cert_set_extended_usage(&g->write, grant->use);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_basic_constraints(&g->write, 0, -1);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_authority_key_identifier(&g->write);
    return rc ? rc : copy_names(g);
}

int csr_issue(struct str csr_pem, const struct csr_grant *grant, const struct crypto_key *issuer_key,
              struct str issuer_cert_pem, struct buf *out_pem, struct err *err)
{
    CLEANUP_FREE struct granting *g = mem_zalloc(sizeof *g);
    CLEANUP_FREE unsigned char *pem = mem_alloc(PEM_BYTES);
    char *issuer = crypto_terminated(issuer_cert_pem);
    if (!g || !pem || !issuer) {
        mem_free(issuer);
        return err_set(err, E_NOMEM, "certificate: out of memory");
    }
    crypto_setup();
    mbedtls_x509write_crt_init(&g->write);
    mbedtls_x509_crt_init(&g->issuer);
    mbedtls_x509_csr_init(&g->csr);
    int rc = parse(csr_pem, &g->csr, err), tls = 0;
    if (rc == 0)
        rc = check_signature(&g->csr, err);
    if (rc == 0) {
        tls = mbedtls_x509_crt_parse(&g->issuer, (unsigned char *)issuer, issuer_cert_pem.n + 1);
        if (tls == 0)
            tls = fill(g, grant, issuer_key);
        if (tls == 0)
            tls = mbedtls_x509write_crt_pem(&g->write, pem, PEM_BYTES, crypto_rng, NULL);
        if (tls)
            rc = crypto_failed(err, tls, "issuing a certificate");
    }
    /* These lists are ours. */
    g->write.MBEDTLS_PRIVATE(subject) = NULL;
    g->write.MBEDTLS_PRIVATE(issuer) = NULL;
    if (rc == 0)
        buf_puts(out_pem, (char *)pem);
    mbedtls_x509write_crt_free(&g->write);
    mbedtls_x509_crt_free(&g->issuer);
    mbedtls_x509_csr_free(&g->csr);
    mem_free(issuer);
    return rc == 0 && out_pem->failed ? err_set(err, E_NOMEM, "certificate: out of memory") : rc;
}
