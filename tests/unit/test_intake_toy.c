/*
 * A dialect of a few lines behind the seam: the server serves it as it is. A
 * post is text, each line an item; its signature is the sum of its bytes as
 * they came and of those of the secret; 403 is for a bad proof and 423 for
 * trouble of ours.
 */

#include "tests/unit/server_fixture.h"

#include "base/counters.h"

#include <zlib.h>

/* ---- the dialect ---- */

enum { TOY_ITEMS = 8, TOY_FRESH_S = 300 };

struct toy_proof {
	uint64_t claimed, sum;
	int64_t time_s;
};

struct intake_reader {
	struct item items[TOY_ITEMS];
};

static enum intake_cause
toy_begin(void *state, const char *const *secrets, intake_header_fn *header,
    void *arg)
{
	const char *sum = header(arg, "Toy-Sum");
	const char *time_s = header(arg, "Toy-Time");
	struct toy_proof *proof = state;

	if (sum == NULL || time_s == NULL)
		return INTAKE_PROOF_MISSING;
	proof->claimed = strtoull(sum, NULL, 10);
	proof->time_s = strtoll(time_s, NULL, 10);
	for (const char *at = secrets[0]; *at != '\0'; at++)
		proof->sum += (unsigned char)*at;
	return INTAKE_TAKEN;
}

static void
toy_add(void *state, const void *raw, size_t len)
{
	const unsigned char *bytes = raw;
	struct toy_proof *proof = state;

	for (size_t i = 0; i < len; i++)
		proof->sum += bytes[i];
}

static enum intake_cause
toy_end(void *state, const struct intake_context *context, int64_t now_ms)
{
	const struct toy_proof *proof = state;

	(void)context;
	if (proof->sum != proof->claimed)
		return INTAKE_PROOF_BAD;
	return proof->time_s < now_ms / 1000 - TOY_FRESH_S ? INTAKE_PROOF_STALE
							   : INTAKE_TAKEN;
}

static struct intake_reader *
toy_reader_new(const struct intake_context *context)
{
	(void)context;
	return calloc(1, sizeof(struct intake_reader));
}

static void
toy_reader_free(struct intake_reader *reader)
{
	free(reader);
}

static enum intake_cause
toy_fault(struct intake_batch *batch, const char *why, enum intake_cause cause)
{
	(void)snprintf(batch->why, sizeof(batch->why), "%s", why);
	batch->at = 0;
	return cause;
}

static enum intake_cause
toy_read(struct intake_reader *reader, struct str body, size_t max_items,
    bool accepted_once, intake_pay_fn *pay, void *arg,
    struct intake_batch *ret_batch)
{
	size_t count = 0;

	(void)accepted_once;
	if (body.len == 0)
		return INTAKE_PROBE;
	if (body.data[0] == '?')
		return toy_fault(ret_batch, "a question", INTAKE_UNREADABLE);
	if (body.data[0] == '!')
		return toy_fault(ret_batch, "an order", INTAKE_SHAPE);
	if (body.data[0] == '+' && !pay(arg, SIZE_MAX))
		return INTAKE_BUSY;
	while (body.len > 0) {
		const char *end = memchr(body.data, '\n', body.len);
		size_t len = end != NULL ? (size_t)(end - body.data) : body.len;

		if (count == TOY_ITEMS || count == max_items)
			return toy_fault(
			    ret_batch, "too many lines", INTAKE_TOO_LARGE);
		reader->items[count++] = (struct item){
		    .fate = ITEM_QUEUE,
		    .type = str_text("line"),
		    .data = str_bytes(body.data, len),
		};
		len += end != NULL;
		body = str_bytes(body.data + len, body.len - len);
	}
	ret_batch->items = reader->items;
	ret_batch->count = count;
	ret_batch->drift_count = 0;
	return INTAKE_TAKEN;
}

static bool
toy_strands(unsigned status)
{
	return status == 403;
}

static const char *const toy_drift_kinds[] = {NULL};

static const struct intake toy = {
    .kind = "toy",
    .path = "/toy",
    .item_noun = "line",
    .proof = INTAKE_SIGNATURE,
    .status = {[INTAKE_TAKEN] = 202,
	[INTAKE_PROBE] = 200,
	[INTAKE_PROOF_MISSING] = 400,
	[INTAKE_PROOF_BAD] = 403,
	[INTAKE_PROOF_STALE] = 408,
	[INTAKE_UNREADABLE] = 422,
	[INTAKE_SHAPE] = 409,
	[INTAKE_TOO_LARGE] = 413,
	[INTAKE_ENCODING] = 415,
	[INTAKE_METHOD] = 405,
	[INTAKE_PATH] = 410,
	[INTAKE_BUSY] = 423},
    .drift_kinds = toy_drift_kinds,
    .strands = toy_strands,
    .proof_size = sizeof(struct toy_proof),
    .secrets_most = 1,
    .proof_begin = toy_begin,
    .proof_add = toy_add,
    .proof_end = toy_end,
    .reader_new = toy_reader_new,
    .reader_free = toy_reader_free,
    .read = toy_read,
};

/* ---- the server ---- */

static const char *const secrets[] = {"sesame", NULL};

/* A source of another dialect stands before it and does not matter. */
static struct server *
start_toy(void)
{
	static struct server_source list[] = {
	    {.name = "main",
		.intake = &currents_intake,
		.destination = "heap",
		.secrets = tokens},
	    {.name = "one",
		.intake = &toy,
		.destination = "heap",
		.secrets = secrets},
	    {.name = "two",
		.intake = &toy,
		.parameter = "for=two",
		.destination = "heap",
		.secrets = secrets},
	    {.name = "open",
		.intake = &toy,
		.destination = "heap",
		.open = true},
	};
	struct server_settings settings;

	fake_clocks[0] = '\0'; /* there was no earlier server */
	settings_for_test(&settings);
	list[0].context = contexts[0];
	settings.sources = list;
	settings.source_count = 4;
	return start(&settings);
}

static uint64_t
sum_of(const char *data, size_t len)
{
	struct toy_proof proof = {.sum = 0};

	toy_add(&proof, secrets[0], strlen(secrets[0]));
	toy_add(&proof, data, len);
	return proof.sum;
}

/* Post bytes with a signature that is off by so much, and so old; the answer
 * goes to `ret`. */
static unsigned
post_signed(unsigned port, const char *path, const char *headers,
    const char *data, size_t len, unsigned off, int64_t age_s, char ret[4096])
{
	char request[4096];
	int head = snprintf(request, sizeof(request),
	    "POST %s HTTP/1.1\r\n" CLOSE "%sToy-Sum: %llu\r\nToy-Time: %lld\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    path, headers, (unsigned long long)sum_of(data, len) + off,
	    (long long)(clock_wall_ms() / 1000 - age_s), len);

	assert_true(head > 0 && (size_t)head + len < sizeof(request));
	memcpy(request + head, data, len);
	return client_ask(port, request, (size_t)head + len, ret, 4096);
}

static const struct {
	const char *path, *headers, *body;
	unsigned off;
	int64_t age_s;
	enum fake_mode mode;
	unsigned status;
	const char *has; /* in the answer */
	int calls;	 /* of the queue */
} answers[] = {
    {"/toy", "", "a\nb\n", 0, 0, FAKE_DURABLE, 202, "\"received\":2", 1},
    {"/toy/two", "", "a", 0, 0, FAKE_DURABLE, 202, "\"queued\":1", 1},
    {"/toy?for=two", "", "a", 0, 0, FAKE_DURABLE, 202, "\"queued\":1", 1},
    {"/toy", "", "", 0, 0, FAKE_REFUSE, 200, "\"received\":0", 0},
    /* an open source looks at no signature */
    {"/toy/open", "", "a", 7, 9999, FAKE_DURABLE, 202, "\"queued\":1", 1},
    /* proof */
    {"/toy", "", "a\nb\n", 1, 0, FAKE_DURABLE, 403, "signature", 0},
    {"/toy", "", "", 1, 0, FAKE_DURABLE, 403, "signature", 0},
    {"/toy", "", "?", 1, 0, FAKE_DURABLE, 403, "signature", 0},
    {"/toy", "", "a", 0, 301, FAKE_DURABLE, 408, "another time", 0},
    {"/toy", "Toy-Sum: 1\r\n", "a", 0, 0, FAKE_DURABLE, 403, "not valid", 0},
    {"/toy", "Content-Encoding: gzip\r\n", "a", 1, 0, FAKE_DURABLE, 403,
	"not valid", 0},
    /* kept, then answered */
    {"/toy", "", "?", 0, 0, FAKE_DURABLE, 422, "\"error\":\"a question\"", 1},
    {"/toy", "", "!", 0, 0, FAKE_DURABLE, 409, "\"error\":\"an order\"", 1},
    {"/toy", "Content-Encoding: gzip\r\n", "a", 0, 0, FAKE_DURABLE, 422,
	"not valid gzip", 1},
    /* trouble of ours */
    {"/toy", "", "a", 0, 0, FAKE_REFUSE, 423, "Retry-After: 10", 1},
    {"/toy", "", "a", 0, 0, FAKE_FAIL, 423, "Retry-After: 10", 1},
    {"/toy", "", "?", 0, 0, FAKE_FAIL, 423, "Retry-After: 10", 1},
    {"/toy", "", "+", 0, 0, FAKE_DURABLE, 423, "memory for request bodies", 0},
    /* the rest */
    {"/toy", "", "1\n2\n3\n4\n5\n6\n7\n8\n9", 0, 0, FAKE_DURABLE, 413,
	"too many lines", 0},
    {"/toy", "Content-Encoding: br\r\n", "a", 0, 0, FAKE_DURABLE, 415,
	"Accept-Encoding", 0},
    {"/toy/none", "", "a", 0, 0, FAKE_DURABLE, 410, "no source", 0},
    {"/toy/main", "", "a", 0, 0, FAKE_DURABLE, 410, "no source", 0},
    {"/currents/one", TOKEN, "{}", 0, 0, FAKE_DURABLE, 404, "no source", 0},
    {"/currents", TOKEN, EVENT("x.Y"), 0, 0, FAKE_DURABLE, 200, "\"queued\":1",
	1},
};

static void
test_answers(void **state)
{
	struct server *server = start_toy();
	char answer[4096], line[80];
	uint64_t counted[600] = {0};
	struct buf metrics;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		unsigned status;

		fake_set(answers[i].mode);
		status = post_signed(server_port(server), answers[i].path,
		    answers[i].headers, answers[i].body,
		    strlen(answers[i].body), answers[i].off, answers[i].age_s,
		    answer);
		if (status != answers[i].status ||
		    strstr(answer, answers[i].has) == NULL ||
		    fake_calls() != answers[i].calls)
			fail_msg("%zu: %u, %d calls: %s", i, status,
			    fake_calls(), answer);
		counted[status]++;
	}
	/* Each status is counted under its own code, whatever it is. */
	buf_init(&metrics, 65536);
	counters_write(&metrics);
	assert_true(buf_char(&metrics, '\0'));
	for (unsigned code = 200; code < 600; code++) {
		assert_int_equal(counter_answers_read(code), counted[code]);
		(void)snprintf(line, sizeof(line),
		    "\ncurrentsd_answers_total{code=\"%u\"} %llu\n", code,
		    (unsigned long long)counted[code]);
		if (counted[code] > 0)
			assert_non_null(strstr(metrics.data, line));
	}
	/* What a source could be answered is shown before it is. */
	assert_non_null(strstr(
	    metrics.data, "\ncurrentsd_answers_total{code=\"503\"} 0\n"));
	assert_null(strstr(metrics.data, "{code=\"418\"}"));
	buf_fini(&metrics);
	server_stop(server);
}

/* The signature is of the bytes as they came; the items are of the text. */
static void
test_gzip(void **state)
{
	static const char text[] = "one\ntwo\n";
	struct server *server = start_toy();
	unsigned char packed[256];
	z_stream zlib = {0};
	char answer[4096];
	size_t len;

	(void)state;
	assert_int_equal(
	    deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
	    Z_OK);
	zlib.next_in = (Bytef *)(uintptr_t)text;
	zlib.avail_in = (uInt)strlen(text);
	zlib.next_out = packed;
	zlib.avail_out = sizeof(packed);
	assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
	len = sizeof(packed) - zlib.avail_out;
	(void)deflateEnd(&zlib);

	assert_int_equal(post_signed(server_port(server), "/toy",
			     "Content-Encoding: gzip\r\n", (char *)packed, len,
			     0, 0, answer),
	    202);
	assert_int_equal(fake.count, 2);
	assert_string_equal(fake.source, "one");
	assert_string_equal(fake.type, "line");
	/* That of the text is none. */
	assert_int_equal(post_signed(server_port(server), "/toy",
			     "Content-Encoding: gzip\r\n", (char *)packed, len,
			     (unsigned)(sum_of(text, strlen(text)) -
					sum_of((char *)packed, len)),
			     0, answer),
	    403);
	/* Cut short, and signed so: kept as it came. */
	assert_int_equal(post_signed(server_port(server), "/toy",
			     "Content-Encoding: gzip\r\n", (char *)packed,
			     len - 4, 0, 0, answer),
	    422);
	assert_int_equal(fake.stored_len, len - 4);
	assert_memory_equal(fake.stored, packed, len - 4);
	assert_string_equal(fake.encoding, "gzip");
	server_stop(server);
}

/* Without a signature nothing is read, and the source is not known. */
static void
test_missing(void **state)
{
	struct server *server = start_toy();
	struct server_source_status status;
	char answer[4096];

	(void)state;
	assert_int_equal(
	    post(server_port(server), "/toy", "", "a", answer, 4096), 400);
	assert_non_null(strstr(answer, "no signature"));
	assert_null(strstr(answer, "WWW-Authenticate"));
	assert_int_equal(fake_calls(), 0);
	server_source_status(server, "one", &status);
	assert_int_equal(status.last_request_ms, 0);
	assert_int_equal(status.refused, 0); /* 400 does not strand here */
	server_stop(server);
}

/* How a source fares follows from its dialect. */
static void
test_status(void **state)
{
	struct server *server = start_toy();
	unsigned port = server_port(server);
	struct server_source_status status;
	char answer[4096];
	int64_t used_ms;

	(void)state;
	assert_int_equal(
	    post_signed(port, "/toy/two", "", "a", 1, 1, 0, answer), 403);
	server_source_status(server, "two", &status);
	assert_int_equal(status.refused, 1);
	assert_int_equal(status.refused_status, 403);
	assert_int_equal(status.last_request_ms, 0);
	assert_int_equal(status.failing_since_ms, 0);
	fake_set(FAKE_FAIL);
	assert_int_equal(
	    post_signed(port, "/toy/two", "", "a", 1, 0, 0, answer), 423);
	server_source_status(server, "two", &status);
	assert_true(status.last_request_ms > 0);
	assert_int_equal(status.failing_status, 423);
	fake_set(FAKE_DURABLE);
	assert_int_equal(
	    post_signed(port, "/toy/two", "", "a", 1, 0, 0, answer), 202);
	server_source_status(server, "two", &status);
	assert_int_equal(status.failing_since_ms, 0);
	assert_true(status.last_success_ms > 0);
	assert_int_equal(server_tokens_used(server, "two", &used_ms, 1), 0);
	server_stop(server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_gzip),
	    cmocka_unit_test(test_missing),
	    cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
