/*
 * Values. A number is sent as a number only if every reader of JSON reads
 * the same one: integers up to 2^53, and up to 15 significant digits within
 * the range of a double. An array is sent as Heap itself stores one, joined
 * with "||"; one that holds more than scalars, as JSON.
 */
#include "schema/track_parts.h"

#include "base/json.h"
#include "schema/text.h"

#include <string.h>

enum {
	TRACK_DIGITS = 15,    /* a double keeps these */
	TRACK_EXPONENT = 300, /* and this power of ten, either way */
};

static bool
track_integer_keeps(const char *digits, size_t len)
{
	static const char most[] = "9007199254740992"; /* 2^53 */

	return len < sizeof(most) - 1 ||
	       (len == sizeof(most) - 1 && memcmp(digits, most, len) <= 0);
}

/* The exponent after e or E; far beyond any limit if it is huge. */
static long
track_exponent(const char *at, const char *end)
{
	bool negative = at < end && *at == '-';
	long exponent = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	for (; at < end; at++) {
		if (exponent < 100000000)
			exponent = exponent * 10 + (*at - '0');
	}
	return negative ? -exponent : exponent;
}

bool
track_number_keeps(const char *data, size_t len)
{
	const char *end = data + len, *at;
	long index = 0, whole = -1, first = -1, last = -1, power = 0;

	if (len > TRACK_VALUE_MAX)
		return false;
	if (len > 0 && *data == '-')
		data++;
	for (at = data; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			whole = index;
			continue;
		}
		if (*at != '0') {
			first = first < 0 ? index : first;
			last = index;
		}
		index++;
	}
	if (whole < 0 && at == end)
		return track_integer_keeps(data, (size_t)(end - data));
	if (at < end)
		power = track_exponent(at + 1, end);
	if (first >= 0) /* the power of the first digit that counts */
		power += (whole < 0 ? index : whole) - 1 - first;
	return (first < 0 || last - first < TRACK_DIGITS) &&
	       power >= -TRACK_EXPONENT && power <= TRACK_EXPONENT;
}

/* The way through an array that was scanned before: it cannot fail. */
struct track_elements {
	struct scan scan;
	struct scan_value at;
	bool first;
};

static void
track_elements_init(
    struct track_elements *elements, const struct flat_node *node)
{
	scan_init(&elements->scan, node->text.data, node->text.len);
	CHECK(scan_value(&elements->scan, &elements->at));
	elements->first = true;
}

static bool
track_elements_next(struct track_elements *elements)
{
	if (!scan_element(&elements->scan, &elements->first))
		return false;
	CHECK(scan_value(&elements->scan, &elements->at));
	return true;
}

static bool
track_array_flat(const struct flat_node *node)
{
	struct track_elements elements;

	track_elements_init(&elements, node);
	while (track_elements_next(&elements)) {
		if (scan_opened(&elements.at))
			return false;
	}
	return true;
}

static bool
track_compact_text(
    struct track_job *job, const struct scan_value *string, struct err *reterr)
{
	struct flat_text text;

	if (!flat_decode(&job->flat, string, &text, reterr))
		return false;
	(void)buf_char(&job->values, '"');
	json_escape(&job->values, text.data, text.len);
	(void)buf_char(&job->values, '"');
	return true;
}

/* The value as JSON without white space; its brackets are still open. */
static bool
track_compact(struct track_job *job, struct scan *scan,
    const struct scan_value *value, struct err *reterr)
{
	bool first = true, comma = false;
	struct scan_value key, inner;

	if (value->kind == SCAN_STRING)
		return track_compact_text(job, value, reterr);
	if (!scan_opened(value)) {
		(void)buf_append(&job->values, value->data, value->len);
		return true;
	}
	(void)buf_char(&job->values, value->kind == SCAN_ARRAY ? '[' : '{');
	while (value->kind == SCAN_ARRAY ? scan_element(scan, &first)
					 : scan_member(scan, &first, &key)) {
		if (comma)
			(void)buf_char(&job->values, ',');
		comma = true;
		if (value->kind == SCAN_OBJECT) {
			if (!track_compact_text(job, &key, reterr))
				return false;
			(void)buf_char(&job->values, ':');
		}
		CHECK(scan_value(scan, &inner));
		if (!track_compact(job, scan, &inner, reterr))
			return false;
	}
	(void)buf_char(&job->values, value->kind == SCAN_ARRAY ? ']' : '}');
	return true;
}

/* One scalar as text; nothing if it is null or blank. */
static bool
track_scalar(
    struct track_job *job, const struct scan_value *value, struct err *reterr)
{
	struct flat_text text = {value->data, value->len};

	if (value->kind == SCAN_NULL)
		return true;
	if (value->kind == SCAN_STRING) {
		if (!flat_decode(&job->flat, value, &text, reterr))
			return false;
		if (text_blank(text.data, text.len))
			return true;
	}
	return buf_append(&job->values, text.data, text.len) ||
	       buf_ok(&job->values, reterr);
}

/*
 * Append each element that fits, whole; those that do not are counted.
 * `room` is what is left of TRACK_VALUE_MAX.
 */
static bool
track_elements_write(struct track_job *job, struct track_elements *elements,
    bool scalars, size_t room, unsigned *ret_left, struct err *reterr)
{
	const char *between = scalars ? "||" : ",";
	struct buf *values = &job->values;
	size_t start = values->len;

	*ret_left = 0;
	while (track_elements_next(elements)) {
		size_t before = values->len, comma, units;

		if (before > start)
			(void)buf_text(values, between);
		comma = values->len;
		if (!(scalars ? track_scalar(job, &elements->at, reterr)
			      : track_compact(job, &elements->scan,
				    &elements->at, reterr)))
			return false;
		if (!buf_ok(values, reterr))
			return false;
		/* a blank one is nothing, and there may be no buffer yet */
		if (values->len == comma) {
			buf_truncate(values, before);
			continue;
		}
		units = text_units(values->data + before, values->len - before);
		if (units > room) {
			++*ret_left;
			buf_truncate(values, before);
			continue;
		}
		room -= units;
	}
	return true;
}

bool
track_array_write(struct track_job *job, const struct flat_node *node,
    unsigned *ret_left, bool *ret_blank, struct err *reterr)
{
	bool scalars = track_array_flat(node);
	struct track_elements elements;
	size_t before = job->values.len, room = TRACK_VALUE_MAX;

	track_elements_init(&elements, node);
	if (!scalars) {
		(void)buf_char(&job->values, '[');
		room -= 2;
	}
	if (!track_elements_write(
		job, &elements, scalars, room, ret_left, reterr))
		return false;
	*ret_blank = job->values.len - before == (scalars ? 0 : 1);
	if (!scalars)
		(void)buf_char(&job->values, ']');
	return buf_ok(&job->values, reterr);
}
