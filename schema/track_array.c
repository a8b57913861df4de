/*
 * Arrays. One is sent as Heap itself stores one, its elements joined with
 * "||"; one that holds more than scalars, as JSON without white space. Each
 * member of an object in it is judged there as it would be outside: by the
 * path of the array, a dot and its key. What is left out is not written;
 * where a member is hashed, each string, number and boolean in it becomes
 * the hash of its text.
 *
 * At acceptance the same walk writes what may be kept: strings as they came,
 * hashes with their mark, and all elements.
 */
#include "schema/track_parts.h"

#include "base/json.h"
#include "schema/text.h"

#include <string.h>

/* More bytes cannot be within TRACK_VALUE_MAX. */
enum { ARRAY_BYTES = 3 * TRACK_VALUE_MAX };

struct track_array {
	struct track_job *job;
	const struct track_array_rules *rules;
	bool judged; /* a member may be private */
	bool over;   /* more than fits was to be written */
	size_t most; /* values may come to be so long */
	unsigned changed;

	/* where the walk is */
	struct scan scan;
	size_t path_len;
	bool path_cut;
	char path[FLAT_PATH_BYTES];
};

/* The array was scanned before: no step through it can fail. */
static void
array_init(struct track_array *array, struct track_job *job,
    const struct flat_node *node, const struct track_array_rules *rules,
    struct scan_value *ret_value)
{
	array->job = job;
	array->rules = rules;
	array->judged = job->rules->drop.count + job->rules->hash.count > 0;
	array->over = false;
	array->most = SIZE_MAX;
	array->changed = 0;
	array->path_len = node->path.len;
	array->path_cut = node->path_cut;
	if (node->path.len > 0)
		memcpy(array->path, node->path.data, node->path.len);
	scan_init(&array->scan, node->text.data, node->text.len);
	CHECK(scan_value(&array->scan, ret_value));
}

static bool
array_next(struct track_array *array, bool *first, struct scan_value *ret_value)
{
	if (!scan_element(&array->scan, first))
		return false;
	CHECK(scan_value(&array->scan, ret_value));
	return true;
}

static bool
array_flat(const struct flat_node *node)
{
	struct scan_value value;
	struct scan scan;
	bool first = true;

	scan_init(&scan, node->text.data, node->text.len);
	CHECK(scan_value(&scan, &value));
	while (scan_element(&scan, &first)) {
		CHECK(scan_value(&scan, &value));
		if (scan_opened(&value))
			return false;
	}
	return true;
}

/* ---- JSON ---- */

/* Is there room for so much? If not, the whole element is left out. */
static bool
array_room(struct track_array *array, size_t len)
{
	size_t had = array->job->values.len;

	if (had > array->most || len > array->most - had)
		array->over = true;
	return !array->over;
}

static void
array_put(struct track_array *array, const char *data, size_t len)
{
	if (array_room(array, len))
		(void)buf_append(&array->job->values, data, len);
}

/* A string's text is what it decodes to. */
static void
array_put_string(struct track_array *array, const struct scan_value *string,
    const struct str *text)
{
	struct buf *values = &array->job->values;

	if (!array_room(array, text->len))
		return;
	(void)buf_char(values, '"');
	if (array->rules->accept)
		(void)buf_append(values, string->data, string->len);
	else
		json_escape(values, text->data, text->len);
	(void)buf_char(values, '"');
}

static void
array_put_hash(struct track_array *array, struct str text)
{
	char hex[TRACK_HEX];
	bool marked = track_marked(&text);

	if (marked)
		memcpy(hex, text.data, sizeof(hex));
	else
		track_hash(array->job->rules, text.data, text.len, hex);
	array->changed += !marked;
	array_put(array, "\"", 1);
	if (array->rules->accept)
		array_put(array, TRACK_MARK, sizeof(TRACK_MARK) - 1);
	array_put(array, hex, sizeof(hex));
	array_put(array, "\"", 1);
}

static bool
array_put_scalar(struct track_array *array, const struct scan_value *value,
    bool hash, struct err *reterr)
{
	struct str text = {value->data, value->len};

	if (array->over)
		return true;
	if (value->kind == SCAN_STRING &&
	    !flat_decode(&array->job->flat, value, &text, reterr))
		return false;
	if (hash && value->kind != SCAN_NULL &&
	    !text_blank(text.data, text.len))
		array_put_hash(array, text);
	else if (value->kind == SCAN_STRING)
		array_put_string(array, value, &text);
	else
		array_put(array, text.data, text.len);
	return true;
}

/* Go on to the path of a member. */
static void
array_path_join(struct track_array *array, const struct str *key)
{
	size_t room = sizeof(array->path) - array->path_len, fits;

	if (array->path_cut)
		return;
	array->path[array->path_len++] = '.';
	room = room - 1 < key->len ? room - 1 : key->len;
	memcpy(array->path + array->path_len, key->data, room);
	array->path_len += room;
	fits = text_cut(array->path, array->path_len, FLAT_PATH_UNITS);
	array->path_cut = fits < array->path_len;
	array->path_len = fits;
}

static enum track_private
array_judge(struct track_array *array, const struct str *key)
{
	enum track_private private = TRACK_PRIVATE_SEND;
	struct str path;
	const char *why;

	if (!array->judged)
		return private;
	array_path_join(array, key);
	path = (struct str){array->path, array->path_len};
	private = track_private_of(
	    array->job, &path, array->path_cut, array->rules->class, &why);
	if (private == TRACK_PRIVATE_HASH && array->rules->hashed_whole)
		return TRACK_PRIVATE_SEND;
	if (private == TRACK_PRIVATE_DROP) {
		array->changed++;
		track_omission(
		    array->job, array->rules->property, TRACK_OMISSION_PRIVATE);
		track_say(array->job, path.data, path.len,
		    "left out of its array: %s", why);
	} else if (private == TRACK_PRIVATE_HASH) {
		track_say(array->job, path.data, path.len,
		    "sent in its array as its HMAC-SHA-256: hash");
	}
	return private;
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
	enum track_private private;
	struct scan_value value;
	struct str name;

	CHECK(scan_value(&array->scan, &value));
	if (!flat_decode(&array->job->flat, key, &name, reterr))
		return false;
	private = array_judge(array, &name);
	if (private == TRACK_PRIVATE_DROP) {
		if (scan_opened(&value))
			CHECK(scan_skip(&array->scan, &value, FLAT_DEPTH));
	} else {
		if (*comma)
			array_put(array, ",", 1);
		*comma = true;
		array_put_string(array, key, &name);
		array_put(array, ":", 1);
		ok = array_put_value(
		    array, &value, private == TRACK_PRIVATE_HASH, reterr);
	}
	array->path_len = path_len;
	array->path_cut = path_cut;
	return ok;
}

/* A value that was begun, and all in it; hash: its scalars are hashed. */
static bool
array_put_value(struct track_array *array, struct scan_value *value, bool hash,
    struct err *reterr)
{
	bool list = value->kind == SCAN_ARRAY, first = true, comma = false;
	struct scan_value inner;

	if (!scan_opened(value))
		return array_put_scalar(array, value, hash, reterr);
	array_put(array, list ? "[" : "{", 1);
	while (list ? scan_element(&array->scan, &first)
		    : scan_member(&array->scan, &first, &inner)) {
		if (!list) {
			if (!array_put_member(array, &inner, &comma, reterr))
				return false;
			continue;
		}
		if (comma)
			array_put(array, ",", 1);
		comma = true;
		CHECK(scan_value(&array->scan, &inner));
		if (!array_put_value(array, &inner, hash, reterr))
			return false;
	}
	array_put(array, list ? "]" : "}", 1);
	return true;
}

bool
track_array_keep(struct track_job *job, const struct flat_node *node,
    const struct track_array_rules *rules, bool *ret_changed,
    struct err *reterr)
{
	size_t before = job->values.len;
	struct scan_value value;
	struct track_array array;

	*ret_changed = false;
	if (array_flat(node))
		return true;
	array_init(&array, job, node, rules, &value);
	if (!array.judged)
		return true;
	if (!array_put_value(&array, &value, false, reterr))
		return false;
	if (!buf_ok(&job->values, reterr))
		return false;
	*ret_changed = array.changed > 0;
	if (!*ret_changed)
		buf_truncate(&job->values, before);
	return true;
}

/* ---- what is sent ---- */

/* One scalar as text; nothing if it is null or blank. */
static bool
array_put_text(struct track_array *array, const struct scan_value *value,
    struct err *reterr)
{
	struct str text = {value->data, value->len};

	if (value->kind == SCAN_NULL)
		return true;
	if (value->kind == SCAN_STRING) {
		if (!flat_decode(&array->job->flat, value, &text, reterr))
			return false;
		if (text_blank(text.data, text.len))
			return true;
	}
	array_put(array, text.data, text.len);
	return true;
}

/*
 * Append each element that fits, whole; those that do not are counted.
 * `room` is what is left of TRACK_VALUE_MAX.
 */
static bool
array_write(struct track_array *array, bool scalars, size_t room,
    struct track_array_sum *sum, struct err *reterr)
{
	const char *between = scalars ? "||" : ",";
	struct buf *values = &array->job->values;
	size_t start = values->len;
	struct scan_value value;
	bool first = true;

	while (array_next(array, &first, &value)) {
		size_t before = values->len, comma, units;

		array->over = false;
		array->most = before + ARRAY_BYTES;
		if (before > start)
			(void)buf_text(values, between);
		comma = values->len;
		if (!(scalars ? array_put_text(array, &value, reterr)
			      : array_put_value(array, &value, false, reterr)))
			return false;
		if (!buf_ok(values, reterr))
			return false;
		/* a blank one is nothing, and there may be no buffer yet */
		if (values->len == comma && !array->over) {
			sum->blank++;
			buf_truncate(values, before);
			continue;
		}
		units = text_units(values->data + before, values->len - before);
		if (array->over || units > room) {
			sum->left++;
			buf_truncate(values, before);
			continue;
		}
		room -= units;
	}
	return true;
}

bool
track_array_write(struct track_job *job, const struct flat_node *node,
    const struct track_array_rules *rules, struct track_array_sum *ret_sum,
    struct err *reterr)
{
	bool scalars = array_flat(node);
	size_t before = job->values.len, room = TRACK_VALUE_MAX;
	struct scan_value value;
	struct track_array array;

	*ret_sum = (struct track_array_sum){0, 0, false};
	array_init(&array, job, node, rules, &value);
	if (!scalars) {
		(void)buf_char(&job->values, '[');
		room -= 2;
	}
	if (!array_write(&array, scalars, room, ret_sum, reterr))
		return false;
	ret_sum->none = job->values.len - before == (scalars ? 0 : 1);
	if (!scalars)
		(void)buf_char(&job->values, ']');
	return buf_ok(&job->values, reterr);
}
