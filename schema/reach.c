/*
 * A selector is a pattern, and what it reaches is without end; but whether it
 * reaches something is to be seen from examples. If a pattern matches any
 * text, it matches the one in which each `*` stands for nothing, and one in
 * which it stands for a character that no other pattern names. So both are
 * tried of each selector, beside all that the catalogue has: as types, and
 * as names within each property, for a value may be an object where the
 * catalogue does not know it.
 */

#include "schema/reach.h"

#include "schema/text.h"
#include "schema/track_parts.h"

#include <string.h>

enum {
	REACH_TEXT_MAX = 4096, /* no name that is judged is as long */
	REACH_FILLS = 2,
};

static const char *const reach_fills[REACH_FILLS] = {"", "\x01"};

/* An event type that no pattern names. */
static const struct str reach_stranger = {"\x01", 1};

struct reach_text {
	char data[REACH_TEXT_MAX];
	size_t len;
};

/* Asked for each property that is worth trying; true ends the walk. */
typedef bool reach_fn(void *arg, struct str type, struct str path);

/* Append a pattern, each `*` as `fill`; false if that is too long. */
static bool
reach_fill(
    struct reach_text *text, const char *pattern, size_t len, const char *fill)
{
	for (size_t i = 0; i < len; i++) {
		size_t add = pattern[i] == '*' ? strlen(fill) : 1;

		if (text->len + add > sizeof(text->data))
			return false;
		memcpy(text->data + text->len,
		    pattern[i] == '*' ? fill : pattern + i, add);
		text->len += add;
	}
	return true;
}

static struct str
reach_lend(const struct reach_text *text)
{
	return (struct str){text->data, text->len};
}

static struct str
reach_name(const char *name)
{
	return (struct str){name, strlen(name)};
}

/* The half of a selector that is about properties. */
static const char *
reach_pattern(const char *selector)
{
	const char *slash = strchr(selector, '/');

	return slash != NULL ? slash + 1 : selector;
}

/* What the pattern may mean within a property: it can be cut in two at each
 * dot and each `*`, and the first half be for the property itself. */
static bool
reach_nested(const char *pattern, struct str type, const char *property,
    reach_fn *fn, void *arg)
{
	for (const char *at = pattern; *at != '\0'; at++) {
		if (*at != '.' && *at != '*')
			continue;
		for (int i = 0; i < REACH_FILLS; i++) {
			struct reach_text path;

			path.len = 0;
			if (reach_fill(&path, property, strlen(property), "") &&
			    reach_fill(&path, ".", 1, "") &&
			    reach_fill(&path, at + 1, strlen(at + 1),
				reach_fills[i]) &&
			    fn(arg, type, reach_lend(&path)))
				return true;
		}
	}
	return false;
}

/* ---- a class ---- */

struct reach_class {
	struct track_job job;
	enum catalogue_class class;
	bool sent, hashed, dropped;
};

static bool
reach_judge(void *arg, struct str type, struct str path)
{
	struct reach_class *reach = arg;
	const char *why;

	reach->job.type = type;
	switch (
	    track_private_of(&reach->job, &path, false, reach->class, &why)) {
	case TRACK_PRIVATE_SEND:
		reach->sent = true;
		break;
	case TRACK_PRIVATE_HASH:
		reach->hashed = true;
		break;
	case TRACK_PRIVATE_DROP:
		reach->dropped = true;
		break;
	}
	reach->job.type = (struct str){0}; /* lent for the call */
	return reach->sent && (reach->hashed || reach->dropped);
}

/* The class's properties in events of one type. */
static bool
reach_type(struct reach_class *reach, struct str type)
{
	const struct track_rules *rules = reach->job.rules;
	const struct track_list *lists[] = {
	    &rules->keep, &rules->drop, &rules->hash};

	for (size_t p = 0; p < catalogue_property_count(); p++) {
		const struct catalogue_property *property =
		    catalogue_property_at(p);

		if (property->class != reach->class)
			continue;
		if (reach_judge(reach, type, reach_name(property->name)))
			return true;
		for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
			for (size_t i = 0; i < lists[l]->count; i++) {
				if (reach_nested(
					reach_pattern(lists[l]->items[i]), type,
					property->name, reach_judge, reach))
					return true;
			}
		}
	}
	return false;
}

/* Those types that the selectors of a list name, known or not. */
static bool
reach_types_named(struct reach_class *reach, const struct track_list *list)
{
	for (size_t i = 0; i < list->count * REACH_FILLS; i++) {
		const char *selector = list->items[i / REACH_FILLS];
		const char *slash = strchr(selector, '/');
		struct reach_text type;

		type.len = 0;
		if (slash != NULL &&
		    reach_fill(&type, selector, (size_t)(slash - selector),
			reach_fills[i % REACH_FILLS]) &&
		    reach_type(reach, reach_lend(&type)))
			return true;
	}
	return false;
}

static bool
reach_types(struct reach_class *reach)
{
	const struct track_rules *rules = reach->job.rules;

	for (size_t t = 0; t < catalogue_type_count(); t++) {
		if (reach_type(reach, reach_name(catalogue_type_at(t)->name)))
			return true;
	}
	return reach_type(reach, reach_stranger) ||
	       reach_types_named(reach, &rules->keep) ||
	       reach_types_named(reach, &rules->drop) ||
	       reach_types_named(reach, &rules->hash);
}

enum reach
reach_of(const struct track_rules *rules, const char *class)
{
	struct reach_class reach = {
	    .job.rules = rules,
	    .class = strcmp(class, catalogue_class_name(CATALOGUE_CONTENT)) == 0
			 ? CATALOGUE_CONTENT
			 : CATALOGUE_CONTACT,
	};

	(void)reach_types(&reach);
	if (reach.sent)
		return reach.hashed || reach.dropped ? REACH_PART : REACH_ALL;
	if (reach.hashed)
		return reach.dropped ? REACH_HASHED_PART : REACH_HASHED;
	return REACH_NONE;
}

/* ---- a selector ---- */

struct reach_selector {
	struct track_job job;
	enum catalogue_class class;
	const char *selector;
};

/* A rule that drops what it selects tells what it selects. */
static bool
reach_selected(void *arg, struct str type, struct str path)
{
	struct reach_selector *reach = arg;
	const char *why;

	reach->job.type = type;
	return track_private_of(&reach->job, &path, false, reach->class,
		   &why) == TRACK_PRIVATE_DROP &&
	       strcmp(why, "drop") == 0;
}

/* Does it select the property of that type? */
static bool
reach_selects_property(
    struct reach_selector *reach, const struct catalogue_type *type, size_t p)
{
	const struct catalogue_property *property = catalogue_property_at(p);
	struct str type_name = {type->name, type->len};
	const char *pattern = reach_pattern(reach->selector);

	reach->class = property->class;
	if (property->class == CATALOGUE_SECRET) {
		/* of a secret the rule is not asked, but for its name */
		reach->class = CATALOGUE_PLAIN;
		if (strcmp(pattern, catalogue_class_name(CATALOGUE_SECRET)) ==
		    0)
			return strcmp(pattern, reach->selector) == 0 ||
			       text_match(reach->selector,
				   (size_t)(pattern - reach->selector) - 1,
				   type->name, type->len, false);
	}
	return reach_selected(reach, type_name, reach_name(property->name)) ||
	       (type->kinds[p] == CATALOGUE_OBJECT &&
		   reach_nested(pattern, type_name, property->name,
		       reach_selected, reach));
}

static bool
reach_selects_added(
    struct reach_selector *reach, const struct catalogue_type *type)
{
	static const char *const added[] = {"braze_channel", "braze_action",
	    "braze_event_id", "braze_user_id", "device_id", "timezone"};

	reach->class = CATALOGUE_PLAIN;
	for (size_t i = 0; i < sizeof(added) / sizeof(*added); i++) {
		if (reach_selected(
			reach, reach_name(type->name), reach_name(added[i])))
			return true;
	}
	return false;
}

enum reach_selected
reach_selects(const char *selector)
{
	const struct track_rules rules = {.drop = {&selector, 1}};
	struct reach_selector reach = {
	    .job.rules = &rules, .selector = selector};
	enum reach_selected selected = REACH_NOTHING;

	for (size_t t = 0; t < catalogue_type_count(); t++) {
		const struct catalogue_type *type = catalogue_type_at(t);

		if (reach_selects_added(&reach, type))
			return REACH_SOMETHING;
		for (size_t i = 0; i < type->property_count; i++) {
			size_t p = type->properties[i];

			if (!reach_selects_property(&reach, type, p))
				continue;
			if (catalogue_property_at(p)->class != CATALOGUE_SECRET)
				return REACH_SOMETHING;
			selected = REACH_SECRETS;
		}
	}
	return selected;
}
