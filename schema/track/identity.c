/*
 * Finds the identity. Heap never separates two people once they are merged, so
 * an id that may be shared is worse than none: if a person's external id or
 * alias cannot be used, the event is a dead letter, and is not sent under any
 * other id. Only a person who has neither is anonymous, and becomes a number.
 */
#include "schema/track/map.h"

#include "schema/currents/currents.h"
#include "schema/identity.h"
#include "schema/json/text.h"

enum track_source {
	TRACK_SOURCE_EXTERNAL,
	TRACK_SOURCE_ALIAS,
	TRACK_SOURCE_BRAZE,
	TRACK_SOURCE_DEVICE,
	TRACK_SOURCES
};

static const char *const track_source_names[TRACK_SOURCES] = {
    "external_user_id", "alias", "user_id", "device_id"};

static const char *const track_id_reasons[TRACK_SOURCES][TRACK_ID_DEFECTS] = {
    {NULL, "external_user_id is not text",
	"external_user_id has an unreadable character",
	"external_user_id is a placeholder",
	"external_user_id is longer than 255 characters"},
    {NULL, "alias is not text", "alias has an unreadable character",
	"alias is a placeholder", "alias is longer than 255 characters"},
    {NULL, "user_id is not text", "user_id has an unreadable character",
	"user_id is a placeholder", "user_id is longer than 255 characters"},
    {NULL, "device_id is not text", "device_id has an unreadable character",
	"device_id is a placeholder",
	"device_id is longer than 255 characters"},
};

static const struct str track_subject = STR("identity"); /* of decisions */

/* ---- one id ---- */

bool
track_placeholder(const struct track_rules *rules, struct str id)
{
	return identity_placeholder(
	    id, rules->placeholders.items, rules->placeholders.count);
}

enum track_id_defect
track_id_check(const struct track_rules *rules, const struct flat_node *node)
{
	if (node->kind != SCAN_STRING && node->kind != SCAN_NUMBER)
		return TRACK_ID_KIND;
	if (text_has_replacement(node->text))
		return TRACK_ID_UNREADABLE;
	if (track_placeholder(rules, node->text))
		return TRACK_ID_PLACEHOLDER;
	if (text_characters(node->text) > TRACK_IDENTITY_MAX)
		return TRACK_ID_LONG;
	return TRACK_ID_VALID;
}

bool
track_id_present(const struct flat_node *node)
{
	if (node == NULL || node->kind == SCAN_NULL)
		return false;
	return node->kind != SCAN_STRING || !text_blank(node->text);
}

bool
track_ids_present(const struct flat_node *node)
{
	const char *at;

	if (!track_id_present(node) || node->kind < SCAN_ARRAY)
		return track_id_present(node);
	for (at = node->value + 1; strchr(" \t\r\n", *at) != NULL; at++)
		;
	return at + 1 < node->end;
}

/* ---- an identified person ---- */

/* The person is identified by this id, or the event is dead. */
static bool
track_identify(struct track_map *map, enum track_source source,
    const struct flat_node *node)
{
	const struct track_rules *rules = map->rules;
	enum track_id_defect defect = track_id_check(rules, node);
	const char *name = track_source_names[source];

	map->identity_node = node;
	if (defect != TRACK_ID_VALID)
		return track_dead(map, track_id_reasons[source][defect]);
	map->numeric = false;
	map->identity = node->text;
	map->identity_hashed = rules->identity_hash;
	if (!rules->identity_hash) {
		track_explain(map, track_subject, "%s", name);
	} else if (track_marked(&map->identity)) {
		track_explain(
		    map, track_subject, "%s, hashed at acceptance", name);
	} else {
		if (rules->key.data == NULL)
			return track_dead(map, "identity_hash without a key");
		track_hash(rules, node->text, map->identity_hex);
		map->identity = str_bytes(map->identity_hex, TRACK_HEX);
		track_explain(map, track_subject, "HMAC-SHA-256 of %s", name);
	}
	map->result->user_hash = str_hash('i', map->identity);
	return true;
}

static const struct flat_node *
track_user_find(const struct track_map *map, const char *name)
{
	if (map->user == NULL)
		return NULL;
	return flat_find(&map->flat, flat_index(&map->flat, map->user), name);
}

/* The alias to use; the user itself may be one, by its alias_name. *ret_any:
 * there is one, with whatever label. */
static const struct flat_node *
track_alias_find(const struct track_map *map, bool *ret_any)
{
	static const char *const members[] = {"alias", "user_alias", NULL};
	const struct flat *flat = &map->flat;
	const char *wanted = map->rules->alias_label;

	*ret_any = false;
	for (size_t i = 0; map->user != NULL && i < 3; i++) {
		const struct flat_node *alias, *name, *label = NULL;

		alias = members[i] == NULL ? map->user
					   : track_user_find(map, members[i]);
		if (!track_id_present(alias))
			continue;
		name = alias;
		if (alias->kind == SCAN_OBJECT) {
			uint32_t index = flat_index(flat, alias);

			name = flat_find(flat, index, "alias_name");
			label = flat_find(flat, index, "alias_label");
		}
		if (!track_id_present(name))
			continue;
		*ret_any = true;
		if (wanted == NULL ||
		    (label != NULL && label->kind == SCAN_STRING &&
			str_equal_text(label->text, wanted)))
			return name;
	}
	return NULL;
}

/* ---- an anonymous person ---- */

uint64_t
track_anonymous_user(struct str id)
{
	unsigned char md5[DIGEST_MD5];
	uint64_t low = 0, high = 0;

	digest_md5(id.data, id.len, md5);
	for (unsigned i = 0; i < 4; i++) {
		low |= (uint64_t)md5[i] << (8 * i);
		high |= (uint64_t)md5[8 + i] << (8 * i);
	}
	return (high & 0x1fffff) << 32 | low;
}

/* There is no user, or none with an id that the rules accept for anonymous
 * people. */
static bool
track_no_user(struct track_map *map)
{
	const char *reason = "no user";

	if (track_id_present(map->user_id))
		reason = "anonymous, and without device_id";
	else if (track_id_present(map->device_id))
		reason = "anonymous, and without user_id";
	return map->rules->no_user_dead ? track_dead(map, reason)
					: track_drop(map, reason);
}

/* The identity becomes a number made of the device's id or Braze's. */
static bool
track_anonymous(struct track_map *map)
{
	const struct track_rules *rules = map->rules;
	const char *reason = NULL;

	for (size_t i = 0; i < 2; i++) {
		bool device = rules->anonymous[i] == TRACK_ANONYMOUS_DEVICE;
		enum track_source source =
		    device ? TRACK_SOURCE_DEVICE : TRACK_SOURCE_BRAZE;
		const struct flat_node *node =
		    device ? map->device_id : map->user_id;
		enum track_id_defect defect;

		if (rules->anonymous[i] == TRACK_ANONYMOUS_NONE)
			break;
		if (!track_id_present(node))
			continue;
		defect = track_id_check(rules, node);
		if (defect != TRACK_ID_VALID) {
			if (reason == NULL)
				reason = track_id_reasons[source][defect];
			track_explain(map, track_subject, "not used: %s",
			    track_id_reasons[source][defect]);
			continue;
		}
		map->numeric = true;
		map->number = track_anonymous_user(node->text);
		map->result->user_hash = str_hash('u',
		    str_bytes((const char *)&map->number, sizeof(map->number)));
		track_explain(map, track_subject,
		    "anonymous: a number made of %s",
		    track_source_names[source]);
		return true;
	}
	if (reason != NULL)
		return track_dead(map, reason);
	if (rules->anonymous[0] == TRACK_ANONYMOUS_NONE &&
	    (track_id_present(map->device_id) ||
		track_id_present(map->user_id)))
		return track_drop(map, "anonymous");
	return track_no_user(map);
}

bool
track_identity_find(struct track_map *map)
{
	const struct flat_node *external, *alias;
	bool any_alias, list;

	external = track_user_find(map, "external_user_id");
	alias = track_alias_find(map, &any_alias);
	list = track_ids_present(track_user_find(map, "aliases")) ||
	       track_ids_present(track_user_find(map, "user_aliases"));
	map->identified = track_id_present(external) || any_alias || list;
	if (map->rules->identity == TRACK_IDENTITY_BRAZE) {
		if (track_id_present(map->user_id)) {
			map->identified = true;
			return track_identify(
			    map, TRACK_SOURCE_BRAZE, map->user_id);
		}
		if (map->identified)
			return track_dead(map, "identified, but no user_id");
		return track_anonymous(map);
	}
	if (track_id_present(external))
		return track_identify(map, TRACK_SOURCE_EXTERNAL, external);
	if (alias != NULL)
		return track_identify(map, TRACK_SOURCE_ALIAS, alias);
	if (any_alias)
		return track_dead(map, "no alias with the wanted label");
	if (list) /* nothing says which of them to use */
		return track_dead(map, "a list of aliases is not an identity");
	return track_anonymous(map);
}

/* ---- requests to erase a person ---- */

bool
track_erasure(const struct track_map *map)
{
	return str_equal_text(map->type, CURRENTS_ERASURE);
}

/* A request that names no one is a dead letter, so that an operator sees it. */
void
track_erasure_read(struct track_map *map)
{
	const struct flat_node *id = map->user_id;
	enum track_id_defect defect;

	if (!track_id_present(id)) {
		(void)track_dead(map, "erasure request without user_id");
		return;
	}
	defect = track_id_check(map->rules, id);
	/* the list shows a subject as far as a NUL */
	if (defect == TRACK_ID_VALID &&
	    memchr(id->text.data, '\0', id->text.len) != NULL)
		defect = TRACK_ID_UNREADABLE;
	if (defect != TRACK_ID_VALID)
		(void)track_dead(
		    map, track_id_reasons[TRACK_SOURCE_BRAZE][defect]);
	else
		(void)track_drop(map, "erasure request");
}
