#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/call.h"

struct row {
	struct call_route route;
	int number;
};

static const struct row rows[] = {
    {{"GET", "/status", CALL_COUNTS, 0}, 1},
    {{"POST", "/dead/requeue", CALL_CHANGE, 0}, 2},
    {{"POST", "/dead/*/requeue", CALL_CHANGE, 10}, 3},
    {{"GET", "/dead/*", CALL_VIEW, 0}, 4},
    {{"GET", "/", CALL_COUNTS, 0}, 5},
    {{NULL, NULL, CALL_COUNTS, 0}, 0},
};

static void
test_route(void **state)
{
	static const struct {
		const char *method, *path;
		int number; /* 0: none */
		const char *name, *allow;
	} cases[] = {
	    {"GET", "/status", 1, "", NULL},
	    {"HEAD", "/status", 1, "", NULL},
	    {"POST", "/status", 0, "", "GET"},
	    {"GET", "/statu", 0, "", NULL},
	    {"GET", "/status/", 0, "", NULL},
	    {"GET", "/dead/7", 4, "7", NULL},
	    {"GET", "/dead/a/b:c", 4, "a/b:c", NULL},
	    {"GET", "/dead/", 0, "", NULL},
	    {"GET", "/dead", 0, "", NULL},
	    {"POST", "/dead/requeue", 2, "", NULL},
	    {"POST", "/dead/7/requeue", 3, "7", NULL},
	    {"POST", "/dead//requeue", 0, "", "GET"},
	    {"POST", "/dead/a/requeue/requeue", 3, "a/requeue", NULL},
	    {"DELETE", "/dead/7", 0, "", "GET"},
	    {"GET", "/", 5, "", NULL},
	    {"GET", "", 0, "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str name = {NULL, 0};
		const char *allow = "unset";
		const struct call_route *route =
		    call_route_find(rows, sizeof(rows[0]), cases[i].method,
			cases[i].path, &name, &allow);

		if (cases[i].number == 0) {
			assert_null(route);
			if (cases[i].allow == NULL)
				assert_null(allow);
			else
				assert_string_equal(allow, cases[i].allow);
			continue;
		}
		assert_non_null(route);
		assert_int_equal(
		    ((const struct row *)route)->number, cases[i].number);
		assert_true(str_equal_text(name, cases[i].name));
	}
}

static void
test_params(void **state)
{
	struct call call;

	(void)state;
	call_init(&call, "GET");
	assert_int_equal(call.status, 200);
	assert_null(call_param(&call, "a"));
	for (int i = 0; i < CALL_PARAMS; i++)
		assert_true(call_param_add(&call, i == 3 ? "a" : "b", "x"));
	assert_string_equal(call_param(&call, "a"), "x");
	assert_false(call_param_add(&call, "c", "x"));
	assert_null(call_param(&call, "c"));
}

static void
test_status(void **state)
{
	(void)state;
	for (int code = ERR_NONE + 1; code <= ERR_UNSUPPORTED; code++)
		assert_in_range(call_status((enum err_code)code), 400, 599);
	assert_int_equal(call_status(ERR_NOT_FOUND), 404);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_route),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
