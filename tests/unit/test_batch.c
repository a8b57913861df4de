/* The packed form of a batch: what goes in comes out, and nothing else does. */

#include "queue/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 300 };

static struct item items[ITEMS];
static char texts[ITEMS][64];

static void
items_make(size_t types)
{
	static char names[ITEMS][16];

	for (size_t i = 0; i < ITEMS; i++) {
		size_t type = i % types;

		(void)snprintf(
		    names[type], sizeof(names[type]), "type-%zu", type);
		(void)snprintf(texts[i], sizeof(texts[i]),
		    "{\"id\":%zu,\"text\":\"the same again\"}", i);
		items[i] = (struct item){.type = str_text(names[type]),
		    .data.data = texts[i],
		    .data.len = i % 10 == 0 ? 0 : strlen(texts[i])};
	}
	items[7].type.len = 0;
}

static void
batch_is_items(const struct batch *batch, size_t count)
{
	assert_int_equal(batch->count, count);
	for (size_t i = 0; i < count; i++) {
		const struct item *got = &batch->items[i];

		assert_int_equal(got->type.len, items[i].type.len);
		assert_memory_equal(
		    got->type.data, items[i].type.data, items[i].type.len);
		assert_int_equal(got->data.len, items[i].data.len);
		assert_memory_equal(
		    got->data.data, items[i].data.data, items[i].data.len);
	}
}

static void
round_trip(size_t types, size_t count, struct str trace)
{
	struct batch_packer *packer = batch_packer_new();
	struct batch batch;
	struct buf frame;
	struct err err;

	assert_non_null(packer);
	items_make(types);
	buf_init(&frame, 1 << 20);
	assert_true(batch_pack(packer, items, count, trace, &frame, &err));
	assert_true(
	    batch_unpack(str_bytes(frame.data, frame.len), &batch, &err));
	batch_is_items(&batch, count);
	assert_true(str_equal(batch.trace, trace));
	batch_fini(&batch);
	buf_fini(&frame);
	batch_packer_free(packer);
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (size_t len = 0; len < 200; len += 17) {
		static const char bytes[200] = "a trace";
		struct str trace = str_bytes(bytes, len);

		round_trip(1, 1, trace);
		round_trip(1, ITEMS, trace);
		round_trip(5, ITEMS, trace);
		/* more types than are searched */
		round_trip(ITEMS, ITEMS, trace);
		round_trip(1, 0, trace);
	}
}

/* A few bits of a frame say nothing (unused ones, padding): flipping those
 * must leave the events as they were. */
static void
test_any_flipped_bit_is_seen(void **state)
{
	struct batch_packer *packer = batch_packer_new();
	struct batch batch;
	struct buf frame;
	size_t harmless = 0;
	struct err err;

	(void)state;
	assert_non_null(packer);
	items_make(3);
	buf_init(&frame, 1 << 20);
	assert_true(
	    batch_pack(packer, items, 20, str_text("a trace"), &frame, &err));
	for (size_t bit = 0; bit < frame.len * 8; bit++) {
		frame.data[bit / 8] ^= (char)(1 << (bit % 8));
		if (batch_unpack(
			str_bytes(frame.data, frame.len), &batch, &err)) {
			batch_is_items(&batch, 20);
			batch_fini(&batch);
			harmless++;
		} else {
			assert_int_equal(err.code, ERR_DAMAGED);
		}
		frame.data[bit / 8] ^= (char)(1 << (bit % 8));
	}
	for (size_t len = 0; len < frame.len; len++)
		assert_false(
		    batch_unpack(str_bytes(frame.data, len), &batch, &err));
	assert_true(harmless < frame.len / 8);
	buf_fini(&frame);
	batch_packer_free(packer);
}

/* A frame whose checksum is right and whose content is not a batch. */
static void
test_wrong_form_is_seen(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
	    {"", 0},
	    {"\x00", 1},
	    {"\x03", 1},	 /* another format */
	    {"\x02\x05trac", 6}, /* a trace is short */
	    {"\x02\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},
	    {"\x01\x01", 2},		      /* a type is missing */
	    {"\x01\x01\x05xy", 5},	      /* a type is short */
	    {"\x01\x01\x01x\x01\x01\x00", 7}, /* no such type */
	    {"\x01\x01\x01x\x01\x00\x05"
	     "ab",
		9}, /* data is short */
	    {"\x01\x01\x01x\x01\x00\x01"
	     "ab",
		9},				 /* data is long */
	    {"\x01\x00\xff\xff\xff\xff\x0f", 7}, /* too many events */
	    {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
	};
	struct batch_packer *packer = batch_packer_new();
	struct batch batch;
	struct buf frame;
	struct err err;

	(void)state;
	assert_non_null(packer);
	buf_init(&frame, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(batch_pack_bytes(packer,
		    str_bytes(rows[i].bytes, rows[i].len), &frame, &err));
		assert_false(batch_unpack(
		    str_bytes(frame.data, frame.len), &batch, &err));
		assert_int_equal(err.code, ERR_DAMAGED);
	}
	buf_fini(&frame);
	batch_packer_free(packer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_any_flipped_bit_is_seen),
	    cmocka_unit_test(test_wrong_form_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
