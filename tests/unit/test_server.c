/*
 * What the server answers, by the answers table, and what it hands over.
 */

#include "tests/unit/server_fixture.h"

static const struct {
	const char *path, *headers, *body;
	enum fake_mode mode;
	unsigned status;
	const char *has; /* in the answer */
	int calls;	 /* of the queue */
} answers[] = {
    /* accepted */
    {"/currents", TOKEN, "{\"events\":[" EVENT("x.Y") "]}", FAKE_DURABLE, 200,
	"{\"received\":1,\"queued\":1,\"dead\":0,\"duplicates\":0,"
	"\"dropped\":0}",
	1},
    {"/currents/", TOKEN, EVENT("x.Y"), FAKE_DURABLE, 200, "\"queued\":1", 1},
    {"/currents/brand/?a=b", TOKEN, EVENT("x.Y"), FAKE_DURABLE, 200,
	"\"dead\":1", 1},
    {"/currents?key=%22Brand%20A%22", TOKEN, EVENT("x.Y"), FAKE_DURABLE, 200,
	"\"dead\":1", 1},
    {"/currents?key=Brand+A", TOKEN, EVENT("x.Y"), FAKE_DURABLE, 200,
	"\"dead\":1", 1},
    {"/currents?key=\"Brand A\"", TOKEN, EVENT("x.Y"), FAKE_DURABLE, 200,
	"\"dead\":1", 1},
    {"/currents/strict", TOKEN, EVENT("x.Y"), FAKE_DURABLE, 200,
	"\"dropped\":1", 1},
    {"/currents/strict", TOKEN, "[7]", FAKE_DURABLE, 200, "\"dropped\":1", 1},
    {"/currents", TOKEN, "[7," EVENT("x.Y") "]", FAKE_DURABLE, 200,
	"\"received\":2,\"queued\":1,\"dead\":1", 1},
    {"/currents/open", "", EVENT("x.Y"), FAKE_DURABLE, 200, "\"queued\":1", 1},
    {"/currents", "authorization: bEARER old\r\n", EVENT("x.Y"), FAKE_DURABLE,
	200, "\"queued\":1", 1},
    /* probes never ask the queue */
    {"/currents", TOKEN, "", FAKE_REFUSE, 200, "\"received\":0", 0},
    {"/currents", TOKEN, " \r\n", FAKE_REFUSE, 200, "\"received\":0", 0},
    {"/currents", TOKEN, "{}", FAKE_REFUSE, 200, "\"received\":0", 0},
    {"/currents", TOKEN, "{\"events\":[]}", FAKE_REFUSE, 200, "\"received\":0",
	0},
    {"/currents", TOKEN, "{\"events\":null}", FAKE_REFUSE, 200,
	"\"received\":0", 0},
    /* refused, in the order of precedence */
    {"/current", "", "x", FAKE_DURABLE, 404, "no such path", 0},
    {"/metrics", "", "x", FAKE_DURABLE, 404, "no such path", 0},
    {"/currents/none", TOKEN, "x", FAKE_DURABLE, 404, "no source", 0},
    {"/healthz", "", "x", FAKE_DURABLE, 405, "Allow: GET, HEAD", 0},
    {"/currents", "Content-Encoding: br\r\n", "{}", FAKE_DURABLE, 401,
	"WWW-Authenticate: Bearer", 0},
    {"/currents", "Authorization: Bearer secrets\r\n", "", FAKE_DURABLE, 401,
	"WWW-Authenticate: Bearer", 0},
    {"/currents", TOKEN "Content-Encoding: br\r\n", "{}", FAKE_DURABLE, 415,
	"Accept-Encoding: gzip", 0},
    /* unreadable: stored, then 400 */
    {"/currents", TOKEN, "{\"events\":7}", FAKE_DURABLE, 400, "\"offset\":10",
	1},
    {"/currents", TOKEN, "nonsense", FAKE_FAIL, 503, "Retry-After: 10", 1},
    {"/currents", TOKEN, "nonsense", FAKE_REFUSE, 503, "Retry-After: 10", 1},
    {"/currents", TOKEN "Content-Encoding: gzip\r\n", "x", FAKE_DURABLE, 400,
	"not valid gzip", 1},
    /* cannot be put */
    {"/currents", TOKEN, EVENT("x.Y"), FAKE_FAIL, 503, "Retry-After: 10", 1},
    {"/currents", TOKEN, EVENT("x.Y"), FAKE_REFUSE, 503, "Retry-After: 10", 1},
};

static void
test_answers(void **state)
{
	struct server *server = start_default();
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		unsigned status;

		fake_set(answers[i].mode);
		status = post(server_port(server), answers[i].path,
		    answers[i].headers, answers[i].body, answer,
		    sizeof(answer));
		if (status != answers[i].status ||
		    strstr(answer, answers[i].has) == NULL ||
		    fake_calls() != answers[i].calls)
			fail_msg("%s: %s: %u, %d calls: %s", answers[i].path,
			    answers[i].body, status, fake_calls(), answer);
	}
	server_stop(server);
}

/* An unreadable body is stored as it came, and so is a dead event. */
static void
test_bytes(void **state)
{
	static const char body[] = "[ {\"id\": 7 } ,7]",
			  bad[] = "{\"events\":}", other[] = "no text";
	struct server *server = start_default();
	unsigned port = server_port(server);
	char answer[4096];

	(void)state;
	assert_int_equal(
	    post(port, "/currents", TOKEN, body, answer, sizeof(answer)), 200);
	assert_int_equal(fake.stored_len, 1);
	assert_memory_equal(fake.stored, "7", 1);
	assert_string_equal(fake.source, "main");
	assert_true(fake.reason[0] != '\0');
	assert_int_equal(
	    post(port, "/currents", TOKEN, bad, answer, sizeof(answer)), 400);
	assert_int_equal(fake.stored_len, strlen(bad));
	assert_memory_equal(fake.stored, bad, strlen(bad));
	assert_string_equal(fake.encoding, "");
	assert_non_null(strstr(fake.reason, "at byte 10: "));
	assert_int_equal(
	    post(port, "/currents", TOKEN "Content-Encoding: x-gzip\r\n", other,
		answer, sizeof(answer)),
	    400);
	assert_memory_equal(fake.stored, other, strlen(other));
	assert_string_equal(fake.encoding, "gzip");
	server_stop(server);
}

/* It is uncertain where the body ends: it is not read, and no event is blamed.
 */
static void
test_framing(void **state)
{
	static const char *const cases[] = {
	    "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
	    "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
	    "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n",
	    "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n",
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n",
	};
	struct server *server = start_default();
	char request[1024], answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Without "close": the server closes on its own. */
		int len = snprintf(request, sizeof(request),
		    "POST /currents HTTP/1.1\r\nHost: x\r\n" TOKEN "%s",
		    cases[i]);
		unsigned status = client_ask(server_port(server), request,
		    (size_t)len, answer, sizeof(answer));

		if (status != 503 || strstr(answer, "Retry-After") == NULL ||
		    strstr(answer + 12, "HTTP/1.1 ") != NULL)
			fail_msg("%s: %u %s", cases[i], status, answer);
	}
	assert_int_equal(fake_calls(), 0);
	server_stop(server);
}

static void
test_chunked(void **state)
{
	static const char head[] = "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
				   "Transfer-Encoding: chunked\r\n\r\n";
	static const char event[] = EVENT("x.Y");
	struct server *server = start_default();
	char piece[80], answer[4096];
	unsigned status = 0;
	int fd, len;

	(void)state;
	fd = client_open(server_port(server));
	client_send(fd, head, strlen(head));
	for (size_t i = 0; i < strlen(event); i++) {
		len = snprintf(piece, sizeof(piece), "1\r\n%c\r\n", event[i]);
		client_send(fd, piece, (size_t)len);
	}
	client_send(fd, "0\r\n\r\n", 5);
	(void)client_read(fd, answer, sizeof(answer));
	assert_int_equal(sscanf(answer, "HTTP/1.1 %u", &status), 1);
	assert_int_equal(status, 200);
	assert_non_null(strstr(answer, "\"queued\":1"));
	server_stop(server);
}

static void
test_health(void **state)
{
	static const struct {
		const char *path;
		bool admin, alive;
		enum fake_mode mode;
		unsigned status;
		const char *has;
	} cases[] = {
	    {"/healthz", false, true, FAKE_REFUSE, 200, "ok"},
	    {"/healthz", true, true, FAKE_DURABLE, 200, "ok"},
	    {"/healthz", false, false, FAKE_DURABLE, 503, "stalled"},
	    {"/readyz", false, true, FAKE_DURABLE, 200, "ok"},
	    {"/readyz", true, true, FAKE_DURABLE, 200, "ok"},
	    {"/readyz", false, true, FAKE_FAIL, 503, "full"},
	    {"/readyz", false, true, FAKE_REFUSE, 503, "no room"},
	    {"/status", true, true, FAKE_DURABLE, 200, "/status"},
	    {"/other", true, true, FAKE_DURABLE, 404, "no such path"},
	    {"/status", false, true, FAKE_DURABLE, 404, "no such path"},
	    {"/currents", true, true, FAKE_DURABLE, 404, "no such path"},
	    {"/currents", false, true, FAKE_DURABLE, 405, "Allow: POST"},
	};
	struct server *server = start_default();
	char request[256], answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int len = snprintf(request, sizeof(request),
		    "GET %s HTTP/1.1\r\n" CLOSE "\r\n", cases[i].path);
		unsigned status;

		fake_set(cases[i].mode);
		alive = cases[i].alive;
		status = client_ask(cases[i].admin ? server_admin_port(server)
						   : server_port(server),
		    request, (size_t)len, answer, sizeof(answer));
		if (status != cases[i].status ||
		    strstr(answer, cases[i].has) == NULL)
			fail_msg("%s: %u %s", cases[i].path, status, answer);
	}
	server_stop(server);
}

static void
test_settings(void **state)
{
	static const char *const listens[] = {"", "127.0.0.1",
	    "127.0.0.1:", ":80", "::1:80", "[]:80", "no such host:80"};
	/* what may pass: an address in use, and one that is not up yet */
	char taken[32];
	const char *const passing[] = {taken, "192.0.2.1:0"};
	struct server_settings settings;
	struct server *server = start_default();
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
		settings_for_test(&settings);
		settings.listen = (const char *const[]){listens[i], NULL};
		assert_false(server_start(&settings, NULL, &server, &err));
		assert_int_equal(err.code, ERR_CONFIG);
	}
	(void)snprintf(
	    taken, sizeof(taken), "127.0.0.1:%u", server_port(server));
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		settings_for_test(&settings);
		settings.admin = passing[i];
		assert_false(server_start(&settings, NULL, &server, &err));
		assert_int_equal(err.code, ERR_IO);
	}
	settings_for_test(&settings);
	settings.body_limit = 1024 * 1024 - 1;
	assert_false(server_start(&settings, NULL, &server, &err));
	settings_for_test(&settings);
	settings.body_memory = 2 * 1024 * 1024;
	assert_false(server_start(&settings, NULL, &server, &err));
	server_stop(server);
	server_stop(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_framing),
	    cmocka_unit_test(test_chunked),
	    cmocka_unit_test(test_health),
	    cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
