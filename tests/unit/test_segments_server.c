/*
 * Heap's segment webhook served: what a page is answered, and what reaches the
 * queue of it.
 */

#include "tests/unit/server_fixture.h"

#include "base/digest.h"
#include "schema/segments/segments.h"

#define PAGE(action, lists)                                                    \
	"{\"action_type\":\"segment.users." action "\",\"data\":{\"segment\":" \
	"{\"id\":7}" lists "}}"
#define ANN ",\"add\":[{\"id\":\"ann\"}]"

static const char *const secrets[] = {"next-secret", "secret", NULL};
static struct intake_context *context;

static struct server *
start_segments(void)
{
	static struct server_source list[] = {
	    {.name = "main",
		.intake = &currents_intake,
		.destination = "heap",
		.secrets = tokens},
	    {.name = "segments",
		.intake = &segments_intake,
		.destination = "braze",
		.secrets = secrets},
	};
	struct server_settings settings;

	fake_clocks[0] = '\0'; /* there was no earlier server */
	settings_for_test(&settings);
	list[0].context = contexts[0];
	list[1].context = context;
	settings.sources = list;
	settings.source_count = 2;
	return start(&settings);
}

/* Post a page that a secret signed so long ago. */
static unsigned
post_signed(unsigned port, const char *secret, int64_t age_ms, const char *body,
    char ret[4096])
{
	unsigned char mac[DIGEST_SHA256];
	char time[32], headers[256];
	struct digest_hmac hmac;
	int len;

	(void)snprintf(
	    time, sizeof(time), "%lld", (long long)(clock_wall_ms() - age_ms));
	digest_hmac_begin(&hmac, secret, strlen(secret));
	digest_hmac_add(&hmac, time, strlen(time));
	digest_hmac_add(&hmac, body, strlen(body));
	digest_hmac_end(&hmac, mac);
	len =
	    snprintf(headers, sizeof(headers), "heap-hash: ts:%s,hmac:", time);
	for (size_t i = 0; i < sizeof(mac); i++)
		len += snprintf(headers + len, sizeof(headers) - (size_t)len,
		    "%02x", mac[i]);
	(void)snprintf(headers + len, sizeof(headers) - (size_t)len, "\r\n");
	return post(port, "/segments", headers, body, ret, 4096);
}

static const struct {
	const char *secret;
	int64_t age_ms;
	const char *body;
	enum fake_mode mode;
	unsigned status;
	const char *has; /* in the answer */
	int calls;	 /* of the queue */
} answers[] = {
    {"secret", 0, PAGE("sync", ANN), FAKE_DURABLE, 200, "\"queued\":1", 1},
    {"next-secret", 0, PAGE("sync", ANN), FAKE_DURABLE, 200, "\"queued\":1", 1},
    {"secret", 0, PAGE("sync", ",\"add\":[{\"id\":\"\"},{\"id\":\"bob\"}]"),
	FAKE_DURABLE, 200, "\"queued\":1,\"dead\":1", 1},
    /* a page without changes is handed over too */
    {"secret", 0, PAGE("sync", ",\"add\":[]"), FAKE_DURABLE, 200,
	"\"received\":0", 1},
    {"secret", 0, PAGE("sync", ",\"add\":[]"), FAKE_FAIL, 503, "full", 1},
    {"wrong", 0, PAGE("sync", ANN), FAKE_DURABLE, 403, "not valid", 0},
    {"secret", 301000, PAGE("sync", ANN), FAKE_DURABLE, 400, "another time", 0},
    {"secret", -305000, PAGE("sync", ANN), FAKE_DURABLE, 400, "another time",
	0},
    /* kept, and sent again */
    {"secret", 0, PAGE("drain", ""), FAKE_DURABLE, 405, "operator", 1},
    {"secret", 0, PAGE("sync", ""), FAKE_DURABLE, 405, "neither", 1},
    {"secret", 0, "{\"action_type\":", FAKE_DURABLE, 400, "missing", 1},
    {"secret", 0, PAGE("drain", ""), FAKE_FAIL, 503, "full", 1},
    {"secret", 0, PAGE("sync", ANN), FAKE_FAIL, 503, "full", 1},
};

static void
test_answers(void **state)
{
	struct server *server = start_segments();
	struct server_source_status status;
	unsigned port = server_port(server);
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		unsigned code;

		fake_set(answers[i].mode);
		code = post_signed(port, answers[i].secret, answers[i].age_ms,
		    answers[i].body, answer);
		if (code != answers[i].status ||
		    strstr(answer, answers[i].has) == NULL ||
		    fake_calls() != answers[i].calls)
			fail_msg("%zu: %u, %d calls: %s", i, code, fake_calls(),
			    answer);
		if (code == 405) /* of the whole body, as it came */
			assert_int_equal(
			    fake.stored_len, strlen(answers[i].body));
	}
	fake_set(FAKE_DURABLE);
	assert_int_equal(
	    post(port, "/segments", "", PAGE("sync", ANN), answer, 4096), 400);
	assert_int_equal(
	    post(port, "/segments", TOKEN, PAGE("sync", ANN), answer, 4096),
	    400);
	assert_int_equal(
	    post(port, "/segments/none", "", PAGE("sync", ANN), answer, 4096),
	    404);
	assert_int_equal(
	    client_ask(port, "GET /segments HTTP/1.1\r\n" CLOSE "\r\n",
		strlen("GET /segments HTTP/1.1\r\n" CLOSE "\r\n"), answer,
		sizeof(answer)),
	    405);
	assert_int_equal(fake_calls(), 0);
	/* Only the wrong secret is a refusal that may lose a page. */
	server_source_status(server, "segments", &status);
	assert_int_equal(status.refused, 1);
	assert_int_equal(status.refused_status, 403);
	server_stop(server);
}

/* A body is handed over as the page that it says it is. */
static void
test_pages(void **state)
{
	static const char sync[] =
	    ",\"sync_info\":{\"sync_task_id\":\"s1\",\"page_number\":2,"
	    "\"total_pages\":3}";
	struct server *server = start_segments();
	char answer[4096], body[1024];

	(void)state;
	assert_int_equal(post_signed(server_port(server), "secret", 0,
			     PAGE("sync", ANN), answer),
	    200);
	assert_string_equal(fake.page, "7   0/0");
	assert_int_equal(fake.count, 1);
	(void)snprintf(body, sizeof(body),
	    "{\"action_type\":\"segment.users.sync\",\"data\":{\"segment\":"
	    "{\"id\":7,\"name\":\"Funnel\"},\"remove\":[]%s}}",
	    sync);
	assert_int_equal(
	    post_signed(server_port(server), "secret", 0, body, answer), 200);
	assert_string_equal(fake.page, "7 Funnel s1 2/3");
	assert_int_equal(fake.count, 0);
	/* events are of no page */
	assert_int_equal(post(server_port(server), "/currents", TOKEN,
			     "{\"events\":[" EVENT("a") "]}", answer, 4096),
	    200);
	assert_string_equal(fake.page, "");
	server_stop(server);
}

/* What does not even look signed is a stranger's, and no trouble of the
 * source's. */
static void
test_strangers(void **state)
{
	static const char *const headers[] = {
	    "",
	    "Heap-Hash: \r\n",
	    "Heap-Hash: ts:1795471501000\r\n",
	    "Heap-Hash: ts:1795471501000,hmac:c2hvcnQ=\r\n",
	    "Heap-Hash: ts:yesterday,hmac:c2hvcnQ=\r\n",
	    "Braze-Currents-Version: 1\r\n" TOKEN,
	};
	size_t count = sizeof(headers) / sizeof(headers[0]);
	struct server *server = start_segments();
	struct server_source_status status;
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		unsigned code = post(server_port(server), "/segments",
		    headers[i], PAGE("sync", ANN), answer, 4096);

		if (code != 400 && code != 403)
			fail_msg("%zu: %u", i, code);
	}
	server_source_status(server, "segments", &status);
	assert_int_equal(status.refused, 0);
	assert_int_equal(status.failing_since_ms, 0);
	assert_int_equal(status.last_request_ms, 0);
	server_source_status(server, SERVER_STRANGERS, &status);
	assert_string_equal(status.name, SERVER_STRANGERS);
	assert_int_equal(status.refused, count);
	assert_int_equal(fake_calls(), 0);
	server_stop(server);
}

/* More secrets than a request can try are told at the start. */
static void
test_secrets(void **state)
{
	static const char *many[SEGMENTS_SECRETS_MOST + 2];
	static struct server_source source = {.name = "segments",
	    .intake = &segments_intake,
	    .destination = "braze",
	    .secrets = many};
	struct server_settings settings;
	struct server *server;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i <= SEGMENTS_SECRETS_MOST; i++)
		many[i] = "secret";
	settings_for_test(&settings);
	source.context = context;
	settings.sources = &source;
	settings.source_count = 1;
	assert_false(server_start(&settings, NULL, &server, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(
	    err.text, "source segments may have at most 8 secrets at once");
	many[SEGMENTS_SECRETS_MOST] = NULL;
	server_stop(start(&settings));
}

static int
setup_segments(void **state)
{
	struct segments_settings settings;

	segments_settings_init(&settings);
	return setup(state) != 0 ||
	       !segments_intake.context_new(&settings, &context, NULL);
}

static int
teardown_segments(void **state)
{
	segments_intake.context_free(context);
	return teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_pages),
	    cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, setup_segments, teardown_segments);
}
