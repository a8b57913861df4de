/* Taps: what they show of what is accepted and settled, how much, and that
 * nothing waits for whoever reads them. */

#include "jobs_help.h"

struct seen {
	size_t count[TAP_DROPPED + 1];
	uint64_t skipped;
	size_t most; /* then it ends */
	bool texts;  /* as they were put */
};

static bool
see(void *arg, const struct tap_item *item, uint64_t skipped)
{
	struct seen *seen = arg;

	seen->count[item->what]++;
	seen->skipped += skipped;
	seen->texts = str_equal_text(item->source, "main") &&
		      str_equal_text(item->destination, "heap") &&
		      str_equal_text(item->type, "Open") &&
		      item->data.len > 0 &&
		      (item->reason != NULL) ==
			  (item->what == TAP_DEAD || item->what == TAP_DROPPED);
	return --seen->most > 0;
}

/* What has come so far; everything if there is nothing to wait for. */
static struct seen
look(struct tap *tap)
{
	struct seen seen = {.most = SIZE_MAX};

	assert_true(tap_read(tap, 0, see, &seen));
	return seen;
}

static struct tap *
open_tap(struct fixture *fixture, unsigned rate)
{
	const struct tap_settings settings = {.rate = rate};
	struct err err;
	struct tap *tap;

	if (!tap_open(fixture->queue, &settings, &tap, &err))
		fail_msg("%s", err.text);
	return tap;
}

static void
test_what_passes(void **state)
{
	struct fixture *fixture = *state;
	struct tap *tap;
	struct seen seen;

	put(fixture, "before", 1, ITEM_QUEUE);
	tap = open_tap(fixture, 1000);
	put(fixture, "new", 3, ITEM_QUEUE);
	seen = look(tap);
	assert_true(seen.texts);
	assert_int_equal(seen.count[TAP_ACCEPTED], 3);
	put(fixture, "new", 3, ITEM_QUEUE);
	put(fixture, "bad", 2, ITEM_DEAD);
	put(fixture, "out", 4, ITEM_DROP);
	seen = look(tap);
	assert_true(seen.texts);
	assert_int_equal(seen.count[TAP_DUPLICATE], 3);
	assert_int_equal(seen.count[TAP_DEAD], 2);
	assert_int_equal(seen.count[TAP_DROPPED], 4);
	assert_int_equal(deliver(fixture), 4);
	seen = look(tap);
	assert_true(seen.texts);
	assert_int_equal(seen.count[TAP_DELIVERED], 4);
	assert_int_equal(seen.skipped, 0);
	tap_close(tap);
	put(fixture, "after", 3, ITEM_QUEUE);
}

static void
test_rate(void **state)
{
	struct fixture *fixture = *state;
	struct tap *tap = open_tap(fixture, 1);
	struct seen seen;

	put(fixture, "many", 50, ITEM_QUEUE);
	seen = look(tap);
	assert_int_equal(seen.count[TAP_ACCEPTED], 1);
	do {
		put(fixture, "again", 1, ITEM_QUEUE);
		seen = look(tap);
	} while (seen.skipped == 0);
	assert_true(seen.skipped >= 49);
	tap_close(tap);
}

/* Its buffer is full, and everything else goes on; what was lost is told. */
static void
test_nobody_reads(void **state)
{
	struct fixture *fixture = *state;
	struct tap *tap = open_tap(fixture, 1000000);
	struct seen seen;
	char prefix[16];
	size_t got, made = 0;

	for (int i = 0; i < 100; i++, made += 1000) {
		(void)snprintf(prefix, sizeof(prefix), "n%d", i);
		put(fixture, prefix, 1000, ITEM_QUEUE);
	}
	seen = look(tap);
	got = seen.count[TAP_ACCEPTED];
	assert_true(got > 0 && got < made);
	put(fixture, "last", 1, ITEM_QUEUE);
	seen = look(tap);
	assert_int_equal(seen.count[TAP_ACCEPTED], 1);
	assert_int_equal(seen.skipped, made - got);
	tap_close(tap);
}

static bool
is_last(const void *arg, const struct tap_item *item)
{
	const char *text = arg;

	return memmem(item->data.data, item->data.len, text, strlen(text)) !=
	       NULL;
}

static void
test_match(void **state)
{
	struct fixture *fixture = *state;
	const struct tap_settings settings = {
	    .rate = 1000, .match = is_last, .arg = "five-4"};
	struct seen seen = {.most = 1};
	struct err err;
	struct tap *tap;

	assert_true(tap_open(fixture->queue, &settings, &tap, &err));
	put(fixture, "five", 5, ITEM_QUEUE);
	assert_false(tap_read(tap, 0, see, &seen)); /* see() ended it */
	assert_int_equal(seen.count[TAP_ACCEPTED], 1);
	assert_int_equal(seen.skipped, 0);
	tap_close(tap);
}

static void
test_too_many(void **state)
{
	struct fixture *fixture = *state;
	const struct tap_settings settings = {.rate = 1};
	struct tap *taps[TAPS_MAX], *more;
	struct err err;

	for (size_t i = 0; i < TAPS_MAX; i++)
		taps[i] = open_tap(fixture, 1);
	assert_false(tap_open(fixture->queue, &settings, &more, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	tap_close(taps[0]);
	taps[0] = open_tap(fixture, 1);
	for (size_t i = 0; i < TAPS_MAX; i++)
		tap_close(taps[i]);
	tap_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_what_passes),
	    TEST(test_rate),
	    TEST(test_nobody_reads),
	    TEST(test_match),
	    TEST(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
