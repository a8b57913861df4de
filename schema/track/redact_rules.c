/*
 * The net effect of rules. A selector is a pattern, and can match any number of
 * names; but examples show whether it matches anything. If a pattern matches
 * any text, it matches the one in which each `*` stands for nothing, and the
 * one in which each `*` stands for a character that no other pattern contains.
 * So both are tried for each selector, beside everything in the catalogue: as
 * types, and as names within each property, because a value may be an object
 * although the catalogue does not say so.
 */

#include "schema/track/track.h"

#include "schema/json/text.h"
#include "schema/track/map.h"

enum {
	EXAMPLE_MAX = 4096, /* no name that is judged is as long */
	EXAMPLE_FILLS = 2,
};

static const char *const example_fills[EXAMPLE_FILLS] = {"", "\x01"};

/* An event type that no pattern names. */
static const struct str example_type = STR("\x01");

/* A text that a pattern matches. */
struct example {
	char data[EXAMPLE_MAX];
	size_t len;
};

/* Called with each property that is worth trying; true ends the walk. */
typedef bool example_fn(void *arg, struct str type, struct str path);

/* Append a pattern, each `*` as `fill`; false if that is too long. */
static bool
example_fill(struct example *example, struct str pattern, const char *fill)
{
	for (size_t i = 0; i < pattern.len; i++) {
		struct str add = pattern.data[i] == '*'
				     ? str_text(fill)
				     : str_bytes(pattern.data + i, 1);

		if (example->len + add.len > sizeof(example->data))
			return false;
		memcpy(example->data + example->len, add.data, add.len);
		example->len += add.len;
	}
	return true;
}

static struct str
example_lend(const struct example *example)
{
	return str_bytes(example->data, example->len);
}

/* The part of a selector that is about properties. */
static const char *
selector_pattern(const char *selector)
{
	const char *slash = strchr(selector, '/');

	return slash != NULL ? slash + 1 : selector;
}

/* What the pattern may mean within a property: it can be divided at each dot
 * and each `*`, and its first part be for the property itself. */
static bool
example_nested(const char *pattern, struct str type, struct str property,
    example_fn *fn, void *arg)
{
	for (const char *at = pattern; *at != '\0'; at++) {
		if (*at != '.' && *at != '*')
			continue;
		for (int i = 0; i < EXAMPLE_FILLS; i++) {
			struct example path;

			path.len = 0;
			if (example_fill(&path, property, "") &&
			    example_fill(&path, str_text("."), "") &&
			    example_fill(
				&path, str_text(at + 1), example_fills[i]) &&
			    fn(arg, type, example_lend(&path)))
				return true;
		}
	}
	return false;
}

/* ---- a class ---- */

struct class_extent {
	const struct track_rules *rules;
	enum catalogue_class class;
	bool sent, hashed, dropped;
};

static bool
class_judge(void *arg, struct str type, struct str path)
{
	struct class_extent *extent = arg;
	const char *why;

	switch (track_privacy(
	    extent->rules, type, path, false, extent->class, &why)) {
	case TRACK_PRIVACY_SEND:
		extent->sent = true;
		break;
	case TRACK_PRIVACY_HASH:
		extent->hashed = true;
		break;
	case TRACK_PRIVACY_DROP:
		extent->dropped = true;
		break;
	}
	return extent->sent && (extent->hashed || extent->dropped);
}

/* The class's properties in events of one type. */
static bool
class_type(struct class_extent *extent, struct str type)
{
	const struct track_rules *rules = extent->rules;
	const struct track_list *lists[] = {
	    &rules->keep, &rules->drop, &rules->hash};

	for (size_t p = 0; p < catalogue_property_count(); p++) {
		const struct catalogue_property *property =
		    catalogue_property_at(p);

		if (property->class != extent->class)
			continue;
		if (class_judge(extent, type, property->name))
			return true;
		for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
			for (size_t i = 0; i < lists[l]->count; i++) {
				if (example_nested(
					selector_pattern(lists[l]->items[i]),
					type, property->name, class_judge,
					extent))
					return true;
			}
		}
	}
	return false;
}

/* The types that the selectors of a list name, known or not. */
static bool
class_types_named(struct class_extent *extent, const struct track_list *list)
{
	for (size_t i = 0; i < list->count * EXAMPLE_FILLS; i++) {
		const char *selector = list->items[i / EXAMPLE_FILLS];
		const char *slash = strchr(selector, '/');
		struct example type;

		type.len = 0;
		if (slash != NULL &&
		    example_fill(&type,
			str_bytes(selector, (size_t)(slash - selector)),
			example_fills[i % EXAMPLE_FILLS]) &&
		    class_type(extent, example_lend(&type)))
			return true;
	}
	return false;
}

static bool
class_types(struct class_extent *extent)
{
	const struct track_rules *rules = extent->rules;

	for (size_t t = 0; t < catalogue_type_count(); t++) {
		if (class_type(extent, catalogue_type_at(t)->name))
			return true;
	}
	return class_type(extent, example_type) ||
	       class_types_named(extent, &rules->keep) ||
	       class_types_named(extent, &rules->drop) ||
	       class_types_named(extent, &rules->hash);
}

enum redact_extent
redact_class_extent(const struct track_rules *rules, const char *class)
{
	struct class_extent extent = {
	    .rules = rules,
	    .class = strcmp(class, catalogue_class_name(CATALOGUE_CONTENT)) == 0
			 ? CATALOGUE_CONTENT
			 : CATALOGUE_CONTACT,
	};

	(void)class_types(&extent);
	if (extent.sent)
		return extent.hashed || extent.dropped ? REDACT_SENDS_PART
						       : REDACT_SENDS;
	if (extent.hashed)
		return extent.dropped ? REDACT_HASHES_PART : REDACT_HASHES;
	return REDACT_LEAVES_OUT;
}

/* ---- a selector ---- */

struct selector {
	const char *text;
	enum catalogue_class class; /* of the property being tried */
};

/* A rule that drops what it selects shows what it selects. */
static bool
selector_selects(void *arg, struct str type, struct str path)
{
	const struct selector *selector = arg;
	const struct track_rules rules = {.drop = {&selector->text, 1}};
	const char *why;

	return track_privacy(&rules, type, path, false, selector->class,
		   &why) == TRACK_PRIVACY_DROP &&
	       strcmp(why, "drop") == 0;
}

/* Does it select the property of that type? */
static bool
selector_selects_property(
    struct selector *selector, const struct catalogue_type *type, size_t p)
{
	const struct catalogue_property *property = catalogue_property_at(p);
	const char *pattern = selector_pattern(selector->text);

	selector->class = property->class;
	if (property->class == CATALOGUE_SECRET) {
		/* a secret is never sent: only its name is compared */
		selector->class = CATALOGUE_PLAIN;
		if (strcmp(pattern, catalogue_class_name(CATALOGUE_SECRET)) ==
		    0)
			return pattern == selector->text ||
			       text_match(
				   str_bytes(selector->text,
				       (size_t)(pattern - selector->text) - 1),
				   type->name, false);
	}
	return selector_selects(selector, type->name, property->name) ||
	       (type->kinds[p] == CATALOGUE_OBJECT &&
		   example_nested(pattern, type->name, property->name,
		       selector_selects, selector));
}

static bool
selector_selects_added(
    struct selector *selector, const struct catalogue_type *type)
{
	static const char *const added[] = {"braze_channel", "braze_action",
	    "braze_event_id", "braze_user_id", "device_id", "timezone"};

	selector->class = CATALOGUE_PLAIN;
	for (size_t i = 0; i < sizeof(added) / sizeof(*added); i++) {
		if (selector_selects(selector, type->name, str_text(added[i])))
			return true;
	}
	return false;
}

enum redact_selected
redact_selector_check(const char *selector)
{
	struct selector tried = {.text = selector};
	enum redact_selected selected = REDACT_SELECTS_NOTHING;

	for (size_t t = 0; t < catalogue_type_count(); t++) {
		const struct catalogue_type *type = catalogue_type_at(t);

		if (selector_selects_added(&tried, type))
			return REDACT_SELECTS;
		for (size_t i = 0; i < type->property_count; i++) {
			size_t p = type->properties[i];

			if (!selector_selects_property(&tried, type, p))
				continue;
			if (catalogue_property_at(p)->class != CATALOGUE_SECRET)
				return REDACT_SELECTS;
			selected = REDACT_SELECTS_SECRETS;
		}
	}
	return selected;
}
