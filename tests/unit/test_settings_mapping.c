/*
 * The settings of the mapping: what they make of the rules, what is refused
 * before anything could be sent, and what is said of privacy.
 */

#include "settings_help.h"

static char key_path[32], open_path[32], short_path[32];

/* Read, and make the mapping of the only destination. */
static bool
make(
    const char *const *pairs, struct settings *ret_settings, struct err *reterr)
{
	environment_set(pairs);
	if (!settings_read(NULL, ret_settings, reterr))
		return false;
	return settings_mapping_make(
	    &ret_settings->destinations[0], &ret_settings->warnings, reterr);
}

static int
files_make(void **state)
{
	(void)state;
	file_make("0123456789abcdef\n", 0600, key_path);
	file_make("0123456789abcdef\n", 0604, open_path);
	file_make("0123456789abcde\r\n", 0600, short_path);
	return 0;
}

static int
files_remove(void **state)
{
	(void)state;
	(void)unlink(key_path);
	(void)unlink(open_path);
	(void)unlink(short_path);
	return 0;
}

static void
test_defaults(void **state)
{
	struct track_rules rules, wanted;
	struct settings settings;
	struct err err;

	(void)state;
	assert_true(make(NULL, &settings, &err));
	settings_rules(&settings.destinations[0], &rules);
	track_rules_init(&wanted);
	assert_int_equal(rules.identity, wanted.identity);
	assert_memory_equal(
	    rules.anonymous, wanted.anonymous, sizeof(wanted.anonymous));
	assert_int_equal(rules.no_user_buried, wanted.no_user_buried);
	assert_int_equal(rules.identity_hash, wanted.identity_hash);
	assert_int_equal(rules.custom_event_name, wanted.custom_event_name);
	assert_true(rules.add_channel && rules.add_event_id);
	assert_true(rules.add_user_id && rules.add_device_id);
	assert_true(rules.add_timezone);
	assert_null(rules.prefix);
	assert_null(rules.alias_label);
	assert_null(rules.key);
	assert_int_equal(rules.rename_count, 0);
	assert_int_equal(
	    rules.keep.count + rules.drop.count + rules.hash.count, 0);
	settings_fini(&settings);
}

static void
test_rules(void **state)
{
	char key[64];
	const char *pairs[] = {"CURRENTSD_HEAP_IDENTITY=user_id",
	    "CURRENTSD_HEAP_ALIAS_LABEL=crm",
	    "CURRENTSD_HEAP_ANONYMOUS=braze_id", "CURRENTSD_HEAP_NO_USER=drop",
	    "CURRENTSD_HEAP_PLACEHOLDERS=n/a, test",
	    "CURRENTSD_HEAP_PREFIX=braze-",
	    "CURRENTSD_HEAP_RENAME=a.b=c d,x==y",
	    "CURRENTSD_HEAP_CUSTOM_EVENT_NAME=name",
	    "CURRENTSD_HEAP_ADD_TIMEZONE=no", "CURRENTSD_HEAP_KEEP=contact",
	    "CURRENTSD_HEAP_DROP=*/dob", "CURRENTSD_HEAP_HASH=email*", key,
	    NULL};
	struct track_rules rules;
	struct settings settings;
	struct err err;

	(void)state;
	(void)snprintf(
	    key, sizeof(key), "CURRENTSD_HEAP_HASH_KEY_FILE=%s", key_path);
	assert_true(make(pairs, &settings, &err));
	settings_rules(&settings.destinations[0], &rules);
	assert_int_equal(rules.identity, TRACK_IDENTITY_BRAZE);
	assert_string_equal(rules.alias_label, "crm");
	assert_int_equal(rules.anonymous[0], TRACK_ANONYMOUS_BRAZE);
	assert_int_equal(rules.anonymous[1], TRACK_ANONYMOUS_NONE);
	assert_false(rules.no_user_buried);
	assert_string_equal(rules.placeholders.items[1], "test");
	assert_string_equal(rules.prefix, "braze-");
	assert_int_equal(rules.rename_count, 2);
	assert_string_equal(rules.renames[0].from, "a.b");
	assert_string_equal(rules.renames[0].to, "c d");
	assert_string_equal(rules.renames[1].from, "x");
	assert_string_equal(rules.renames[1].to, "=y");
	assert_true(rules.custom_event_name);
	assert_false(rules.add_timezone);
	assert_string_equal(rules.keep.items[0], "contact");
	assert_string_equal(rules.drop.items[0], "*/dob");
	assert_string_equal(rules.hash.items[0], "email*");
	assert_int_equal(rules.key_len, 16);
	assert_memory_equal(rules.key, "0123456789abcdef", 16);
	assert_true(buf_has(&settings.warnings, "stays two users in Heap"));
	settings_fini(&settings);
}

static void
test_skip(void **state)
{
	static const char *const pairs[] = {
	    "CURRENTSD_HEAP_ANONYMOUS=skip", NULL};
	struct track_rules rules;
	struct settings settings;
	struct err err;

	(void)state;
	assert_true(make(pairs, &settings, &err));
	settings_rules(&settings.destinations[0], &rules);
	assert_int_equal(rules.anonymous[0], TRACK_ANONYMOUS_NONE);
	settings_fini(&settings);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *pairs[3];
		const char *path; /* of the key file */
		const char *error;
	} cases[] = {
	    {{"CURRENTSD_HEAP_ANONYMOUS=device,device"}, NULL, "anonymous"},
	    {{"CURRENTSD_HEAP_ANONYMOUS=skip,device"}, NULL, "anonymous"},
	    {{"CURRENTSD_HEAP_ANONYMOUS=phone"}, NULL, "anonymous"},
	    {{"CURRENTSD_HEAP_ANONYMOUS=,"}, NULL, "anonymous"},
	    {{"CURRENTSD_HEAP_RENAME=a=b,c"}, NULL, "number 2"},
	    {{"CURRENTSD_HEAP_RENAME==b"}, NULL, "OLD=NEW"},
	    {{"CURRENTSD_HEAP_RENAME=a="}, NULL, "OLD=NEW"},
	    {{"CURRENTSD_HEAP_HASH=contact"}, NULL, "hash needs a key"},
	    {{"CURRENTSD_HEAP_IDENTITY_HASH=yes"}, NULL,
		"identity_hash needs a key"},
	    {{NULL}, "/nowhere/key", "cannot read the key file /nowhere/key"},
	    {{NULL}, open_path, "is open to others (mode 604)"},
	    {{NULL}, short_path, "should have 16 to 4096 bytes"},
	};
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *pairs[3] = {cases[i].pairs[0], NULL, NULL};
		char key[64];

		(void)snprintf(key, sizeof(key),
		    "CURRENTSD_HEAP_HASH_KEY_FILE=%s",
		    cases[i].path == NULL ? "" : cases[i].path);
		if (cases[i].path != NULL)
			pairs[0] = key;
		assert_false(make(pairs, &settings, &err));
		assert_int_equal(err.code, ERR_CONFIG);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("%zu: %s", i, err.text);
		settings_fini(&settings);
	}
}

/* A list in the file is the whole list: the default is not part of it. */
static void
test_list_in_file(void **state)
{
	static const char text[] = "destination \"a\" {\n"
				   "anonymous = {braze_id}\n"
				   "keep = {\"a/b\", contact}\n}\n";
	struct settings_destination *destination;
	struct settings settings;
	char path[32];
	struct err err;

	(void)state;
	environment_set(NULL);
	file_make(text, 0600, path);
	assert_true(settings_read(path, &settings, &err));
	destination = settings_destination_find(&settings, "a");
	assert_non_null(destination);
	assert_null(settings_destination_find(&settings, "b"));
	assert_int_equal(destination->anonymous.count, 1);
	assert_string_equal(destination->anonymous.items[0], "braze_id");
	assert_int_equal(destination->keep.count, 2);
	assert_null(settings.state_dir);
	assert_false(settings_place(&settings, &err));
	settings_fini(&settings);
	assert_int_equal(unlink(path), 0);
}

static void
test_privacy_is_said(void **state)
{
	static const struct {
		const char *pairs[4];
		const char *said;
	} cases[] = {
	    {{NULL}, "secret=never-sent content=left-out contact=left-out "
		     "identity=external_user_id"},
	    {{"CURRENTSD_HEAP_KEEP=contact,input", NULL},
		"secret=never-sent content=left-out contact=SENT "
		"keep=contact,input identity=external_user_id"},
	    {{"CURRENTSD_HEAP_HASH=contact", "CURRENTSD_HEAP_KEEP=contact",
		 "CURRENTSD_HEAP_IDENTITY_HASH=yes", NULL},
		"secret=never-sent content=left-out contact=hashed "
		"keep=contact hash=contact identity=external_user_id,hashed"},
	    {{"CURRENTSD_HEAP_DROP=content", "CURRENTSD_HEAP_KEEP=content",
		 "CURRENTSD_HEAP_IDENTITY=user_id", NULL},
		"secret=never-sent content=left-out contact=left-out "
		"keep=content drop=content identity=user_id"},
	};
	struct settings settings;
	struct buf out;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment_set(cases[i].pairs);
		assert_true(settings_read(NULL, &settings, &err));
		buf_init(&out, 4096);
		settings_privacy_write(&settings.destinations[0], &out);
		assert_true(buf_char(&out, '\0'));
		assert_string_equal(out.data, cases[i].said);
		buf_fini(&out);
		settings_fini(&settings);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_skip),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_list_in_file),
	    cmocka_unit_test(test_privacy_is_said),
	};

	return cmocka_run_group_tests(tests, files_make, files_remove);
}
