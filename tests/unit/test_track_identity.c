/*
 * Who it is: every combination of external id, alias, device id and user id,
 * each absent, null, empty, valid, a placeholder, redacted, or too long.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/track/track.h"

#include <stdio.h>
#include <string.h>

enum state { ABSENT, NOTHING, EMPTY, VALID, PLACEHOLDER, REDACTED, LONG };

enum { STATES = LONG + 1, ROOM = 1 << 16, EVENT_MAX = 4096 };

static const char *const states[STATES] = {
    "absent", "null", "empty", "valid", "placeholder", "redacted", "too long"};

static bool
is_there(enum state state)
{
	return state >= VALID;
}

/* Append "name":value, for a state. */
static void
put_id(struct buf *event, const char *name, const char *valid, enum state state)
{
	static const char *const values[STATES] = {NULL, "null", "\"\"", NULL,
	    "\" Undefined\"", "\"[REDACTED]\"", NULL};

	if (state == ABSENT)
		return;
	if (event->data[event->len - 1] != '{')
		(void)buf_char(event, ',');
	(void)buf_printf(event, "\"%s\":", name);
	if (state == VALID)
		(void)buf_printf(event, "\"%s\"", valid);
	else if (state == LONG)
		(void)buf_printf(event, "\"%0256d\"", 7);
	else
		(void)buf_text(event, values[state]);
}

struct ids {
	enum state external, alias, device, user;
};

static void
put_event(struct buf *event, const struct ids *ids)
{
	buf_reset(event);
	(void)buf_text(event, "{\"event_type\":\"users.behaviors.Uninstall\","
			      "\"id\":\"i\",\"time\":1,\"properties\":{},"
			      "\"user\":{");
	put_id(event, "external_user_id", "external", ids->external);
	if (ids->alias != ABSENT) {
		if (event->data[event->len - 1] != '{')
			(void)buf_char(event, ',');
		(void)buf_text(event, "\"user_alias\":{");
		put_id(event, "alias_name", "alias", ids->alias);
		(void)buf_char(event, '}');
	}
	put_id(event, "device_id", "device", ids->device);
	put_id(event, "user_id", "braze", ids->user);
	(void)buf_text(event, "}}");
	assert_true(buf_ok(event, NULL));
}

struct want {
	enum track_fate fate;
	const char *reason; /* or NULL */
	char user[64];	    /* what must be in the output */
};

static const char *
trouble(const char *name, enum state state)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s is %s", name,
	    state == LONG ? "longer than 255 characters" : "a placeholder");
	return text;
}

static struct want
want_identity(const char *name, const char *valid, enum state state)
{
	struct want want = {.fate = TRACK_SEND};

	if (state == VALID)
		snprintf(
		    want.user, sizeof(want.user), "\"identity\":\"%s\"", valid);
	else
		want = (struct want){TRACK_DEAD, trouble(name, state), ""};
	return want;
}

static struct want
want_number(const char *id)
{
	struct want want = {.fate = TRACK_SEND};

	snprintf(want.user, sizeof(want.user), "\"user_id\":\"%llu\"",
	    (unsigned long long)track_anonymous_user(str_text(id)));
	return want;
}

/* The default rules, in words of the states. */
static struct want
want_of(const struct ids *ids)
{
	if (is_there(ids->external))
		return want_identity(
		    "external_user_id", "external", ids->external);
	if (is_there(ids->alias))
		return want_identity("alias", "alias", ids->alias);
	if (ids->device == VALID)
		return want_number("device");
	if (ids->user == VALID)
		return want_number("braze");
	if (is_there(ids->device))
		return (struct want){
		    TRACK_DEAD, trouble("device_id", ids->device), ""};
	if (is_there(ids->user))
		return (struct want){
		    TRACK_DEAD, trouble("user_id", ids->user), ""};
	return (struct want){TRACK_DROP, "no user", ""};
}

static void
check_ids(const struct track_rules *rules, const struct ids *ids,
    struct buf *event, struct buf *out)
{
	struct want want = want_of(ids);
	struct track_result result;

	put_event(event, ids);
	buf_reset(out);
	assert_true(track_write(
	    rules, str_bytes(event->data, event->len), 0, out, &result, NULL));
	(void)buf_char(out, '\0');
	if (result.fate != want.fate ||
	    (want.reason != NULL && strcmp(result.reason, want.reason) != 0) ||
	    strstr(out->data, want.user) == NULL)
		fail_msg("external %s, alias %s, device %s, user %s: %s: %s",
		    states[ids->external], states[ids->alias],
		    states[ids->device], states[ids->user],
		    result.reason == NULL ? "sent" : result.reason, out->data);
}

static void
test_every_combination(void **state)
{
	struct track_rules rules;
	struct buf event, out;
	struct ids ids;

	(void)state;
	track_rules_init(&rules);
	buf_init(&event, EVENT_MAX);
	buf_init(&out, ROOM);
	for (int i = 0; i < STATES * STATES * STATES * STATES; i++) {
		ids.external = (enum state)(i % STATES);
		ids.alias = (enum state)(i / STATES % STATES);
		ids.device = (enum state)(i / STATES / STATES % STATES);
		ids.user = (enum state)(i / STATES / STATES / STATES);
		check_ids(&rules, &ids, &event, &out);
	}
	buf_fini(&event);
	buf_fini(&out);
}

static void
test_same_user_same_who(void **state)
{
	struct ids ids = {VALID, ABSENT, ABSENT, ABSENT};
	struct track_result one, two, other;
	struct track_rules rules;
	struct buf event, out;

	(void)state;
	track_rules_init(&rules);
	buf_init(&event, EVENT_MAX);
	buf_init(&out, ROOM);
	put_event(&event, &ids);
	assert_true(track_write(
	    &rules, str_bytes(event.data, event.len), 0, &out, &one, NULL));
	ids.device = ids.user = VALID;
	put_event(&event, &ids);
	assert_true(track_write(
	    &rules, str_bytes(event.data, event.len), 0, &out, &two, NULL));
	ids.external = EMPTY;
	put_event(&event, &ids);
	assert_true(track_write(
	    &rules, str_bytes(event.data, event.len), 0, &out, &other, NULL));
	assert_true(one.user_hash == two.user_hash);
	assert_true(one.user_hash != other.user_hash);
	buf_fini(&event);
	buf_fini(&out);
}

/* Who the user is, or the reason why that cannot be said. */
static void
check_user(const struct track_rules *rules, const char *user, const char *want)
{
	struct track_result result;
	struct buf event, out;

	buf_init(&event, EVENT_MAX);
	buf_init(&out, ROOM);
	(void)buf_printf(&event,
	    "{\"event_type\":\"a.b.C\",\"id\":\"i\",\"time\":1,"
	    "\"user\":%s}",
	    user);
	assert_true(track_write(
	    rules, str_bytes(event.data, event.len), 0, &out, &result, NULL));
	(void)buf_char(&out, '\0');
	if (result.reason != NULL)
		assert_string_equal(result.reason, want);
	else
		assert_non_null(strstr(out.data, want));
	buf_fini(&event);
	buf_fini(&out);
}

/* Folded and trimmed as Unicode has it, and sent as it came. */
static void
test_placeholders_of_any_script(void **state)
{
	static const char is[] = "external_user_id is a placeholder";
	static const struct {
		const char *user, *want;
	} cases[] = {
	    {"{\"external_user_id\":\"\u017c\u00f3\u0142w\"}", is},
	    {"{\"external_user_id\":\"\\u200bNULL\\ufeff\"}", is},
	    {"{\"external_user_id\":\"\\u3000nil\\u00a0\"}", is},
	    {"{\"external_user_id\":\"\\u200b\"}", is},
	    {"{\"external_user_id\":\" \u0141\u200b\"}",
		"\"identity\":\" \u0141\u200b\""},
	};
	static const char *const more[] = {"\u017b\u00d3\u0141W\u200b"};
	struct track_rules rules;

	(void)state;
	track_rules_init(&rules);
	rules.placeholders = (struct track_list){more, 1};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_user(&rules, cases[i].user, cases[i].want);
}

/* Wherever an alias may be, its person is no stranger. */
static void
test_aliases(void **state)
{
	static const char list[] = "a list of aliases is not an identity";
	static const struct {
		const char *user, *want;
	} cases[] = {
	    {"{\"alias_name\":\"n\",\"device_id\":\"d\"}",
		"\"identity\":\"n\""},
	    {"{\"alias_name\":\"n\",\"alias\":\"m\"}", "\"identity\":\"m\""},
	    {"{\"alias_name\":\"n\",\"external_user_id\":\"e\"}",
		"\"identity\":\"e\""},
	    {"{\"aliases\":[{\"alias_name\":\"n\"}],\"device_id\":\"d\"}",
		list},
	    {"{\"user_aliases\":[\"n\"],\"device_id\":\"d\"}", list},
	    {"{\"aliases\":[ ],\"user_aliases\":null}", "no user"},
	};
	struct track_rules rules;

	(void)state;
	track_rules_init(&rules);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_user(&rules, cases[i].user, cases[i].want);
	rules.alias_label = "crm";
	check_user(&rules, "{\"alias_name\":\"n\",\"alias_label\":\"crm\"}",
	    "\"identity\":\"n\"");
	check_user(&rules, "{\"alias_name\":\"n\",\"alias_label\":\"web\"}",
	    "no alias with the wanted label");
}

/* Somebody is there, but by no id that is to stand for anybody. */
static void
test_why_not_anonymous(void **state)
{
	struct track_rules rules;

	(void)state;
	track_rules_init(&rules);
	rules.anonymous[1] = TRACK_ANONYMOUS_NONE;
	check_user(
	    &rules, "{\"user_id\":\"b\"}", "anonymous, and without device_id");
	check_user(&rules, "{}", "no user");
	rules.anonymous[0] = TRACK_ANONYMOUS_BRAZE;
	check_user(
	    &rules, "{\"device_id\":\"d\"}", "anonymous, and without user_id");
	rules.anonymous[0] = TRACK_ANONYMOUS_NONE;
	check_user(&rules, "{\"device_id\":\"d\"}", "anonymous");
}

/* The example that Heap's own integration is known by. */
static void
test_number_of_a_device(void **state)
{
	static const char id[] = "5a41f0df-b69a-4a99-b656-79506a86c3f8";

	(void)state;
	assert_true(track_anonymous_user(str_bytes(id, sizeof(id) - 1)) ==
		    8325872782136936u);
}

/* Whose erasure is asked for outlives the bytes of the event. */
/* A request to erase somebody is dropped, or dead if it names nobody. */
static void
test_erase(void **state)
{
	static const struct {
		const char *user, *dead;
	} cases[] = {
	    {"{\"user_id\":\"b\\u0061c\"}", NULL},
	    {"{}", "erasure request without user_id"},
	    {"{\"user_id\":\"null\"}", "user_id is a placeholder"},
	    {"{\"user_id\":\"b\\u0000c\"}",
		"user_id has an unreadable character"},
	};
	struct track_result result;
	struct track_rules rules;
	struct buf out;
	char event[256];

	(void)state;
	track_rules_init(&rules);
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		(void)snprintf(event, sizeof(event),
		    "{\"event_type\":\"users.UserDeleteRequest\","
		    "\"id\":\"i\",\"time\":1,\"user\":%s}",
		    cases[i].user);
		assert_true(track_write(
		    &rules, str_text(event), 0, &out, &result, NULL));
		assert_int_equal(result.fate,
		    cases[i].dead == NULL ? TRACK_DROP : TRACK_DEAD);
		assert_string_equal(result.reason,
		    cases[i].dead == NULL ? "erasure request" : cases[i].dead);
	}
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_erase),
	    cmocka_unit_test(test_every_combination),
	    cmocka_unit_test(test_same_user_same_who),
	    cmocka_unit_test(test_number_of_a_device),
	    cmocka_unit_test(test_placeholders_of_any_script),
	    cmocka_unit_test(test_aliases),
	    cmocka_unit_test(test_why_not_anonymous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
