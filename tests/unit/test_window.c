/* The window of duplicates against a plain list that does the same. */

#include "queue/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MODEL_MAX = 100 };

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Hashes of few different beginnings, so that runs form and wrap. */
static void
hash_of(uint32_t n, unsigned char ret[DIGEST_SHORT])
{
	memset(ret, 0, DIGEST_SHORT);
	ret[0] = (unsigned char)(n % 7 * 37);
	memcpy(ret + 8, &n, sizeof(n));
}

struct model {
	uint32_t list[MODEL_MAX + 1];
	size_t count, pending;
};

static bool
model_has(const struct model *model, uint32_t n)
{
	for (size_t i = 0; i < model->count; i++) {
		if (model->list[i] == n)
			return true;
	}
	return false;
}

static void
model_add(struct model *model, uint32_t n)
{
	if (model->count == MODEL_MAX) {
		memmove(model->list, model->list + 1,
		    (MODEL_MAX - 1) * sizeof(model->list[0]));
		model->count--;
		if (model->pending > model->count)
			model->pending = model->count;
	}
	model->list[model->count++] = n;
	model->pending++;
}

static void
test_agrees_with_a_list(void **state)
{
	struct window *window = window_new(MODEL_MAX);
	struct model model = {.count = 0};
	unsigned char hash[DIGEST_SHORT];
	uint32_t random = 42;

	(void)state;
	assert_non_null(window);
	for (int round = 0; round < 200000; round++) {
		uint32_t n = next_random(&random) % 300;

		switch (next_random(&random) % 16) {
		case 0:
			window_commit(window);
			model.pending = 0;
			break;
		case 1:
			window_rollback(window);
			model.count -= model.pending;
			model.pending = 0;
			break;
		}
		hash_of(n, hash);
		assert_int_equal(
		    window_has(window, hash), model_has(&model, n));
		if (!model_has(&model, n)) {
			window_add(window, hash);
			model_add(&model, n);
		}
		assert_int_equal(window_count(window), model.count);
	}
	window_clear(window);
	assert_int_equal(window_count(window), 0);
	assert_false(window_has(window, hash));
	window_free(window);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
