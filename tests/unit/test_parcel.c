/* The form of a parcel: what goes in comes out, and nothing else does. */

#include "queue/parcel.h"

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
item(const void *arg, size_t n, struct item *ret_item)
{
	(void)arg;
	*ret_item = items[n];
}

static void
items_make(size_t kinds)
{
	static char names[ITEMS][16];

	for (size_t i = 0; i < ITEMS; i++) {
		size_t kind = i % kinds;

		(void)snprintf(
		    names[kind], sizeof(names[kind]), "kind-%zu", kind);
		(void)snprintf(texts[i], sizeof(texts[i]),
		    "{\"id\":%zu,\"text\":\"the same again\"}", i);
		items[i] = (struct item){.type = str_text(names[kind]),
		    .data.data = texts[i],
		    .data.len = i % 10 == 0 ? 0 : strlen(texts[i])};
	}
	items[7].type.len = 0;
}

static void
parcel_is_items(const struct parcel *parcel, size_t count)
{
	assert_int_equal(parcel->count, count);
	for (size_t i = 0; i < count; i++) {
		const struct item *got = &parcel->items[i];

		assert_int_equal(got->type.len, items[i].type.len);
		assert_memory_equal(
		    got->type.data, items[i].type.data, items[i].type.len);
		assert_int_equal(got->data.len, items[i].data.len);
		assert_memory_equal(
		    got->data.data, items[i].data.data, items[i].data.len);
	}
}

static void
round_trip(size_t kinds, size_t count)
{
	struct parcel_packer *packer = parcel_packer_new();
	struct parcel parcel;
	struct buf frame;
	struct err err;

	assert_non_null(packer);
	items_make(kinds);
	buf_init(&frame, 1 << 20);
	assert_true(parcel_pack(packer, item, NULL, count, &frame, &err));
	assert_true(parcel_unpack(frame.data, frame.len, &parcel, &err));
	parcel_is_items(&parcel, count);
	parcel_fini(&parcel);
	buf_fini(&frame);
	parcel_packer_free(packer);
}

static void
test_round_trip(void **state)
{
	(void)state;
	round_trip(1, 1);
	round_trip(1, ITEMS);
	round_trip(5, ITEMS);
	round_trip(ITEMS, ITEMS); /* more kinds than are searched */
	round_trip(1, 0);
}

/* A few bits of a frame say nothing (unused ones, padding): flipping those
 * must leave the events as they were. */
static void
test_any_flipped_bit_is_seen(void **state)
{
	struct parcel_packer *packer = parcel_packer_new();
	struct parcel parcel;
	struct buf frame;
	size_t harmless = 0;
	struct err err;

	(void)state;
	assert_non_null(packer);
	items_make(3);
	buf_init(&frame, 1 << 20);
	assert_true(parcel_pack(packer, item, NULL, 20, &frame, &err));
	for (size_t bit = 0; bit < frame.len * 8; bit++) {
		frame.data[bit / 8] ^= (char)(1 << (bit % 8));
		if (parcel_unpack(frame.data, frame.len, &parcel, &err)) {
			parcel_is_items(&parcel, 20);
			parcel_fini(&parcel);
			harmless++;
		} else {
			assert_int_equal(err.code, ERR_DAMAGED);
		}
		frame.data[bit / 8] ^= (char)(1 << (bit % 8));
	}
	for (size_t len = 0; len < frame.len; len++)
		assert_false(parcel_unpack(frame.data, len, &parcel, &err));
	assert_true(harmless < frame.len / 8);
	buf_fini(&frame);
	parcel_packer_free(packer);
}

/* A frame whose checksum is right and whose content is not a parcel. */
static void
test_wrong_form_is_seen(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
	    {"", 0},
	    {"\x02", 1},		      /* another format */
	    {"\x01\x01", 2},		      /* a kind is missing */
	    {"\x01\x01\x05xy", 5},	      /* a kind is short */
	    {"\x01\x01\x01x\x01\x01\x00", 7}, /* no such kind */
	    {"\x01\x01\x01x\x01\x00\x05"
	     "ab",
		9}, /* data is short */
	    {"\x01\x01\x01x\x01\x00\x01"
	     "ab",
		9},				 /* data is long */
	    {"\x01\x00\xff\xff\xff\xff\x0f", 7}, /* too many events */
	    {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
	};
	struct parcel_packer *packer = parcel_packer_new();
	struct parcel parcel;
	struct buf frame;
	struct err err;

	(void)state;
	assert_non_null(packer);
	buf_init(&frame, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(parcel_pack_bytes(
		    packer, rows[i].bytes, rows[i].len, &frame, &err));
		assert_false(
		    parcel_unpack(frame.data, frame.len, &parcel, &err));
		assert_int_equal(err.code, ERR_DAMAGED);
	}
	buf_fini(&frame);
	parcel_packer_free(packer);
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
