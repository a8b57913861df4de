/*
 * The events that may be at the destination: the table, its bytes, and the rules
 * of identity in them.
 */

#include "forwarder/doubt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static void
setup(struct doubt *doubt, enum track_identity identity)
{
	struct track_rules rules;
	struct err err;

	track_rules_init(&rules);
	rules.identity = identity;
	assert_true(doubt_init(doubt, &rules, &err));
}

/* A restart: what was written is read into one with the rules of now. */
static void
restart(struct doubt *doubt, enum track_identity identity)
{
	struct buf bytes;
	struct err err;

	buf_init(&bytes, SIZE_MAX / 2);
	doubt_write(doubt, &bytes);
	assert_true(buf_ok(&bytes, NULL));
	doubt_fini(doubt);
	setup(doubt, identity);
	assert_true(doubt_read(doubt, str_bytes(bytes.data, bytes.len), &err));
	buf_fini(&bytes);
}

static void
test_table(void **state)
{
	bool in[5000] = {false};
	struct doubt doubt;
	size_t i, n, count = 0;

	(void)state;
	setup(&doubt, TRACK_IDENTITY_EXTERNAL);
	srand(1);
	for (i = 0; i < 200000; i++) {
		n = (size_t)rand() % 5000;
		/* Neighbours, so that many share a home. */
		if (in[n])
			doubt_remove(&doubt, n / 7 + (n % 7 << 32) + 1);
		else
			assert_true(
			    doubt_add(&doubt, n / 7 + (n % 7 << 32) + 1));
		in[n] = !in[n];
		count += in[n] ? 1 : (size_t)-1;
		assert_int_equal(doubt.count, count);
	}
	for (n = 0; n < 5000; n++)
		assert_int_equal(
		    doubt_has(&doubt, n / 7 + (n % 7 << 32) + 1), in[n]);
	assert_null(doubt_rules(&doubt, 1));
	doubt_clear(&doubt);
	assert_false(doubt_has(&doubt, 1));
	doubt_fini(&doubt);
}

static void
test_bound(void **state)
{
	struct doubt doubt;
	uint64_t i;

	(void)state;
	setup(&doubt, TRACK_IDENTITY_EXTERNAL);
	assert_true(doubt_add(&doubt, 7));
	restart(&doubt, TRACK_IDENTITY_BRAZE);
	for (i = 1; i < DOUBT_EVENTS_MAX; i++)
		assert_true(doubt_add(&doubt, i * 0x9e3779b97f4a7c15u));
	assert_non_null(doubt_rules(&doubt, 7));
	assert_true(doubt_add(&doubt, 8)); /* the oldest goes */
	assert_false(doubt_has(&doubt, 7));
	assert_int_equal(doubt.count, DOUBT_EVENTS_MAX);
	doubt_fini(&doubt);
}

static void
test_rules(void **state)
{
	struct doubt doubt;

	(void)state;
	setup(&doubt, TRACK_IDENTITY_EXTERNAL);
	assert_true(doubt_add(&doubt, 10));
	assert_null(doubt_rules(&doubt, 10));
	restart(&doubt, TRACK_IDENTITY_EXTERNAL);
	assert_null(doubt_rules(&doubt, 10)); /* the same rules */
	restart(&doubt, TRACK_IDENTITY_BRAZE);
	assert_int_equal(
	    doubt_rules(&doubt, 10)->identity, TRACK_IDENTITY_EXTERNAL);
	assert_true(doubt_add(&doubt, 10)); /* again: as it was */
	assert_true(doubt_add(&doubt, 11));
	restart(&doubt, TRACK_IDENTITY_EXTERNAL);
	assert_null(doubt_rules(&doubt, 10)); /* there and back */
	assert_int_equal(
	    doubt_rules(&doubt, 11)->identity, TRACK_IDENTITY_BRAZE);
	assert_null(doubt_rules(&doubt, 12));
	doubt_remove(&doubt, 11);
	restart(&doubt, TRACK_IDENTITY_BRAZE);
	assert_int_equal(doubt.rules_count, 2);
	assert_int_equal(
	    doubt_rules(&doubt, 10)->identity, TRACK_IDENTITY_EXTERNAL);
	doubt_fini(&doubt);
}

/* More changes than are remembered: still no crash, and the youngest hold. */
static void
test_many_rules(void **state)
{
	static const char *const labels[] = {
	    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
	struct track_rules rules;
	struct doubt doubt;
	struct buf bytes;
	struct err err;
	size_t i;

	(void)state;
	buf_init(&bytes, SIZE_MAX / 2);
	track_rules_init(&rules);
	for (i = 0; i < 10; i++) {
		rules.alias_label = labels[i];
		assert_true(doubt_init(&doubt, &rules, &err));
		assert_true(
		    doubt_read(&doubt, str_bytes(bytes.data, bytes.len), &err));
		assert_true(doubt_add(&doubt, 100 + i));
		buf_reset(&bytes);
		doubt_write(&doubt, &bytes);
		if (i < 9)
			doubt_fini(&doubt);
	}
	assert_int_equal(doubt.count, 10);
	for (i = 2; i < 9; i++)
		assert_string_equal(
		    doubt_rules(&doubt, 100 + i)->alias_label, labels[i]);
	doubt_fini(&doubt);
	buf_fini(&bytes);
}

/* Whatever is cut or turned: no more than an error. */
static void
test_damaged(void **state)
{
	struct doubt doubt;
	struct buf bytes;
	struct err err;
	size_t i;

	(void)state;
	buf_init(&bytes, SIZE_MAX / 2);
	setup(&doubt, TRACK_IDENTITY_EXTERNAL);
	assert_true(doubt_add(&doubt, 10));
	doubt_write(&doubt, &bytes);
	doubt_fini(&doubt);
	for (i = 1; i < bytes.len; i++) {
		char *cut = malloc(i);

		assert_non_null(cut);
		memcpy(cut, bytes.data, i);
		setup(&doubt, TRACK_IDENTITY_BRAZE);
		assert_false(doubt_read(&doubt, str_bytes(cut, i), &err));
		assert_int_equal(err.code, ERR_DAMAGED);
		doubt_fini(&doubt);
		free(cut);
	}
	for (i = 0; i < bytes.len * 8; i++) {
		bytes.data[i / 8] ^= (char)(1 << i % 8);
		setup(&doubt, TRACK_IDENTITY_BRAZE);
		(void)!doubt_read(
		    &doubt, str_bytes(bytes.data, bytes.len), &err);
		doubt_fini(&doubt);
		bytes.data[i / 8] ^= (char)(1 << i % 8);
	}
	buf_fini(&bytes);
}

/* ---- the rules ---- */

static void
test_identity_rules(void **state)
{
	static const char *const words[] = {"nobody", "n/a"};
	struct track_rules rules, read;
	const char **items = NULL;
	struct buf bytes, again;
	struct err err;

	(void)state;
	track_rules_init(&rules);
	read = rules;
	rules.identity = TRACK_IDENTITY_BRAZE;
	rules.alias_label = "crm";
	rules.anonymous[0] = TRACK_ANONYMOUS_BRAZE;
	rules.anonymous[1] = TRACK_ANONYMOUS_NONE;
	rules.placeholders = (struct track_list){words, 2};
	rules.identity_hash = true;
	rules.key = str_text("the key of the test");
	rules.prefix = "braze-";
	buf_init(&bytes, 1000);
	buf_init(&again, 1000);
	track_identity_rules_write(&rules, &bytes);
	read.key = rules.key;
	assert_true(track_identity_rules_read(
	    str_bytes(bytes.data, bytes.len), &read, &items, &err));
	assert_null(read.prefix); /* not of the identity */
	assert_ptr_equal(read.key.data, rules.key.data);
	track_identity_rules_write(&read, &again);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.data, bytes.data, bytes.len);
	assert_null(memmem(bytes.data, bytes.len, "the key", 7));
	free(items);
	read.key = str_text("another key, as long");
	assert_true(track_identity_rules_read(
	    str_bytes(bytes.data, bytes.len), &read, &items, &err));
	assert_true(read.identity_hash);
	assert_null(read.key.data);
	free(items);
	buf_fini(&bytes);
	buf_fini(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_bound),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_many_rules),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_identity_rules),
	};

	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
