/*
 * Maps one event: flatten it, find the identity, judge each property, resolve
 * the names, and write the JSON. Nothing is written before everything is known,
 * so an event that is dropped or dead leaves no trace in *out.
 *
 * Everything that is left out or cut is recorded under the catalogue's name of
 * the property it was in, so that the counters stay few and contain none of a
 * customer's names.
 */
#include "schema/track/map.h"

#include "base/json.h"
#include "schema/json/scan_plain.h"
#include "schema/json/text.h"

#include <stdlib.h>
#include <time.h>

/* The years that ISO 8601 writes with four digits. */
#define TRACK_TIME_LEAST (-62135596800)
#define TRACK_TIME_MOST	 253402300799

/* ---- properties ---- */

/* Was it a number when it was accepted, and is it a hash since then? */
static bool
track_was_number(const struct track_map *map, const struct flat_node *node)
{
	struct str text = node->text;
	const char *why;

	return track_marked(&text) &&
	       track_privacy(map->rules, map->type, node->path, node->path_cut,
		   CATALOGUE_PLAIN, &why) == TRACK_PRIVACY_HASH;
}

struct track_top
track_top_of(const struct track_map *map, uint32_t index)
{
	const struct catalogue *catalogue = map->rules->catalogue;
	const struct flat_node *node = &map->flat.nodes[index];
	struct track_top top = {index, track_other, CATALOGUE_PLAIN};
	size_t found = catalogue_property_find(catalogue, node->key);

	if (found < catalogue_property_count(catalogue)) {
		top.property =
		    catalogue_property_at(catalogue, found)->name.data;
		top.class = catalogue_property_at(catalogue, found)->class;
	} else if (node->kind >= SCAN_ARRAY ||
		   (node->kind == SCAN_STRING && !text_blank(node->text) &&
		       !track_was_number(map, node))) {
		top.class = CATALOGUE_UNCLASSIFIED;
	}
	return top;
}

static bool
track_leaves_grow(struct track_map *map, struct err *reterr)
{
	size_t cap = map->cap * 2;
	struct track_leaf *leaves;

	if (map->leaves == map->few) {
		leaves = malloc(cap * sizeof(*leaves));
		if (leaves != NULL)
			memcpy(leaves, map->few, sizeof(map->few));
	} else {
		leaves = realloc(map->leaves, cap * sizeof(*leaves));
	}
	if (leaves == NULL)
		return err_set_nomem(reterr);
	map->leaves = leaves;
	map->cap = cap;
	return true;
}

/* Begin a leaf at map->leaves[map->count], which is not counted yet. */
static struct track_leaf *
track_leaf_begin(struct track_map *map, const char *property, struct str name,
    struct err *reterr)
{
	struct track_leaf *leaf;

	if (map->count == map->cap && !track_leaves_grow(map, reterr))
		return NULL;
	leaf = &map->leaves[map->count];
	leaf->property = property;
	leaf->name = name;
	leaf->node = NULL;
	leaf->held = false;
	leaf->number = false;
	return leaf;
}

/* Judge the leaf that was begun, whose node is set or, of an added property,
 * its value; and count it if it is to be sent. */
static bool
track_leaf_judge(struct track_map *map, struct track_leaf *leaf,
    enum catalogue_class class, struct err *reterr)
{
	bool added = leaf->node == NULL, send = added;
	enum track_privacy privacy;
	const char *why;

	privacy = track_privacy(map->rules, map->type, leaf->name,
	    !added && leaf->node->path_cut, class, &why);
	if (privacy == TRACK_PRIVACY_DROP) {
		if (why == track_unclassified)
			track_note_left_out(
			    map, &map->flat.nodes[leaf->node->top]);
		return track_value_omit(map, leaf, TRACK_OMISSION_PRIVATE, why);
	}
	leaf->class = class;
	leaf->hash = privacy == TRACK_PRIVACY_HASH;
	leaf->kept = !leaf->hash && why != NULL;
	if (!added && !track_value_read(map, leaf, &send, reterr))
		return false;
	if (!send)
		return true;
	if (leaf->hash && !track_value_hash(map, leaf, reterr))
		return false;
	if (!track_value_cut(map, leaf))
		return true;
	map->count++;
	return true;
}

static bool
track_property_add(struct track_map *map, bool wanted, const char *name,
    struct str value, struct err *reterr)
{
	struct track_leaf *leaf;

	if (!wanted || text_blank(value))
		return true;
	leaf = track_leaf_begin(map, name, str_text(name), reterr);
	if (leaf == NULL)
		return false;
	leaf->value = value;
	return track_leaf_judge(map, leaf, CATALOGUE_PLAIN, reterr);
}

/* Cut the last dotted part off a text, and return it. */
static struct str
track_part_take(struct str *text)
{
	const char *dot = memrchr(text->data, '.', text->len);
	struct str part = *text;

	if (dot != NULL) {
		part.data = dot + 1;
		part.len = (size_t)(text->data + text->len - part.data);
	}
	text->len = dot == NULL ? 0 : (size_t)(dot - text->data);
	return part;
}

static bool
track_properties_add(struct track_map *map, struct err *reterr)
{
	const struct track_rules *rules = map->rules;
	struct str user_id = track_text_of(map->user_id), rest = map->type;
	struct str action = track_part_take(&rest);
	struct str channel = track_part_take(&rest);

	/* an identity that is hashed is not sent in clear by another name */
	if (map->identity_hashed && map->user_id == map->identity_node)
		user_id = map->identity;
	return track_property_add(
		   map, rules->add_channel, "braze_channel", channel, reterr) &&
	       track_property_add(
		   map, rules->add_channel, "braze_action", action, reterr) &&
	       track_property_add(map, rules->add_event_id, "braze_event_id",
		   map->id, reterr) &&
	       track_property_add(
		   map, rules->add_user_id, "braze_user_id", user_id, reterr) &&
	       track_property_add(map, rules->add_device_id, "device_id",
		   track_text_of(map->device_id), reterr) &&
	       track_property_add(map, rules->add_timezone, "timezone",
		   track_text_of(map->timezone), reterr);
}

/* Record a member that a later one supersedes; what was in it goes with it. */
static void
track_superseded(struct track_map *map, const struct flat_node *node)
{
	const struct flat_node *nodes = map->flat.nodes;
	uint32_t at = flat_index(&map->flat, node), properties = FLAT_ROOT;
	const char *property = track_other;

	if (map->properties != NULL)
		properties = flat_index(&map->flat, map->properties);
	if (node->parent != FLAT_ROOT && nodes[node->parent].superseded)
		return;
	while (nodes[at].parent != FLAT_ROOT && nodes[at].parent != properties)
		at = nodes[at].parent;
	if (nodes[at].parent != FLAT_ROOT)
		property = track_top_of(map, at).property;
	track_omit(map, property, TRACK_OMISSION_REPEATED, 1);
	track_explain(
	    map, node->key, "left out: a later member has the same name");
}

static void
track_campaign_note(struct track_map *map, const struct flat_node *property)
{
	enum campaign_property which = campaign_property_of(property->key);

	if (which < CAMPAIGN_PROPERTIES && property->kind == SCAN_STRING)
		map->campaign[which] = property->text;
}

/* What is not in the event's own bytes does not outlive the map. */
static bool
track_lasts(struct str event, struct str text)
{
	return text.len == 0 ||
	       (text.data >= event.data && text.data < event.data + event.len);
}

/* The label is that of campaign_read(), which looks at the first of repeated
 * members. */
static void
track_label_find(const struct track_map *map, struct str event)
{
	struct item_label *label = &map->result->label;

	campaign_label(map->campaign, label);
	label->timed = true;
	label->time_s = map->time_s;
	if (map->repeated || !track_lasts(event, label->id) ||
	    !track_lasts(event, label->name))
		label->kind = NULL;
}

static bool
track_properties_read(struct track_map *map, struct err *reterr)
{
	const struct flat *flat = &map->flat;
	struct track_top top = {.index = FLAT_ROOT};

	if (!track_properties_add(map, reterr))
		return false;
	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];
		struct track_leaf *leaf;

		map->repeated = map->repeated || node->superseded;
		if (node->superseded)
			track_superseded(map, node);
		if (node->superseded || node->top == FLAT_ROOT)
			continue;
		/* an object with members is sent as its members */
		if (node->kind == SCAN_OBJECT && i + 1 < flat->count &&
		    node[1].parent == i)
			continue;
		if (node->top != top.index) {
			top = track_top_of(map, node->top);
			track_campaign_note(map, &flat->nodes[node->top]);
		}
		leaf = track_leaf_begin(map, top.property, node->path, reterr);
		if (leaf == NULL)
			return false;
		leaf->node = node;
		if (text_blank(node->path))
			(void)track_value_omit(map, leaf, TRACK_OMISSION_BLANK,
			    "its name is blank");
		else if (!track_leaf_judge(map, leaf, top.class, reterr))
			return false;
	}
	/* from here on values does not move */
	for (size_t i = 0; i < map->count; i++) {
		struct track_leaf *leaf = &map->leaves[i];

		if (leaf->held)
			leaf->value.data = map->values.data + leaf->held_at;
	}
	return true;
}

/* ---- the JSON ---- */

/* A quoted text and a byte after it. Most need no escapes: one copy. */
static void
track_put_text(struct buf *out, struct str text, char after)
{
	const char *end = text.data + text.len;
	char *at;

	if (scan_plain(text.data, end) != end) {
		(void)buf_char(out, '"');
		json_escape(out, text.data, text.len);
		(void)buf_char(out, '"');
		(void)buf_char(out, after);
		return;
	}
	if (!buf_reserve(out, text.len + 3))
		return;
	at = out->data + out->len;
	*at++ = '"';
	memcpy(at, text.data, text.len);
	at[text.len] = '"';
	at[text.len + 1] = after;
	out->len += text.len + 3;
}

static void
track_put_digits(char *ret, int width, int value)
{
	for (int i = width; i-- > 0; value /= 10)
		ret[i] = (char)('0' + value % 10);
}

static void
track_put_time(struct buf *out, int64_t time_s)
{
	char text[] = "\"0000-00-00T00:00:00Z\"";
	time_t clock = (time_t)time_s;
	struct tm tm;

	CHECK(gmtime_r(&clock, &tm) != NULL);
	track_put_digits(text + 1, 4, tm.tm_year + 1900);
	track_put_digits(text + 6, 2, tm.tm_mon + 1);
	track_put_digits(text + 9, 2, tm.tm_mday);
	track_put_digits(text + 12, 2, tm.tm_hour);
	track_put_digits(text + 15, 2, tm.tm_min);
	track_put_digits(text + 18, 2, tm.tm_sec);
	(void)buf_append(out, text, sizeof(text) - 1);
}

static void
track_put_event(const struct track_map *map, struct buf *out)
{
	(void)buf_text(out, "{\"event\":");
	track_put_text(out, map->event, ',');
	if (map->numeric) {
		(void)buf_printf(out, "\"user_id\":\"%llu\",",
		    (unsigned long long)map->number);
	} else {
		(void)buf_text(out, "\"identity\":");
		track_put_text(out, map->identity, ',');
	}
	(void)buf_text(out, "\"timestamp\":");
	track_put_time(out, map->time_s);
	(void)buf_text(out, ",\"idempotency_key\":\"");
	json_escape(out, map->type.data, map->type.len);
	(void)buf_char(out, ':');
	json_escape(out, map->id.data, map->id.len);
	(void)buf_text(out, "\",\"properties\":{");
	for (size_t i = 0; i < map->count; i++) {
		const struct track_leaf *leaf = &map->leaves[i];
		char after = i + 1 < map->count ? ',' : '}';

		track_put_text(out, leaf->name, ':');
		if (!leaf->number) {
			track_put_text(out, leaf->value, after);
			continue;
		}
		(void)buf_append(out, leaf->value.data, leaf->value.len);
		(void)buf_char(out, after);
	}
	(void)buf_text(out, map->count == 0 ? "}}" : "}");
}

/* ---- the whole ---- */

/* Is the event's time too far in the future? */
static bool
track_ahead(const struct track_map *map, int64_t now_ms)
{
	int64_t ahead_ms = map->rules->time_ahead_ms;

	return now_ms > 0 && ahead_ms > 0 &&
	       map->time_s * 1000 - now_ms > ahead_ms;
}

/* Decide on the fate of an event that was read; on false *reterr says why it
 * cannot be mapped. */
static bool
track_decide(struct track_map *map, int64_t now_ms, struct err *reterr)
{
	const struct flat_node *time = flat_find(&map->flat, FLAT_ROOT, "time");

	/* currents_read() checked these too, or the event would be invalid */
	if (map->type.len == 0) {
		(void)track_dead(map, "no event_type");
		return true;
	}
	if (map->id.len == 0) {
		(void)track_dead(map, "no id");
		return true;
	}
	if (time == NULL || time->kind != SCAN_NUMBER ||
	    !scan_number_int64(time->text, &map->time_s) ||
	    map->time_s < TRACK_TIME_LEAST || map->time_s > TRACK_TIME_MOST) {
		(void)track_dead(
		    map, "time is outside the range that Heap reads");
		return true;
	}
	if (track_erasure(map)) {
		track_erasure_read(map);
		return true;
	}
	if (!track_identity_find(map))
		return true;
	if (track_ahead(map, now_ms)) {
		(void)track_dead(map,
		    "its time is further in the future than time_ahead allows");
		return true;
	}
	if (!track_paths_find(map, reterr) ||
	    !track_event_name_find(map, reterr))
		return false;
	if (map->result->fate != TRACK_SEND)
		return true;
	if (!track_properties_read(map, reterr) ||
	    !track_names_find(map, reterr))
		return false;
	track_explain_sent(map);
	return true;
}

bool
track_write(const struct track_rules *rules, struct str event, int64_t now_ms,
    struct buf *out, struct track_result *ret_result, struct err *reterr)
{
	struct err err = {.code = ERR_NONE};
	size_t before = out->len;
	struct track_map map;
	bool ok;

	ok = track_map_init(&map, rules, event, ret_result, &err) &&
	     track_decide(&map, now_ms, &err);
	if (!ok && err.code == ERR_INPUT) {
		(void)track_dead(&map, "not a readable event");
		ok = true;
	} else if (!ok && err.code == ERR_LIMIT) {
		(void)track_dead(&map, "its properties take up too much space");
		ok = true;
	} else if (!ok) {
		(void)err_set_nomem(reterr);
	} else if (ret_result->fate == TRACK_SEND) {
		track_put_event(&map, out);
		track_label_find(&map, event);
		ok = buf_ok(out, reterr);
	}
	if (!ok) {
		buf_truncate(out, before);
		out->failed = false;
	}
	track_map_fini(&map);
	return ok;
}

void
track_head_write(struct buf *out, const char *app_id)
{
	(void)buf_text(out, "{\"app_id\":\"");
	json_escape(out, app_id, strlen(app_id));
	(void)buf_text(out, "\",\"events\":[");
}

void
track_tail_write(struct buf *out)
{
	(void)buf_text(out, "]}");
}
