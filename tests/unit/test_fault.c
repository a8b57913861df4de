/*
 * The rule that blames, outcome by outcome: for each what becomes of the
 * request, and how the destination is afterwards.
 */

#include "forwarder/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* One outcome: of a request, which is a letter (small: of one item; capital: of
 * many; s: of the suspect that the scene is about), and what is to follow. */
struct step {
	char request;
	enum fault_outcome outcome;
	enum fault_action action;
	enum fault_state state;
	/* Of those that waited: 'd': one is deferred, 'r': one is tried to
	 * confirm; 0: none is decided. */
	char decided;
};

#define A   FAULT_ACCEPTED
#define R   FAULT_REFUSED
#define F   FAULT_FAILED
#define RUN FAULT_RUNNING

static const struct scene {
	const char *name;
	struct queue_history history; /* of the request 's' */
	bool replay;		      /* is 'p' one? */
	struct step steps[12];
} scenes[] = {
    {"what is accepted is delivered", {0}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'a', A, FAULT_DELIVERED, RUN, 0}}},
    {"a refused request is split", {0}, false, {{'A', R, FAULT_SPLIT, RUN, 0}}},
    {"a request that fails is posted again, and split when it fails again "
     "after an acceptance",
	{0}, false,
	{{'A', F, FAULT_RETRY, RUN, 0}, {'A', F, FAULT_RETRY, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 0}, {'A', F, FAULT_SPLIT, RUN, 0}}},
    {"refused between two acceptances: counted once, and deferred", {0}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'd'}}},
    {"without an acceptance afterwards nothing is decided", {0}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'b', R, FAULT_WAIT, RUN, 0}}},
    {"a request of many that fails afterwards proves nothing", {0}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'B', F, FAULT_RETRY, RUN, 'd'}}},
    {"nor does one before", {0}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'B', R, FAULT_SPLIT, RUN, 0},
	    {'s', R, FAULT_DEFER, RUN, 0}}},
    {"at the second that counts it is tried once more, and dead",
	{.refusals = 1}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'r'}, {'s', R, FAULT_DEAD, RUN, 0}}},
    {"unless the outcome before that is none", {.refusals = 1}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'r'}, {'C', R, FAULT_SPLIT, RUN, 0},
	    {'s', R, FAULT_DEFER, RUN, 0}}},
    {"a failure confirms no refusals", {.refusals = 1}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'r'}, {'s', F, FAULT_WAIT, RUN, 0}}},
    {"the tenth failure that counts does it", {.failures = 9}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', F, FAULT_WAIT, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'r'}, {'s', F, FAULT_DEAD, RUN, 0}}},
    {"an acceptance clears it", {.refusals = 5}, false,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', A, FAULT_DELIVERED, RUN, 0}}},
    {"a replay proves nothing", {0}, true,
	{{'A', A, FAULT_DELIVERED, RUN, 0}, {'s', R, FAULT_WAIT, RUN, 0},
	    {'p', A, FAULT_DELIVERED, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'd'}}},
    {"nor does a repeat", {0}, false,
	{{'C', F, FAULT_RETRY, RUN, 0}, {'A', A, FAULT_DELIVERED, RUN, 0},
	    {'s', R, FAULT_WAIT, RUN, 0}, {'C', A, FAULT_DELIVERED, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 'd'}}},
    {"three that fail in a row: it backs off", {0}, false,
	{{'A', F, FAULT_RETRY, RUN, 0}, {'B', F, FAULT_RETRY, RUN, 0},
	    {'C', F, FAULT_KEEP, FAULT_BACKING_OFF, 0},
	    {'A', F, FAULT_KEEP, FAULT_BACKING_OFF, 0},
	    {'s', R, FAULT_KEEP, FAULT_BACKING_OFF, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 0}}},
    {"two that are denied: it halts", {0}, false,
	{{'A', FAULT_DENIED, FAULT_RETRY, RUN, 0},
	    {'B', FAULT_DENIED, FAULT_KEEP, FAULT_HALTED, 0}}},
    {"one that is denied twice is no proof of that", {0}, false,
	{{'A', FAULT_DENIED, FAULT_RETRY, RUN, 0},
	    {'A', FAULT_DENIED, FAULT_RETRY, RUN, 0},
	    {'B', A, FAULT_DELIVERED, RUN, 0}}},
    {"a certificate is surely ours: it halts", {0}, false,
	{{'a', FAULT_BARRED, FAULT_KEEP, FAULT_HALTED, 0}}},
    {"what was not taken is posted again as it is", {0}, false,
	{{'A', FAULT_NOT_TAKEN, FAULT_RETRY, RUN, 0},
	    {'A', A, FAULT_DELIVERED, RUN, 0}}},
};

static void
play(const struct scene *scene)
{
	struct fault_record records[128] = {{0}};
	bool known[128] = {false};
	struct clock_times now = {.mono_ms = 1000, .wall_ms = 5000};
	struct fault fault;

	fault_init(&fault, 60000, 1);
	for (size_t i = 0; i < 12 && scene->steps[i].request != 0; i++) {
		const struct step *step = &scene->steps[i];
		size_t at = (size_t)step->request;
		struct fault_record *record = &records[at], *decided;
		enum fault_action action;
		char what = 0;

		if (!known[at]) {
			fault_record_init(&fault, record, NULL, NULL);
			known[at] = true;
			record->replay = step->request == 'p' && scene->replay;
			if (step->request == 's')
				fault_record_resume(record, &scene->history);
		}
		now.mono_ms += 10;
		now.wall_ms += 10;
		action =
		    fault_judge(&fault, record, step->request < 'a' ? 100 : 1,
			NULL, step->outcome, str_text("no"), &now);
		if (action != step->action)
			fail_msg("%s: step %zu: action %d", scene->name, i,
			    (int)action);
		while ((decided = fault_decided(&fault, &action)) != NULL) {
			assert_ptr_equal(decided, &records['s']);
			what = action == FAULT_RETRY ? 'r' : 'd';
		}
		if (what != step->decided || fault.state != step->state)
			fail_msg("%s: step %zu: decided %d, state %d",
			    scene->name, i, what, (int)fault.state);
	}
	for (size_t i = 0; i < 128; i++)
		fault_record_fini(&fault, &records[i]);
	fault_fini(&fault);
}

static void
test_scenes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		play(&scenes[i]);
}

static void
test_twenty_refused_halt(void **state)
{
	struct clock_times now = {.mono_ms = 1000, .wall_ms = 5000};
	struct fault_record record;
	struct fault fault;

	(void)state;
	fault_init(&fault, 60000, 1);
	for (int i = 0; i < FAULT_REFUSED_RUN; i++) {
		assert_int_equal(fault.state, FAULT_RUNNING);
		fault_record_init(&fault, &record, NULL, NULL);
		(void)fault_judge(&fault, &record, 9, NULL, FAULT_REFUSED,
		    str_text("no"), &now);
		fault_record_fini(&fault, &record);
	}
	assert_int_equal(fault.state, FAULT_HALTED);
	fault_fini(&fault);
}

/* Twenty of a type alike, and nearly all of it: it is parked, and its probe
 * stays so until it is accepted. */
static void
test_a_type_is_parked(void **state)
{
	struct clock_times now = {.mono_ms = 1000, .wall_ms = 5000};
	struct fault_record record;
	struct fault_type *bad, *good;
	enum fault_action action = FAULT_KEEP;
	struct fault fault;
	size_t position = 0;
	char text[32];

	(void)state;
	fault_init(&fault, 60000, 1);
	bad = fault_type_at(&fault, str_text("bad"));
	good = fault_type_at(&fault, str_text("good"));
	assert_ptr_equal(fault_type_at(&fault, str_text("bad")), bad);
	for (int i = 0; i < FAULT_PARK_ALIKE; i++) {
		assert_int_equal(bad->parked, FAULT_FLOWS);
		fault_type_accept(&fault, good, 1);
		fault_record_init(&fault, &record, NULL, NULL);
		(void)snprintf(text, sizeof(text), "item %d is bad", i * 77);
		action = fault_judge(&fault, &record, 1, bad, FAULT_REFUSED,
		    str_text(text), &now);
		fault_record_fini(&fault, &record);
	}
	assert_int_equal(action, FAULT_PARK);
	assert_int_equal(bad->parked, FAULT_PARKED_ALL);
	assert_int_equal(fault.state, FAULT_RUNNING);
	assert_ptr_equal(fault_type_parked(&fault, &position), bad);
	assert_null(fault_type_parked(&fault, &position));
	assert_true(fault_type_own(&fault, bad, now.mono_ms));

	fault_record_init(&fault, &record, NULL, NULL);
	record.probe = true;
	assert_int_equal(fault_judge(&fault, &record, 1, bad, FAULT_REFUSED,
			     str_text("no"), &now),
	    FAULT_PARK);
	fault_type_release(&fault, bad);
	assert_int_equal(fault.parked_count, 0);
	fault_record_fini(&fault, &record);
	fault_fini(&fault);
}

/* Those that came once give way to those that come: a type that appears late is
 * parked as any other, and what matters stays. */
static void
test_a_late_type_is_parked(void **state)
{
	struct clock_times now = {.mono_ms = 1000, .wall_ms = 5000};
	struct fault_type *parked, *sent, *often, *good, *late, *more;
	struct fault_record record;
	struct fault fault;
	char name[32];

	(void)state;
	fault_init(&fault, 60000, 1);
	good = fault_type_at(&fault, str_text("good"));
	fault_type_accept(&fault, good, 1);
	parked = fault_type_at(&fault, str_text("parked"));
	fault_type_park(&fault, parked, FAULT_PARKED_ALL, &now);
	sent = fault_type_at(&fault, str_text("sent"));
	sent->items = 1;
	often = fault_type_at(&fault, str_text("often"));
	for (int i = 0; i < 3 * FAULT_TYPES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "once %d", i);
		assert_non_null(fault_type_at(&fault, str_text(name)));
		assert_ptr_equal(
		    fault_type_at(&fault, str_text("often")), often);
	}
	assert_int_equal(fault.type_count, FAULT_TYPES_MAX);
	assert_ptr_equal(fault_type_at(&fault, str_text("parked")), parked);
	assert_int_equal(parked->parked, FAULT_PARKED_ALL);
	assert_ptr_equal(fault_type_at(&fault, str_text("sent")), sent);

	late = fault_type_at(&fault, str_text("late"));
	for (int i = 0; i < FAULT_PARK_ALIKE; i++) {
		fault_type_accept(&fault, good, 1);
		fault_record_init(&fault, &record, NULL, NULL);
		(void)fault_judge(&fault, &record, 1, late, FAULT_REFUSED,
		    str_text("it is bad"), &now);
		fault_record_fini(&fault, &record);
	}
	assert_int_equal(late->parked, FAULT_PARKED_ALL);

	/* Where all matter, none gives way. */
	for (size_t i = 0; i < fault.type_count; i++)
		fault.types[i]->items = 1;
	assert_null(fault_type_at(&fault, str_text("one more")));
	sent->items = 0;
	more = fault_type_at(&fault, str_text("one more"));
	assert_ptr_equal(more, sent);
	assert_string_equal(more->name, "one more");
	assert_ptr_equal(fault_type_at(&fault, str_text("one more")), more);
	for (size_t i = 0; i < fault.type_count; i++)
		fault.types[i]->items = 0;
	fault_fini(&fault);
}

/* Deferrals double, up to an hour, and are spread by half. */
static void
test_deferrals(void **state)
{
	struct fault_record record = {.new_refusals = 1};
	struct fault fault;
	int64_t most_ms = 60000, ms;

	(void)state;
	fault_init(&fault, 60000, 7);
	for (unsigned tries = 1; tries < 12; tries++) {
		record.history.refusals = tries - 1;
		for (int i = 0; i < 100; i++) {
			ms = fault_defer_ms(&fault, &record);
			assert_in_range(ms, most_ms / 2, most_ms * 3 / 2);
		}
		most_ms *= 2;
		if (most_ms > 3600000)
			most_ms = 3600000;
	}
	fault_fini(&fault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scenes),
	    cmocka_unit_test(test_twenty_refused_halt),
	    cmocka_unit_test(test_a_type_is_parked),
	    cmocka_unit_test(test_a_late_type_is_parked),
	    cmocka_unit_test(test_deferrals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
