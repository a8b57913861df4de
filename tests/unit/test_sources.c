/*
 * Which source a request is for, and the status of each, over restarts.
 */

#include "tests/unit/histogram_help.h"
#include "tests/unit/server_fixture.h"

#include "server/sources.h"

#define VERSION "Braze-Currents-Version: 1\r\n"

static void
test_find(void **state)
{
	static const struct intake other = {.path = "/other"};
	const struct intake *ours = &currents_intake;
	const struct server_source list[] = {
	    {.name = "else", .intake = &other},
	    {.name = "main", .intake = ours},
	    {.name = "brand-a", .intake = ours},
	};

	(void)state;
	assert_int_equal(sources_find(list, 3, ours, str_text("main")), 1);
	assert_int_equal(
	    sources_find(list, 3, ours, str_bytes("brand-a/", 7)), 2);
	assert_int_equal(sources_find(list, 3, ours, str_text("mai")), 3);
	assert_int_equal(sources_find(list, 3, ours, str_text("mainx")), 3);
	/* no name: the first that posts what the intake reads */
	assert_int_equal(sources_find(list, 3, ours, str_text("")), 1);
	assert_int_equal(sources_find(list, 3, &other, str_text("")), 0);
	assert_int_equal(sources_find(list, 3, ours, str_text("else")), 3);
	assert_int_equal(sources_find(list, 2, &other, str_text("main")), 2);
}

static void
test_parameter(void **state)
{
	static const struct {
		const char *parameter, *key, *value;
		bool chooses;
	} cases[] = {
	    {"key=Brand A", "key", "Brand A", true},
	    {"key=Brand A", "key", "\"Brand A\"", true},
	    {"key=\"Brand A\"", "key", "Brand A", true},
	    {"key=a=b", "key", "a=b", true},
	    {"key=", "key", "", true},
	    {"key=", "key", "\"\"", true},
	    {"key=Brand A", "key", "Brand B", false},
	    {"key=Brand A", "key", "\"Brand A", false},
	    {"key=Brand A", "Key", "Brand A", false},
	    {"key=Brand A", "ke", "Brand A", false},
	    {"key=Brand A", "", "key=Brand A", false},
	    {NULL, "key", "Brand A", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct server_source source = {
		    .name = "main", .parameter = cases[i].parameter};

		assert_int_equal(
		    source_chosen(&source, cases[i].key, cases[i].value),
		    cases[i].chooses);
	}
}

/* There was no earlier server. */
static int
forget(void **state)
{
	(void)state;
	fake_clocks[0] = '\0';
	return 0;
}

static void
test_status(void **state)
{
	struct server *server = start_default();
	unsigned port = server_port(server);
	struct server_source_status status;
	char answer[4096];

	(void)state;
	assert_int_equal(post(port, "/currents", "", "[7]", answer, 4096), 401);
	server_source_status(server, "main", &status);
	assert_string_equal(status.name, "main");
	assert_int_equal(status.last_request_ms, 0);
	assert_int_equal(status.failing_since_ms, 0);
	fake_set(FAKE_FAIL);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, 4096), 503);
	server_source_status(server, "main", &status);
	assert_true(status.last_request_ms > 0);
	assert_true(status.failing_since_ms >= status.last_request_ms);
	assert_int_equal(status.failing_status, 503);
	assert_string_equal(status.failing_why, "full");
	assert_int_equal(status.last_success_ms, 0);
	/* A probe is answered 200 even then, so it is no success. */
	assert_int_equal(post(port, "/currents", TOKEN, "", answer, 4096), 200);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "{\"events\":[]}", answer, 4096),
	    200);
	server_source_status(server, "main", &status);
	assert_true(status.failing_since_ms > 0);
	assert_int_equal(status.last_success_ms, 0);
	fake_set(FAKE_DURABLE);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, 4096), 200);
	server_source_status(server, "main", &status);
	assert_true(status.last_success_ms > 0);
	assert_int_equal(status.failing_since_ms, 0);
	server_source_status(server, "brand", &status);
	assert_int_equal(status.last_request_ms, 0);
	server_stop(server);
}

/* Answers that strand events at Braze are counted, for the source if it is
 * known. */
static void
test_refusals(void **state)
{
	static const struct {
		const char *path, *headers;
		unsigned status;
		const char *source;
		int64_t count; /* of the source, in the end */
	} refusals[] = {
	    {"/currents/main", VERSION, 401, "main", 1},
	    {"/currents?key=Brand+A", VERSION, 401, "brand", 1},
	    {"/currents/strict", TOKEN "Content-Encoding: br\r\n", 415,
		"strict", 1},
	    {"/currents/none", VERSION TOKEN, 404, SERVER_NO_SOURCE, 2},
	    {"/current", VERSION TOKEN, 404, SERVER_NO_SOURCE, 2},
	    {"/currents/main", "", 401, SERVER_STRANGERS, 3},
	    {"/login", "", 404, SERVER_STRANGERS, 3},
	};
	static const char get[] =
	    "GET /currents/open HTTP/1.1\r\n" CLOSE "\r\n";
	struct server *server = start_default();
	struct server_source_status status;
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		assert_int_equal(
		    post(server_port(server), refusals[i].path,
			refusals[i].headers, "", answer, sizeof(answer)),
		    refusals[i].status);
	assert_int_equal(client_ask(server_port(server), get, sizeof(get) - 1,
			     answer, sizeof(answer)),
	    405);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		server_source_status(server, refusals[i].source, &status);
		assert_int_equal(status.failing_since_ms, 0);
		assert_int_equal(status.refused, refusals[i].count);
		assert_true(status.refused_ms >= status.refused_since_ms &&
			    status.refused_since_ms > 0);
	}
	server_source_status(server, SERVER_NO_SOURCE, &status);
	assert_int_equal(status.refused_status, 404);
	assert_string_equal(status.refused_why, "no such path");
	server_source_status(server, SERVER_STRANGERS, &status);
	assert_int_equal(
	    status.refused_status, 405); /* nobody gets a source's */
	server_source_status(server, "open", &status);
	assert_int_equal(status.refused, 0);
	server_stop(server);
}

/* So many answers of a status, of the day and since the start. */
static bool
has_answers(const struct server_source_status *source, unsigned status,
    int64_t count, int64_t total)
{
	for (size_t i = 0; i < source->answer_count; i++) {
		const struct server_answer *answer = &source->answers[i];

		if (answer->status == status)
			return answer->count == count && answer->total == total;
	}
	return false;
}

/* The status survives a restart, and so does a token that changes its place in
 * the list. */
static void
test_clocks(void **state)
{
	static const char *const other[] = {"new", "secret", "old", NULL};
	struct server_source turned[] = {{.name = "other",
					     .intake = &currents_intake,
					     .context = contexts[0],
					     .destination = "heap",
					     .secrets = other},
	    {.name = "main",
		.intake = &currents_intake,
		.context = contexts[0],
		.destination = "heap",
		.secrets = other}};
	struct server_source_status before, after;
	struct server *server = start_default();
	struct server_settings settings;
	int64_t used_ms[3], later_ms[3];
	char answer[4096];
	struct err err;

	(void)state;
	assert_int_equal(post(server_port(server), "/currents", TOKEN,
			     EVENT("x.Y"), answer, sizeof(answer)),
	    200);
	fake_set(FAKE_FAIL);
	assert_int_equal(post(server_port(server), "/currents", TOKEN,
			     EVENT("x.Y"), answer, sizeof(answer)),
	    503);
	assert_int_equal(post(server_port(server), "/currents", VERSION, "",
			     answer, sizeof(answer)),
	    401);
	server_source_status(server, "main", &before);
	assert_true(has_answers(&before, 200, 1, 1));
	assert_true(has_answers(&before, 503, 1, 1));
	assert_true(has_answers(&before, 401, 1, 1));
	assert_true(has_answers(&before, 413, 0, 0));
	assert_int_equal(histogram_count(before.times), 2);
	assert_true(rate_read(&before.rate, clock_mono_ms()) > 0);
	assert_int_equal(server_tokens_used(server, "main", used_ms, 3), 2);
	assert_true(used_ms[1] > 0);
	/* The sweep saves it: a crash does not stop the server. */
	server_sweep(server, clock_mono_ms());
	assert_non_null(strstr(fake_clocks, "failing main full\n"));
	assert_null(strstr(fake_clocks, "secret"));
	server_stop(server);

	settings_for_test(&settings);
	settings.sources = turned;
	settings.source_count = 2;
	server = start(&settings);
	server_source_status(server, "main", &after);
	assert_int_equal(after.last_request_ms, before.last_request_ms);
	assert_int_equal(after.last_success_ms, before.last_success_ms);
	assert_int_equal(after.failing_since_ms, before.failing_since_ms);
	assert_true(after.failing_since_ms > 0);
	assert_int_equal(after.failing_status, 503);
	assert_string_equal(after.failing_why, "full");
	assert_int_equal(after.refused, 1);
	assert_int_equal(after.answers_day, before.answers_day);
	/* Those of the day are kept, and those since the start begin anew. */
	assert_true(has_answers(&after, 200, 1, 0));
	assert_true(has_answers(&after, 503, 1, 0));
	assert_true(has_answers(&after, 401, 1, 0));
	assert_int_equal(histogram_count(after.times), 0);
	assert_int_equal(after.refused_ms, before.refused_ms);
	assert_string_equal(after.refused_why, "no Authorization header");
	assert_int_equal(server_tokens_used(server, "main", later_ms, 3), 3);
	assert_int_equal(later_ms[0], 0);
	assert_int_equal(later_ms[1], used_ms[1]);
	server_source_status(server, "other", &after);
	assert_int_equal(after.last_request_ms, 0);
	server_stop(server);
	assert_true(server_source_saved(NULL, "main", &after, &err));
	assert_int_equal(after.failing_since_ms, before.failing_since_ms);
}

static unsigned given_back;

static void
give_back(void *lender)
{
	assert_ptr_equal(lender, &given_back);
	given_back++;
}

/* Other settings: the status and the tokens that stay go on, and what is no
 * longer used is given back. */
static void
test_adopt(void **state)
{
	static const char *const fresh[] = {"new", "secret", NULL};
	struct server_source two[] = {{.name = "other",
					  .intake = &currents_intake,
					  .context = contexts[0],
					  .destination = "heap",
					  .secrets = fresh},
	    {.name = "main",
		.intake = &currents_intake,
		.context = contexts[0],
		.destination = "heap",
		.secrets = fresh}};
	struct server *server = start_default();
	unsigned port = server_port(server);
	struct server_source_status before, after;
	struct server_settings settings;
	struct sources *sources_made;
	int64_t used_ms[2], later_ms[2];
	char answer[4096];
	struct err err;

	(void)state;
	given_back = 0;
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, 4096), 200);
	server_source_status(server, "main", &before);
	assert_int_equal(server_tokens_used(server, "main", used_ms, 2), 2);
	settings_for_test(&settings);
	settings.sources = two;
	settings.source_count = 2;
	settings.retry_after_s = 77;
	settings.give_back = give_back;
	settings.lender = &given_back;

	/* prepared, and dropped: nothing changes */
	assert_true(server_prepare(server, &settings, &sources_made, &err));
	sources_drop(sources_made);
	assert_int_equal(given_back, 1);
	assert_int_equal(
	    post(port, "/currents/open", "", "[7]", answer, 4096), 200);

	assert_true(server_prepare(server, &settings, &sources_made, &err));
	server_adopt(server, sources_made);
	server_source_status(server, "main", &after);
	assert_int_equal(after.last_success_ms, before.last_success_ms);
	assert_int_equal(after.answer_count, before.answer_count);
	assert_int_equal(server_tokens_used(server, "main", later_ms, 2), 2);
	assert_int_equal(later_ms[0], 0);
	assert_int_equal(later_ms[1], used_ms[1]);
	assert_int_equal(
	    post(port, "/currents/open", "", "[7]", answer, 4096), 404);
	assert_int_equal(
	    post(port, "/currents/other", "Authorization: Bearer new\r\n",
		"[7]", answer, 4096),
	    200);
	fake_set(FAKE_FAIL);
	assert_int_equal(
	    post(port, "/currents/main", TOKEN, "[7]", answer, 4096), 503);
	assert_non_null(strstr(answer, "Retry-After: 77\r\n"));

	/* settings that cannot be leave the others in force */
	settings.body_memory = 1;
	assert_false(server_prepare(server, &settings, &sources_made, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(given_back, 1);
	server_stop(server);
	assert_int_equal(given_back, 2);
}

/* A request ends with the settings that it began with, though its source is
 * gone by then. */
static void
test_adopt_in_flight(void **state)
{
	static const char request[] =
	    "POST /currents/open HTTP/1.1\r\n" CLOSE VERSION
	    "Content-Length: 3\r\n\r\n[7]";
	struct server *server = start_default();
	struct server_settings settings;
	struct sources *sources_made;
	char answer[4096];
	unsigned status = 0;
	struct err err;
	int fd;

	(void)state;
	given_back = 0;
	settings_for_test(&settings);
	settings.give_back = give_back;
	settings.lender = &given_back;
	fake_set(FAKE_HOLD);
	fd = client_open(server_port(server));
	client_send(fd, request, strlen(request));
	fake_await_call();
	for (size_t count = 1; count <= 2; count++) {
		settings.source_count = count;
		assert_true(
		    server_prepare(server, &settings, &sources_made, &err));
		server_adopt(server, sources_made);
	}
	assert_int_equal(given_back, 1);
	fake_release();
	assert_true(client_read(fd, answer, sizeof(answer)) > 0);
	assert_int_equal(sscanf(answer, "HTTP/1.1 %u", &status), 1);
	assert_int_equal(status, 200);
	server_stop(server);
}

/* Whatever was saved, the server starts. */
static void
test_odd_clocks(void **state)
{
	static const char *const odd[] = {"", "\n\n", "source",
	    "source 1 2 3 4 5 6 7 8", "source 1 2 3 4 5 6 7 8 none\n",
	    "source x main\n", "failing main", "failing ", "refused none x\n",
	    "answer 1 200 main\n", "answer 1 200 1 none\n", "token 1",
	    "token 5 zz main\ntoken 5 0123456789abcdef main\n"};
	struct server_source_status status;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct server *server;

		(void)snprintf(fake_clocks, sizeof(fake_clocks), "%s", odd[i]);
		server = start_default();
		server_source_status(server, "main", &status);
		assert_int_equal(status.last_request_ms, 0);
		server_stop(server);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_parameter),
	    cmocka_unit_test_setup(test_status, forget),
	    cmocka_unit_test_setup(test_refusals, forget),
	    cmocka_unit_test_setup(test_clocks, forget),
	    cmocka_unit_test_setup(test_adopt, forget),
	    cmocka_unit_test_setup(test_adopt_in_flight, forget),
	    cmocka_unit_test_setup(test_odd_clocks, forget),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
