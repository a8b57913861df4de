#include "schema/track/map.h"

#include "schema/currents/currents.h"
#include "schema/json/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TRACK_VALUES_FACTOR = 40, /* "0," becomes a hash with its mark */
	TRACK_VALUES_LEAF = 2 * TRACK_HEX,
};

const char track_other[] = "other";

/* ---- reading ---- */

static const struct flat_node *
track_object(const struct track_map *map, const char *name)
{
	const struct flat_node *node = flat_find(&map->flat, FLAT_ROOT, name);

	return node != NULL && node->kind == SCAN_OBJECT ? node : NULL;
}

bool
track_map_init(struct track_map *map, const struct track_rules *rules,
    struct str event, struct track_result *result, struct err *reterr)
{
	const struct flat *flat = &map->flat;
	uint32_t user;
	size_t known;

	/* not cleared as a whole: it is large */
	map->rules = rules;
	map->result = result;
	map->identified = false;
	map->identity_node = NULL;
	map->identity_hashed = false;
	map->left_out = NULL;
	map->left_out_more = false;
	memset(map->campaign, 0, sizeof(map->campaign));
	map->repeated = false;
	map->leaves = map->few;
	map->count = 0;
	map->cap = TRACK_FEW;
	buf_init(&map->event_name, 0);
	buf_init(&map->names, 0);
	buf_init(&map->suffixed, 0);
	buf_init(&map->values, 0);
	result->fate = TRACK_SEND;
	result->reason = NULL;
	result->user_hash = 0;
	result->omission_count = 0;
	result->omissions_lost = 0;
	result->left_out_len = 0;
	result->label.kind = NULL;
	if (!flat_read(&map->flat, event, reterr))
		return false;
	buf_init(
	    &map->values, event.len * TRACK_VALUES_FACTOR +
			      (flat->count + TRACK_FEW) * TRACK_VALUES_LEAF);
	map->type = track_text_of(flat_find(flat, FLAT_ROOT, "event_type"));
	map->id = track_text_of(flat_find(flat, FLAT_ROOT, "id"));
	known = catalogue_type_find(rules->catalogue, map->type);
	map->known = known < catalogue_type_count(rules->catalogue)
			 ? catalogue_type_at(rules->catalogue, known)
			 : NULL;
	map->properties = track_object(map, "properties");
	map->user = track_object(map, "user");
	map->user_id = map->device_id = map->timezone = NULL;
	if (map->user != NULL) {
		user = flat_index(flat, map->user);
		map->user_id = flat_find(flat, user, "user_id");
		map->device_id = flat_find(flat, user, "device_id");
		map->timezone = flat_find(flat, user, "timezone");
	}
	return true;
}

void
track_map_fini(struct track_map *map)
{
	if (map->leaves != map->few)
		free(map->leaves);
	buf_fini(&map->event_name);
	buf_fini(&map->names);
	buf_fini(&map->suffixed);
	buf_fini(&map->values);
	flat_fini(&map->flat);
}

bool
track_paths_find(struct track_map *map, struct err *reterr)
{
	return map->properties == NULL ||
	       flat_paths(
		   &map->flat, flat_index(&map->flat, map->properties), reterr);
}

struct str
track_text_of(const struct flat_node *node)
{
	if (node == NULL ||
	    (node->kind != SCAN_STRING && node->kind != SCAN_NUMBER) ||
	    text_blank(node->text))
		return str_bytes(NULL, 0);
	return node->text;
}

/* ---- reporting ---- */

bool
track_dead(struct track_map *map, const char *reason)
{
	map->result->fate = TRACK_DEAD;
	map->result->reason = reason;
	return false;
}

bool
track_drop(struct track_map *map, const char *rule)
{
	map->result->fate = TRACK_DROP;
	map->result->reason = rule;
	return false;
}

const char *
track_omission_name(enum track_omission_kind kind)
{
	static const char *const names[TRACK_OMISSIONS] = {"blank", "private",
	    "cut", "elements", "too_long", "key_cut", "repeated",
	    "number_as_text"};

	return names[kind];
}

/* The last entries are reserved for those under "other". */
void
track_omit(struct track_map *map, const char *property,
    enum track_omission_kind kind, unsigned count)
{
	struct track_result *result = map->result;
	struct track_omission *omission;

	for (unsigned i = 0; i < result->omission_count; i++) {
		omission = &result->omissions[i];
		if (omission->kind == kind && omission->property == property) {
			omission->count += count;
			return;
		}
	}
	if (result->omission_count >= TRACK_OMISSIONS_MAX - TRACK_OMISSIONS &&
	    property != track_other) {
		result->omissions_lost += count;
		track_omit(map, track_other, kind, count);
		return;
	}
	omission = &result->omissions[result->omission_count++];
	*omission = (struct track_omission){property, kind, count};
}

void
track_note_left_out(struct track_map *map, const struct flat_node *property)
{
	struct track_result *result = map->result;
	struct currents_drift drift = {
	    .what = CURRENTS_DRIFT_LEFT_OUT,
	    .type = map->type,
	    .field = property->key,
	    .json = property->kind == SCAN_STRING  ? "string"
		    : property->kind == SCAN_ARRAY ? "array"
						   : "object",
	};
	/* what has no room is counted together, as in the queue */
	static const char more[] = "(more)";
	size_t room = sizeof(result->left_out) - result->left_out_len, len;
	char text[DRIFT_TEXT_MAX];

	_Static_assert(TRACK_LEFT_OUT_MAX >= DRIFT_TEXT_MAX + sizeof(more),
	    "room for one at least");
	if (property == map->left_out || map->left_out_more)
		return;
	map->left_out = property;
	drift_text_write(&drift, text);
	len = strlen(text) + 1;
	map->left_out_more = len + sizeof(more) > room;
	if (map->left_out_more) {
		len = sizeof(more);
		memcpy(text, more, len);
	}
	memcpy(result->left_out + result->left_out_len, text, len);
	result->left_out_len += len;
}

void
track_explain(
    const struct track_map *map, struct str subject, const char *format, ...)
{
	char decision[256];
	va_list args;

	if (map->rules->explain == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(decision, sizeof(decision), format, args);
	va_end(args);
	map->rules->explain(
	    map->rules->explain_arg, subject, decision, str_bytes(NULL, 0));
}

void
track_explain_sent(const struct track_map *map)
{
	const struct track_rules *rules = map->rules;

	for (size_t i = 0; rules->explain != NULL && i < map->count; i++) {
		const struct track_leaf *leaf = &map->leaves[i];
		bool added = leaf->node == NULL;

		rules->explain(rules->explain_arg,
		    added ? str_text(leaf->property) : leaf->node->path,
		    leaf->hash	 ? "sent as its HMAC-SHA-256: hash"
		    : added	 ? "sent, added"
		    : leaf->kept ? "sent: in keep"
				 : "sent",
		    leaf->name);
	}
}
