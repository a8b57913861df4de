/*
 * Braze Currents behind the seam: what becomes of each event by the rules of
 * its source, and what reading may use.
 */

#include "schema/currents/currents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define EVENT(type, id)                                                        \
	"{\"event_type\":\"" type "\",\"id\":\"" id "\",\"time\":1,"           \
	"\"user\":{},\"properties\":{}}"
#define KNOWN  "users.canvas.Entry"
#define ERASE  "users.UserDeleteRequest"
#define NEW    "x.Y"
#define NO_ID  "{\"event_type\":\"" NEW "\",\"time\":1}"
#define SOURCE currents_intake

static struct intake_context *
context_make(const struct currents_settings *settings)
{
	struct intake_context *context = NULL;

	assert_true(SOURCE.context_new(settings, &context, NULL));
	return context;
}

/* Read with a reader of its own; the batch lives as long as that. */
static enum intake_cause
read_once(const struct intake_context *context, const char *body,
    bool accepted_once, intake_pay_fn *pay, void *arg,
    struct intake_reader **ret_reader, struct intake_batch *ret_batch)
{
	*ret_reader = SOURCE.reader_new(context);
	assert_non_null(*ret_reader);
	return SOURCE.read(*ret_reader, str_text(body), 10, accepted_once, pay,
	    arg, ret_batch);
}

static void
test_fates(void **state)
{
	static const char *const some[] = {"users.*", NULL};
	static const char *const none[] = {"users.campaigns.*", NULL};
	static const char *const erasure[] = {ERASE, NULL};
	static const struct {
		struct currents_settings settings;
		const char *event;
		bool accepted_once;
		enum item_fate fate;
		const char *reason;
	} cases[] = {
	    {{0}, EVENT(NEW, "a"), false, ITEM_QUEUE, NULL},
	    {{.unknown_type = CURRENTS_DEAD}, EVENT(NEW, "a"), false, ITEM_DEAD,
		"unknown type"},
	    {{.unknown_type = CURRENTS_DROP}, EVENT(NEW, "a"), false, ITEM_DROP,
		"unknown type"},
	    {{0}, NO_ID, false, ITEM_DEAD, "no usable id"},
	    {{.invalid_dropped = true}, NO_ID, false, ITEM_DROP, "invalid"},
	    {{.invalid_dropped = true}, NO_ID, true, ITEM_QUEUE, NULL},
	    {{.include = some}, EVENT(NEW, "a"), false, ITEM_DROP,
		"not included"},
	    {{.include = some}, EVENT(NEW, "a"), true, ITEM_DROP,
		"not included"},
	    {{.include = some}, NO_ID, false, ITEM_DROP, "not included"},
	    {{.exclude = some}, EVENT("users.z", "a"), false, ITEM_DROP,
		"excluded: users.*"},
	    {{.exclude = some, .include = some}, EVENT("users.z", "a"), false,
		ITEM_DROP, "excluded: users.*"},
	    {{.include = none}, EVENT(ERASE, "a"), true, ITEM_QUEUE, NULL},
	    {{.exclude = some}, EVENT(ERASE, "a"), true, ITEM_QUEUE, NULL},
	    {{.exclude = erasure}, EVENT(ERASE, "a"), true, ITEM_DROP,
		"excluded: users.UserDeleteRequest"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct intake_context *context =
		    context_make(&cases[i].settings);
		struct intake_batch batch = {.count = 0};
		struct intake_reader *reader;
		const struct item *item;
		char body[512];

		(void)snprintf(body, sizeof(body), "[ %s ]", cases[i].event);
		assert_int_equal(
		    read_once(context, body, cases[i].accepted_once, NULL, NULL,
			&reader, &batch),
		    INTAKE_TAKEN);
		assert_int_equal(batch.count, 1);
		item = &batch.items[0];
		if (item->fate != cases[i].fate)
			fail_msg("case %zu: %d", i, item->fate);
		assert_true(str_equal_text(item->data, cases[i].event));
		assert_int_equal(item->reason != NULL, cases[i].reason != NULL);
		if (item->reason != NULL &&
		    strstr(item->reason, cases[i].reason) == NULL)
			fail_msg("case %zu: %s", i, item->reason);
		/* An invalid event's id proves nothing. */
		if (item->fate == ITEM_DEAD &&
		    cases[i].settings.unknown_type == CURRENTS_FORWARD)
			assert_int_equal(item->id.len, 0);
		SOURCE.reader_free(reader);
		SOURCE.context_free(context);
	}
}

/* One reader for one body after the other. */
static void
test_causes(void **state)
{
	static const struct {
		const char *body;
		enum intake_cause cause;
		size_t count, drift;
	} cases[] = {
	    {"", INTAKE_PROBE, 0, 0},
	    {"{\"events\":[]}", INTAKE_PROBE, 0, 0},
	    {"[" EVENT(NEW, "a") "," EVENT("x.Z", "b") "]", INTAKE_TAKEN, 2, 2},
	    {"nonsense", INTAKE_UNREADABLE, 0, 0},
	    {"[1,2,3]", INTAKE_TAKEN, 3, 0},
	    {"[1,2,3,4,5,6,7,8,9,10]", INTAKE_TAKEN, 10, 0},
	    {"[1,2,3,4,5,6,7,8,9,10,11]", INTAKE_TOO_LARGE, 0, 0},
	    {EVENT(NEW, "a"), INTAKE_TAKEN, 1, 1},
	};
	const struct currents_settings settings = {0};
	struct intake_context *context = context_make(&settings);
	struct intake_reader *reader = SOURCE.reader_new(context);
	struct buf line;

	(void)state;
	assert_non_null(reader);
	buf_init(&line, 1024);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct intake_batch batch = {.count = 0};
		enum intake_cause cause = SOURCE.read(reader,
		    str_text(cases[i].body), 10, false, NULL, NULL, &batch);

		assert_int_equal(cause, cases[i].cause);
		assert_int_equal(batch.count, cases[i].count);
		assert_int_equal(batch.drift_count, cases[i].drift);
		if (cause == INTAKE_UNREADABLE || cause == INTAKE_TOO_LARGE)
			assert_true(batch.why[0] != '\0');
		if (batch.drift_count != 1)
			continue;
		assert_string_equal(batch.drift[0].kind, "unknown type");
		assert_int_equal(batch.drift[0].items, 1);
		SOURCE.drift_write(batch.drift[0].text, &line);
		SOURCE.drift_write("(more)", &line);
		assert_int_equal(line.len,
		    strlen("what=\"unknown type\" type=\"x.Y\" field=\"\" "
			   "json=\"\""));
	}
	buf_fini(&line);
	SOURCE.reader_free(reader);
	SOURCE.context_free(context);
	SOURCE.reader_free(NULL);
	SOURCE.context_free(NULL);
}

/* Stores `secret` as `*`, and grows a good deal. */
static bool
redact(const void *rules, struct str event, struct buf *out, struct err *reterr)
{
	assert_string_equal(rules, "rules");
	if (event.data[0] != '{')
		return err_set(reterr, ERR_INPUT, "no object");
	(void)buf_char(out, '*');
	(void)buf_append(out, event.data, event.len);
	return buf_ok(out, reterr);
}

struct budget {
	size_t left, paid;
};

static bool
pay(void *arg, size_t bytes)
{
	struct budget *budget = arg;

	if (bytes > budget->left)
		return false;
	budget->left -= bytes;
	budget->paid += bytes;
	return true;
}

static void
test_redacted_and_paid(void **state)
{
	static const char body[] =
	    "[" EVENT(NEW, "a") ",7," EVENT(NEW, "b") "]";
	const struct currents_settings settings = {
	    .private_at = CURRENTS_AT_ACCEPT,
	    .redact = redact,
	    .redact_rules = "rules",
	};
	struct intake_context *context = context_make(&settings);
	struct intake_batch batch = {.count = 0};
	struct budget budget = {.left = SIZE_MAX};
	struct intake_reader *reader;
	size_t paid;

	(void)state;
	assert_int_equal(
	    read_once(context, body, false, pay, &budget, &reader, &batch),
	    INTAKE_TAKEN);
	assert_true(str_equal_text(batch.items[0].data, "*" EVENT(NEW, "a")));
	assert_true(str_equal_text(batch.items[1].data, "7"));
	assert_true(str_equal_text(batch.items[2].data, "*" EVENT(NEW, "b")));
	SOURCE.reader_free(reader);
	/* one byte less is too little */
	paid = budget.paid;
	budget = (struct budget){.left = paid};
	assert_int_equal(
	    read_once(context, body, false, pay, &budget, &reader, &batch),
	    INTAKE_TAKEN);
	assert_int_equal(budget.left, 0);
	SOURCE.reader_free(reader);
	budget = (struct budget){.left = paid - 1};
	assert_int_equal(
	    read_once(context, body, false, pay, &budget, &reader, &batch),
	    INTAKE_BUSY);
	SOURCE.reader_free(reader);
	SOURCE.context_free(context);
}

static const char *
header(void *arg, const char *name)
{
	assert_string_equal(name, "Braze-Currents-Version");
	return arg;
}

static void
test_facts(void **state)
{
	char one[] = "1", two[] = "2";

	(void)state;
	assert_false(SOURCE.headers_odd(header, one));
	assert_true(SOURCE.headers_odd(header, two));
	assert_true(SOURCE.headers_odd(header, NULL));
	assert_true(SOURCE.strands(401));
	assert_false(SOURCE.strands(400));
	assert_false(SOURCE.strands(SOURCE.status[INTAKE_BUSY]));
	assert_false(SOURCE.strands(SOURCE.status[INTAKE_TOO_LARGE]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fates),
	    cmocka_unit_test(test_causes),
	    cmocka_unit_test(test_redacted_and_paid),
	    cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
