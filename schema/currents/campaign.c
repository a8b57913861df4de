/*
 * Which campaign or Canvas an event is of. Every event is read for it when it
 * is settled, beside its delivery, so this must be quick. A walk ends as soon
 * as everything is known. In the properties it does not even go from member to
 * member at first, but looks for the bytes of the names (campaign_search).
 */

#include "schema/currents/currents.h"

#include "schema/json/scan.h"
#include "schema/json/scan_find.h"

static const struct str campaign_names[CAMPAIGN_PROPERTIES] = {
    STR("campaign_id"),
    STR("campaign_name"),
    STR("canvas_id"),
    STR("canvas_name"),
};

struct campaign_reader {
	struct scan scan;
	struct scan_value
	    members[CAMPAIGN_PROPERTIES]; /* an absent one: null */
	bool seen[CAMPAIGN_PROPERTIES];	  /* the first one counts */
	bool timed;
	int64_t time_s;
};

enum campaign_property
campaign_property_of(struct str name)
{
	size_t i = 0;

	/* Most names end here. */
	if (name.len < 9 || name.data[0] != 'c' || name.data[1] != 'a')
		return CAMPAIGN_PROPERTIES;
	while (i < CAMPAIGN_PROPERTIES && !str_equal(name, campaign_names[i]))
		i++;
	return (enum campaign_property)i;
}

/* A blank id says that the event is of none. */
static bool
campaign_has(const struct campaign_reader *reader, enum campaign_property id)
{
	return reader->members[id].kind == SCAN_STRING &&
	       reader->members[id].text.len > 0;
}

static bool
campaign_known(const struct campaign_reader *reader)
{
	const bool *seen = reader->seen;

	if (!reader->timed || !seen[CAMPAIGN_ID])
		return false;
	if (campaign_has(reader, CAMPAIGN_ID))
		return seen[CAMPAIGN_NAME];
	return seen[CANVAS_ID] &&
	       (seen[CANVAS_NAME] || !campaign_has(reader, CANVAS_ID));
}

static void
campaign_member(struct campaign_reader *reader, const struct scan_value *key,
    const struct scan_value *value)
{
	enum campaign_property property = CAMPAIGN_ID;

	if (!key->escaped) {
		property = campaign_property_of(key->text);
	} else {
		while (property < CAMPAIGN_PROPERTIES &&
		       !scan_equal(key, campaign_names[property]))
			property++;
	}
	if (property == CAMPAIGN_PROPERTIES || reader->seen[property])
		return;
	reader->seen[property] = true;
	reader->members[property] = *value;
}

static void
campaign_time(struct campaign_reader *reader, const struct scan_value *value)
{
	reader->timed = reader->timed ||
			(value->kind == SCAN_NUMBER &&
			    scan_number_int64(value->text, &reader->time_s));
}

/* The member whose quoted name is there, or CAMPAIGN_PROPERTIES. */
static size_t
campaign_at(const char *at, const char *end)
{
	size_t i = 0;

	for (; i < CAMPAIGN_PROPERTIES; i++) {
		size_t len = campaign_names[i].len;

		if ((size_t)(end - at) > len + 1 && at[len + 1] == '"' &&
		    memcmp(at + 1, campaign_names[i].data, len) == 0)
			break;
	}
	return i;
}

/*
 * Look for the names in the properties, just opened, without a walk over the
 * members before them. In JSON a name in quotes is a whole string, unless a
 * backslash stands before it. If no bracket of any kind is between the opening
 * one and a name, not even within a string, then that is the name of a member
 * of the properties. True if everything is known; else a walk has to tell.
 */
static bool
campaign_search(struct campaign_reader *reader)
{
	struct scan scan = reader->scan;
	const char *from = scan.at, *end = scan.end, *at = from;
	const char *backslash;
	struct scan_value key, value;
	bool first;

	while ((at = scan_find_quoted(at, end, 'c', 'a')) != NULL) {
		if (campaign_at(at, end) == CAMPAIGN_PROPERTIES) {
			at++;
			continue;
		}
		if (at[-1] == '\\' || scan_find_bracket(from, at))
			return false;
		scan.at = from = at;
		first = true;
		if (!scan_member(&scan, &first, &key) ||
		    !scan_value(&scan, &value) || scan_opened(&value))
			return false;
		campaign_member(reader, &key, &value);
		if (campaign_known(reader))
			return true;
		at = scan.at;
	}
	/* They are not there at all, unless in escapes: \u0063 is a c. */
	backslash =
	    memchr(reader->scan.at, '\\', (size_t)(end - reader->scan.at));
	return reader->timed && (backslash == NULL ||
				    memmem(backslash, (size_t)(end - backslash),
					"\\u00", 4) == NULL);
}

/* Read the members of the event, or of its properties, just opened. False once
 * everything is known, and on a syntax error. */
static bool
campaign_object(struct campaign_reader *reader, bool properties)
{
	static const struct str time = STR("time"), inner = STR("properties");
	struct scan *scan = &reader->scan;
	struct scan_value key, value;

	for (bool first = true; scan_member(scan, &first, &key);) {
		if (!scan_value(scan, &value))
			return false;
		if (properties)
			campaign_member(reader, &key, &value);
		else if (scan_equal(&key, time))
			campaign_time(reader, &value);
		if (campaign_known(reader))
			return false;
		if (!scan_opened(&value))
			continue;
		if (!properties && value.kind == SCAN_OBJECT &&
		    scan_equal(&key, inner)) {
			if (campaign_search(reader) ||
			    !campaign_object(reader, true))
				return false;
		} else if (!scan_skip(scan, &value, SCAN_DEPTH)) {
			return false;
		}
	}
	return scan->error == NULL;
}

/* The longest front of a text that has at most so many bytes, and ends with a
 * whole character. */
static struct str
campaign_cut(struct str text, size_t most)
{
	if (text.len <= most)
		return text;
	while (most > 0 && ((unsigned char)text.data[most] & 0xc0) == 0x80)
		most--;
	return str_bytes(text.data, most);
}

void
campaign_label(
    const struct str texts[CAMPAIGN_PROPERTIES], struct item_label *ret_label)
{
	enum campaign_property id =
	    texts[CAMPAIGN_ID].len > 0 ? CAMPAIGN_ID : CANVAS_ID;

	ret_label->kind = texts[id].len == 0  ? ""
			  : id == CAMPAIGN_ID ? "campaign"
					      : "canvas";
	ret_label->id = campaign_cut(texts[id], CAMPAIGN_ID_MAX);
	ret_label->name = texts[id].len == 0
			      ? str_bytes(NULL, 0)
			      : campaign_cut(texts[id + 1], CAMPAIGN_NAME_MAX);
}

/* The text of a member, decoded into `bytes` if it is escaped. */
static struct str
campaign_text(const struct scan_value *value, char bytes[CAMPAIGN_RAW_MAX])
{
	struct str text = value->text;

	if (value->kind != SCAN_STRING || value->bad_utf8 ||
	    (value->escaped && text.len > CAMPAIGN_RAW_MAX))
		return str_bytes(NULL, 0);
	return value->escaped ? str_bytes(bytes, scan_decode(text, bytes))
			      : text;
}

void
campaign_read(struct str event, struct campaign *ret_campaign)
{
	struct campaign_reader reader = {.timed = false};
	struct str texts[CAMPAIGN_PROPERTIES] = {{NULL, 0}};
	enum campaign_property id;
	struct scan_value value;

	scan_init(&reader.scan, event);
	if (scan_value(&reader.scan, &value) && value.kind == SCAN_OBJECT)
		(void)campaign_object(&reader, false);
	id = campaign_has(&reader, CAMPAIGN_ID) ? CAMPAIGN_ID : CANVAS_ID;
	texts[id] = campaign_text(&reader.members[id], ret_campaign->id_bytes);
	texts[id + 1] =
	    campaign_text(&reader.members[id + 1], ret_campaign->name_bytes);
	campaign_label(texts, &ret_campaign->label);
	ret_campaign->label.timed = reader.timed;
	ret_campaign->label.time_s = reader.time_s;
}
