/* port/tls.h for tests: no encryption; the client's certificate is set by the test. */
#ifndef TESTS_FAKE_TLS_H
#define TESTS_FAKE_TLS_H

#include "port/tls.h"

extern struct cert_info fake_tls_peer;
extern int fake_tls_peer_rc; /* 0: fake_tls_peer was presented and is valid */

#endif
