/*
 * An outlet that is unlike the others, on the real queue: at most three
 * requests in a full hour and two items of a key in a minute, and a 2xx whose
 * body says of each item what became of it. The forwarder delivers to it
 * without knowing it.
 */

#include "queue_fixture.h"

#include "base/log.h"
#include "forwarder/sender.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, TOY_POSTS = 2000 };

/* A request that was posted. */
struct toy_post {
	int64_t ms;
	char *body; /* owned */
};

struct toy {
	struct fixture *fixture;
	struct clock_times now;
	struct sender_shared shared;
	struct sender_times times;
	struct forwarder_destination settings;
	struct sender *sender;
	struct request *in_flight;
	struct toy_post posts[TOY_POSTS];
	size_t count;
	char answer[64]; /* a letter for each item */
};

static struct toy toy;

/* ---- the outlet ---- */

struct outlet_context {
	const char *rules;
};

static struct outlet_context toy_context = {"the rules"};

static bool
toy_context_new(const void *settings, struct outlet_context **ret_context,
    struct err *reterr)
{
	(void)settings, (void)reterr;
	*ret_context = &toy_context;
	return true;
}

static void
toy_context_free(struct outlet_context *context)
{
	assert_ptr_equal(context, &toy_context);
}

static size_t
toy_limits(const struct outlet_context *context,
    struct outlet_limit ret_limits[OUTLET_LIMITS_MAX])
{
	(void)context;
	ret_limits[0] = (struct outlet_limit){
	    .unit = OUTLET_REQUESTS,
	    .scope = OUTLET_DESTINATION,
	    .amount = 3,
	    .window_ms = HOUR_MS,
	    .on_the_hour = true,
	};
	ret_limits[1] = (struct outlet_limit){
	    .unit = OUTLET_ITEMS,
	    .scope = OUTLET_KEY,
	    .amount = 2,
	    .window_ms = MINUTE_MS,
	};
	return 2;
}

static void
toy_address(const struct outlet_context *context, bool announcement,
    struct outlet_address *ret_address)
{
	static const char *const headers[] = {"X-Toy: yes", NULL};

	(void)context, (void)announcement;
	*ret_address = (struct outlet_address){"http://toy/", headers};
}

static struct str
toy_rules(const struct outlet_context *context)
{
	return str_text(context->rules);
}

/* An item is its key, a letter, and what becomes of it. */
static bool
toy_prepare(const struct outlet_context *context, struct str rules,
    const struct outlet_group *group, const struct item *item, int64_t now_ms,
    struct buf *out, struct outlet_prepared *ret_prepared, struct err *reterr)
{
	(void)context, (void)rules, (void)group, (void)now_ms;
	ret_prepared->fate = OUTLET_SEND;
	ret_prepared->reason = NULL;
	ret_prepared->key = (uint64_t)item->data.data[0];
	ret_prepared->omission_count = ret_prepared->omissions_lost = 0;
	ret_prepared->left_out_len = 0;
	if (item->data.data[1] == 'd') {
		ret_prepared->fate = OUTLET_DROP;
		ret_prepared->reason = "a toy's rule";
		return true;
	}
	return buf_append(out, item->data.data, item->data.len) ||
	       buf_ok(out, reterr);
}

static bool
toy_frame(const struct outlet_context *context,
    const struct outlet_group *group, const struct str *items, size_t count,
    struct buf *body, struct err *reterr)
{
	(void)context, (void)group;
	for (size_t i = 0; i < count; i++) {
		(void)buf_append(body, items[i].data, items[i].len);
		(void)buf_char(body, ' ');
	}
	return buf_ok(body, reterr);
}

static void
toy_judge(const struct outlet_context *context,
    const struct outlet_answer *answer, size_t count,
    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict)
{
	(void)context;
	assert_int_equal(answer->body.len, count);
	*ret_verdict = (struct outlet_verdict){.kind = OUTLET_VERDICT_ACCEPTED};
	for (size_t i = 0; i < count; i++) {
		char c = answer->body.data[i];

		ret_items[i] = c == 'r'	  ? OUTLET_REFUSED
			       : c == 'f' ? OUTLET_FAILED
			       : c == 'n' ? OUTLET_NOT_TAKEN
					  : OUTLET_ACCEPTED;
	}
}

static const struct outlet toy_outlet = {
    .kind = "toy",
    .item_noun = "thing",
    .answer_max = 100,
    .frame_bytes = 16,
    .request_items_most = 5,
    .context_new = toy_context_new,
    .context_free = toy_context_free,
    .limits = toy_limits,
    .address = toy_address,
    .rules = toy_rules,
    .prepare = toy_prepare,
    .frame = toy_frame,
    .judge = toy_judge,
};

/* ---- the destination ---- */

static size_t
posts_of(const char *item)
{
	size_t count = 0;

	for (size_t i = 0; i < toy.count; i++)
		count += strstr(toy.posts[i].body, item) != NULL;
	return count;
}

static bool
toy_send(void *arg, struct sender *sender, struct request *request,
    struct err *reterr)
{
	struct toy_post *post = &toy.posts[toy.count++];

	(void)arg, (void)reterr;
	assert_ptr_equal(sender, toy.sender);
	assert_null(toy.in_flight);
	assert_true(toy.count < TOY_POSTS);
	post->ms = toy.now.wall_ms;
	post->body = strndup(request->body.data, request->body.len);
	assert_non_null(post->body);
	toy.in_flight = request;
	return true;
}

/* r: is refused whenever it comes; f, n: fails or is not taken the first time.
 * Everything else is accepted. */
static void
toy_answer(void)
{
	struct outlet_answer answer = {
	    .transport = OUTLET_WHOLE,
	    .trouble = "",
	    .status = 207,
	    .now_ms = toy.now.wall_ms,
	};
	struct request *request = toy.in_flight;
	char item[8];

	for (size_t i = 0; i < request->count; i++) {
		struct str data = request_item_cell(&request->items[i])->data;

		(void)snprintf(item, sizeof(item), "%.*s", STR_ARGS(data));
		toy.answer[i] = item[1];
		if (item[1] != 'r' && posts_of(item) > 1)
			toy.answer[i] = 'a';
	}
	answer.body = str_bytes(toy.answer, request->count);
	toy.in_flight = NULL;
	sender_answer(toy.sender, request, &answer, &toy.now);
}

static void
toy_put(const char *item)
{
	struct item items[] = {{.type = STR("thing"), .data = str_text(item)}};
	struct queue_batch batch = {
	    .source = "source",
	    .destination = "heap",
	    .now_ms = toy.now.wall_ms,
	    .items = items,
	    .count = 1,
	};
	struct answer answer;
	struct err err;

	answer_init(&answer);
	assert_true(
	    queue_put(toy.fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	sender_wake(toy.sender);
}

static int64_t
toy_round(void)
{
	struct queue_lease *leases, *next;
	struct queue_want want;
	int64_t next_ms;
	struct err err;

	for (;;) {
		next_ms = sender_step(toy.sender, &toy.now);
		if (!sender_want(toy.sender, &toy.now, &want))
			return next_ms;
		assert_true(queue_take(toy.fixture->queue, &want, 1,
		    sender_due_now_ms(&toy.shared, &toy.now), &leases, &err));
		for (; leases != NULL; leases = next) {
			next = leases->next;
			sender_give(toy.sender, leases);
		}
		sender_given(toy.sender, want.next_ms, &toy.now);
	}
}

static void
toy_pass(int64_t ms)
{
	int64_t end_ms = toy.now.mono_ms + ms, next_ms;

	for (;;) {
		next_ms = toy_round();
		if (toy.in_flight != NULL)
			next_ms = toy.now.mono_ms + 20;
		if (next_ms > end_ms)
			next_ms = end_ms;
		if (next_ms > toy.now.mono_ms) {
			toy.now.wall_ms += next_ms - toy.now.mono_ms;
			toy.now.mono_ms = next_ms;
		}
		if (toy.in_flight != NULL && next_ms < end_ms)
			toy_answer();
		else if (next_ms == end_ms && toy.in_flight == NULL)
			return;
		else if (next_ms == end_ms)
			toy_answer();
	}
}

static void
toy_start(struct fixture *fixture)
{
	struct err err;

	toy = (struct toy){
	    .fixture = fixture,
	    /* At a full hour. */
	    .now = {.mono_ms = 777,
		.wall_ms = INT64_C(1795000000000) / HOUR_MS * HOUR_MS},
	    .shared = {.queue = fixture->queue, .boot = 1, .send = toy_send},
	};
	forwarder_destination_init(&toy.settings);
	toy.settings.name = "heap";
	toy.settings.outlet = &toy_outlet;
	toy.settings.in_flight = 1;
	assert_true(sender_new(&toy.settings, &toy.shared, &toy.times, NULL, 1,
	    &toy.now, &toy.sender, &err));
}

static void
toy_stop(void)
{
	sender_stop(toy.sender);
	sender_end(toy.sender, &toy.now);
	sender_free(toy.sender);
	for (size_t i = 0; i < toy.count; i++)
		free(toy.posts[i].body);
}

/* No more than three requests in an hour of the clock, and two of a key in a
 * minute. */
static void
toy_check_limits(void)
{
	for (size_t i = 0; i < toy.count; i++) {
		int64_t hour = toy.posts[i].ms / HOUR_MS;
		size_t requests = 0, keys[256] = {0};

		for (size_t k = 0; k <= i; k++) {
			requests += toy.posts[k].ms / HOUR_MS == hour;
			if (toy.posts[k].ms <= toy.posts[i].ms - MINUTE_MS)
				continue;
			for (const char *at = toy.posts[k].body; *at != '\0';
			     at = strchr(at, ' ') + 1)
				keys[(unsigned char)*at]++;
		}
		assert_true(requests <= 3);
		assert_true(keys['A'] <= 2 && keys['B'] <= 2);
	}
}

static void
test_the_seam_holds(void **state)
{
	static const char *const items[] = {"Aa1", "Ba1", "Aa2", "Ba2", "Aa3",
	    "Ba3", "Ad4", "Br5", "Af6", "Bn7", "Aa8"};
	struct fixture *fixture = *state;
	size_t count = sizeof(items) / sizeof(items[0]);
	struct stats_line line;
	char item[8];

	toy_start(fixture);
	for (size_t i = 0; i < count; i++)
		toy_put(items[i]);
	toy_pass(6 * HOUR_MS);
	line = totals(fixture);
	assert_int_equal(line.dropped, 1);
	assert_int_equal(line.delivered, 9);
	assert_int_equal(line.dead, 0);
	assert_true(posts_of("Br5") > 0);
	assert_int_equal(posts_of("Af6"), 2);
	assert_int_equal(posts_of("Bn7"), 2);
	assert_int_equal(posts_of("Aa1"), 1);
	toy_check_limits();

	/* What is refused beside others that are accepted becomes a dead
	 * letter. */
	for (unsigned i = 0; i < 48; i++) {
		(void)snprintf(
		    item, sizeof(item), "%ca%u", "AB"[i % 2], 10 + i);
		toy_put(item);
		toy_pass(HOUR_MS / 2);
	}
	toy_pass(6 * HOUR_MS);
	line = totals(fixture);
	assert_int_equal(line.delivered, 9 + 48);
	assert_int_equal(line.dead, 1);
	assert_int_equal(line.queued, 0);
	toy_check_limits();
	print_message("%zu requests\n", toy.count);
	toy_stop();
}

/* What was sent within the hour counts over a restart. */
static void
test_a_long_window_survives(void **state)
{
	struct fixture *fixture = *state;
	struct clock_times now;
	struct err err;

	toy_start(fixture);
	toy_put("Aa1");
	toy_pass(2 * MINUTE_MS);
	toy_put("Aa2");
	toy_pass(20 * MINUTE_MS);
	assert_int_equal(toy.count, 2);
	now = toy.now;
	sender_stop(toy.sender);
	sender_end(toy.sender, &toy.now);
	sender_free(toy.sender);
	toy.now = now;
	assert_true(sender_new(&toy.settings, &toy.shared, &toy.times, NULL, 1,
	    &toy.now, &toy.sender, &err));
	for (unsigned i = 3; i < 7; i++) {
		char item[8];

		(void)snprintf(item, sizeof(item), "Aa%u", i);
		toy_put(item);
		toy_pass(9 * MINUTE_MS);
	}
	assert_int_equal(toy.count, 3);
	toy_pass(2 * HOUR_MS);
	assert_int_equal(totals(fixture).delivered, 6);
	toy_check_limits();
	toy_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_seam_holds),
	    TEST(test_a_long_window_survives),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
