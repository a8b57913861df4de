/*
 * What a job tells its caller.
 */

#include "queue_fixture.h"

#include "daemon/job.h"

static bool
keep_text(void *arg, const char *text, struct err *reterr)
{
	(void)reterr;
	(void)snprintf(arg, 256, "%s", text);
	return true;
}

/* For an operator who watches a long one. */
static void
test_how_much_and_how_fast(void **state)
{
	struct fixture *fixture = *state;
	struct daemon daemon = {.queue = fixture->queue};
	char text[256] = "", end[8] = "";
	size_t found = 0, seen = 0, rate = 0;
	struct job_caller caller = {.arg = text, .progress = keep_text};
	struct buf out = {0};
	struct job job = {
	    .daemon = &daemon,
	    .caller = &caller,
	    .out = &out,
	    .verb = "found",
	    .step = job_step_scan,
	};
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_true(job_run(&job, JOBS_QUEUED, &err));
	if (sscanf(text, "found %zu; looked at %zu events, %zu%7s", &found,
		&seen, &rate, end) != 4)
		fail_msg("%s", text);
	assert_int_equal(found, 3);
	assert_int_equal(seen, 3);
	assert_string_equal(end, "/s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_how_much_and_how_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
