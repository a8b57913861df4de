#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/route.h"

#include <string.h>

static void
test_find(void **state)
{
	static const struct {
		const char *path;
		bool admin;
		enum route route;
		const char *name;
	} cases[] = {
	    {"/currents", false, ROUTE_CURRENTS, ""},
	    {"/currents/", false, ROUTE_CURRENTS, ""},
	    {"/currents/main", false, ROUTE_CURRENTS, "main"},
	    {"/currents/main/", false, ROUTE_CURRENTS, "main"},
	    {"/currents/a/b", false, ROUTE_CURRENTS, "a/b"},
	    {"/currents//", false, ROUTE_CURRENTS, ""},
	    {"/currentsx", false, ROUTE_UNKNOWN, ""},
	    {"/Currents", false, ROUTE_UNKNOWN, ""},
	    {"/current", false, ROUTE_UNKNOWN, ""},
	    {"", false, ROUTE_UNKNOWN, ""},
	    {"/", false, ROUTE_UNKNOWN, ""},
	    {"*", false, ROUTE_UNKNOWN, ""},
	    {"http://host/currents/main", false, ROUTE_CURRENTS, "main"},
	    {"http://host", false, ROUTE_UNKNOWN, ""},
	    {"/x://host/currents", false, ROUTE_UNKNOWN, ""},
	    {"/healthz", false, ROUTE_HEALTHZ, ""},
	    {"/healthz/", false, ROUTE_HEALTHZ, ""},
	    {"/healthz/x", false, ROUTE_UNKNOWN, ""},
	    {"/readyz", false, ROUTE_READYZ, ""},
	    {"/metrics", false, ROUTE_UNKNOWN, ""},
	    {"/status", false, ROUTE_UNKNOWN, ""},
	    {"/metrics", true, ROUTE_METRICS, ""},
	    {"/status", true, ROUTE_STATUS, ""},
	    {"/readyz", true, ROUTE_READYZ, ""},
	    {"/currents", true, ROUTE_UNKNOWN, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = "";
		size_t len = 0;

		assert_int_equal(
		    route_find(cases[i].path, cases[i].admin, &name, &len),
		    cases[i].route);
		assert_int_equal(len, strlen(cases[i].name));
		assert_memory_equal(name, cases[i].name, len);
	}
}

static void
test_methods(void **state)
{
	(void)state;
	assert_true(route_takes(ROUTE_CURRENTS, "POST"));
	assert_false(route_takes(ROUTE_CURRENTS, "GET"));
	assert_false(route_takes(ROUTE_CURRENTS, "post"));
	assert_true(route_takes(ROUTE_HEALTHZ, "HEAD"));
	assert_false(route_takes(ROUTE_STATUS, "POST"));
	assert_string_equal(route_allow(ROUTE_CURRENTS), "POST");
	assert_string_equal(route_allow(ROUTE_READYZ), "GET, HEAD");
	assert_null(route_allow(ROUTE_UNKNOWN));
}

static void
test_source(void **state)
{
	const struct server_source sources[] = {
	    {.name = "main"},
	    {.name = "brand-a"},
	};

	(void)state;
	assert_int_equal(route_source(sources, 2, "main", 4), 0);
	assert_int_equal(route_source(sources, 2, "brand-a/", 7), 1);
	assert_int_equal(route_source(sources, 2, "mai", 3), 2);
	assert_int_equal(route_source(sources, 2, "mainx", 5), 2);
}

static void
test_parameter(void **state)
{
	static const struct {
		const char *parameter, *key, *value;
		bool chooses;
	} cases[] = {
	    {"key=Brand A", "key", "Brand A", true},
	    {"key=Brand A", "key", "\"Brand A\"", true},
	    {"key=\"Brand A\"", "key", "Brand A", true},
	    {"key=a=b", "key", "a=b", true},
	    {"key=", "key", "", true},
	    {"key=", "key", "\"\"", true},
	    {"key=Brand A", "key", "Brand B", false},
	    {"key=Brand A", "key", "\"Brand A", false},
	    {"key=Brand A", "Key", "Brand A", false},
	    {"key=Brand A", "ke", "Brand A", false},
	    {"key=Brand A", "", "key=Brand A", false},
	    {NULL, "key", "Brand A", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct server_source source = {
		    .name = "main", .parameter = cases[i].parameter};

		assert_int_equal(
		    route_chooses(&source, cases[i].key, cases[i].value),
		    cases[i].chooses);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_parameter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
