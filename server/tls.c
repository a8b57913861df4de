#include "server/tls.h"

#include "base/lock.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

struct tls_identity {
	gnutls_certificate_credentials_t credentials;
	int64_t until_ms; /* wall; the certificate expires */
	size_t uses;	  /* guarded by lock of the tls */
};

struct tls {
	struct lock lock;
	struct tls_identity *identity; /* guarded by lock */
};

/* ---- a certificate and its key ---- */

static void
identity_free(struct tls_identity *identity)
{
	if (identity == NULL)
		return;
	if (identity->credentials != NULL)
		gnutls_certificate_free_credentials(identity->credentials);
	free(identity);
}

static bool
file_load(const char *setting, const char *path, gnutls_datum_t *ret_data,
    struct err *reterr)
{
	return gnutls_load_file(path, ret_data) == 0 ||
	       err_set(reterr, ERR_CONFIG, "cannot read the file of %s, %s: %s",
		   setting, path, strerror(errno));
}

static void
file_wipe(gnutls_datum_t *data)
{
	if (data->data != NULL)
		gnutls_memset(data->data, 0, data->size);
	gnutls_free(data->data);
}

/* When the first one expires. GnuTLS 3.7 loses memory over a certificate that
 * it cannot read, together with a key, but not on its own. */
static bool
certificate_check(const char *certificate, const gnutls_datum_t *data,
    int64_t *ret_until_ms, struct err *reterr)
{
	gnutls_x509_crt_t first = NULL;
	bool ok = gnutls_x509_crt_init(&first) == 0 &&
		  gnutls_x509_crt_import(first, data, GNUTLS_X509_FMT_PEM) == 0;

	if (ok)
		*ret_until_ms =
		    (int64_t)gnutls_x509_crt_get_expiration_time(first) * 1000;
	if (first != NULL)
		gnutls_x509_crt_deinit(first);
	return ok ||
	       err_set(reterr, ERR_CONFIG,
		   "tls_certificate: %s has no certificate that can be read; "
		   "it should be PEM, with the chain after it",
		   certificate);
}

/* Why GnuTLS does not accept the key, or the two together. */
static bool
identity_blame(
    const char *certificate, const char *key, int code, struct err *reterr)
{
	if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return err_set(reterr, ERR_CONFIG,
		    "the key in %s (tls_key) is not that of the first "
		    "certificate in %s (tls_certificate)",
		    key, certificate);
	return err_set(reterr, ERR_CONFIG,
	    "tls_key: %s has no key that can be read (%s); it should be PEM, "
	    "without a passphrase",
	    key, gnutls_strerror(code));
}

static bool
identity_new(const char *certificate, const char *key,
    struct tls_identity **ret_identity, struct err *reterr)
{
	struct tls_identity *identity = calloc(1, sizeof(*identity));
	gnutls_datum_t chain = {NULL, 0}, secret = {NULL, 0};
	bool ok = false;
	int code;

	if (identity == NULL || gnutls_certificate_allocate_credentials(
				    &identity->credentials) < 0) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	identity->uses = 1;
	if (!file_load("tls_certificate", certificate, &chain, reterr) ||
	    !file_load("tls_key", key, &secret, reterr) ||
	    !certificate_check(
		certificate, &chain, &identity->until_ms, reterr))
		goto out;
	code = gnutls_certificate_set_x509_key_mem2(identity->credentials,
	    &chain, &secret, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code < 0) {
		(void)identity_blame(certificate, key, code, reterr);
		goto out;
	}
	*ret_identity = identity;
	identity = NULL;
	ok = true;
out:
	file_wipe(&secret);
	file_wipe(&chain);
	identity_free(identity);
	return ok;
}

/* ---- the one that is given to connections ---- */

bool
tls_new(const char *certificate, const char *key, struct tls **ret_tls,
    struct err *reterr)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return err_set_nomem(reterr);
	if (!identity_new(certificate, key, &tls->identity, reterr)) {
		free(tls);
		return false;
	}
	lock_init(&tls->lock);
	*ret_tls = tls;
	return true;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	CHECK(tls->identity->uses == 1);
	identity_free(tls->identity);
	lock_fini(&tls->lock);
	free(tls);
}

bool
tls_reload(struct tls *tls, const char *certificate, const char *key,
    struct err *reterr)
{
	struct tls_identity *identity, *before;

	if (!identity_new(certificate, key, &identity, reterr))
		return false;
	lock_hold(&tls->lock);
	before = tls->identity;
	tls->identity = identity;
	lock_drop(&tls->lock);
	tls_take_back(tls, before);
	return true;
}

int64_t
tls_until_ms(struct tls *tls)
{
	int64_t until_ms;

	lock_hold(&tls->lock);
	until_ms = tls->identity->until_ms;
	lock_drop(&tls->lock);
	return until_ms;
}

/* The last message of a client in its handshake. */
static int
tls_finished(gnutls_session_t session, unsigned type, unsigned when,
    unsigned incoming, const gnutls_datum_t *message)
{
	bool *agreed = gnutls_session_get_ptr(session);

	(void)type;
	(void)when;
	(void)message;
	*agreed |= incoming != 0;
	return 0;
}

struct tls_identity *
tls_give(struct tls *tls, struct MHD_Connection *connection, bool *agreed)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct tls_identity *identity = NULL;

	if (info == NULL)
		return NULL;
	gnutls_session_set_ptr(info->tls_session, agreed);
	gnutls_handshake_set_hook_function(info->tls_session,
	    GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, tls_finished);
	lock_hold(&tls->lock);
	if (gnutls_credentials_set(info->tls_session, GNUTLS_CRD_CERTIFICATE,
		tls->identity->credentials) == 0) {
		identity = tls->identity;
		identity->uses++;
	}
	lock_drop(&tls->lock);
	return identity;
}

void
tls_take_back(struct tls *tls, struct tls_identity *identity)
{
	bool last;

	if (identity == NULL)
		return;
	lock_hold(&tls->lock);
	last = --identity->uses == 0;
	lock_drop(&tls->lock);
	if (last)
		identity_free(identity);
}

/* ---- what the library needs ---- */

/* No connection is left without one of ours; if it were, its handshake would
 * fail. */
static int
tls_retrieve_none(gnutls_session_t session, const gnutls_datum_t *authorities,
    int authority_count, const gnutls_pk_algorithm_t *algorithms,
    int algorithm_count, gnutls_pcert_st **ret_certificates,
    unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	(void)session;
	(void)authorities;
	(void)authority_count;
	(void)algorithms;
	(void)algorithm_count;
	(void)ret_certificates;
	(void)ret_count;
	(void)ret_key;
	return -1;
}

intptr_t
tls_no_certificate(void)
{
	return (intptr_t)tls_retrieve_none;
}

/*
 * In plain connections libmicrohttpd's own answers 400 are held back by our
 * sendmsg() (listener.c). In TLS they come to this function, which likewise
 * takes the place of the library's. An answer of ours is JSON and says so in
 * its headers, which are sent at once; the library's is HTML.
 */
ssize_t
gnutls_record_send(gnutls_session_t session, const void *data, size_t size)
{
	static const char head[] = "HTTP/1.1 400 ", ours[] = "application/json";

	if (size > strlen(head) && memcmp(data, head, strlen(head)) == 0 &&
	    memmem(data, size, ours, strlen(ours)) == NULL)
		return GNUTLS_E_PUSH_ERROR;
	return gnutls_record_send2(session, data, size, 0, 0);
}
