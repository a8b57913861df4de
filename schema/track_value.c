/*
 * Values. A number is sent as a number only if every reader of JSON reads
 * the same one: integers up to 2^53, and up to 15 significant digits within
 * the range of a double.
 */
#include "schema/track_parts.h"

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

/* ---- the value of a leaf ---- */

/* The value is now in job->values from there on. */
static void
track_leaf_hold(struct track_job *job, struct track_leaf *leaf, size_t at)
{
	leaf->held = true;
	leaf->held_at = at;
	leaf->value = (struct str){NULL, job->values.len - at};
}

bool
track_leaf_hash(
    struct track_job *job, struct track_leaf *leaf, struct err *reterr)
{
	const char *data = leaf->value.data;
	char hex[TRACK_HEX];
	size_t at = job->values.len;

	if (leaf->held)
		data = job->values.data + leaf->held_at;
	track_hash(job->rules, data, leaf->value.len, hex);
	if (!buf_append(&job->values, hex, sizeof(hex)))
		return buf_ok(&job->values, reterr);
	track_leaf_hold(job, leaf, at);
	leaf->number = false;
	return true;
}

bool
track_leaf_none(struct track_job *job, const struct track_leaf *leaf,
    enum track_omission_kind kind, const char *why)
{
	track_omission(job, leaf->property, kind);
	track_say(job, leaf->name.data, leaf->name.len, "left out: %s", why);
	return true;
}

bool
track_leaf_cut(struct track_job *job, struct track_leaf *leaf)
{
	size_t fits;

	if (leaf->held)
		return true; /* arrays fit already */
	fits = text_cut(leaf->value.data, leaf->value.len, TRACK_VALUE_MAX);
	if (fits == leaf->value.len)
		return true;
	if (text_blank(leaf->value.data, fits))
		return !track_leaf_none(
		    job, leaf, TRACK_OMISSION_BLANK, "blank as far as it fits");
	leaf->value.len = fits;
	track_omission(job, leaf->property, TRACK_OMISSION_CUT);
	track_say(job, leaf->name.data, leaf->name.len, "cut at 1023 units");
	return true;
}

static bool
track_array_read(struct track_job *job, struct track_leaf *leaf, bool *ret_send,
    struct err *reterr)
{
	const struct track_array_rules rules = {.property = leaf->property,
	    .class = leaf->class,
	    .hashed_whole = leaf->hash};
	size_t at = job->values.len;
	struct track_array_sum sum;

	if (!track_array_write(job, leaf->node, &rules, &sum, reterr))
		return false;
	if (sum.none) {
		buf_truncate(&job->values, at);
		return sum.left > 0
			   ? track_leaf_none(job, leaf, TRACK_OMISSION_TOO_LONG,
				 "no element fits")
			   : track_leaf_none(job, leaf, TRACK_OMISSION_BLANK,
				 "an empty array");
	}
	track_leaf_hold(job, leaf, at);
	if (sum.blank > 0) {
		track_omissions(
		    job, leaf->property, TRACK_OMISSION_BLANK, sum.blank);
		track_say(job, leaf->name.data, leaf->name.len,
		    "%u elements left out: null or blank", sum.blank);
	}
	if (sum.left > 0) {
		track_omissions(
		    job, leaf->property, TRACK_OMISSION_ELEMENTS, sum.left);
		track_say(job, leaf->name.data, leaf->name.len,
		    "%u elements left out: they do not fit", sum.left);
	}
	*ret_send = true;
	return true;
}

bool
track_value_read(struct track_job *job, struct track_leaf *leaf, bool *ret_send,
    struct err *reterr)
{
	const struct flat_node *node = leaf->node;

	leaf->value = node->text;
	switch (node->kind) {
	case SCAN_NULL:
		return track_leaf_none(job, leaf, TRACK_OMISSION_BLANK, "null");
	case SCAN_STRING:
		if (text_blank(node->text.data, node->text.len))
			return track_leaf_none(
			    job, leaf, TRACK_OMISSION_BLANK, "blank");
		break;
	case SCAN_NUMBER:
		if (node->text.len > TRACK_VALUE_MAX)
			return track_leaf_none(job, leaf,
			    TRACK_OMISSION_TOO_LONG, "a number too long");
		leaf->number =
		    track_number_keeps(node->text.data, node->text.len);
		break;
	case SCAN_ARRAY:
		return track_array_read(job, leaf, ret_send, reterr);
	case SCAN_OBJECT:
		return track_leaf_none(
		    job, leaf, TRACK_OMISSION_BLANK, "an empty object");
	case SCAN_FALSE:
	case SCAN_TRUE:
		break;
	}
	*ret_send = true;
	return true;
}

bool
track_value_hash(struct track_job *job, const struct flat_node *node,
    enum catalogue_class class, char ret_hex[TRACK_HEX], bool *ret_sent,
    struct err *reterr)
{
	struct track_leaf leaf = {.property = track_other,
	    .node = node,
	    .class = class,
	    .hash = true};
	size_t before = job->values.len;
	const char *data;

	*ret_sent = false;
	if (!track_value_read(job, &leaf, ret_sent, reterr))
		return false;
	data = leaf.held ? job->values.data + leaf.held_at : leaf.value.data;
	if (*ret_sent)
		track_hash(job->rules, data, leaf.value.len, ret_hex);
	buf_truncate(&job->values, before);
	return true;
}

bool
track_leaf_hashed(const struct track_job *job, struct track_leaf *leaf)
{
	return !leaf->held && ((job->identity_hashed &&
				   leaf->value.data == job->identity.data) ||
				  track_marked(&leaf->value));
}
