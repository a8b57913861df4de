/*
 * Bodies, plain and inflated, fed in pieces of every size, and the budget
 * that they are paid from.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/body.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	LIMIT = 4096,
	BUDGET = 100 * 1024,
	GZIP = 31,
	ZLIB = 15,
	RAW = -15,
};

/* Deflate in the format that windowBits names; the result is the caller's. */
static unsigned char *
pack(int bits, const void *data, size_t len, size_t *ret_len)
{
	size_t cap = len + 1024;
	unsigned char *out = malloc(cap);
	z_stream zlib = {0};

	assert_non_null(out);
	assert_int_equal(
	    deflateInit2(&zlib, 9, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY),
	    Z_OK);
	zlib.next_in = (unsigned char *)(uintptr_t)data;
	zlib.avail_in = (uInt)len;
	zlib.next_out = out;
	zlib.avail_out = (uInt)cap;
	assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
	*ret_len = cap - zlib.avail_out;
	assert_int_equal(deflateEnd(&zlib), Z_OK);
	return out;
}

static void
feed(struct body *body, enum coding coding, const void *data, size_t len,
    size_t step)
{
	const char *at = data;

	body_begin(body, coding, 0);
	for (size_t i = 0; i < len; i += step)
		body_add(body, at + i, len - i < step ? len - i : step);
	body_end(body);
}

static char *
text_of(size_t len)
{
	char *text = malloc(len);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (i * 7 + i / 13) % 26);
	return text;
}

static void
test_codings(void **state)
{
	static const struct {
		const char *header;
		bool known;
		enum coding coding;
	} cases[] = {
	    {NULL, true, CODING_IDENTITY},
	    {"", true, CODING_IDENTITY},
	    {"identity", true, CODING_IDENTITY},
	    {"gzip", true, CODING_GZIP},
	    {"GZip", true, CODING_GZIP},
	    {"x-gzip", true, CODING_GZIP},
	    {"deflate", true, CODING_DEFLATE},
	    {"br", false, CODING_IDENTITY},
	    {"zstd", false, CODING_IDENTITY},
	    {"gzip, gzip", false, CODING_IDENTITY},
	    {"gzipp", false, CODING_IDENTITY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum coding coding = CODING_IDENTITY;

		assert_int_equal(
		    coding_read(cases[i].header, &coding), cases[i].known);
		assert_int_equal(coding, cases[i].coding);
	}
}

/* Every coding, every length around the limit, in small and large steps. */
static void
test_inflates(void **state)
{
	static const struct {
		enum coding coding;
		int bits; /* 0: as it is */
	} codings[] = {
	    {CODING_IDENTITY, 0},
	    {CODING_GZIP, GZIP},
	    {CODING_DEFLATE, ZLIB},
	    {CODING_DEFLATE, RAW},
	};
	static const size_t lengths[] = {1, 2, 1000, 1024, LIMIT - 1, LIMIT};
	static const size_t steps[] = {1, 2, 3, 1000, LIMIT * 2};
	struct budget budget;

	(void)state;
	budget_init(&budget, BUDGET, NULL);
	for (size_t c = 0; c < 4; c++)
		for (size_t l = 0; l < 6; l++)
			for (size_t s = 0; s < 5; s++) {
				char *text = text_of(lengths[l]);
				size_t len = lengths[l];
				unsigned char *packed =
				    codings[c].bits != 0
					? pack(codings[c].bits, text, len, &len)
					: NULL;
				struct body body;

				body_init(&body, LIMIT, &budget);
				feed(&body, codings[c].coding,
				    packed != NULL ? (char *)packed : text, len,
				    steps[s]);
				assert_int_equal(body.state, BODY_GOOD);
				assert_int_equal(body.received, len);
				assert_int_equal(
				    body_text(&body)->len, lengths[l]);
				assert_memory_equal(
				    body_text(&body)->data, text, lengths[l]);
				body_fini(&body);
				free(packed);
				free(text);
			}
	assert_int_equal(atomic_load(&budget.left), BUDGET);
}

static void
test_too_large(void **state)
{
	static const size_t steps[] = {1, 1000, LIMIT * 2};
	char *text = calloc(LIMIT + 1, 1);
	struct budget budget;
	unsigned char *packed;
	struct body body;
	size_t len;

	(void)state;
	assert_non_null(text);
	packed = pack(GZIP, text, LIMIT + 1, &len);
	budget_init(&budget, BUDGET, NULL);
	for (size_t s = 0; s < 3; s++) {
		body_init(&body, LIMIT, &budget);
		feed(&body, CODING_IDENTITY, text, LIMIT + 1, steps[s]);
		assert_int_equal(body.state, BODY_TOO_LARGE);
		/* A refused body holds no memory. */
		assert_int_equal(atomic_load(&budget.left), BUDGET);
		body_fini(&body);
		body_init(&body, LIMIT, &budget);
		feed(&body, CODING_GZIP, packed, len, steps[s]);
		assert_int_equal(body.state, BODY_TOO_LARGE);
		assert_int_equal(atomic_load(&budget.left), BUDGET);
		body_fini(&body);
	}
	body_init(&body, LIMIT, &budget);
	body_begin(&body, CODING_IDENTITY, UINT64_MAX);
	assert_int_equal(body.state, BODY_TOO_LARGE);
	body_fini(&body);
	free(packed);
	free(text);
}

/* A stream that was cut anywhere, or has a flipped bit, is corrupt, and all
 * that came is there. (If the bit does not matter, the text is right.) */
static void
test_corrupt(void **state)
{
	char *text = text_of(500);
	struct budget budget;
	struct body body;
	unsigned char *packed;
	size_t len, corrupt = 0;

	(void)state;
	packed = pack(GZIP, text, 500, &len);
	budget_init(&budget, BUDGET, NULL);
	for (size_t cut = 1; cut < len; cut++) {
		body_init(&body, LIMIT, &budget);
		feed(&body, CODING_GZIP, packed, cut, 7);
		assert_int_equal(body.state, BODY_CORRUPT);
		assert_int_equal(body.corrupt_at, cut);
		assert_int_equal(body.raw.buf.len, cut);
		assert_memory_equal(body.raw.buf.data, packed, cut);
		body_fini(&body);
	}
	for (size_t at = 10; at < len; at++) {
		packed[at] ^= 0x10;
		body_init(&body, LIMIT, &budget);
		feed(&body, CODING_GZIP, packed, len, 7);
		if (body.state == BODY_CORRUPT) {
			corrupt++;
			assert_in_range(body.corrupt_at, at - 8, len);
			assert_int_equal(body.raw.buf.len, len);
		} else {
			assert_int_equal(body_text(&body)->len, 500);
			assert_memory_equal(body_text(&body)->data, text, 500);
		}
		body_fini(&body);
		packed[at] ^= 0x10;
	}
	assert_true(corrupt * 10 > (len - 10) * 9);
	assert_int_equal(atomic_load(&budget.left), BUDGET);
	free(packed);
	free(text);
}

/* A text that a proxy inflated but left the label: its first bytes are bare
 * deflate data by chance. */
static void
test_a_text_that_inflates(void **state)
{
	static const char *const texts[] = {
	    "{\n \"events\": [\n  {\n   \"event_type\": \"a\"\n  }\n ]\n}",
	    "{\n    \"events\": [\n        {\n            \"id\": \"1\"\n",
	    "[\n {\n  \"event_type\": \"a\",\n  \"id\": \"1\"\n }\n]",
	};
	static const size_t steps[] = {1, 2, 5, 1000};
	struct budget budget;
	struct body body;

	(void)state;
	budget_init(&budget, BUDGET, NULL);
	for (size_t i = 0; i < 3; i++) {
		for (size_t s = 0; s < 4; s++) {
			size_t len = strlen(texts[i]);

			body_init(&body, LIMIT, &budget);
			feed(&body, CODING_DEFLATE, texts[i], len, steps[s]);
			assert_int_equal(body.state, BODY_CORRUPT);
			body_take_raw(&body);
			assert_int_equal(body_text(&body)->len, len);
			assert_memory_equal(
			    body_text(&body)->data, texts[i], len);
			body_fini(&body);
		}
	}
}

static void
test_members(void **state)
{
	static const size_t steps[] = {1, 5, 1000};
	unsigned char *first, *second, all[1024];
	struct budget budget;
	struct body body;
	size_t first_len, second_len, len;

	(void)state;
	first = pack(GZIP, "[1,", 3, &first_len);
	second = pack(GZIP, "2]", 2, &second_len);
	memcpy(all, first, first_len);
	memcpy(all + first_len, second, second_len);
	len = first_len + second_len;
	/* What follows the last member: padding, as tar leaves it. */
	memset(all + len, 0, 16);
	budget_init(&budget, BUDGET, NULL);
	for (size_t s = 0; s < 3; s++) {
		for (size_t more = 0; more <= 16; more += 16) {
			body_init(&body, LIMIT, &budget);
			feed(&body, CODING_GZIP, all, len + more, steps[s]);
			assert_int_equal(body.state, BODY_GOOD);
			assert_int_equal(body_text(&body)->len, 5);
			assert_memory_equal(body_text(&body)->data, "[1,2]", 5);
			body_fini(&body);
		}
		/* A second member that is cut is damage, not padding. */
		body_init(&body, LIMIT, &budget);
		feed(&body, CODING_GZIP, all, len - 1, steps[s]);
		assert_int_equal(body.state, BODY_CORRUPT);
		body_fini(&body);
	}
	free(first);
	free(second);
}

/* An empty body is a probe, whatever coding it claims. */
static void
test_empty(void **state)
{
	struct budget budget;
	struct body body;

	(void)state;
	budget_init(&budget, 0, NULL);
	body_init(&body, LIMIT, &budget);
	feed(&body, CODING_GZIP, "", 0, 1);
	assert_int_equal(body.state, BODY_GOOD);
	assert_int_equal(body_text(&body)->len, 0);
	body_fini(&body);
}

static void
test_budget(void **state)
{
	char *text = text_of(LIMIT);
	struct budget budget;
	struct body one, two;

	(void)state;
	budget_init(&budget, LIMIT, NULL);
	body_init(&one, LIMIT, &budget);
	body_begin(&one, CODING_IDENTITY, LIMIT);
	assert_int_equal(one.state, BODY_GOOD);
	assert_int_equal(atomic_load(&budget.left), BODY_FREE);
	/* The budget is spent, but a small body goes through. */
	body_init(&two, LIMIT, &budget);
	feed(&two, CODING_IDENTITY, text, BODY_FREE, 100);
	assert_int_equal(two.state, BODY_GOOD);
	body_fini(&two);
	body_init(&two, LIMIT, &budget);
	feed(&two, CODING_IDENTITY, text, LIMIT, 100);
	assert_int_equal(two.state, BODY_NO_MEMORY);
	body_fini(&two);
	body_init(&two, LIMIT, &budget);
	body_begin(&two, CODING_IDENTITY, LIMIT);
	assert_int_equal(two.state, BODY_NO_MEMORY);
	body_fini(&two);
	body_fini(&one);
	assert_int_equal(atomic_load(&budget.left), LIMIT);
	free(text);
}

/* Those who use up a share leave the rest to the others. */
static void
test_a_share_of_a_budget(void **state)
{
	struct budget all, share;

	(void)state;
	budget_init(&all, 100, NULL);
	budget_init(&share, 40, &all);
	assert_true(budget_take(&share, 40));
	assert_false(budget_take(&share, 1));
	assert_true(budget_take(&all, 60));
	budget_give(&share, 30);
	assert_int_equal(atomic_load(&all.left), 30);
	assert_true(budget_take(&all, 20));
	/* what is not there in all is not there in a share */
	assert_false(budget_take(&share, 20));
	assert_int_equal(atomic_load(&share.left), 30);
	assert_true(budget_take(&share, 10));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_codings),
	    cmocka_unit_test(test_inflates),
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_corrupt),
	    cmocka_unit_test(test_a_text_that_inflates),
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_a_share_of_a_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
