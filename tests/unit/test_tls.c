/*
 * Certificates that are read anew while connections are open.
 */

#include "server_fixture.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <time.h>

enum { DAY_S = 24 * 60 * 60 };

static char dir[] = "/tmp/test_tls.XXXXXX", pem[64], key[64];

static void
file_write(const char *path, const gnutls_datum_t *data)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data->data, 1, data->size, file), data->size);
	assert_int_equal(fclose(file), 0);
}

/* A certificate of that name, valid for so long, and its key. */
static void
files_write(const char *name, time_t valid_s)
{
	gnutls_x509_privkey_t secret;
	gnutls_x509_crt_t crt;
	gnutls_datum_t out;

	assert_int_equal(gnutls_x509_privkey_init(&secret), 0);
	assert_int_equal(
	    gnutls_x509_privkey_generate(secret, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
	    0);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(crt, "1", 1), 0);
	assert_int_equal(
	    gnutls_x509_crt_set_activation_time(crt, time(NULL) - DAY_S), 0);
	assert_int_equal(
	    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + valid_s), 0);
	assert_int_equal(
	    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0,
		name, (unsigned)strlen(name)),
	    0);
	assert_int_equal(gnutls_x509_crt_set_key(crt, secret), 0);
	assert_int_equal(
	    gnutls_x509_crt_sign2(crt, crt, secret, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(
	    gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out), 0);
	file_write(pem, &out);
	gnutls_free(out.data);
	assert_int_equal(
	    gnutls_x509_privkey_export2(secret, GNUTLS_X509_FMT_PEM, &out), 0);
	file_write(key, &out);
	gnutls_free(out.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(secret);
}

/* ---- a client ---- */

struct tls_client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	char name[64]; /* of the server's certificate */
};

static void
tls_open(struct tls_client *client, unsigned port)
{
	const gnutls_datum_t *der;
	gnutls_x509_crt_t crt;
	size_t size = sizeof(client->name);
	unsigned count = 0;
	int code;

	client->fd = client_open(port);
	assert_int_equal(
	    gnutls_certificate_allocate_credentials(&client->credentials), 0);
	assert_int_equal(gnutls_init(&client->session, GNUTLS_CLIENT), 0);
	assert_int_equal(gnutls_set_default_priority(client->session), 0);
	assert_int_equal(gnutls_credentials_set(client->session,
			     GNUTLS_CRD_CERTIFICATE, client->credentials),
	    0);
	gnutls_transport_set_int(client->session, client->fd);
	do
		code = gnutls_handshake(client->session);
	while (code < 0 && gnutls_error_is_fatal(code) == 0);
	assert_int_equal(code, 0);
	der = gnutls_certificate_get_peers(client->session, &count);
	assert_non_null(der);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(
	    gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER), 0);
	assert_int_equal(
	    gnutls_x509_crt_get_dn_by_oid(
		crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, client->name, &size),
	    0);
	gnutls_x509_crt_deinit(crt);
}

/* The status of a request on it. */
static unsigned
tls_ask(struct tls_client *client)
{
	static const char request[] =
	    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[4096] = "";
	size_t len = 0;

	assert_int_equal(
	    gnutls_record_send(client->session, request, strlen(request)),
	    strlen(request));
	while (strstr(answer, "\r\n\r\nok\n") == NULL) {
		ssize_t got = gnutls_record_recv(
		    client->session, answer + len, sizeof(answer) - 1 - len);

		if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
			continue;
		if (got <= 0)
			return 0;
		len += (size_t)got;
		answer[len] = '\0';
	}
	return (unsigned)strtoul(answer + strlen("HTTP/1.1 "), NULL, 10);
}

static void
tls_close(struct tls_client *client)
{
	(void)gnutls_bye(client->session, GNUTLS_SHUT_WR);
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
	(void)close(client->fd);
}

static void
assert_shown(struct server *server, const char *name)
{
	struct tls_client client;

	tls_open(&client, server_port(server));
	assert_string_equal(client.name, name);
	assert_int_equal(tls_ask(&client), 200);
	tls_close(&client);
}

/* ---- tests ---- */

static struct server *
start_tls(void)
{
	struct server_settings settings;

	settings_for_test(&settings);
	settings.tls_certificate = pem;
	settings.tls_key = key;
	return start(&settings);
}

static void
test_reload(void **state)
{
	static unsigned char bytes[] = "junk";
	static const gnutls_datum_t junk = {bytes, sizeof(bytes) - 1};
	struct tls_client before, between;
	struct server *server;
	struct err err;

	(void)state;
	files_write("one", 30 * DAY_S);
	server = start_tls();
	tls_open(&before, server_port(server));
	assert_string_equal(before.name, "one");
	files_write("two", 30 * DAY_S);
	assert_shown(server, "one"); /* until it is told */
	assert_true(server_tls_reload(server, pem, key, &err));
	assert_shown(server, "two");
	tls_open(&between, server_port(server));
	assert_int_equal(tls_ask(&before), 200);

	/* What cannot be used changes nothing. */
	file_write(key, &junk);
	assert_false(server_tls_reload(server, pem, key, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, "no key that can be read"));
	assert_shown(server, "two");
	file_write(pem, &junk);
	assert_false(server_tls_reload(server, pem, key, &err));
	assert_non_null(strstr(err.text, "no certificate that can be read"));
	assert_int_equal(unlink(pem), 0);
	assert_false(server_tls_reload(server, pem, key, &err));
	assert_non_null(strstr(err.text, "No such file"));
	assert_false(server_tls_reload(server, NULL, key, &err));
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_shown(server, "two");

	for (int i = 0; i < 20; i++) {
		files_write(i % 2 == 0 ? "even" : "odd", 30 * DAY_S);
		assert_true(server_tls_reload(server, pem, key, &err));
		assert_shown(server, i % 2 == 0 ? "even" : "odd");
	}
	assert_int_equal(tls_ask(&before), 200);
	assert_int_equal(tls_ask(&between), 200);
	tls_close(&between);
	/* One is still open at the end. */
	server_stop(server);
	tls_close(&before);
}

static void
test_reload_without_tls(void **state)
{
	struct server *server = start_default();
	struct err err;

	(void)state;
	files_write("one", 30 * DAY_S);
	assert_false(server_tls_reload(server, pem, key, &err));
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	server_stop(server);
}

static void
test_warnings(void **state)
{
	static const struct {
		time_t valid_s;
		const char *says;
	} cases[] = {
	    {15 * DAY_S, NULL},
	    {13 * DAY_S, " expires on 20"},
	    {-60, " expired on 20"},
	};
	struct server_settings settings;
	struct buf warnings;
	struct err err;

	(void)state;
	settings_for_test(&settings);
	settings.tls_certificate = pem;
	settings.tls_key = key;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		files_write("one", cases[i].valid_s);
		buf_init(&warnings, 4096);
		assert_true(server_tls_check(
		    &settings, (int64_t)time(NULL) * 1000, &warnings, &err));
		(void)buf_char(&warnings, '\0');
		if (cases[i].says == NULL)
			assert_int_equal(warnings.len, 1);
		else
			assert_non_null(strstr(warnings.data, cases[i].says));
		buf_fini(&warnings);
	}
	settings.tls_key = NULL;
	assert_false(server_tls_check(&settings, 0, NULL, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	settings.tls_certificate = NULL;
	assert_true(server_tls_check(&settings, 0, NULL, &err));
}

static int
setup_files(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(pem, sizeof(pem), "%s/pem", dir);
	(void)snprintf(key, sizeof(key), "%s/key", dir);
	return setup(state);
}

static int
teardown_files(void **state)
{
	(void)unlink(pem);
	(void)unlink(key);
	(void)rmdir(dir);
	return teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_reload_without_tls),
	    cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests(tests, setup_files, teardown_files);
}
