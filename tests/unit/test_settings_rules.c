/*
 * The settings of the mapping: what they make of the rules, what is refused
 * before anything could be sent, and what is said about privacy.
 */

#include "daemon/daemon.h"
#include "settings_help.h"

static char key_path[32], open_path[32], short_path[32];

/* Read, and complete the rules of the only destination. */
static bool
make(
    const char *const *pairs, struct settings *ret_settings, struct err *reterr)
{
	*ret_settings = (struct settings){.memory = NULL};
	environment_set(pairs);
	if (!settings_read(NULL, ret_settings, reterr))
		return false;
	return settings_rules_complete(
	    ret_settings, &ret_settings->destinations[0], reterr);
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
	rules = settings.destinations[0].track.rules;
	track_rules_init(&wanted);
	assert_int_equal(rules.identity, wanted.identity);
	assert_memory_equal(
	    rules.anonymous, wanted.anonymous, sizeof(wanted.anonymous));
	assert_int_equal(rules.no_user_dead, wanted.no_user_dead);
	assert_int_equal(rules.identity_hash, wanted.identity_hash);
	assert_int_equal(rules.custom_event_name, wanted.custom_event_name);
	assert_true(rules.add_channel && rules.add_event_id);
	assert_true(rules.add_user_id && rules.add_device_id);
	assert_true(rules.add_timezone);
	assert_null(rules.prefix);
	assert_null(rules.alias_label);
	assert_null(rules.key.data);
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
	    "CURRENTSD_HEAP_ANONYMOUS=braze_id", "CURRENTSD_HEAP_NO_USER=dead",
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
	rules = settings.destinations[0].track.rules;
	assert_int_equal(rules.identity, TRACK_IDENTITY_BRAZE);
	assert_string_equal(rules.alias_label, "crm");
	assert_int_equal(rules.anonymous[0], TRACK_ANONYMOUS_BRAZE);
	assert_int_equal(rules.anonymous[1], TRACK_ANONYMOUS_NONE);
	assert_true(rules.no_user_dead);
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
	assert_int_equal(rules.key.len, 16);
	assert_memory_equal(rules.key.data, "0123456789abcdef", 16);
	assert_true(buf_has(&settings.warnings, "remains two users in Heap"));
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
	rules = settings.destinations[0].track.rules;
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
	    {{"CURRENTSD_HEAP_ANONYMOUS=device,device"}, NULL, "ANONYMOUS"},
	    {{"CURRENTSD_HEAP_ANONYMOUS=skip,device"}, NULL, "ANONYMOUS"},
	    {{"CURRENTSD_HEAP_ANONYMOUS=phone"}, NULL, "ANONYMOUS"},
	    {{"CURRENTSD_HEAP_ANONYMOUS=,"}, NULL, "ANONYMOUS"},
	    {{"CURRENTSD_HEAP_RENAME=a=b,c"}, NULL, "RENAME item 2"},
	    {{"CURRENTSD_HEAP_RENAME==b"}, NULL, "OLD=NEW"},
	    {{"CURRENTSD_HEAP_RENAME=a="}, NULL, "OLD=NEW"},
	    {{"CURRENTSD_HEAP_RENAME=a=\xc2\xa0"}, NULL, "OLD=NEW"},
	    {{"CURRENTSD_HEAP_RENAME=a=b,c= \xe2\x80\x83\xe3\x80\x80"}, NULL,
		"item 2"},
	    {{"CURRENTSD_HEAP_HASH=contact"}, NULL, "hash needs a key"},
	    {{"CURRENTSD_HEAP_IDENTITY_HASH=yes"}, NULL,
		"identity_hash needs a key"},
	    {{NULL}, "/nowhere/key", "cannot read the key file /nowhere/key"},
	    {{NULL}, open_path, "(mode 604), and could undo the hashes"},
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
	struct forwarder_destination forwarder;
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
	assert_int_equal(
	    destination->track.rules.anonymous[0], TRACK_ANONYMOUS_BRAZE);
	assert_int_equal(
	    destination->track.rules.anonymous[1], TRACK_ANONYMOUS_NONE);
	assert_int_equal(destination->track.rules.keep.count, 2);
	settings_forwarder_destination(&settings, destination, &forwarder);
	assert_string_equal(forwarder.name, "a");
	assert_ptr_equal(forwarder.outlet_settings, &destination->track);
	assert_string_equal(settings.queue.dir, "/var/lib/currentsd");
	settings_fini(&settings);
	assert_int_equal(unlink(path), 0);
}

/* The line, and whether the log will be warned of it. */
static void
privacy_check(const char *keep, const char *drop, const char *hash,
    const char *said, bool sent)
{
	char lists[3][256], key[64];
	const char *pairs[5] = {lists[0], lists[1], lists[2], key, NULL};
	struct settings settings;
	struct buf out;
	struct err err;

	(void)snprintf(
	    lists[0], sizeof(lists[0]), "CURRENTSD_HEAP_KEEP=%s", keep);
	(void)snprintf(
	    lists[1], sizeof(lists[1]), "CURRENTSD_HEAP_DROP=%s", drop);
	(void)snprintf(
	    lists[2], sizeof(lists[2]), "CURRENTSD_HEAP_HASH=%s", hash);
	(void)snprintf(
	    key, sizeof(key), "CURRENTSD_HEAP_HASH_KEY_FILE=%s", key_path);
	assert_true(make(pairs, &settings, &err));
	buf_init(&out, 4096);
	settings_privacy_write(&settings.destinations[0], &out);
	assert_true(buf_char(&out, '\0'));
	if (strncmp(out.data, said, strlen(said)) != 0)
		fail_msg(
		    "keep %s drop %s hash %s: %s", keep, drop, hash, out.data);
	assert_int_equal(buf_has(&settings.warnings, "cannot be undone"), sent);
	buf_fini(&out);
	settings_fini(&settings);
}

static void
test_privacy_is_said(void **state)
{
	static const struct {
		const char *keep, *drop, *hash, *said;
		bool sent;
	} cases[] = {
	    {"", "", "",
		"content=left-out contact=left-out unclassified=left-out "
		"identity=",
		false},
	    {"contact,input", "", "",
		"content=in-part contact=SENT unclassified=left-out keep="
		"contact,input identity=external_user_id",
		true},
	    /* patterns */
	    {"*", "", "", "content=SENT contact=SENT unclassified=SENT keep=*",
		true},
	    {"*/contact", "", "",
		"content=left-out contact=SENT unclassified=left-out", true},
	    {"unclassified", "", "",
		"content=left-out contact=left-out unclassified=SENT", true},
	    {"users.New/unclassified", "", "",
		"content=left-out contact=left-out unclassified=in-part", true},
	    {"new_name", "", "",
		"content=left-out contact=left-out unclassified=in-part", true},
	    {"", "", "unclassified",
		"content=left-out contact=left-out unclassified=hashed", false},
	    {"*/*", "contact", "", "content=SENT contact=left-out", true},
	    {"email*", "", "",
		"content=left-out contact=in-part unclassified=left-out", true},
	    {"*", "email_address", "", "content=SENT contact=in-part", true},
	    /* a property, and a class in some types */
	    {"email_address", "", "", "content=left-out contact=in-part", true},
	    {"*/email_address", "", "", "content=left-out contact=in-part",
		true},
	    {"users.messages.email.*/contact", "", "",
		"content=left-out contact=in-part", true},
	    {"users.*/contact", "", "", "content=left-out contact=SENT", true},
	    {"*", "users.messages.*/contact", "",
		"content=SENT contact=in-part", true},
	    /* what is not in the catalogue, or plain, says nothing of it */
	    {"users.New/contact,email_address.x", "", "",
		"content=left-out contact=left-out", false},
	    {"custom_properties.plan", "", "",
		"content=left-out contact=left-out", false},
	    /* the stronger ones */
	    {"contact", "", "contact", "content=left-out contact=hashed",
		false},
	    {"", "", "email*", "content=left-out contact=hashed-in-part",
		false},
	    {"content", "content", "", "content=left-out contact=left-out",
		false},
	    {"*", "*", "", "content=left-out contact=left-out", false},
	    {"secret", "", "", "content=left-out contact=left-out", false},
	};
	char said[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(
		    said, sizeof(said), "secret=never-sent %s", cases[i].said);
		privacy_check(cases[i].keep, cases[i].drop, cases[i].hash, said,
		    cases[i].sent);
	}
}

static void
test_identity_is_said(void **state)
{
	char key[64];
	const char *pairs[] = {"CURRENTSD_HEAP_IDENTITY=user_id",
	    "CURRENTSD_HEAP_IDENTITY_HASH=yes", key, NULL};
	struct settings settings;
	struct buf out;
	struct err err;

	(void)state;
	(void)snprintf(
	    key, sizeof(key), "CURRENTSD_HEAP_HASH_KEY_FILE=%s", key_path);
	assert_true(make(pairs, &settings, &err));
	buf_init(&out, 4096);
	settings_privacy_write(&settings.destinations[0], &out);
	assert_true(buf_has(&out, " identity=user_id,hashed"));
	buf_fini(&out);
	settings_fini(&settings);
}

/* A selector that selects nothing is a typing error, mostly. */
static void
test_selectors_are_read(void **state)
{
	static const struct {
		const char *pair;
		const char *warning; /* NULL: none */
	} cases[] = {
	    {"CURRENTSD_HEAP_KEEP=contact", NULL},
	    {"CURRENTSD_HEAP_KEEP=contakt", "keep: contakt selects nothing"},
	    {"CURRENTSD_HEAP_DROP=email,x", "drop: email selects nothing"},
	    {"CURRENTSD_HEAP_KEEP=unclassified,*/unclassified", NULL},
	    {"CURRENTSD_HEAP_KEEP=users.New/unclassified", "selects nothing"},
	    {"CURRENTSD_HEAP_KEEP=new_name", "unless `currentsd drift` shows"},
	    {"CURRENTSD_HEAP_DROP=email*", NULL},
	    {"CURRENTSD_HEAP_DROP=*", NULL},
	    {"CURRENTSD_HEAP_DROP=custom_properties.plan", NULL},
	    {"CURRENTSD_HEAP_DROP=*.plan", NULL},
	    {"CURRENTSD_HEAP_DROP=custom_property.plan",
		"drop: custom_property.plan selects nothing"},
	    {"CURRENTSD_HEAP_DROP=timezone,braze_user_id", NULL},
	    {"CURRENTSD_HEAP_DROP=users.behaviors.CustomEvent/name", NULL},
	    {"CURRENTSD_HEAP_DROP=users.behaviours.CustomEvent/name",
		"selects nothing"},
	    /* one of another type's */
	    {"CURRENTSD_HEAP_DROP=users.behaviors.CustomEvent/email_address",
		"selects nothing"},
	    {"CURRENTSD_HEAP_DROP=users.New/contact",
		"drop: users.New/contact selects nothing"},
	    {"CURRENTSD_HEAP_DROP=*.CustomEvent/custom_*.plan", NULL},
	    {"CURRENTSD_HEAP_DROP=*.CustomEvent/price_*.plan",
		"selects nothing"},
	    /* what is inside a text */
	    {"CURRENTSD_HEAP_KEEP=email_address.x", "selects nothing"},
	    {"CURRENTSD_HEAP_DROP=*/contact", NULL},
	    {"CURRENTSD_HEAP_KEEP=secret", "keep: secret selects only secret"},
	    {"CURRENTSD_HEAP_KEEP=*/secret", "selects only secret properties"},
	    {"CURRENTSD_HEAP_DROP=secret", NULL},
	};
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *pairs[] = {cases[i].pair, NULL};

		assert_true(make(pairs, &settings, &err));
		if (buf_has(&settings.warnings, "selects") !=
		    (cases[i].warning != NULL))
			fail_msg("%s: %.*s", cases[i].pair,
			    (int)settings.warnings.len, settings.warnings.data);
		if (cases[i].warning != NULL)
			assert_true(
			    buf_has(&settings.warnings, cases[i].warning));
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
	    cmocka_unit_test(test_identity_is_said),
	    cmocka_unit_test(test_selectors_are_read),
	};

	return cmocka_run_group_tests(tests, files_make, files_remove);
}
