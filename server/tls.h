#ifndef SERVER_TLS_H
#define SERVER_TLS_H

/*
 * TLS on the ingest listener, by GnuTLS beneath libmicrohttpd. The library is
 * given its certificate once for all; so each new connection is given ours
 * instead, before its handshake. A certificate that was read anew is for new
 * connections, and the one before lives as long as a connection has it.
 */

#include "base/err.h"

#include <stdint.h>

struct MHD_Connection;
struct tls;
struct tls_identity; /* a certificate and its key */

/* Read both files (PEM; the certificate with its chain). ERR_CONFIG if they
 * cannot be used. */
MUST_USE bool tls_new(const char *certificate, const char *key,
    struct tls **ret_tls, struct err *reterr);
void tls_free(struct tls *tls); /* accepts NULL; no connection is left */

/* The same anew. On failure the ones before stay. */
MUST_USE bool tls_reload(struct tls *tls, const char *certificate,
    const char *key, struct err *reterr);

/* When the certificate expires, wall clock. Any thread. */
int64_t tls_until_ms(struct tls *tls);

/* Give the certificate to a connection that begins, and take it back when the
 * connection has ended. *agreed becomes true once its handshake succeeds. Any
 * thread. */
struct tls_identity *
tls_give(struct tls *tls, struct MHD_Connection *connection, bool *agreed);
void
tls_take_back(struct tls *tls, struct tls_identity *identity); /* or NULL */

/* What the library needs: for its options. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
intptr_t tls_no_certificate(void);

#endif
