/*
 * The table of settings, its values, and the environment.
 */

#include "base/log.h"
#include "settings_help.h"

static const struct setting *
row(const char *key)
{
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		if (strcmp(s->key, key) == 0)
			return s;
	}
	fail_msg("no setting %s", key);
	return NULL;
}

static void
test_table_is_sound(void **state)
{
	(void)state;
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		assert_true(strlen(s->help) > 0);
		assert_int_equal(s->help[strlen(s->help) - 1], '.');
		if (s->type == SETTINGS_WORD)
			assert_non_null(s->words);
		if (s->variable != NULL)
			assert_memory_equal(s->variable, "CURRENTSD_", 10);
		for (const struct setting *t = settings_table; t < s; t++) {
			assert_false(
			    t->section == s->section &&
			    (strcmp(t->key, s->key) == 0 || t->at == s->at));
			assert_false(s->variable != NULL &&
				     t->variable != NULL &&
				     strcmp(t->variable, s->variable) == 0);
		}
	}
}

/* The words of the table stand in the order of the enums that they mean. */
static void
test_words_are_the_enums(void **state)
{
	enum log_level level;
	char word[32];

	(void)state;
	for (int64_t at = LOG_DEBUG; at <= LOG_ERROR; at++) {
		settings_word_write(
		    row("log_level")->words, at, word, sizeof(word));
		assert_true(log_level_read(word, &level));
		assert_int_equal(level, at);
	}
	settings_word_write(
	    row("unknown_type")->words, SETTINGS_FORWARD, word, sizeof(word));
	assert_string_equal(word, "forward");
	settings_word_write(
	    row("unknown_type")->words, SETTINGS_DROP, word, sizeof(word));
	assert_string_equal(word, "drop");
	settings_word_write(
	    row("invalid")->words, SETTINGS_INVALID_DEAD, word, sizeof(word));
	assert_string_equal(word, "dead");
	settings_word_write(
	    row("region")->words, SETTINGS_EU, word, sizeof(word));
	assert_string_equal(word, "eu");
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *key, *text;
		int64_t value; /* -1: refused */
	} cases[] = {
	    {"body_limit", "16M", 16 << 20},
	    {"body_limit", "1M", 1 << 20},
	    {"body_limit", "1048576", 1 << 20},
	    {"body_limit", "512M", 512 << 20},
	    {"body_limit", "1048575", -1},
	    {"body_limit", "1023k", -1},
	    {"body_limit", "1G", -1},
	    {"body_limit", "16MB", -1},
	    {"body_limit", "16m", -1},
	    {"body_limit", "-16M", -1},
	    {"body_limit", " 16M", -1},
	    {"body_limit", "16 M", -1},
	    {"body_limit", "1.5M", -1},
	    {"body_limit", "", -1},
	    {"body_limit", "M", -1},
	    {"body_limit", "99999999999999999999", -1},
	    {"body_limit", "9223372036854775807G", -1},
	    {"linger", "0", 0},
	    {"linger", "0s", 0},
	    {"linger", "250ms", 250},
	    {"linger", "2s", 2000},
	    {"linger", "5m", 300000},
	    {"linger", "6m", -1},
	    {"linger", "2", -1},
	    {"request_timeout", "1h", 3600000},
	    {"probe", "1d", 86400000},
	    {"share", "1", 1},
	    {"share", "100", 100},
	    {"share", "0", -1},
	    {"share", "101", -1},
	    {"share", "95%", -1},
	    {"events_per_minute", "0", 0},
	};
	struct settings main = {0};
	struct settings_destination target = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct setting *s = row(cases[i].key);
		char *base = s->section == SETTINGS_MAIN ? (char *)&main
							 : (char *)&target;
		int64_t *member = (int64_t *)(void *)(base + s->at);
		struct err err = {0};

		*member = -2;
		if (settings_value_read(s, cases[i].text, base, &err)) {
			assert_int_equal(*member, cases[i].value);
			continue;
		}
		assert_int_equal(cases[i].value, -1);
		assert_int_equal(*member, -2);
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text, "should be"));
	}
}

static void
test_addresses(void **state)
{
	static const char *const good[] = {"127.0.0.1:8080", "0.0.0.0:0",
	    "[::1]:8080", "[::]:65535", "10.0.0.1:80"};
	static const char *const bad[] = {"", ":", "8080", ":8080", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:8080", "[::1]",
	    "[]:80", "localhost:8080", "127.0.0:80", "127.0.0.1:-1"};
	struct settings settings = {0};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(settings_value_read(
		    row("listen"), good[i], &settings, &err));
		assert_string_equal(settings.listen, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(settings_value_read(
		    row("listen"), bad[i], &settings, &err));
	settings_values_fini(SETTINGS_MAIN, &settings);
}

static void
test_flags_words_lists(void **state)
{
	struct settings_source source = {0};
	struct err err;

	(void)state;
	assert_true(settings_value_read(row("open"), "yes", &source, &err));
	assert_true(source.open);
	assert_true(settings_value_read(row("open"), "no", &source, &err));
	assert_false(source.open);
	assert_false(settings_value_read(row("open"), "YES", &source, &err));
	assert_true(
	    settings_value_read(row("unknown_type"), "drop", &source, &err));
	assert_int_equal(source.unknown_type, SETTINGS_DROP);
	assert_false(
	    settings_value_read(row("unknown_type"), "dro", &source, &err));
	assert_non_null(strstr(err.text, "forward|dead|drop"));
	assert_true(
	    settings_value_read(row("token"), " a , b,,c ", &source, &err));
	assert_int_equal(source.tokens.count, 3);
	assert_string_equal(source.tokens.items[1], "b");
	assert_null(source.tokens.items[3]);
	settings_values_fini(SETTINGS_SOURCE, &source);
}

static void
test_defaults(void **state)
{
	static const char *const pairs[] = {"CURRENTSD_STATE_DIR=/var/x", NULL};
	struct settings settings;
	struct err err;

	(void)state;
	environment_set(pairs);
	assert_true(settings_read(NULL, &settings, &err));
	assert_string_equal(settings.listen, "127.0.0.1:8080");
	assert_string_equal(settings.admin, "127.0.0.1:8081");
	assert_int_equal(settings.body_limit, 16 << 20);
	assert_int_equal(settings.body_memory, 256 << 20);
	assert_int_equal(settings.log_level, LOG_INFO);
	assert_int_equal(settings.source_count, 1);
	assert_int_equal(settings.destination_count, 1);
	assert_string_equal(settings.sources[0].name, "main");
	assert_false(settings.sources[0].open);
	assert_int_equal(settings.destinations[0].share, 95);
	assert_int_equal(settings.destinations[0].events_per_minute, 15000);
	assert_int_equal(settings.destinations[0].identity_per_minute, 1000);
	assert_int_equal(settings.destinations[0].region, -1);
	settings_fini(&settings);
}

static void
test_environment(void **state)
{
	static const struct {
		const char *pairs[4];
		const char *error; /* NULL: fine */
	} cases[] = {
	    {{"CURRENTSD_STATE_DIR=/x"}, NULL},
	    {{"STATE_DIRECTORY=/x:/y"}, NULL},
	    {{"CURRENTSD_STATE_DIR=/x", "CURRENTSD_TOKEN="}, NULL},
	    {{"CURRENTSD_STATE_DIR=/x", "currentsd_foo=1"}, NULL},
	    {{"X=1"}, "CURRENTSD_STATE_DIR"},
	    {{"CURRENTSD_STATE_DIR=/x", "CURRENTSD_LISTN=1"},
		"did you mean CURRENTSD_LISTEN?"},
	    {{"CURRENTSD_STATE_DIR=/x", "CURRENTSD_TOKENS=sesame"},
		"did you mean CURRENTSD_TOKEN?"},
	    {{"CURRENTSD_STATE_DIR=/x", "CURRENTSD_QQQQQQQQQQQQQQ=1"},
		"CURRENTSD_QQQQQQQQQQQQQQ: remove it"},
	    {{"CURRENTSD_STATE_DIR=/x", "CURRENTSD_LISTEN=sesame"},
		"CURRENTSD_LISTEN should be an IP address and a port"},
	    {{"CURRENTSD_STATE_DIR=/x", "CURRENTSD_HEAP_SHARE=sesame"},
		"CURRENTSD_HEAP_SHARE should be a whole number, from 1 to"},
	};
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment_set(cases[i].pairs);
		if (settings_read(NULL, &settings, &err)) {
			if (!settings_place(&settings, &err)) {
				assert_non_null(
				    strstr(err.text, cases[i].error));
				settings_fini(&settings);
				continue;
			}
			assert_null(cases[i].error);
			assert_string_equal(settings.state_dir, "/x");
			settings_fini(&settings);
			continue;
		}
		assert_non_null(cases[i].error);
		assert_int_equal(err.code, ERR_CONFIG);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s", err.text);
		assert_null(strstr(err.text, "sesame"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table_is_sound),
	    cmocka_unit_test(test_words_are_the_enums),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_flags_words_lists),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
