#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/currents.h"
#include "server/route.h"

#include <string.h>

/* A second kind, for what it takes to find a route. */
static const struct intake other = {.path = "/other"};

static const struct server_source sources[] = {
    {.name = "main", .intake = &currents_intake},
    {.name = "brand", .intake = &currents_intake},
    {.name = "else", .intake = &other},
};

static const struct route *
find(const char *path, bool admin, const struct intake **ret_intake,
    struct str *ret_name)
{
	return route_find(path, admin, sources, 3, ret_intake, ret_name);
}

static void
test_find(void **state)
{
	static const struct {
		const char *path;
		bool admin;
		const char *route; /* its path, or NULL */
		const char *name;
	} cases[] = {
	    {"/currents", false, "/currents", ""},
	    {"/currents/", false, "/currents", ""},
	    {"/currents/main", false, "/currents", "main"},
	    {"/currents/main/", false, "/currents", "main"},
	    {"/currents/a/b", false, "/currents", "a/b"},
	    {"/currents//", false, "/currents", ""},
	    {"/currentsx", false, NULL, ""},
	    {"/Currents", false, NULL, ""},
	    {"/current", false, NULL, ""},
	    {"", false, NULL, ""},
	    {"/", false, NULL, ""},
	    {"*", false, NULL, ""},
	    {"http://host/currents/main", false, "/currents", "main"},
	    {"http://host", false, NULL, ""},
	    {"/x://host/currents", false, NULL, ""},
	    {"/healthz", false, "/healthz", ""},
	    {"/healthz/", false, "/healthz", ""},
	    {"/healthz/x", false, NULL, ""},
	    {"/readyz", false, "/readyz", ""},
	    {"/metrics", false, NULL, ""},
	    {"/status", false, NULL, ""},
	    {"/readyz", true, "/readyz", ""},
	    {"/other", false, "/other", ""},
	    {"/other/else", false, "/other", "else"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str name = {NULL, 0};
		const struct intake *intake;
		const struct route *route =
		    find(cases[i].path, cases[i].admin, &intake, &name);

		if (cases[i].route == NULL) {
			assert_null(route);
			assert_null(intake);
			continue;
		}
		assert_non_null(route);
		assert_int_equal(route->post, intake != NULL);
		assert_string_equal(intake != NULL ? intake->path : route->path,
		    cases[i].route);
		if (intake != NULL)
			assert_true(str_equal_text(name, cases[i].name));
	}
}

static const struct route *
found(const char *path, bool admin)
{
	const struct intake *intake;
	const struct route *route;
	struct str name;

	route = find(path, admin, &intake, &name);
	assert_non_null(route);
	return route;
}

static void
test_methods(void **state)
{
	(void)state;
	assert_true(route_takes(found("/currents", false), "POST"));
	assert_false(route_takes(found("/currents", false), "GET"));
	assert_false(route_takes(found("/currents", false), "post"));
	assert_true(route_takes(found("/healthz", false), "HEAD"));
	/* the interface knows its own paths and methods */
	assert_true(found("/status", true)->admin);
	assert_ptr_equal(found("/status", true), found("/currents", true));
	assert_true(route_takes(found("/status", true), "POST"));
	assert_string_equal(found("/currents", false)->allow, "POST");
	assert_string_equal(found("/readyz", false)->allow, "GET, HEAD");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
