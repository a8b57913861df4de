/*
 * The file of settings: sections, comments, ${NAME}, and what is said about
 * each mistake.
 */

#include "settings_help.h"

static bool
read_text(const char *text, struct settings *ret_settings, struct err *reterr)
{
	char path[32];
	bool ok;

	file_make(text, 0600, path);
	ok = settings_read(path, ret_settings, reterr);
	assert_int_equal(unlink(path), 0);
	return ok;
}

static void
test_whole_file(void **state)
{
	static const char text[] =
	    "# a comment\n"
	    "listen = 0.0.0.0:80 // another\n"
	    "admin = \"[::1]:81\" /* and\n another */\n"
	    "state_dir = \"/var/lib/x\"\n"
	    "body_limit = 2M\n"
	    "source \"shop\" { kind = currents token = {\"t1\", \"t2\"} "
	    "invalid = drop }\n"
	    "source app {\n"
	    "  token = \"${SECRET}\"\n"
	    "  parameter = \"key=Brand A\"\n"
	    "  destination = eu\n"
	    "  unknown_type = dead\n"
	    "}\n"
	    "destination \"us\" { app_id = 1 region = us }\n"
	    "destination \"eu\" {\n"
	    "  app_id = \"${ID:-77}\"\n"
	    "  url = http://127.0.0.1:9/\n"
	    "  share = 50 linger = 100ms\n"
	    "}\n";
	static const char *const pairs[] = {
	    "SECRET=s3cret", "CURRENTSD_BODY_LIMIT=3M", NULL};
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(pairs);
	if (!read_text(text, &settings, &err))
		fail_msg("%s", err.text);
	assert_true(settings_complete(&settings, &err));
	assert_string_equal(settings.server.listen[0], "0.0.0.0:80");
	assert_string_equal(settings.server.admin, "[::1]:81");
	assert_int_equal(settings.server.body_limit, 3 << 20);
	assert_int_equal(settings.source_count, 2);
	assert_string_equal(settings.sources[0].server.name, "shop");
	assert_int_equal(
	    settings_list_count(settings.sources[0].server.secrets), 2);
	assert_true(settings.sources[0].currents.invalid_dropped);
	assert_string_equal(settings.sources[0].server.destination, "us");
	assert_string_equal(settings.sources[1].server.secrets[0], "s3cret");
	assert_string_equal(
	    settings.sources[1].server.parameter, "key=Brand A");
	assert_string_equal(settings.sources[1].server.destination, "eu");
	assert_int_equal(
	    settings.sources[1].currents.unknown_type, CURRENTS_DEAD);
	assert_string_equal(settings.destinations[0].track.url,
	    "https://heapanalytics.com/api/track");
	assert_string_equal(
	    settings.destinations[1].track.url, "http://127.0.0.1:9/api/track");
	assert_string_equal(settings.destinations[1].track.app_id, "77");
	assert_int_equal(settings.destinations[1].track.share_percent, 50);
	assert_int_equal(settings.destinations[1].forwarder.linger_ms, 100);
	settings_fini(&settings);
}

static void
test_mistakes(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"lisen = 1\n", "line 1: not a setting of this section; did you "
			    "mean listen?"},
	    {"\n\nsource \"a\" { listen = x }\n", "line 3: not a setting of"},
	    {"source \"a\" { tokens = {sesame} }", "did you mean token"},
	    {"source \"a\" { token = {sesame sesame} }", "not understood"},
	    {"source \"a\" { token = sesame sesame }", "not a setting"},
	    {"source \"a\" { token = \"sesame\"", "} is missing"},
	    {"source \"a\" {\nsource \"b\" {}", "line 2: a section is not"},
	    {"source { open = yes }", "missing title"},
	    /* whose message libconfuse leaves without its words */
	    {"destination \"d\" { app_id = 1\"\nurl = \"http://x\"\n}",
		"line 2: not understood"},
	    {"source \"a\" {}\nsource \"a\" {}", "found duplicate title"},
	    {"source \"a b\" {}", "the name of a source"},
	    {"source \"../x\" {}", "the name of a source"},
	    {"destination \"\" {}", "the name of a destination"},
	    {"listen 1\n", "missing equal sign"},
	    {"listen = \"abc\n", "premature end"},
	    {"listen = sesame\n", "listen should be an IP address"},
	    {"source \"a\" { open = sesame }", "source \"a\": open should be"},
	    {"destination \"d\" { share = sesame }", "\"d\": share should be"},
	    {"source \"a\" { kind = sesame }",
		"kind should be one of currents"},
	    {"destination \"a\" { kind = currents }",
		"kind should be one of track"},
	    {"source \"a\" { app_id = 1 }", "not a setting of this section"},
	    /* what is not set is empty, and nothing may be */
	    {"state_dir = \"${NOPE}\"\n", "state_dir is empty"},
	    {"state_dir = ${NOPE}\n", "state_dir is empty"},
	    {"state_dir = \"\"\n", "state_dir is empty"},
	    {"source \"a\" { token = \"${NOPE}\" }",
		"source \"a\": token item 1 is empty"},
	    {"source \"a\" { token = {\"t1\", \"${NOPE}\", \"t3\"} }",
		"source \"a\": token item 2 is empty"},
	    {"source \"a\" { token = \"\" open = no }",
		"token item 1 is empty"},
	    {"source \"a\" { token_file = \"${NOPE}\" }",
		"token_file is empty"},
	    {"source \"a\" { open = \"${NOPE}\" }", "open is empty"},
	    {"destination \"d\" { app_id = \"${NOPE}\" }",
		"destination \"d\": app_id is empty"},
	    {"destination \"d\" { region = \"${NOPE}\" }", "region is empty"},
	    {"destination \"d\" { prefix = \"${NOPE}\" }", "prefix is empty"},
	    {"destination \"d\" { drop = {\"${NOPE}\"} }",
		"drop item 1 is empty"},
	    {"destination \"d\" { hash_key_file = \"${NOPE}\" }",
		"hash_key_file is empty"},
	    {"body_limit = \"${NOPE}\"\n", "body_limit is empty"},
	    {"state_dir = \"${NOPE:-/x}\"\n", NULL},
	    /* nor may a part be */
	    {"# ${A}\nstate_dir = \"/x${NOPE}\"\n",
		"line 2: the environment has no NOPE"},
	    {"state_dir = /x\nsource \"a\" {\n  token = {\"t\", "
	     "\"x${NOPE}\"}\n}",
		"line 3: the environment has no NOPE"},
	    {"/* a\n */ state_dir = \"${HOME}/'${NOPE}'\"\n",
		"line 2: the environment has no NOPE"},
	    {"state_dir = \"/x${NOPE:-}\"\n", NULL},
	    {"state_dir = \"/x${"
	     "NOPE_NOPE_NOPE_NOPE_NOPE_NOPE_NOPE_NOPE_NOPE_NOPE_NOPE_NOPE"
	     ":-default}\"\n",
		NULL},
	    {"state_dir = \"/x\\${NOPE}\"\n", NULL},
	    {"state_dir = '/x${NOPE}' # \"${A}\n", NULL},
	    {"state_dir = /x//y // ${A}\nlisten = 0.0.0.0:80 /* '${A} */",
		NULL},
	    /* a last line is added to the text */
	    {"state_dir = \"${NOPE\"\n",
		"state_dir has ${ without a closing }"},
	    {"source \"a\" { token = {\"t\", \"${NOPE\"} }", "premature end"},
	    {"destination \"d\" { share = 1\n\n",
		"line 4: a section is not closed"},
	    {"state_dir = \"/x\" /* open = ", "a comment is not closed"},
	    {"state_dir = \"/x\"\nlisten =", "not understood"},
	    {"state_dir = '${NOPE}' # ${NOPE}\n// ${NOPE}\n/* ${NOPE} */",
		NULL},
	    {"state_dir = \"/x//${HOME}\" # {\n", NULL},
	    {"state_dir = \"/x\\\"${HOME}\"", NULL},
	    {"state_dir = \"/x\" # no newline", NULL},
	    {"", NULL},
	};
	static const char *const pairs[] = {"HOME=/h", NULL};
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment_set(pairs);
		if (read_text(cases[i].text, &settings, &err)) {
			if (cases[i].error != NULL)
				fail_msg("accepted: %s", cases[i].text);
			settings_fini(&settings);
			continue;
		}
		assert_int_equal(err.code, ERR_CONFIG);
		if (cases[i].error == NULL ||
		    strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_null(strstr(err.text, "sesame"));
	}
}

static void
test_no_file(void **state)
{
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(NULL);
	assert_false(settings_read("/nowhere/x.conf", &settings, &err));
	assert_non_null(strstr(err.text, "/nowhere/x.conf"));
	assert_int_equal(err.code, ERR_CONFIG);
}

/* With two sources it cannot be told whose token a variable is. */
static void
test_variable_of_several(void **state)
{
	static const char text[] = "state_dir = \"/x\"\n"
				   "source \"a\" { open = yes }\n"
				   "source \"b\" { open = yes }\n";
	static const char *const pairs[] = {"CURRENTSD_TOKEN=sesame", NULL};
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(pairs);
	assert_false(read_text(text, &settings, &err));
	assert_non_null(strstr(err.text, "CURRENTSD_TOKEN is set, but"));
	assert_null(strstr(err.text, "sesame"));
}

static void
test_readable_by_all(void **state)
{
	struct settings settings;
	struct err err;
	char path[32];

	(void)state;
	environment_set(NULL);
	file_make(
	    "state_dir = \"/x\"\nsource \"a\" { token = \"t\" }\n", 0644, path);
	assert_true(settings_read(path, &settings, &err));
	assert_true(buf_has(&settings.warnings, "chmod o-r"));
	assert_int_equal(unlink(path), 0);
	settings_fini(&settings);
}

/* The file of the catalogue is read with the settings, and goes with them. */
static void
test_catalogue(void **state)
{
	static const char text[] = "{\"events\":{\"users.Fax\":{}}}";
	size_t types = document_types(catalogue_in_use());
	char path[32], variable[64], *large;
	const char *const pairs[] = {variable, NULL};
	struct settings settings;
	struct err err;

	(void)state;
	file_make(text, 0600, path);
	(void)snprintf(
	    variable, sizeof(variable), "CURRENTSD_CATALOGUE=%s", path);
	environment_set(pairs);
	assert_true(settings_read(NULL, &settings, &err));
	assert_string_equal(settings.catalogue, path);
	assert_int_equal(document_types(catalogue_in_use()), types + 1);
	settings_fini(&settings);
	assert_int_equal(document_types(catalogue_in_use()), types);
	assert_int_equal(unlink(path), 0);

	assert_false(settings_read(NULL, &settings, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "No such file"));

	file_make("{\"events\":{\"users.Fax\":5}}", 0600, path);
	(void)snprintf(
	    variable, sizeof(variable), "CURRENTSD_CATALOGUE=%s", path);
	environment_set(pairs);
	assert_false(settings_read(NULL, &settings, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "events: \"users.Fax\": should be"));
	assert_int_equal(unlink(path), 0);

	/* blanks to the limit are fine, one more is not */
	large = malloc((1 << 20) + 2);
	assert_non_null(large);
	for (size_t over = 0; over < 2; over++) {
		memset(large, ' ', (1 << 20) + over);
		memcpy(large, text, strlen(text));
		large[(1 << 20) + over] = '\0';
		file_make(large, 0600, path);
		(void)snprintf(
		    variable, sizeof(variable), "CURRENTSD_CATALOGUE=%s", path);
		environment_set(pairs);
		assert_int_equal(
		    settings_read(NULL, &settings, &err), over == 0);
		if (over == 0)
			settings_fini(&settings);
		else
			assert_non_null(strstr(err.text, "more than 1 MiB"));
		assert_int_equal(unlink(path), 0);
	}
	free(large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_file),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_no_file),
	    cmocka_unit_test(test_variable_of_several),
	    cmocka_unit_test(test_readable_by_all),
	    cmocka_unit_test(test_catalogue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
