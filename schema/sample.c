/*
 * Events as Braze sends them, with what is legal and often erased: a
 * property absent, null or blank. Everything but the values comes from the
 * catalogue, so that a new type is sampled without a line here.
 */

#include "schema/sample_values.h"

#include "base/json.h"

#include <stdio.h>

enum {
	PEOPLE = 100000, /* who come again, so that users have histories */

	/* per cent of the properties that are not required */
	ABSENT = 3,
	NULLS = 6,
	BLANK = 2,
};

void
sample_init(struct sample *sample, uint64_t seed, int64_t now_s)
{
	*sample = (struct sample){.state = seed, .now_s = now_s};
}

size_t
sample_types(void)
{
	return catalogue_type_count();
}

const char *
sample_type_name(size_t type)
{
	return catalogue_type_at(type)->name;
}

size_t
sample_type_find(const char *name)
{
	return catalogue_type_find(name, strlen(name));
}

static void
sample_text(struct sample *sample, struct json *json, const char *key,
    const char *template)
{
	char value[SAMPLE_VALUE_MAX];
	size_t len = sample_template_write(sample, template, value);

	json_bytes(json, key, value, len);
}

/* The text of a member of "user" but for the customer's own id. */
static const char *
sample_user_template(const char *member)
{
	if (strcmp(member, "user_id") == 0)
		return "%h";
	if (strcmp(member, "timezone") == 0)
		return "America/New_York|Europe/Berlin|Asia/Tokyo";
	return "%u";
}

/* A person: the same number has the same ids in every event. */
static void
sample_user_write(
    struct sample *sample, const struct catalogue_type *type, struct json *json)
{
	unsigned number = sample_below(sample, PEOPLE);
	struct sample person;
	bool anonymous;
	char external[32];

	(void)snprintf(external, sizeof(external), "customer-%06u", number);
	json_object_open(json, "user");
	for (size_t i = 0; i < catalogue_user_count(); i++) {
		const char *member = catalogue_user_name(i);

		if ((type->user >> i & 1) == 0)
			continue;
		/* by member, since types differ in which they have */
		sample_init(&person, (uint64_t)number << 8 | i, 0);
		if (strcmp(member, "external_user_id") != 0) {
			sample_text(&person, json, member,
			    sample_user_template(member));
			continue;
		}
		anonymous =
		    sample_below(&person, 100) < sample->anonymous_percent;
		if (!anonymous)
			json_text(json, member, external);
	}
	json_object_close(json);
}

static bool
sample_is_required(const struct catalogue_type *type, uint16_t index)
{
	for (size_t i = 0; i < type->required_count; i++) {
		if (type->required[i] == index)
			return true;
	}
	return false;
}

static void
sample_property_write(struct sample *sample, const struct catalogue_type *type,
    uint16_t index, struct json *json)
{
	const struct catalogue_property *property =
	    catalogue_property_at(index);
	enum catalogue_kind kind = (enum catalogue_kind)type->kinds[index];
	unsigned chance = sample_below(sample, 100);
	char value[SAMPLE_VALUE_MAX];
	size_t len;

	if (sample_is_required(type, index))
		chance = 100; /* neither absent nor null nor blank */
	if (chance < ABSENT)
		return;
	len = sample_value_write(sample, property, kind, value);
	if (chance < ABSENT + NULLS)
		json_null(json, property->name);
	else if (chance < ABSENT + NULLS + BLANK)
		json_text(json, property->name, "");
	else if (kind == CATALOGUE_STRING)
		json_bytes(json, property->name, value, len);
	else
		json_raw(json, property->name, value, len);
}

void
sample_write(struct sample *sample, size_t type, struct buf *out)
{
	const struct catalogue_type *described = catalogue_type_at(type);
	int64_t time_s = sample->now_s - (int64_t)sample_below(sample, 3600);
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	/* the five members of every published example */
	json_text(&json, "event_type", described->name);
	sample_text(sample, &json, "id", "%u");
	json_int(&json, "time", time_s < 0 ? 0 : time_s);
	sample_user_write(sample, described, &json);
	json_object_open(&json, "properties");
	for (size_t i = 0; i < described->property_count; i++)
		sample_property_write(
		    sample, described, described->properties[i], &json);
	json_object_close(&json);
	json_object_close(&json);
}
