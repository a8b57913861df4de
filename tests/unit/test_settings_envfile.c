/*
 * The file of variables, and where settings come from.
 */

#include "settings_help.h"

#include <fcntl.h>
#include <unistd.h>

/* What the file makes of a variable; NULL: nothing. */
static void
value_check(const char *text, const char *name, const char *value, int line)
{
	char path[] = "/tmp/currentsd-envfile-XXXXXX";
	const char *from = NULL;
	struct settings settings = {0};
	struct err err;

	environment_set(NULL);
	file_make(text, 0600, path);
	assert_int_equal(setenv("CURRENTSD_ENV_FILE", path, 1), 0);
	buf_init(&settings.warnings, 4096);
	assert_true(settings_envfile_read(&settings, &err));
	if (value == NULL) {
		assert_null(getenv(name));
		assert_true(settings.warnings.len > 0);
	} else {
		assert_non_null(getenv(name));
		assert_string_equal(getenv(name), value);
		assert_int_equal(
		    settings_variable_line(&settings, name, &from), line);
		assert_string_equal(from, path);
	}
	settings_fini(&settings);
	assert_null(getenv(name));
	assert_int_equal(unlink(path), 0);
}

static void
test_syntax(void **state)
{
	(void)state;
	value_check("A=1", "A", "1", 1);
	value_check("# c\n; d\n\n  A=1 \t\r\nB=2\n", "A", "1", 4);
	value_check("A=x#y;z \n", "A", "x#y;z", 1);
	value_check("A=\n", "A", "", 1);
	value_check("A= b c \n", "A", "b c", 1);
	value_check("A=\"b c \"\n", "A", "b c ", 1);
	value_check("A='b\\c \"d\"'\n", "A", "b\\c \"d\"", 1);
	value_check("A=\"\\\"\\\\\\$\\`\\n\"\n", "A", "\"\\$`\\n", 1);
	value_check("A=b\\ c\\d\n", "A", "b cd", 1);
	value_check("A=b\\\nc\nB=\n", "A", "bc", 1);
	value_check("X=b\\\nc\nA='d\ne'\nB=f\n", "B", "f", 5);
	value_check("A=b'c'\"d\"e\n", "A", "bcde", 1);
	value_check("A=1\nA=2\n", "A", "2", 2);
	value_check("A=b=c\n", "A", "b=c", 1);
	value_check("export A=1\n", "A", NULL, 0);
	value_check("A\n", "A", NULL, 0);
	value_check("1A=2\n", "1A", NULL, 0);
	value_check("A =2\n", "A", NULL, 0);
}

static void
test_the_environment_wins(void **state)
{
	char path[] = "/tmp/currentsd-envfile-XXXXXX";
	static const char *const pairs[] = {"CURRENTSD_LOG_LEVEL=warn", NULL};
	const struct setting_origin *origin;
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(pairs);
	file_make("CURRENTSD_LOG_LEVEL=debug\nCURRENTSD_THREADS=3\n"
		  "CURRENTSD_TOKEN=\n",
	    0600, path);
	assert_int_equal(setenv("CURRENTSD_ENV_FILE", path, 1), 0);
	assert_true(settings_read(NULL, &settings, &err));
	assert_int_equal(settings.log.level, LOG_WARN);
	assert_int_equal(settings.server.threads, 3);
	assert_string_equal(settings.env_file, path);
	origin = setting_origin_find(settings.origins, "log_level");
	assert_non_null(origin);
	assert_null(origin->path);
	assert_string_equal(origin->variable, "CURRENTSD_LOG_LEVEL");
	origin = setting_origin_find(settings.origins, "threads");
	assert_non_null(origin);
	assert_string_equal(origin->path, path);
	assert_int_equal(origin->line, 2);
	assert_null(setting_origin_find(settings.sources[0].origins, "token"));
	settings_fini(&settings);
	assert_string_equal(getenv("CURRENTSD_LOG_LEVEL"), "warn");
	assert_int_equal(unlink(path), 0);
}

/* A fault is told with its place, and a file that was named must be there. */
static void
test_faults(void **state)
{
	char path[] = "/tmp/currentsd-envfile-XXXXXX";
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(NULL);
	file_make("\nCURRENTSD_THREADS=sesame\n", 0600, path);
	assert_int_equal(setenv("CURRENTSD_ENV_FILE", path, 1), 0);
	assert_false(settings_read(NULL, &settings, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, ", line 2: CURRENTSD_THREADS should"));
	assert_null(strstr(err.text, "sesame"));
	assert_int_equal(unlink(path), 0);
	assert_false(settings_read(NULL, &settings, &err));
	assert_non_null(strstr(err.text, "cannot read the variables in"));
}

/* Read again, while the environment stays as it is: what it had alike with the
 * file the first time is the file's to change. */
static void
test_read_again(void **state)
{
	static const char *const pairs[] = {"CURRENTSD_RETRY_AFTER=11s",
	    "CURRENTSD_THREADS=5", "WORD=warn", NULL};
	char path[] = "/tmp/currentsd-envfile-XXXXXX";
	char config[] = "/tmp/currentsd-envfile-XXXXXX";
	struct settings first, again;
	struct err err;
	FILE *file;

	(void)state;
	environment_set(pairs);
	file_make("CURRENTSD_RETRY_AFTER=11s\nCURRENTSD_THREADS=3\nWORD=warn\n"
		  "CURRENTSD_QUEUE_PENDING=7\n",
	    0600, path);
	file_make("log_level = ${WORD}\nadmin_hosts = {\"a${NO:-}\", '${b}'}\n",
	    0600, config);
	assert_int_equal(setenv("CURRENTSD_ENV_FILE", path, 1), 0);
	assert_true(settings_read(config, &first, &err));
	assert_int_equal(first.log.level, LOG_WARN);
	assert_string_equal(first.server.admin_hosts[0], "a");
	assert_string_equal(first.server.admin_hosts[1], "${b}");
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs("CURRENTSD_RETRY_AFTER=12s\nCURRENTSD_THREADS=4\n"
		    "WORD=error\nNO='\"\\\\$x'\n",
	    file);
	assert_int_equal(fclose(file), 0);
	assert_true(settings_read_again(&first, config, &again, &err));
	assert_int_equal(again.server.retry_after_s, 12);
	assert_int_equal(again.server.threads, 5); /* of the environment */
	assert_int_equal(again.log.level, LOG_ERROR);
	assert_int_not_equal(again.queue.pending_max, 7);
	assert_string_equal(again.server.admin_hosts[0], "a\"\\\\$x");
	assert_string_equal(getenv("CURRENTSD_RETRY_AFTER"), "11s");
	assert_string_equal(getenv("WORD"), "warn");
	assert_string_equal(getenv("CURRENTSD_QUEUE_PENDING"), "7");
	assert_null(getenv("NO"));

	/* what needs a restart keeps its value */
	again.queue.window_events = first.queue.window_events + 1;
	assert_true(settings_keep(&again, &first, &err));
	assert_int_equal(again.queue.pending_max, 7);
	assert_int_equal(again.queue.window_events, first.queue.window_events);
	assert_int_equal(again.server.retry_after_s, 12);
	assert_ptr_not_equal(again.queue.dir, first.queue.dir);
	assert_string_equal(again.queue.dir, first.queue.dir);
	assert_null(again.catalogue);
	settings_fini(&again);
	assert_string_equal(getenv("CURRENTSD_QUEUE_PENDING"), "7");
	settings_fini(&first);
	assert_null(getenv("CURRENTSD_QUEUE_PENDING"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(config), 0);
}

/* ---- the rows ---- */

struct wanted {
	const char *key;
	struct settings_row
	    row; /* the texts that follow stand in for its own */
	char value[128], path[128];
	bool found;
};

static void
row_find(void *arg, const struct settings_row *row)
{
	struct wanted *wanted = arg;

	if (strcmp(row->key, wanted->key) != 0)
		return;
	assert_false(wanted->found);
	wanted->found = true;
	wanted->row = *row;
	(void)snprintf(
	    wanted->value, sizeof(wanted->value), "%.*s", STR_ARGS(row->value));
	(void)snprintf(wanted->path, sizeof(wanted->path), "%s",
	    row->path != NULL ? row->path : "");
}

static void
row_check(const struct settings *settings, const char *key, const char *value,
    enum settings_origin origin, int line, bool changed)
{
	struct wanted wanted = {.key = key};
	struct err err;

	assert_true(settings_rows(settings, row_find, &wanted, &err));
	assert_true(wanted.found);
	assert_string_equal(wanted.value, value);
	assert_int_equal(wanted.row.origin, origin);
	assert_int_equal(wanted.row.line, line);
	assert_int_equal(wanted.row.changed, changed);
}

static void
test_rows(void **state)
{
	static const char text[] = "listen = \"127.0.0.1:9000\"\n"
				   "log_level = info\n"
				   "source \"main\" {\n"
				   "  token = {\"sesame\",\n"
				   "     \"sesame2\"}\n"
				   "  include = {\"a\", \"b\"}\n"
				   "}\n"
				   "destination \"heap\" {\n"
				   "  proxy = \"http://me:sesame@proxy:1\"\n"
				   "  rename = {\"a=b\", \"c=d\"}\n"
				   "}\n";
	static const char *const pairs[] = {
	    "CURRENTSD_HEAP_APP_ID=7", "STATE_DIRECTORY=/x:/y", NULL};
	char path[] = "/tmp/currentsd-envfile-XXXXXX";
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(pairs);
	file_make(text, 0600, path);
	assert_true(settings_read(path, &settings, &err));
	row_check(
	    &settings, "listen", "127.0.0.1:9000", SETTINGS_FILE, 1, true);
	row_check(&settings, "log_level", "info", SETTINGS_FILE, 2, false);
	row_check(&settings, "threads", "2", SETTINGS_DEFAULT, 0, false);
	row_check(&settings, "state_dir", "/x", SETTINGS_ENVIRONMENT, 0, true);
	row_check(&settings, "token", "********", SETTINGS_FILE, 4, true);
	row_check(&settings, "app_id", "7", SETTINGS_ENVIRONMENT, 0, true);
	row_check(&settings, "rename", "a=b,c=d", SETTINGS_FILE, 10, true);
	row_check(
	    &settings, "proxy", "http://*@proxy:1", SETTINGS_FILE, 9, true);
	settings_fini(&settings);
	assert_int_equal(unlink(path), 0);
}

/* A secret that is in a file of its own is neither read nor unset. */
static void
test_a_credential(void **state)
{
	static const char *const pairs[] = {
	    "CURRENTSD_TOKEN_FILE=/nowhere", NULL};
	struct wanted wanted = {.key = "token"};
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(pairs);
	assert_true(settings_read(NULL, &settings, &err));
	row_check(&settings, "token", "********", SETTINGS_CREDENTIAL, 0, true);
	assert_true(settings_rows(&settings, row_find, &wanted, &err));
	assert_string_equal(wanted.path, "/nowhere");
	settings_fini(&settings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_syntax),
	    cmocka_unit_test(test_the_environment_wins),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_read_again),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_a_credential),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
