/*
 * The table of settings, its values, and the environment.
 */

#include "base/log.h"
#include "settings_help.h"

/* A row, where it stands. */
struct place {
	const struct setting *row;
	enum setting_section_name section;
	const struct setting_kind *kind;
};

/* The i-th row of the whole table; its row is NULL after the last. */
static struct place
place_at(size_t i)
{
	for (int s = 0; s < SETTING_SECTIONS; s++) {
		const struct setting_section *section = &setting_sections[s];

		for (size_t k = 0; k < section->kind_count; k++) {
			const struct setting *row;

			for (size_t r = 0;
			     (row = setting_row(section, k, r)) != NULL; r++) {
				if (i-- == 0)
					return (struct place){row,
					    (enum setting_section_name)s,
					    &section->kinds[k]};
			}
		}
	}
	return (struct place){.row = NULL};
}

static const struct setting *
row(const char *key)
{
	struct place place;

	for (size_t i = 0; (place = place_at(i)).row != NULL; i++) {
		if (strcmp(place.row->key, key) == 0)
			return place.row;
	}
	fail_msg("no setting %s", key);
	return NULL;
}

/* What a member would be written as; until the next call. */
static const char *
written(const struct setting *setting, const void *base)
{
	static char text[256];
	struct buf out;

	buf_init(&out, sizeof(text) - 1);
	setting_write(setting, base, &out);
	(void)snprintf(text, sizeof(text), "%.*s", (int)out.len,
	    out.len > 0 ? out.data : "");
	buf_fini(&out);
	return text;
}

union base {
	struct settings settings;
	struct settings_source source;
	struct settings_destination destination;
};

static void
test_table_is_sound(void **state)
{
	char variable[SETTING_NAME], other[SETTING_NAME];
	struct place place, before;

	(void)state;
	for (size_t i = 0; (place = place_at(i)).row != NULL; i++) {
		const struct setting *s = place.row;

		assert_true(strlen(s->help) > 0);
		assert_int_equal(s->help[strlen(s->help) - 1], '.');
		if (s->type == SETTING_WORD || s->type == SETTING_WORDS)
			assert_non_null(s->words);
		if (s->type == SETTING_WORD)
			assert_true(s->size == sizeof(bool) ||
				    s->size == sizeof(enum log_level));
		if (s->type == SETTING_INTEGER || s->type == SETTING_SIZE ||
		    s->type == SETTING_DURATION || s->type == SETTING_SECONDS) {
			assert_true(s->least < s->most);
			assert_true(s->size == 8 ||
				    (s->size == 4 && s->most < INT32_MAX));
		}
		if (setting_variable(s, place.kind, variable))
			assert_memory_equal(variable, "CURRENTSD_", 10);
		for (size_t j = 0; j < i; j++) {
			before = place_at(j);
			if (before.section != place.section ||
			    before.kind == place.kind)
				assert_false(
				    before.section == place.section &&
				    (strcmp(before.row->key, s->key) == 0 ||
					before.row->at == s->at));
			/* kinds may share variables, by one key */
			assert_false(
			    setting_variable(s, place.kind, variable) &&
			    setting_variable(before.row, before.kind, other) &&
			    strcmp(variable, other) == 0 &&
			    (before.kind == place.kind ||
				before.section != place.section ||
				strcmp(before.row->key, s->key) != 0));
		}
	}
}

/* A default is written as one would write it, and within the limits. */
static void
test_defaults_read_back(void **state)
{
	struct settings memory = {.memory = NULL};
	union base base, again;
	struct place place;
	char text[256];
	struct err err;

	(void)state;
	for (size_t i = 0; (place = place_at(i)).row != NULL; i++) {
		setting_defaults(place.section, &base);
		(void)strcpy(text, written(place.row, &base));
		if (*text == '\0')
			continue;
		memset(&again, 0, sizeof(again));
		if (!setting_read(place.row, &memory, text, &again, &err))
			fail_msg("%s: %s", place.row->key, err.text);
		assert_string_equal(written(place.row, &again), text);
	}
	settings_fini(&memory);
}

/* The words of the table stand in the order of the enums that they mean. */
static void
test_words_are_the_enums(void **state)
{
	static const char *const levels[] = {
	    [LOG_DEBUG] = "debug",
	    [LOG_INFO] = "info",
	    [LOG_WARN] = "warn",
	    [LOG_ERROR] = "error",
	};
	union base base;

	(void)state;
	for (int at = LOG_DEBUG; at <= LOG_ERROR; at++) {
		base.settings.log.level = (enum log_level)at;
		assert_string_equal(
		    written(row("log_level"), &base), levels[at]);
	}
	base.source.currents.unknown_type = CURRENTS_FORWARD;
	assert_string_equal(written(row("unknown_type"), &base), "forward");
	base.source.currents.unknown_type = CURRENTS_DEAD;
	assert_string_equal(written(row("unknown_type"), &base), "dead");
	base.source.currents.unknown_type = CURRENTS_DROP;
	assert_string_equal(written(row("unknown_type"), &base), "drop");
	base.source.currents.invalid_dropped = false;
	assert_string_equal(written(row("invalid"), &base), "dead");
	base.source.currents.private_at = CURRENTS_AT_ACCEPT;
	assert_string_equal(written(row("private_at"), &base), "accept");
	base.source.on_delete = SETTINGS_ON_DELETE_ERASE;
	assert_string_equal(written(row("on_delete"), &base), "erase");
	base.destination.region = SETTINGS_EU;
	assert_string_equal(written(row("region"), &base), "eu");
	base.destination.region = SETTINGS_NO_REGION;
	assert_string_equal(written(row("region"), &base), "");
	base.destination.track.rules.identity = TRACK_IDENTITY_BRAZE;
	assert_string_equal(written(row("identity"), &base), "user_id");
	base.destination.track.rules.no_user_dead = true;
	assert_string_equal(written(row("no_user"), &base), "dead");
	base.destination.track.rules.custom_event_name = true;
	assert_string_equal(written(row("custom_event_name"), &base), "name");
	base.destination.attributes.value = ATTRIBUTES_ARRAY;
	assert_string_equal(written(row("value"), &base), "array");
	base.destination.kind = SETTINGS_COHORTS;
	assert_string_equal(
	    written(setting_find(&setting_sections[SETTING_DESTINATION],
			SETTINGS_COHORTS, "kind"),
		&base),
	    "cohorts");
	base.source.kind = SETTINGS_SEGMENTS;
	assert_string_equal(written(row("kind"), &base), "segments");
}

/* The member of a row, which may have one of two widths. */
static int64_t
number(const struct setting *setting, const union base *base)
{
	const char *member = (const char *)base + setting->at;
	int64_t wide;
	int32_t narrow;

	memcpy(&wide, member, sizeof(wide));
	memcpy(&narrow, member, sizeof(narrow));
	return setting->size == sizeof(narrow) ? narrow : wide;
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
	    {"retry_after", "10s", 10},
	    {"retry_after", "1500ms", 2},
	    {"retry_after", "500ms", -1},
	};
	struct settings memory = {.memory = NULL};
	union base base;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct setting *s = row(cases[i].key);
		struct err err = {0};

		memset(&base, 0xff, sizeof(base));
		if (setting_read(s, &memory, cases[i].text, &base, &err)) {
			assert_int_equal(number(s, &base), cases[i].value);
			continue;
		}
		assert_int_equal(cases[i].value, -1);
		assert_int_equal(number(s, &base), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text,
		    *cases[i].text != '\0' ? "should be" : "is empty"));
	}
}

static void
test_addresses(void **state)
{
	static const char *const good[] = {"127.0.0.1:8080", "0.0.0.0:0",
	    "[::1]:8080", "[::]:65535", "10.0.0.1:80"};
	static const char *const bad[] = {"", ":", "8080", ":8080", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:8080", "[::1]",
	    "[]:80", "localhost:8080", "127.0.0:80", "127.0.0.1:-1",
	    "unix:", "unix:x.sock", "/run/x.sock",
	    "unix:/23456789.123456789.123456789.123456789.123456789."
	    "123456789.123456789.123456789.123456789.123456789.12345678"};
	struct settings settings = {0};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(setting_read(
		    row("listen"), &settings, good[i], &settings, &err));
		assert_string_equal(settings.server.listen[0], good[i]);
	}
	assert_true(setting_read(row("listen"), &settings,
	    "unix:/run/x.sock, [::1]:80", &settings, &err));
	assert_string_equal(settings.server.listen[0], "unix:/run/x.sock");
	assert_string_equal(settings.server.listen[1], "[::1]:80");
	assert_null(settings.server.listen[2]);
	assert_false(setting_read(row("listen"), &settings,
	    "127.0.0.1:80,localhost:80", &settings, &err));
	assert_non_null(strstr(err.text, "item 2 should be an IP address"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(setting_read(
		    row("listen"), &settings, bad[i], &settings, &err));
	settings_fini(&settings);
}

static void
test_modes(void **state)
{
	static const char *const bad[] = {
	    "", "0800", "1000", "01000", "rw", "0x1f", "-1", "660 ", "0660a"};
	struct settings settings = {0};
	struct buf out;
	struct err err;

	(void)state;
	assert_true(setting_read(
	    row("listen_mode"), &settings, "0660", &settings, &err));
	assert_int_equal(settings.server.listen_mode, 0660);
	assert_true(setting_read(
	    row("listen_mode"), &settings, "777", &settings, &err));
	assert_int_equal(settings.server.listen_mode, 0777);
	buf_init(&out, 100);
	setting_write(row("listen_mode"), &settings, &out);
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.data, "0777", 4);
	buf_fini(&out);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(setting_read(
		    row("listen_mode"), &settings, bad[i], &settings, &err));
	settings_fini(&settings);
}

static void
test_networks(void **state)
{
	struct settings settings = {0};
	struct err err;

	(void)state;
	assert_true(setting_read(row("trusted_proxies"), &settings,
	    "10.0.0.0/8, ::1, unix", &settings, &err));
	assert_string_equal(settings.server.trusted_proxies[2], "unix");
	assert_false(setting_read(row("trusted_proxies"), &settings,
	    "10.0.0.0/8,10.0.0.0/33", &settings, &err));
	assert_non_null(strstr(err.text, "item 2 should be an IP address"));
	assert_false(setting_read(row("trusted_proxies"), &settings,
	    "proxy.example", &settings, &err));
	assert_non_null(strstr(err.text, "should be an IP address, a network"));
	settings_fini(&settings);
}

static void
test_flags_words_lists(void **state)
{
	struct settings memory = {.memory = NULL};
	struct settings_source source = {.kind = SETTINGS_CURRENTS};
	struct server_source *server = &source.server;
	struct err err;

	(void)state;
	assert_true(setting_read(row("open"), &memory, "yes", &source, &err));
	assert_true(server->open);
	assert_true(setting_read(row("open"), &memory, "no", &source, &err));
	assert_false(server->open);
	assert_false(setting_read(row("open"), &memory, "YES", &source, &err));
	assert_true(
	    setting_read(row("unknown_type"), &memory, "drop", &source, &err));
	assert_int_equal(source.currents.unknown_type, CURRENTS_DROP);
	assert_false(
	    setting_read(row("unknown_type"), &memory, "dro", &source, &err));
	assert_non_null(strstr(err.text, "forward|dead|drop"));
	assert_true(
	    setting_read(row("token"), &memory, " a , b,,c ", &source, &err));
	assert_int_equal(settings_list_count(server->secrets), 3);
	assert_string_equal(server->secrets[1], "b");
	assert_null(server->secrets[3]);
	assert_false(setting_read(row("token"), &memory, " , ", &source, &err));
	assert_non_null(strstr(err.text, "has no item"));
	settings_fini(&memory);
}

/* No setting is empty: a ${NAME} of the file that is not set would be. */
static void
test_nothing_is_empty(void **state)
{
	static const char *const items[] = {"a=b", "", "c=d"};
	struct settings memory = {.memory = NULL};
	struct place place;
	union base base;
	struct err err;

	(void)state;
	for (size_t i = 0; (place = place_at(i)).row != NULL; i++) {
		setting_defaults(place.section, &base);
		assert_false(setting_read(place.row, &memory, "", &base, &err));
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text, "is empty"));
		assert_non_null(strstr(err.text, "${NAME}"));
		if (!setting_is_list(place.row))
			continue;
		assert_false(setting_read_items(
		    place.row, &memory, items, 3, &base, &err));
		assert_non_null(strstr(err.text, "item 2 is empty"));
	}
	settings_fini(&memory);
}

/* What may stand in a file of its own is never shown. */
static void
test_secrets(void **state)
{
	struct place place;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; (place = place_at(i)).row != NULL; i++) {
		char file[SETTING_NAME];

		(void)snprintf(file, sizeof(file), "%s_file", place.row->key);
		for (size_t k = 0; place_at(k).row != NULL; k++) {
			if (strcmp(place_at(k).row->key, file) != 0)
				continue;
			if (!place.row->secret)
				fail_msg("%s", place.row->key);
			count++;
		}
	}
	assert_true(count >= 7);
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
	assert_string_equal(settings.server.listen[0], "127.0.0.1:8080");
	assert_string_equal(settings.server.admin, "127.0.0.1:8081");
	assert_int_equal(settings.server.body_limit, 16 << 20);
	assert_int_equal(settings.server.body_memory, 256 << 20);
	assert_int_equal(settings.log.level, LOG_INFO);
	assert_int_equal(settings.source_count, 1);
	assert_int_equal(settings.destination_count, 1);
	assert_string_equal(settings.sources[0].server.name, "main");
	assert_false(settings.sources[0].server.open);
	assert_int_equal(settings.destinations[0].track.share_percent, 95);
	assert_int_equal(
	    settings.destinations[0].track.events_per_minute, 15000);
	assert_int_equal(
	    settings.destinations[0].track.identity_per_minute, 1000);
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
			assert_null(cases[i].error);
			assert_string_equal(settings.queue.dir, "/x");
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
	    cmocka_unit_test(test_defaults_read_back),
	    cmocka_unit_test(test_words_are_the_enums),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_modes),
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_flags_words_lists),
	    cmocka_unit_test(test_nothing_is_empty),
	    cmocka_unit_test(test_secrets),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
