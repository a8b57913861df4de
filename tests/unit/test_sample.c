/* Samples are JSON, valid, of every type, repeatable, and of real size. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/currents.h"
#include "tests/unit/odd_sample.h"
#include "tests/unit/short_run.h"

#include <jansson.h>
#include <string.h>

enum { NOW = 1790000000 };

static size_t
rounds(void)
{
	return short_run() ? 10 : 200;
}

static void
check_valid(const struct buf *event, const char *type)
{
	struct currents_batch batch;
	struct currents_fault fault;
	char why[200];

	currents_batch_init(&batch);
	assert_int_equal(currents_read(str_bytes(event->data, event->len), 1,
			     &batch, &fault),
	    CURRENTS_READ);
	assert_int_equal(batch.count, 1);
	if (batch.events[0].defect != CURRENTS_VALID) {
		currents_defect_write(&batch.events[0], why, sizeof(why));
		fail_msg("%s: %s", why, type);
	}
	assert_true(batch.events[0].known);
	assert_int_equal(batch.events[0].id.len, 36);
	assert_int_equal(batch.events[0].id.data[14], '4');
	assert_in_range(batch.events[0].time_s, NOW - 3600, NOW);
	assert_int_equal(batch.events[0].type.len, strlen(type));
	assert_memory_equal(batch.events[0].type.data, type, strlen(type));
	currents_batch_fini(&batch);
}

static void
test_all_types_sound(void **state)
{
	struct sample sample;
	struct buf event;
	size_t bytes = 0;
	json_t *json;

	(void)state;
	sample_init(&sample, 42, NOW);
	sample.anonymous_percent = 20;
	buf_init(&event, 1 << 16);
	for (size_t i = 0; i < rounds() * sample_types(); i++) {
		size_t type = i % sample_types();

		buf_reset(&event);
		sample_write(&sample, type, &event);
		assert_true(buf_ok(&event, NULL));
		assert_null(memchr(event.data, '\n', event.len));
		json = json_loadb(
		    event.data, event.len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(json);
		assert_int_equal(json_object_size(json), 5);
		json_decref(json);
		check_valid(&event, sample_type_name(type));
		bytes += event.len;
	}
	/* the published examples average 0.9 KB */
	assert_in_range(bytes / (rounds() * sample_types()), 750, 1100);
	buf_fini(&event);
}

static void
test_odd_sound(void **state)
{
	struct currents_batch batch;
	struct currents_fault fault;
	struct odd_sample sample = {43, NOW};
	size_t unknown = 0;
	struct buf event;
	char why[200];

	(void)state;
	currents_batch_init(&batch);
	buf_init(&event, 1 << 20);
	for (size_t i = 0; i < rounds() * sample_types(); i++) {
		buf_reset(&event);
		odd_sample_write(&sample, i % sample_types(), &event);
		assert_true(buf_ok(&event, NULL));
		assert_null(memchr(event.data, '\n', event.len));
		assert_int_equal(currents_read(str_bytes(event.data, event.len),
				     1, &batch, &fault),
		    CURRENTS_READ);
		assert_int_equal(batch.count, 1);
		if (batch.events[0].defect != CURRENTS_VALID) {
			currents_defect_write(
			    &batch.events[0], why, sizeof(why));
			fail_msg("%s: %.*s", why, (int)event.len, event.data);
		}
		unknown += !batch.events[0].known;
	}
	assert_in_range(unknown, rounds(), rounds() * sample_types() / 10);
	currents_batch_fini(&batch);
	buf_fini(&event);
}

static void
test_repeatable(void **state)
{
	struct sample one, two;
	struct buf first, second;

	(void)state;
	sample_init(&one, 7, NOW);
	sample_init(&two, 7, NOW);
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	for (size_t i = 0; i < sample_types(); i++) {
		sample_write(&one, i, &first);
		sample_write(&two, i, &second);
	}
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	sample_write(&one, 0, &first);
	assert_memory_not_equal(first.data + second.len, first.data, 100);
	buf_fini(&first);
	buf_fini(&second);
}

static unsigned
count_identified(unsigned anonymous_percent)
{
	size_t type = sample_type_find("users.messages.email.Open");
	struct sample sample;
	struct buf event;
	unsigned count = 0;

	sample_init(&sample, 1, NOW);
	sample.anonymous_percent = anonymous_percent;
	buf_init(&event, 1 << 16);
	for (int i = 0; i < 1000; i++) {
		buf_reset(&event);
		sample_write(&sample, type, &event);
		count += memmem(event.data, event.len, "external_user_id",
			     16) != NULL;
	}
	buf_fini(&event);
	return count;
}

static void
test_anonymous(void **state)
{
	(void)state;
	assert_int_equal(count_identified(0), 1000);
	assert_int_equal(count_identified(100), 0);
	assert_in_range(count_identified(30), 600, 800);
}

static void
test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < sample_types(); i++)
		assert_int_equal(sample_type_find(sample_type_name(i)), i);
	assert_int_equal(sample_type_find("users.Nothing"), sample_types());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_types_sound),
	    cmocka_unit_test(test_odd_sound),
	    cmocka_unit_test(test_repeatable),
	    cmocka_unit_test(test_anonymous),
	    cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
