/*
 * What is asked for before serving: tokens, an app id, a place to send to.
 */

#include "settings_help.h"

#include <unistd.h>

/* Read and complete with these variables, and a state directory. */
static bool
complete(
    const char *const *pairs, struct settings *ret_settings, struct err *reterr)
{
	environment_set(pairs);
	assert_int_equal(setenv("CURRENTSD_STATE_DIR", "/x", 1), 0);
	assert_true(settings_read(NULL, ret_settings, reterr));
	return settings_complete(ret_settings, reterr);
}

static void
test_required(void **state)
{
	static const struct {
		const char *pairs[6];
		const char *error; /* NULL: fine */
	} cases[] = {
	    {{"CURRENTSD_HEAP_APP_ID=1", "CURRENTSD_HEAP_REGION=us"},
		"has no token: set CURRENTSD_TOKEN"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_REGION=us"},
		"CURRENTSD_HEAP_APP_ID"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=1"},
		"CURRENTSD_HEAP_REGION"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_REGION=us"},
		NULL},
	    {{"CURRENTSD_OPEN=yes", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_URL=https://h"},
		NULL},
	    {{"CURRENTSD_OPEN=yes", "CURRENTSD_TOKEN=t",
		 "CURRENTSD_HEAP_APP_ID=1", "CURRENTSD_HEAP_REGION=us"},
		"is open and has a token"},
	    {{"CURRENTSD_TOKEN=ses ame", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_REGION=us"},
		"token number 1"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=12a",
		 "CURRENTSD_HEAP_REGION=us"},
		"digits only"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_REGION=us", "CURRENTSD_BODY_MEMORY=8M"},
		"CURRENTSD_BODY_MEMORY"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_REGION=us", "CURRENTSD_HEAP_BACKOFF_FIRST=1h"},
		"backoff_first should be at most"},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_REGION=us",
		 "CURRENTSD_REPORT_TIMEZONE=Europe/Berlin"},
		NULL},
	    {{"CURRENTSD_TOKEN=t", "CURRENTSD_HEAP_APP_ID=1",
		 "CURRENTSD_HEAP_REGION=us",
		 "CURRENTSD_REPORT_TIMEZONE=Europe/Atlantis"},
		"CURRENTSD_REPORT_TIMEZONE (in the file: report_timezone): no "
		"such time zone"},
	};
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok = complete(cases[i].pairs, &settings, &err);

		settings_fini(&settings);
		if (ok != (cases[i].error == NULL))
			fail_msg("case %zu: %s", i, ok ? "fine" : err.text);
		if (ok)
			continue;
		assert_int_equal(err.code, ERR_CONFIG);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s", err.text);
		assert_null(strstr(err.text, "ses ame"));
	}
}

static void
test_ca_file(void **state)
{
	static const struct {
		const char *pair, *error; /* NULL: fine */
	} cases[] = {
	    {"CURRENTSD_HEAP_CA_FILE=/no/such/ca.pem",
		"/no/such/ca.pem: No such file"},
	    {"CURRENTSD_HEAP_CA_FILE=/", "/: Is a directory"},
	    {"CURRENTSD_HEAP_CA_FILE=/dev/null",
		"/dev/null: has no certificate in PEM"},
	    {NULL, NULL},
	};
	char path[] = "/tmp/currentsd-ca-XXXXXX", pair[64];
	const char *pairs[] = {"CURRENTSD_OPEN=yes", "CURRENTSD_HEAP_APP_ID=1",
	    "CURRENTSD_HEAP_REGION=us", pair, NULL};
	int fd = mkstemp(path);
	struct settings settings;
	struct err err;

	(void)state;
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "# ours\n-----BEGIN CERTIFICATE-----\nAA==\n"
				"-----END CERTIFICATE-----\n") > 0);
	assert_int_equal(close(fd), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok;

		if (cases[i].pair != NULL)
			(void)snprintf(pair, sizeof(pair), "%s", cases[i].pair);
		else
			(void)snprintf(pair, sizeof(pair),
			    "CURRENTSD_HEAP_CA_FILE=%s", path);
		ok = complete(pairs, &settings, &err);
		settings_fini(&settings);
		assert_true(ok == (cases[i].error == NULL));
		if (ok)
			continue;
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text, cases[i].error));
		assert_non_null(strstr(err.text, "can read, or unset it"));
	}
	assert_int_equal(unlink(path), 0);
}

static void
test_urls(void **state)
{
	static const struct {
		const char *url, *track; /* NULL: refused */
	} cases[] = {
	    {"https://heap.example", "https://heap.example/api/track"},
	    {"https://heap.example/", "https://heap.example/api/track"},
	    {"https://h/a/b//", "https://h/a/b/api/track"},
	    {"https://h/api/track", "https://h/api/track"},
	    {"https://h/api/track/", "https://h/api/track"},
	    {"http://127.0.0.1:9000", "http://127.0.0.1:9000/api/track"},
	    {"http://127.9.8.7", "http://127.9.8.7/api/track"},
	    {"http://localhost:1", "http://localhost:1/api/track"},
	    {"http://[::1]:1", "http://[::1]:1/api/track"},
	    {"http://[::1]", "http://[::1]/api/track"},
	    {"http://heap.example", NULL},
	    {"http://127.evil.example", NULL},
	    {"http://localhost.evil.example", NULL},
	    {"http://127.0.0.1@evil.example", NULL},
	    {"http://[::2]:1", NULL},
	    {"https://user:pass@h", NULL},
	    {"https://h?x=1", NULL},
	    {"https://", NULL},
	    {"https:///x", NULL},
	    {"ftp://h", NULL},
	    {"heap.example", NULL},
	};
	const char *pairs[] = {
	    "CURRENTSD_OPEN=yes", "CURRENTSD_HEAP_APP_ID=1", NULL, NULL};
	struct settings settings;
	struct err err;
	char pair[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(
		    pair, sizeof(pair), "CURRENTSD_HEAP_URL=%s", cases[i].url);
		pairs[2] = pair;
		if (complete(pairs, &settings, &err)) {
			if (cases[i].track == NULL)
				fail_msg("accepted %s", cases[i].url);
			assert_string_equal(
			    settings.destinations[0].track.url, cases[i].track);
		} else if (cases[i].track != NULL) {
			fail_msg("%s: %s", cases[i].url, err.text);
		}
		settings_fini(&settings);
	}
}

static void
test_token_files(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		size_t tokens; /* 0: refused */
		const char *says;
	} cases[] = {
	    {"one-token-that-is-long\n", 0600, 1, NULL},
	    {"\nfirst-token-of-these\r\n\n second-token-of-these  \n", 0600, 2,
		NULL},
	    {"no-newline-at-its-end", 0600, 1, NULL},
	    {"seen-by-all-the-others\n", 0644, 1, "chmod o-r"},
	    {"short\n", 0600, 1, "shorter than 16"},
	    {"", 0600, 0, "has no token"},
	    {"\n\n", 0600, 0, "has no token"},
	    {"good-token-of-all\n# sesame\n", 0600, 0, "line 2: not a token"},
	    {"ses\xc3\xa4me\n", 0600, 0, "line 1: not a token"},
	};
	const char *pairs[] = {
	    NULL, "CURRENTSD_HEAP_APP_ID=1", "CURRENTSD_HEAP_REGION=eu", NULL};
	char path[32], pair[128];
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok;

		file_make(cases[i].text, cases[i].mode, path);
		(void)snprintf(
		    pair, sizeof(pair), "CURRENTSD_TOKEN_FILE=%s", path);
		pairs[0] = pair;
		ok = complete(pairs, &settings, &err);
		assert_int_equal(unlink(path), 0);
		if (ok != (cases[i].tokens > 0))
			fail_msg("case %zu: %s", i, ok ? "fine" : err.text);
		if (!ok) {
			assert_non_null(strstr(err.text, cases[i].says));
			assert_null(strstr(err.text, "ses"));
		} else {
			assert_int_equal(
			    settings_list_count(
				settings.sources[0].server.secrets),
			    cases[i].tokens);
			assert_int_equal(
			    settings.warnings.len == 0, cases[i].says == NULL);
			if (cases[i].says != NULL)
				assert_true(
				    buf_has(&settings.warnings, cases[i].says));
		}
		settings_fini(&settings);
	}
}

static void
test_names_fit(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"source \"a\" { open = yes destination = \"x\" }",
		"there is no destination \"x\""},
	    {"source \"a\" { open = yes parameter = \"x\" }",
		"parameter should be key=value"},
	    {"source \"a\" { open = yes parameter = \"k=v\" }\n"
	     "source \"b\" { open = yes parameter = \"k=v\" }",
		"have the same parameter"},
	    {"source \"a\" { open = yes parameter = \"k=v\" }\n"
	     "source \"b\" { open = yes parameter = \"k=w\" }",
		NULL},
	};
	static const char *const pairs[] = {"CURRENTSD_HEAP_APP_ID=1",
	    "CURRENTSD_HEAP_REGION=eu", "CURRENTSD_STATE_DIR=/x", NULL};
	struct settings settings;
	struct err err;
	char path[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment_set(pairs);
		file_make(cases[i].text, 0600, path);
		assert_true(settings_read(path, &settings, &err));
		assert_int_equal(unlink(path), 0);
		if (settings_complete(&settings, &err))
			assert_null(cases[i].error);
		else if (cases[i].error == NULL ||
			 strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s", err.text);
		settings_fini(&settings);
	}
}

#define DESTINATION(name, id, more)                                            \
	"destination \"" name "\" { app_id = " id " " more " }\n"

/* Two lanes of one app would each use all of its quota. */
static void
test_destinations_share(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {DESTINATION("one", "7", "region = eu") DESTINATION(
		 "two", "7", "url = \"https://C.EU.heap-api.com/\""),
		"destinations \"one\" and \"two\" send to the same app"},
	    {DESTINATION("one", "7", "region = eu share = 47")
		    DESTINATION("two", "7", "region = eu share = 47")
			DESTINATION("three", "7", "region = eu share = 7"),
		"destinations \"two\" and \"three\""},
	    {DESTINATION("one", "7", "region = eu share = 47")
		    DESTINATION("two", "7", "region = eu share = 53"),
		NULL},
	    {DESTINATION("one", "7", "region = eu")
		    DESTINATION("two", "8", "region = eu"),
		NULL},
	    {DESTINATION("one", "7", "region = eu")
		    DESTINATION("two", "7", "region = us"),
		NULL},
	    /* To try a mapping beside the one that sends. */
	    {DESTINATION("one", "7", "region = eu")
		    DESTINATION("two", "7", "region = eu dry_run = yes"),
		NULL},
	};
	static const char *const pairs[] = {"CURRENTSD_STATE_DIR=/x", NULL};
	struct settings settings;
	struct err err;
	char path[32], text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment_set(pairs);
		(void)snprintf(text, sizeof(text),
		    "source \"a\" { open = yes }\n%s", cases[i].text);
		file_make(text, 0600, path);
		if (!settings_read(path, &settings, &err))
			fail_msg("%s", err.text);
		assert_int_equal(unlink(path), 0);
		if (settings_complete(&settings, &err))
			assert_null(cases[i].error);
		else if (cases[i].error == NULL ||
			 strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s", err.text);
		settings_fini(&settings);
	}
}

/* The tokens of the admin interface: by the same rules, of two sources. */
static void
test_admin_tokens(void **state)
{
	static const struct {
		const char *pairs[3];
		size_t view, admin;
		const char *says; /* a warning, or the error */
		bool ok;
	} cases[] = {
	    {{NULL}, 0, 0, NULL, true},
	    {{"CURRENTSD_VIEW_TOKEN=a-token-to-look-with",
		 "CURRENTSD_ADMIN_TOKEN=a-token-to-change, another-to-change"},
		1, 2, NULL, true},
	    {{"CURRENTSD_VIEW_TOKEN=short"}, 1, 0,
		"view_token number 1 is shorter than 16", true},
	    {{"CURRENTSD_ADMIN_TOKEN=a-token-to-change,short"}, 0, 2,
		"admin_token number 2 is shorter than 16", true},
	    {{"CURRENTSD_ADMIN_TOKEN=ses ame"}, 0, 0,
		"admin_token number 1 contains a space", false},
	    {{"CURRENTSD_VIEW_TOKEN=a-token-to-look-with",
		 "CURRENTSD_VIEW_TOKEN_FILE=FILE"},
		3, 0, NULL, true},
	    {{"CURRENTSD_ADMIN_TOKEN_FILE=FILE"}, 0, 2, NULL, true},
	    {{"CURRENTSD_ADMIN_TOKEN_FILE=/nonexistent"}, 0, 0,
		"cannot read the token file /nonexistent", false},
	};
	char path[32], pair[128];
	struct settings settings;
	struct err err;

	(void)state;
	file_make(
	    "the-first-of-two-tokens\nthe-second-of-two-tokens\n", 0600, path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *pairs[] = {"CURRENTSD_TOKEN=a-token-that-is-long",
		    "CURRENTSD_HEAP_APP_ID=1", "CURRENTSD_HEAP_REGION=eu", NULL,
		    NULL, NULL};
		const char *file;
		bool ok;

		for (size_t p = 0; p < 2 && cases[i].pairs[p] != NULL; p++) {
			pairs[3 + p] = cases[i].pairs[p];
			file = strstr(cases[i].pairs[p], "=FILE");
			if (file == NULL)
				continue;
			(void)snprintf(pair, sizeof(pair), "%.*s=%s",
			    (int)(file - cases[i].pairs[p]), cases[i].pairs[p],
			    path);
			pairs[3 + p] = pair;
		}
		ok = complete(pairs, &settings, &err);
		if (ok != cases[i].ok)
			fail_msg("case %zu: %s", i, ok ? "fine" : err.text);
		if (!ok) {
			assert_non_null(strstr(err.text, cases[i].says));
			assert_null(strstr(err.text, "ses ame"));
		} else {
			assert_int_equal(
			    settings_list_count(settings.server.view_tokens),
			    cases[i].view);
			assert_int_equal(
			    settings_list_count(settings.server.admin_tokens),
			    cases[i].admin);
			assert_int_equal(
			    settings.warnings.len == 0, cases[i].says == NULL);
			if (cases[i].says != NULL)
				assert_true(
				    buf_has(&settings.warnings, cases[i].says));
		}
		settings_fini(&settings);
	}
	assert_int_equal(unlink(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_required),
	    cmocka_unit_test(test_ca_file),
	    cmocka_unit_test(test_urls),
	    cmocka_unit_test(test_token_files),
	    cmocka_unit_test(test_admin_tokens),
	    cmocka_unit_test(test_names_fit),
	    cmocka_unit_test(test_destinations_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
