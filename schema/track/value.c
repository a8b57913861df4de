/*
 * Reads values.
 *
 * An array is sent in the form in which Heap stores one, its elements joined
 * with "||"; an array with more than scalars is sent as JSON without white
 * space. Each member of an object in it is judged as it would be outside: by
 * the path of the array, a dot and its key. A member that is left out is not
 * written; in one that is hashed, each string, number and boolean becomes the
 * hash of its text.
 *
 * For an array that is kept at acceptance the same walk writes what may be
 * stored: strings as received, hashes with their mark, and all elements.
 */
#include "schema/track/map.h"

#include "base/json.h"
#include "schema/json/text.h"

enum {
	/* more bytes cannot be within TRACK_VALUE_MAX */
	ARRAY_BYTES = 3 * TRACK_VALUE_MAX,
};

struct track_array {
	struct track_map *map;
	struct buf *out;
	const char *property; /* for omissions; static */
	enum catalogue_class class;
	bool hashed_whole; /* so nothing in it is hashed by itself */
	bool store;	   /* write what may be stored, not what is sent */
	bool judged;	   /* a member may be private */

	bool over;   /* the element does not fit */
	size_t most; /* how long `out` may become */

	/* where the walk is */
	struct scan scan;
	size_t path_len;
	bool path_cut;
	char path[FLAT_PATH_BYTES];
};

/* ---- arrays: the JSON of what they hold ---- */

/* The array was scanned before: no step through it can fail. */
static void
array_init(struct track_array *array, const struct flat_node *node,
    struct scan_value *ret_value)
{
	const struct track_rules *rules = array->map->rules;

	array->judged = rules->drop.count + rules->hash.count > 0;
	array->most = SIZE_MAX;
	array->path_len = node->path.len;
	array->path_cut = node->path_cut;
	if (node->path.len > 0)
		memcpy(array->path, node->path.data, node->path.len);
	scan_init(&array->scan, node->text);
	CHECK(scan_value(&array->scan, ret_value));
}

/* Does it hold only scalars? */
static bool
array_scalar(const struct flat_node *node)
{
	struct scan_value value;
	struct scan scan;
	bool first = true;

	scan_init(&scan, node->text);
	CHECK(scan_value(&scan, &value));
	while (scan_element(&scan, &first)) {
		CHECK(scan_value(&scan, &value));
		if (scan_opened(&value))
			return false;
	}
	return true;
}

/* Is there room for so much? If not, the whole element is left out. */
static bool
array_room(struct track_array *array, size_t len)
{
	size_t had = array->out->len;

	if (had > array->most || len > array->most - had)
		array->over = true;
	return !array->over;
}

static void
array_put(struct track_array *array, struct str bytes)
{
	if (array_room(array, bytes.len))
		(void)buf_append(array->out, bytes.data, bytes.len);
}

static void
array_put_text(struct track_array *array, const char *text)
{
	array_put(array, str_text(text));
}

/* text: the string decoded. */
static void
array_put_string(
    struct track_array *array, const struct scan_value *string, struct str text)
{
	struct buf *out = array->out;

	if (!array_room(array, text.len))
		return;
	(void)buf_char(out, '"');
	if (array->store)
		(void)buf_append(out, string->text.data, string->text.len);
	else
		json_escape(out, text.data, text.len);
	(void)buf_char(out, '"');
}

static bool
array_put_scalar(struct track_array *array, const struct scan_value *value,
    bool hash, struct err *reterr)
{
	struct str text = value->text;
	char hex[TRACK_HEX];

	if (array->over)
		return true;
	if (value->kind == SCAN_STRING &&
	    !flat_decode(&array->map->flat, value, &text, reterr))
		return false;
	if (hash && value->kind != SCAN_NULL && !text_blank(text)) {
		if (!track_marked(&text)) {
			track_hash(array->map->rules, text, hex);
			text = str_bytes(hex, sizeof(hex));
		}
		array_put_text(array, array->store ? "\"" TRACK_MARK : "\"");
		array_put(array, text);
		array_put_text(array, "\"");
	} else if (value->kind == SCAN_STRING) {
		array_put_string(array, value, text);
	} else {
		array_put(array, text);
	}
	return true;
}

/* Go on to the path of a member. */
static void
array_path_join(struct track_array *array, struct str key)
{
	size_t room = sizeof(array->path) - array->path_len - 1, fits;

	if (array->path_cut)
		return;
	array->path[array->path_len++] = '.';
	if (room > key.len)
		room = key.len;
	memcpy(array->path + array->path_len, key.data, room);
	array->path_len += room;
	fits =
	    text_cut(str_bytes(array->path, array->path_len), FLAT_PATH_UNITS);
	array->path_cut = fits < array->path_len;
	array->path_len = fits;
}

static enum track_privacy
array_judge(struct track_array *array, struct str key)
{
	struct track_map *map = array->map;
	enum track_privacy privacy;
	struct str path;
	const char *why;

	if (!array->judged)
		return TRACK_PRIVACY_SEND;
	array_path_join(array, key);
	path = str_bytes(array->path, array->path_len);
	privacy = track_privacy(
	    map->rules, map->type, path, array->path_cut, array->class, &why);
	if (privacy == TRACK_PRIVACY_HASH && array->hashed_whole)
		return TRACK_PRIVACY_SEND;
	if (privacy == TRACK_PRIVACY_DROP) {
		track_omit(map, array->property, TRACK_OMISSION_PRIVATE, 1);
		track_explain(map, path, "left out of its array: %s", why);
	} else if (privacy == TRACK_PRIVACY_HASH) {
		track_explain(
		    map, path, "sent in its array as its HMAC-SHA-256: hash");
	}
	return privacy;
}

static bool array_put_value(struct track_array *array, struct scan_value *value,
    bool hash, struct err *reterr);

/* One member, unless it is left out. */
static bool
array_put_member(struct track_array *array, const struct scan_value *key,
    bool *comma, struct err *reterr)
{
	size_t path_len = array->path_len;
	bool path_cut = array->path_cut, ok = true;
	enum track_privacy privacy;
	struct scan_value value;
	struct str name;

	CHECK(scan_value(&array->scan, &value));
	if (!flat_decode(&array->map->flat, key, &name, reterr))
		return false;
	privacy = array_judge(array, name);
	if (privacy == TRACK_PRIVACY_DROP) {
		if (scan_opened(&value))
			CHECK(scan_skip(&array->scan, &value, SCAN_DEPTH));
	} else {
		if (*comma)
			array_put_text(array, ",");
		*comma = true;
		array_put_string(array, key, name);
		array_put_text(array, ":");
		ok = array_put_value(
		    array, &value, privacy == TRACK_PRIVACY_HASH, reterr);
	}
	array->path_len = path_len;
	array->path_cut = path_cut;
	return ok;
}

/* A value that was begun, and all in it; hash: its scalars are hashed. At most
 * as deep as the event is. */
static bool
array_put_value(struct track_array *array, struct scan_value *value, bool hash,
    struct err *reterr)
{
	bool list = value->kind == SCAN_ARRAY, first = true, comma = false;
	struct scan_value inner;

	if (!scan_opened(value))
		return array_put_scalar(array, value, hash, reterr);
	array_put_text(array, list ? "[" : "{");
	while (list ? scan_element(&array->scan, &first)
		    : scan_member(&array->scan, &first, &inner)) {
		if (!list) {
			if (!array_put_member(array, &inner, &comma, reterr))
				return false;
			continue;
		}
		if (comma)
			array_put_text(array, ",");
		comma = true;
		CHECK(scan_value(&array->scan, &inner));
		if (!array_put_value(array, &inner, hash, reterr))
			return false;
	}
	array_put_text(array, list ? "]" : "}");
	return true;
}

bool
track_array_redact(struct track_map *map, const struct flat_node *node,
    enum catalogue_class class, struct buf *out, struct err *reterr)
{
	struct track_array array = {.map = map,
	    .out = out,
	    .property = track_other,
	    .class = class,
	    .store = true};
	struct scan_value value;

	array_init(&array, node, &value);
	return array_put_value(&array, &value, false, reterr) &&
	       buf_ok(out, reterr);
}

/* ---- arrays: what is sent ---- */

/* One scalar as text; nothing if it is null or blank. */
static bool
array_put_joined(struct track_array *array, const struct scan_value *value,
    struct err *reterr)
{
	struct str text = value->text;

	if (value->kind == SCAN_NULL)
		return true;
	if (value->kind == SCAN_STRING) {
		if (!flat_decode(&array->map->flat, value, &text, reterr))
			return false;
		if (text_blank(text))
			return true;
	}
	array_put(array, text);
	return true;
}

struct track_array_sum {
	unsigned left;	/* elements that did not fit */
	unsigned blank; /* null or blank ones */
};

/*
 * Append each element that fits, whole; the others are counted. `room` is the
 * part of TRACK_VALUE_MAX that they may take.
 */
static bool
array_write(struct track_array *array, bool scalar, size_t room,
    struct track_array_sum *sum, struct err *reterr)
{
	struct buf *values = array->out;
	size_t start = values->len;
	struct scan_value value;
	bool first = true;

	while (scan_element(&array->scan, &first)) {
		size_t before = values->len, comma, units;

		CHECK(scan_value(&array->scan, &value));
		array->over = false;
		array->most = before + ARRAY_BYTES;
		if (before > start)
			(void)buf_text(values, scalar ? "||" : ",");
		comma = values->len;
		if (!(scalar ? array_put_joined(array, &value, reterr)
			     : array_put_value(array, &value, false, reterr)))
			return false;
		if (!buf_ok(values, reterr))
			return false;
		/* a blank element adds nothing; values may have no memory
		 * yet */
		if (values->len == comma && !array->over) {
			sum->blank++;
			buf_truncate(values, before);
			continue;
		}
		units = text_units(
		    str_bytes(values->data + before, values->len - before));
		if (array->over || units > room) {
			sum->left++;
			buf_truncate(values, before);
			continue;
		}
		room -= units;
	}
	return true;
}

/* The value is now in map->values from there on. */
static void
track_value_hold(struct track_map *map, struct track_leaf *leaf, size_t at)
{
	leaf->held = true;
	leaf->held_at = at;
	leaf->value = str_bytes(NULL, map->values.len - at);
}

static bool
track_array_read(struct track_map *map, struct track_leaf *leaf, bool *ret_send,
    struct err *reterr)
{
	struct track_array array = {.map = map,
	    .out = &map->values,
	    .property = leaf->property,
	    .class = leaf->class,
	    .hashed_whole = leaf->hash};
	bool scalar = array_scalar(leaf->node), none;
	struct track_array_sum sum = {0, 0};
	struct buf *values = &map->values;
	size_t at = values->len;
	struct scan_value value;

	array_init(&array, leaf->node, &value);
	if (!scalar)
		(void)buf_char(values, '[');
	if (!array_write(&array, scalar, TRACK_VALUE_MAX - (scalar ? 0 : 2),
		&sum, reterr))
		return false;
	none = values->len - at == (scalar ? 0 : 1);
	if (!scalar)
		(void)buf_char(values, ']');
	if (!buf_ok(values, reterr))
		return false;
	if (none) {
		buf_truncate(values, at);
		return sum.left > 0
			   ? track_value_omit(map, leaf,
				 TRACK_OMISSION_TOO_LONG, "no element fits")
			   : track_value_omit(map, leaf, TRACK_OMISSION_BLANK,
				 "an empty array");
	}
	track_value_hold(map, leaf, at);
	if (sum.blank > 0) {
		track_omit(
		    map, leaf->property, TRACK_OMISSION_BLANK, sum.blank);
		track_explain(map, leaf->name,
		    "%u elements left out: null or blank", sum.blank);
	}
	if (sum.left > 0) {
		track_omit(
		    map, leaf->property, TRACK_OMISSION_ELEMENTS, sum.left);
		track_explain(map, leaf->name,
		    "%u elements left out: they do not fit", sum.left);
	}
	*ret_send = true;
	return true;
}

/* ---- any value ---- */

static bool
track_number_value(struct track_map *map, struct track_leaf *leaf,
    bool *ret_send, struct err *reterr)
{
	struct str literal = leaf->node->text, number;
	size_t at = map->values.len;
	char room[TRACK_NUMBER];
	const char *why;

	if (literal.len > TRACK_VALUE_MAX)
		return track_value_omit(map, leaf, TRACK_OMISSION_TOO_LONG,
		    "a number that is too long");
	*ret_send = true;
	why = track_number_read(literal, room, &number);
	leaf->number = why == NULL;
	if (why != NULL && !leaf->hash) {
		track_omit(
		    map, leaf->property, TRACK_OMISSION_NUMBER_AS_TEXT, 1);
		track_explain(
		    map, leaf->name, "a number sent as text: %s", why);
	}
	if (why != NULL)
		return true;
	if (number.data != room) {
		leaf->value = number;
		return true;
	}
	if (!buf_append(&map->values, number.data, number.len))
		return buf_ok(&map->values, reterr);
	track_value_hold(map, leaf, at);
	return true;
}

bool
track_value_omit(struct track_map *map, struct track_leaf *leaf,
    enum track_omission_kind kind, const char *why)
{
	track_omit(map, leaf->property, kind, 1);
	track_explain(map, leaf->name, "left out: %s", why);
	return true;
}

bool
track_value_read(struct track_map *map, struct track_leaf *leaf, bool *ret_send,
    struct err *reterr)
{
	const struct flat_node *node = leaf->node;

	leaf->value = node->text;
	switch (node->kind) {
	case SCAN_NULL:
		return track_value_omit(
		    map, leaf, TRACK_OMISSION_BLANK, "null");
	case SCAN_STRING:
		if (text_blank(node->text))
			return track_value_omit(
			    map, leaf, TRACK_OMISSION_BLANK, "blank");
		break;
	case SCAN_NUMBER:
		return track_number_value(map, leaf, ret_send, reterr);
	case SCAN_ARRAY:
		return track_array_read(map, leaf, ret_send, reterr);
	case SCAN_OBJECT:
		return track_value_omit(
		    map, leaf, TRACK_OMISSION_BLANK, "an empty object");
	case SCAN_FALSE:
	case SCAN_TRUE:
		break;
	}
	*ret_send = true;
	return true;
}

struct str
track_value_lend(const struct track_map *map, const struct track_leaf *leaf)
{
	return leaf->held ? str_bytes(map->values.data + leaf->held_at,
				leaf->value.len)
			  : leaf->value;
}

bool
track_value_hash(
    struct track_map *map, struct track_leaf *leaf, struct err *reterr)
{
	size_t at = map->values.len;
	char hex[TRACK_HEX];

	/* a hash already: the identity, or made at acceptance */
	if (!leaf->held &&
	    ((map->identity_hashed && leaf->value.data == map->identity.data) ||
		track_marked(&leaf->value)))
		return true;
	track_hash(map->rules, track_value_lend(map, leaf), hex);
	if (!buf_append(&map->values, hex, sizeof(hex)))
		return buf_ok(&map->values, reterr);
	track_value_hold(map, leaf, at);
	leaf->number = false;
	return true;
}

bool
track_value_cut(struct track_map *map, struct track_leaf *leaf)
{
	size_t fits;

	if (leaf->held)
		return true; /* arrays and hashes fit already */
	fits = text_cut(leaf->value, TRACK_VALUE_MAX);
	if (fits == leaf->value.len)
		return true;
	leaf->value.len = fits;
	if (text_blank(leaf->value))
		return !track_value_omit(map, leaf, TRACK_OMISSION_BLANK,
		    "blank up to the point where it would be cut");
	track_omit(map, leaf->property, TRACK_OMISSION_CUT, 1);
	track_explain(map, leaf->name, "cut to 1023 UTF-16 units");
	return true;
}
