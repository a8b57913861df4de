/*
 * Decides on privacy. What was sent cannot be taken back, while what was left
 * out can be sent later; so of several rules the most private one wins.
 *
 * The rules that decide the identity also exist as bytes, which outlive a
 * change of the settings: an event that may already be at Heap must not arrive
 * a second time under another identity. The bytes are NUL-terminated texts, so
 * that the rules can point into them: first a text of letters (version,
 * identity, both anonymous, whether it is hashed) followed by the mark of the
 * key, then the alias's label ("+label", or "-" for any), then the
 * placeholders.
 */
#include "schema/track/map.h"

#include "schema/json/text.h"

#include <stdlib.h>

enum {
	IDENTITY_VERSION = '1',
	IDENTITY_LETTERS = 5,
	IDENTITY_MARK = 16, /* digits; they do not reveal the key */
};

static const char track_digits[] = "0123456789abcdef";

void
track_rules_init(struct track_rules *rules)
{
	*rules = (struct track_rules){
	    .catalogue = catalogue_in_use(),
	    .identity = TRACK_IDENTITY_EXTERNAL,
	    .anonymous = {TRACK_ANONYMOUS_DEVICE, TRACK_ANONYMOUS_BRAZE},
	    .time_ahead_ms = (int64_t)7 * 24 * 3600 * 1000,
	    .add_channel = true,
	    .add_event_id = true,
	    .add_user_id = true,
	    .add_device_id = true,
	    .add_timezone = true,
	};
}

/* ---- selectors ---- */

/* By name, or by class. */
static bool
track_pattern_selects(
    struct str pattern, struct str path, enum catalogue_class class)
{
	if (text_match(pattern, path, true))
		return true;
	return class != CATALOGUE_PLAIN &&
	       text_match(
		   pattern, str_text(catalogue_class_name(class)), false);
}

static bool
track_list_selects(const struct track_list *list, struct str type,
    struct str path, enum catalogue_class class)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *selector = list->items[i];
		const char *slash = strchr(selector, '/');

		/* a name may have a slash, so it is tried as a whole too */
		if (track_pattern_selects(str_text(selector), path, class))
			return true;
		if (slash != NULL &&
		    text_match(str_bytes(selector, (size_t)(slash - selector)),
			type, false) &&
		    track_pattern_selects(str_text(slash + 1), path, class))
			return true;
	}
	return false;
}

const char track_unclassified[] = "class unclassified, not in keep";

enum track_privacy
track_privacy(const struct track_rules *rules, struct str type, struct str path,
    bool path_cut, enum catalogue_class class, const char **ret_why)
{
	/* of UserOrphan: the person who took over the events, by Braze's id */
	static const struct str orphaned_by = STR("orphaned_by_id");

	*ret_why = NULL;
	if (class == CATALOGUE_PLAIN && rules->drop.count == 0 &&
	    rules->hash.count == 0 && rules->keep.count == 0 &&
	    !rules->identity_hash)
		return TRACK_PRIVACY_SEND; /* by far the most */
	*ret_why = "class secret is never sent";
	if (class == CATALOGUE_SECRET)
		return TRACK_PRIVACY_DROP;
	*ret_why = "its name is too long to check against drop and hash";
	if (path_cut && rules->drop.count + rules->hash.count > 0)
		return TRACK_PRIVACY_DROP;
	*ret_why = "drop";
	if (track_list_selects(&rules->drop, type, path, class))
		return TRACK_PRIVACY_DROP;
	*ret_why = "hash";
	if ((rules->identity_hash && rules->identity == TRACK_IDENTITY_BRAZE &&
		text_match(orphaned_by, path, true)) ||
	    track_list_selects(&rules->hash, type, path, class)) {
		if (rules->key.data != NULL)
			return TRACK_PRIVACY_HASH;
		*ret_why = "hash, but hash_key_file is not set";
		return TRACK_PRIVACY_DROP;
	}
	*ret_why = "keep";
	if (track_list_selects(&rules->keep, type, path, class))
		return TRACK_PRIVACY_SEND;
	*ret_why = NULL;
	switch (class) {
	case CATALOGUE_PLAIN:
		return TRACK_PRIVACY_SEND;
	case CATALOGUE_CONTENT:
		*ret_why = "class content, not in keep";
		return TRACK_PRIVACY_DROP;
	case CATALOGUE_CONTACT:
		*ret_why = "class contact, not in keep";
		return TRACK_PRIVACY_DROP;
	case CATALOGUE_UNCLASSIFIED:
		*ret_why = track_unclassified;
		return TRACK_PRIVACY_DROP;
	case CATALOGUE_SECRET:
		break;
	}
	return TRACK_PRIVACY_DROP;
}

bool
track_leaves_out(
    const struct track_rules *rules, struct str type, struct str property)
{
	const struct catalogue *catalogue = rules->catalogue;
	const char *why;

	return catalogue_property_find(catalogue, property) ==
		   catalogue_property_count(catalogue) &&
	       track_privacy(rules, type, property, false,
		   CATALOGUE_UNCLASSIFIED, &why) == TRACK_PRIVACY_DROP &&
	       why == track_unclassified;
}

/* ---- rules and the catalogue ---- */

/* A property that neither the catalogue nor a selector names. */
static const struct str track_unknown = STR("\x01");

/* What selects nothing of the catalogue may be the name of a property that it
 * lacks; but not if it is a known one's, or of a class. */
static bool
track_list_selects_unknown(
    const struct catalogue *catalogue, const struct track_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *name = list->items[i];
		const char *slash = strchr(name, '/');

		if (track_selector_check(catalogue, name) !=
		    TRACK_SELECTED_NOTHING)
			continue;
		if (slash != NULL)
			name = slash + 1;
		if (strcmp(name, catalogue_class_name(CATALOGUE_CONTENT)) !=
			0 &&
		    strcmp(name, catalogue_class_name(CATALOGUE_CONTACT)) !=
			0 &&
		    catalogue_property_find(
			catalogue, str_bytes(name, strcspn(name, "."))) ==
			catalogue_property_count(catalogue))
			return true;
	}
	return false;
}

enum track_extent
track_class_extent(const struct track_rules *rules, const char *class)
{
	const struct catalogue *catalogue = rules->catalogue;
	bool unknown =
	    strcmp(class, catalogue_class_name(CATALOGUE_UNCLASSIFIED)) == 0;
	bool any[TRACK_PRIVACY_DROP + 1] = {
	    [TRACK_PRIVACY_SEND] =
		unknown && track_list_selects_unknown(catalogue, &rules->keep),
	    [TRACK_PRIVACY_HASH] =
		unknown && track_list_selects_unknown(catalogue, &rules->hash),
	};
	const char *why;

	for (size_t t = 0; t < catalogue_type_count(catalogue); t++) {
		const struct catalogue_type *type =
		    catalogue_type_at(catalogue, t);

		if (unknown)
			any[track_privacy(rules, type->name, track_unknown,
			    false, CATALOGUE_UNCLASSIFIED, &why)] = true;
		for (size_t i = 0; i < type->property_count; i++) {
			const struct catalogue_property *property =
			    catalogue_property_at(
				catalogue, type->properties[i]);

			if (strcmp(catalogue_class_name(property->class),
				class) == 0)
				any[track_privacy(rules, type->name,
				    property->name, false, property->class,
				    &why)] = true;
		}
	}
	if (any[TRACK_PRIVACY_SEND])
		return any[TRACK_PRIVACY_HASH] || any[TRACK_PRIVACY_DROP]
			   ? TRACK_EXTENT_SEND_PART
			   : TRACK_EXTENT_SEND;
	if (any[TRACK_PRIVACY_HASH])
		return any[TRACK_PRIVACY_DROP] ? TRACK_EXTENT_HASH_PART
					       : TRACK_EXTENT_HASH;
	return TRACK_EXTENT_OUT;
}

/* Can the selector match a name inside an object? Then the beginning of its
 * pattern matches the object, and a dot or a `*` leads into it. */
static bool
track_selects_inside(const char *selector, struct str type, struct str object)
{
	const char *slash = strchr(selector, '/'), *pattern = selector;

	if (slash != NULL) {
		if (!text_match(str_bytes(selector, (size_t)(slash - selector)),
			type, false))
			return false;
		pattern = slash + 1;
	}
	for (size_t i = 1; i <= strlen(pattern); i++) {
		if ((pattern[i] == '.' || pattern[i - 1] == '*') &&
		    text_match(str_bytes(pattern, i), object, false))
			return true;
	}
	return false;
}

static enum track_selected
track_selects_in_type(const struct catalogue *catalogue, const char *selector,
    const struct catalogue_type *type)
{
	static const char *const added[] = {"braze_channel", "braze_action",
	    "braze_event_id", "braze_user_id", "device_id", "timezone"};
	const struct track_list list = {&selector, 1};
	enum track_selected selected = TRACK_SELECTED_NOTHING;

	if (track_list_selects(
		&list, type->name, track_unknown, CATALOGUE_UNCLASSIFIED))
		return TRACK_SELECTED;
	for (size_t i = 0; i < sizeof(added) / sizeof(*added); i++) {
		if (track_list_selects(
			&list, type->name, str_text(added[i]), CATALOGUE_PLAIN))
			return TRACK_SELECTED;
	}
	for (size_t i = 0; i < type->property_count; i++) {
		size_t p = type->properties[i];
		const struct catalogue_property *property =
		    catalogue_property_at(catalogue, p);

		if (!track_list_selects(
			&list, type->name, property->name, property->class) &&
		    (type->kinds[p] != CATALOGUE_OBJECT ||
			!track_selects_inside(
			    selector, type->name, property->name)))
			continue;
		if (property->class != CATALOGUE_SECRET)
			return TRACK_SELECTED;
		selected = TRACK_SELECTED_SECRETS;
	}
	return selected;
}

enum track_selected
track_selector_check(const struct catalogue *catalogue, const char *selector)
{
	enum track_selected most = TRACK_SELECTED_NOTHING;

	for (size_t t = 0; t < catalogue_type_count(catalogue); t++) {
		enum track_selected selected = track_selects_in_type(
		    catalogue, selector, catalogue_type_at(catalogue, t));

		if (selected > most)
			most = selected;
	}
	return most;
}

/* ---- hashing ---- */

void
track_hash(
    const struct track_rules *rules, struct str text, char ret_hex[TRACK_HEX])
{
	unsigned char hash[DIGEST_SHA256];

	digest_hmac_sha256(
	    rules->key.data, rules->key.len, text.data, text.len, hash);
	for (size_t i = 0; i < DIGEST_SHA256; i++) {
		ret_hex[2 * i] = track_digits[hash[i] >> 4];
		ret_hex[2 * i + 1] = track_digits[hash[i] & 15];
	}
}

bool
track_marked(struct str *text)
{
	const size_t mark = sizeof(TRACK_MARK) - 1;

	if (text->len != mark + TRACK_HEX ||
	    memcmp(text->data, TRACK_MARK, mark) != 0)
		return false;
	for (size_t i = mark; i < text->len; i++) {
		char c = text->data[i];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
	}
	*text = str_bytes(text->data + mark, TRACK_HEX);
	return true;
}

/* ---- the identity's rules as bytes ---- */

/* The start of the hash of a constant; empty if identities are not hashed. */
static void
track_key_mark(
    const struct track_rules *rules, char ret_mark[IDENTITY_MARK + 1])
{
	static const char constant[] = "currentsd";
	char hex[TRACK_HEX];

	memset(ret_mark, 0, IDENTITY_MARK + 1);
	if (!rules->identity_hash || rules->key.data == NULL)
		return;
	track_hash(rules, str_bytes(constant, sizeof(constant)), hex);
	memcpy(ret_mark, hex, IDENTITY_MARK);
}

void
track_identity_rules_write(const struct track_rules *rules, struct buf *out)
{
	char mark[IDENTITY_MARK + 1];

	track_key_mark(rules, mark);
	(void)buf_char(out, IDENTITY_VERSION);
	(void)buf_char(out, (char)('0' + rules->identity));
	(void)buf_char(out, (char)('0' + rules->anonymous[0]));
	(void)buf_char(out, (char)('0' + rules->anonymous[1]));
	(void)buf_char(out, rules->identity_hash ? 'h' : 'p');
	(void)buf_append(out, mark, strlen(mark) + 1);
	(void)buf_char(out, rules->alias_label != NULL ? '+' : '-');
	if (rules->alias_label != NULL)
		(void)buf_text(out, rules->alias_label);
	(void)buf_char(out, '\0');
	for (size_t i = 0; i < rules->placeholders.count; i++) {
		const char *item = rules->placeholders.items[i];

		(void)buf_append(out, item, strlen(item) + 1);
	}
}

bool
track_identity_rules_read(struct str bytes, struct track_rules *rules,
    const char ***ret_items, struct err *reterr)
{
	struct track_rules read = *rules;
	const char **items, *text = bytes.data;
	char mark[IDENTITY_MARK + 1];
	size_t count = 0;

	for (size_t i = 0; i < bytes.len; i++)
		count += bytes.data[i] == '\0';
	if (count < 2 || bytes.data[bytes.len - 1] != '\0' ||
	    strlen(text) < IDENTITY_LETTERS || text[0] != IDENTITY_VERSION ||
	    text[1] < '0' || text[1] > '0' + TRACK_IDENTITY_BRAZE ||
	    text[2] < '0' || text[2] > '0' + TRACK_ANONYMOUS_BRAZE ||
	    text[3] < '0' || text[3] > '0' + TRACK_ANONYMOUS_BRAZE ||
	    (text[4] != 'h' && text[4] != 'p'))
		goto damaged;
	read.identity = (enum track_identity)(text[1] - '0');
	read.anonymous[0] = (enum track_anonymous)(text[2] - '0');
	read.anonymous[1] = (enum track_anonymous)(text[3] - '0');
	read.identity_hash = text[4] == 'h';
	track_key_mark(&read, mark);
	/* without the old key the former identity cannot be computed */
	if (read.identity_hash && strcmp(mark, text + IDENTITY_LETTERS) != 0)
		read.key = str_bytes(NULL, 0);
	text += strlen(text) + 1;
	if (*text != '+' && *text != '-')
		goto damaged;
	read.alias_label = *text == '+' ? text + 1 : NULL;
	items = calloc(count, sizeof(*items));
	if (items == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i + 2 < count; i++) {
		text += strlen(text) + 1;
		items[i] = text;
	}
	read.placeholders = (struct track_list){items, count - 2};
	*rules = read;
	*ret_items = items;
	return true;
damaged:
	return err_set(reterr, ERR_DAMAGED, "not the rules of an identity");
}
