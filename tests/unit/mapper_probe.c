/*
 * Maps events under any rules, for tests/daemon/test_mapper.py: standard
 * input has lines of JSON, an object of rules or, if it has no "rules", an
 * event under the last rules. Prints a line for each event: its fate, a tab,
 * the reason, a tab, what would be sent.
 */

#include "schema/track/track.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 16, ROOM = 1 << 26 };

struct probe {
	struct track_rules rules;
	int64_t now_ms;
	json_t *json; /* owns the texts of the rules */
	const char *items[4][ITEMS];
	struct track_rename renames[ITEMS];
};

static struct track_list
probe_list(struct probe *probe, size_t which, const char *name)
{
	json_t *array = json_object_get(probe->json, name), *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		CHECK(i < ITEMS);
		probe->items[which][i] = json_string_value(item);
	}
	return (struct track_list){probe->items[which], json_array_size(array)};
}

static bool
probe_is(const struct probe *probe, const char *name, const char *value)
{
	const char *text =
	    json_string_value(json_object_get(probe->json, name));

	return text != NULL && strcmp(text, value) == 0;
}

static void
probe_renames(struct probe *probe)
{
	json_t *table = json_object_get(probe->json, "renames"), *to;
	const char *from;

	json_object_foreach(table, from, to)
	{
		CHECK(probe->rules.rename_count < ITEMS);
		probe->renames[probe->rules.rename_count++] =
		    (struct track_rename){from, json_string_value(to)};
	}
	probe->rules.renames = probe->renames;
}

static void
probe_add(struct probe *probe)
{
	struct track_rules *rules = &probe->rules;
	json_t *array = json_object_get(probe->json, "add"), *item;
	size_t i;

	rules->add_channel = rules->add_event_id = rules->add_user_id =
	    rules->add_device_id = rules->add_timezone = false;
	json_array_foreach(array, i, item)
	{
		const char *name = json_string_value(item);

		rules->add_channel |= strcmp(name, "channel") == 0;
		rules->add_event_id |= strcmp(name, "event_id") == 0;
		rules->add_user_id |= strcmp(name, "user_id") == 0;
		rules->add_device_id |= strcmp(name, "device_id") == 0;
		rules->add_timezone |= strcmp(name, "timezone") == 0;
	}
}

static void
probe_anonymous(struct probe *probe)
{
	json_t *array = json_object_get(probe->json, "anonymous"), *item;
	size_t i;

	probe->rules.anonymous[0] = TRACK_ANONYMOUS_NONE;
	probe->rules.anonymous[1] = TRACK_ANONYMOUS_NONE;
	json_array_foreach(array, i, item)
	{
		CHECK(i < 2);
		probe->rules.anonymous[i] =
		    strcmp(json_string_value(item), "device") == 0
			? TRACK_ANONYMOUS_DEVICE
			: TRACK_ANONYMOUS_BRAZE;
	}
}

/* All rules, as mapper.py has them in DEFAULTS. */
static void
probe_rules(struct probe *probe, json_t *json)
{
	struct track_rules *rules = &probe->rules;
	const char *key;

	json_decref(probe->json);
	probe->json = json;
	track_rules_init(rules);
	if (probe_is(probe, "identity", "user_id"))
		rules->identity = TRACK_IDENTITY_BRAZE;
	rules->alias_label =
	    json_string_value(json_object_get(json, "alias_label"));
	probe_anonymous(probe);
	rules->no_user_dead = probe_is(probe, "no_user", "dead");
	rules->placeholders = probe_list(probe, 0, "placeholders");
	rules->identity_hash =
	    json_is_true(json_object_get(json, "identity_hash"));
	rules->prefix = json_string_value(json_object_get(json, "prefix"));
	probe_renames(probe);
	rules->custom_event_name = probe_is(probe, "custom_event_name", "name");
	probe_add(probe);
	rules->keep = probe_list(probe, 1, "keep");
	rules->drop = probe_list(probe, 2, "drop");
	rules->hash = probe_list(probe, 3, "hash");
	rules->time_ahead_ms =
	    json_integer_value(json_object_get(json, "time_ahead")) * 1000;
	probe->now_ms = json_integer_value(json_object_get(json, "now")) * 1000;
	key = json_string_value(json_object_get(json, "key"));
	rules->key = str_text(key);
}

/* As at acceptance: twice changes no more than once. What is not readable
 * stays as it is. */
static void
probe_redact(const struct probe *probe, struct str line, struct buf *out)
{
	struct buf once;
	struct err err;

	buf_init(&once, ROOM);
	buf_reset(out);
	if (redact_write(&probe->rules, line, &once, &err)) {
		CHECK(redact_write(
		    &probe->rules, str_bytes(once.data, once.len), out, &err));
		CHECK(out->len == once.len &&
		      memcmp(out->data, once.data, once.len) == 0);
	} else {
		CHECK(err.code == ERR_INPUT && once.len == 0);
		CHECK(buf_append(out, line.data, line.len));
	}
	buf_fini(&once);
}

static void
probe_map(const struct probe *probe, struct str line, struct buf *out)
{
	static const char *const fates[] = {"send", "drop", "dead"};
	struct track_result result;
	struct err err;

	buf_reset(out);
	if (!track_write(
		&probe->rules, line, probe->now_ms, out, &result, &err)) {
		printf("fail\t%s\t\n", err.text);
		return;
	}
	printf("%s\t%s\t", fates[result.fate],
	    result.reason == NULL ? "" : result.reason);
	if (out->len > 0)
		(void)fwrite(out->data, 1, out->len, stdout);
	putchar('\n');
}

int
main(void)
{
	struct probe probe = {.json = NULL};
	char *line = NULL;
	size_t size = 0;
	struct buf out, accepted;
	ssize_t len;

	track_rules_init(&probe.rules);
	buf_init(&out, ROOM);
	buf_init(&accepted, ROOM);
	while ((len = getline(&line, &size, stdin)) > 0) {
		json_t *json = NULL;

		if (strncmp(line, "{\"rules\"", 8) == 0)
			json = json_loads(line, 0, NULL);
		if (json != NULL) {
			probe_rules(&probe,
			    json_incref(json_object_get(json, "rules")));
			json_decref(json);
		} else if (probe_is(&probe, "private_at", "accept")) {
			probe_redact(
			    &probe, str_bytes(line, (size_t)len), &accepted);
			probe_map(&probe,
			    str_bytes(accepted.data, accepted.len), &out);
		} else {
			probe_map(&probe, str_bytes(line, (size_t)len), &out);
		}
	}
	json_decref(probe.json);
	buf_fini(&out);
	buf_fini(&accepted);
	free(line);
	return 0;
}
