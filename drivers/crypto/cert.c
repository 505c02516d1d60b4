/* X.509 certificates: issuing by profile, reading what one says. See port/crypto.h. */
#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <time.h>

#include "drivers/crypto/crypto_int.h"

enum { PEM_BYTES = 16 * 1024, SERIAL_BYTES = 16, SUBJECT_BYTES = 2048 };

/* ---- issuing ---- */

static void put_value(struct buf *b, const char *v)
{
    for (; *v; v++) {
        if (strchr(",=+<>#;\"\\", *v)) /* RFC 4514 */
            buf_putc(b, '\\');
        buf_putc(b, *v);
    }
}

static void put_subject(struct buf *b, const struct cert_profile *p)
{
    for (size_t i = 0; i < p->org_count; i++) {
        buf_puts(b, "O=");
        put_value(b, p->orgs[i]);
        buf_putc(b, ',');
    }
    buf_puts(b, "CN=");
    put_value(b, p->common_name);
}

void cert_time(int64_t s, char out[16])
{
    time_t t = (time_t)s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, 16, "%Y%m%d%H%M%S", &tm);
}

/* Not critical, as everybody else writes it: BearSSL refuses critical extensions that it does not
 * know, and mbedTLS' own function marks this one so. */
int cert_set_extended_usage(mbedtls_x509write_cert *w, unsigned use)
{
    static const struct {
        unsigned use;
        const char *oid;
    } known[] = {{CERT_USE_SERVER, MBEDTLS_OID_SERVER_AUTH},
                 {CERT_USE_CLIENT, MBEDTLS_OID_CLIENT_AUTH}};
    unsigned char der[64];
    size_t n = 2;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t size = strlen(known[i].oid);
        if (!(use & known[i].use))
            continue;
        der[n++] = MBEDTLS_ASN1_OID;
        der[n++] = (unsigned char)size;
        memcpy(der + n, known[i].oid, size);
        n += size;
    }
    der[0] = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
    der[1] = (unsigned char)(n - 2);
    return n == 2 ? 0
                  : mbedtls_x509write_crt_set_extension(
                        w, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                        MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, der, n);
}

static int set_usage(mbedtls_x509write_cert *w, unsigned use)
{
    unsigned key_usage = use & CERT_USE_CA
                             ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN |
                                   MBEDTLS_X509_KU_DIGITAL_SIGNATURE
                             : MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
    int rc = mbedtls_x509write_crt_set_key_usage(w, key_usage);
    if (rc == 0)
        rc = cert_set_extended_usage(w, use);
    return rc ? rc : mbedtls_x509write_crt_set_basic_constraints(w, (use & CERT_USE_CA) != 0, -1);
}

static int set_names(mbedtls_x509write_cert *w, struct cert_profile *p)
{
    mbedtls_x509_san_list list[CERT_MAX_NAMES * 2];
    size_t n = 0;
    memset(list, 0, sizeof list);
    for (size_t i = 0; i < p->dns_count; i++, n++) {
        list[n].node.type = MBEDTLS_X509_SAN_DNS_NAME;
        list[n].node.san.unstructured_name.p = (unsigned char *)p->dns[i];
        list[n].node.san.unstructured_name.len = strlen(p->dns[i]);
    }
    for (size_t i = 0; i < p->ip_count; i++, n++) {
        list[n].node.type = MBEDTLS_X509_SAN_IP_ADDRESS;
        list[n].node.san.unstructured_name.p = p->ips[i].ip;
        list[n].node.san.unstructured_name.len = p->ips[i].family == 4 ? 4 : 16;
    }
    for (size_t i = 0; i + 1 < n; i++)
        list[i].next = &list[i + 1];
    return n ? mbedtls_x509write_crt_set_subject_alternative_name(w, list) : 0;
}

struct issuing {
    mbedtls_x509write_cert write;
    mbedtls_x509_crt issuer;
    char subject[SUBJECT_BYTES], issuer_name[SUBJECT_BYTES];
};

static int fill(struct issuing *i, const struct cert_profile *profile, struct str issuer_pem)
{
    struct cert_profile p = *profile;
    struct buf subject CLEANUP_BUF;
    unsigned char serial[SERIAL_BYTES];
    char from[16], until[16];
    int rc = 0;

    buf_init(&subject, SUBJECT_BYTES);
    put_subject(&subject, &p);
    str_copy(i->subject, sizeof i->subject, str_of(buf_cstr(&subject)));
    str_copy(i->issuer_name, sizeof i->issuer_name, str_of(i->subject));
    if (subject.failed)
        return MBEDTLS_ERR_X509_BUFFER_TOO_SMALL;
    if (issuer_pem.n) {
        char *text = crypto_terminated(issuer_pem);
        if (!text)
            return MBEDTLS_ERR_X509_ALLOC_FAILED;
        rc = mbedtls_x509_crt_parse(&i->issuer, (unsigned char *)text, issuer_pem.n + 1);
        mem_free(text);
        if (rc == 0 &&
            mbedtls_x509_dn_gets(i->issuer_name, sizeof i->issuer_name, &i->issuer.subject) < 0)
            rc = MBEDTLS_ERR_X509_INVALID_NAME;
    }
    crypto_random(serial, sizeof serial);
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x01); /* positive, never zero */
    cert_time(p.not_before_s, from);
    cert_time(p.not_after_s, until);
    mbedtls_x509write_crt_set_version(&i->write, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&i->write, MBEDTLS_MD_SHA256);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_name(&i->write, i->subject);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_issuer_name(&i->write, i->issuer_name);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_serial_raw(&i->write, serial, sizeof serial);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_validity(&i->write, from, until);
    if (rc == 0)
        rc = set_usage(&i->write, p.use);
    return rc ? rc : set_names(&i->write, &p);
}

int cert_issue(const struct cert_profile *profile, const struct crypto_key *subject,
               const struct crypto_key *issuer_key, struct str issuer_cert_pem, struct buf *out_pem,
               struct err *err)
{
    if (profile->dns_count > CERT_MAX_NAMES || profile->ip_count > CERT_MAX_NAMES)
        return err_set(err, E_LIMIT, "certificate of %s: more than %d names", profile->common_name,
                       CERT_MAX_NAMES);
    if (profile->org_count > 1) /* mbedTLS keeps one value of each attribute when it writes */
        return err_set(err, E_LIMIT, "certificate of %s: more than one organisation",
                       profile->common_name);
    crypto_setup();
    CLEANUP_FREE struct issuing *i = mem_zalloc(sizeof *i);
    CLEANUP_FREE unsigned char *pem = mem_alloc(PEM_BYTES);
    if (!i || !pem)
        return err_set(err, E_NOMEM, "certificate of %s: out of memory", profile->common_name);
    mbedtls_x509write_crt_init(&i->write);
    mbedtls_x509_crt_init(&i->issuer);
    int rc = fill(i, profile, issuer_cert_pem);
    if (rc == 0) {
        mbedtls_x509write_crt_set_subject_key(&i->write, (mbedtls_pk_context *)&subject->pk);
        mbedtls_x509write_crt_set_issuer_key(&i->write, (mbedtls_pk_context *)&issuer_key->pk);
        rc = mbedtls_x509write_crt_set_subject_key_identifier(&i->write);
    }
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_authority_key_identifier(&i->write);
    if (rc == 0)
        rc = mbedtls_x509write_crt_pem(&i->write, pem, PEM_BYTES, crypto_rng, NULL);
    if (rc == 0)
        buf_puts(out_pem, (char *)pem);
    mbedtls_x509write_crt_free(&i->write);
    mbedtls_x509_crt_free(&i->issuer);
    if (rc)
        return crypto_failed(err, rc, "issuing a certificate");
    return out_pem->failed ? err_set(err, E_NOMEM, "certificate: out of memory") : 0;
}

/* ---- reading ---- */

static int64_t seconds(const mbedtls_x509_time *t)
{
    struct tm tm = {.tm_year = t->year - 1900,
                    .tm_mon = t->mon - 1,
                    .tm_mday = t->day,
                    .tm_hour = t->hour,
                    .tm_min = t->min,
                    .tm_sec = t->sec};
    return (int64_t)timegm(&tm);
}

static bool take_text(char *dst, size_t size, const mbedtls_asn1_buf *v)
{
    struct str s = str_make(v->p, v->len);
    return str_find_byte(s, 0) < 0 && str_copy(dst, size, s); /* a NUL inside would hide the rest */
}

static bool read_subject(const mbedtls_x509_crt *c, struct cert_info *info)
{
    for (const mbedtls_x509_name *n = &c->subject; n; n = n->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0) {
            if (!take_text(info->common_name, sizeof info->common_name, &n->val))
                return false;
        } else if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &n->oid) == 0) {
            if (info->org_count == CERT_MAX_ORGS ||
                !take_text(info->orgs[info->org_count], sizeof info->orgs[0], &n->val))
                return false;
            info->org_count++;
        }
    }
    return true;
}

int cert_read(const mbedtls_x509_crt *c, struct cert_info *ret_info, struct err *err)
{
    struct cert_info info = {0};
    if (!read_subject(c, &info))
        return err_set(err, E_BAD_REQUEST,
                       "certificate: its subject has too many or too long names");
    info.is_ca = mbedtls_x509_crt_get_ca_istrue(c) > 0;
    if (mbedtls_x509_crt_check_extended_key_usage(c, MBEDTLS_OID_SERVER_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0)
        info.use |= CERT_USE_SERVER;
    if (mbedtls_x509_crt_check_extended_key_usage(c, MBEDTLS_OID_CLIENT_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)) == 0)
        info.use |= CERT_USE_CLIENT;
    if (info.is_ca)
        info.use |= CERT_USE_CA;
    info.not_before_s = seconds(&c->valid_from);
    info.not_after_s = seconds(&c->valid_to);
    sha256_of(str_make(c->raw.p, c->raw.len), info.fingerprint);
    *ret_info = info;
    return 0;
}

int cert_parse(struct str pem_or_der, struct cert_info *ret_info, struct err *err)
{
    mbedtls_x509_crt c;
    crypto_setup();
    CLEANUP_FREE char *text = crypto_terminated(pem_or_der);
    if (!text)
        return err_set(err, E_NOMEM, "certificate: out of memory");
    bool pem = str_find(pem_or_der, STR("-----BEGIN")) >= 0;
    mbedtls_x509_crt_init(&c);
    int rc = mbedtls_x509_crt_parse(&c, (unsigned char *)text, pem_or_der.n + (pem ? 1 : 0));
    rc = rc ? crypto_failed(err, rc, "reading a certificate") : cert_read(&c, ret_info, err);
    mbedtls_x509_crt_free(&c);
    return rc;
}
