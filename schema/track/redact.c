/*
 * One walk over the event's members writes a new object from those that stay:
 * a member's name and value keep their bytes, unless the value is private. An
 * object in which nothing stays is left out too, because its name may reveal
 * something.
 *
 * A property is judged as the mapping judges it. Outside the properties, the
 * tables below say what is read at all, and how. user_id, device_id and
 * timezone follow the rules of what they are sent as beside an identity; an
 * anonymous person is known only by the first two, so these stay.
 *
 * With identity_hash no id of an identified person stays in clear text. An id
 * that can be used is stored as its hash. One that cannot be used makes the
 * event a dead letter; a substitute that cannot be used for the same reason
 * makes sure of that, and the event is never sent under another id.
 */
#include "schema/track/track.h"

#include "schema/track/map.h"

#define STARS_32  "********************************"
#define STARS_128 STARS_32 STARS_32 STARS_32 STARS_32

struct redact {
	struct track_map map;
	struct track_result result; /* not used */
	struct buf *out;
	const struct flat_node *erase_id; /* in clear text; or NULL */
};

/* Writes the value of a member, or nothing if it goes. */
typedef bool redact_fn(
    struct redact *redact, const struct flat_node *node, struct err *reterr);

/* A member outside the properties that the mapping reads. */
struct redact_member {
	const char *name;
	redact_fn *write; /* or NULL */
	const struct redact_member
	    *inside;	   /* it, if it is an object, or NULL */
	const char *added; /* the property as which it is sent, or NULL */
};

/* What stands for an id that cannot be used. A placeholder names no one, so it
 * stays. */
static const char *const redact_substitutes[TRACK_ID_DEFECTS] = {
    [TRACK_ID_KIND] = "[]",
    [TRACK_ID_UNREADABLE] = "\"\xef\xbf\xbd\"",
    [TRACK_ID_LONG] = "\"" STARS_128 STARS_128 "\"",
};

_Static_assert(
    sizeof(STARS_128 STARS_128) > TRACK_IDENTITY_MAX + 1, "too long");

/* ---- values ---- */

static bool
redact_keep(
    struct redact *redact, const struct flat_node *node, struct err *reterr)
{
	(void)buf_append(
	    redact->out, node->value, (size_t)(node->end - node->value));
	return buf_ok(redact->out, reterr);
}

/* Write a value's hash, unless there is nothing to send. */
static bool
redact_hash(struct redact *redact, const struct flat_node *node,
    enum catalogue_class class, struct err *reterr)
{
	struct track_map *map = &redact->map;
	struct track_leaf leaf = {.property = track_other,
	    .node = node,
	    .class = class,
	    .hash = true};
	char digits[TRACK_HEX];
	bool sent = false;
	struct str hex;

	buf_truncate(&map->values, 0);
	if (node->kind == SCAN_NUMBER && node->top == FLAT_ROOT) {
		/* outside the properties a number is an id, which is text */
		track_hash(map->rules, node->text, digits);
		hex = str_bytes(digits, sizeof(digits));
	} else {
		if (!track_value_read(map, &leaf, &sent, reterr))
			return false;
		if (!sent)
			return true;
		if (!track_value_hash(map, &leaf, reterr))
			return false;
		hex = track_value_lend(map, &leaf);
	}
	(void)buf_text(redact->out, "\"" TRACK_MARK);
	(void)buf_append(redact->out, hex.data, hex.len);
	(void)buf_char(redact->out, '"');
	return buf_ok(redact->out, reterr);
}

/* Judge a value that is sent as that property. */
static bool
redact_judge(struct redact *redact, const struct flat_node *node,
    struct str property, enum catalogue_class class, struct err *reterr)
{
	struct track_map *map = &redact->map;
	const char *why;

	switch (track_privacy(
	    map->rules, map->type, property, node->path_cut, class, &why)) {
	case TRACK_PRIVACY_SEND:
		if (node->kind == SCAN_ARRAY)
			return track_array_redact(
			    map, node, class, redact->out, reterr);
		return redact_keep(redact, node, reterr);
	case TRACK_PRIVACY_HASH:
		return redact_hash(redact, node, class, reterr);
	case TRACK_PRIVACY_DROP:
		break;
	}
	return true;
}

/* ---- outside the properties ---- */

static bool
redact_scalar(
    struct redact *redact, const struct flat_node *node, struct err *reterr)
{
	return node->kind >= SCAN_ARRAY || redact_keep(redact, node, reterr);
}

static bool
redact_id(
    struct redact *redact, const struct flat_node *node, struct err *reterr)
{
	const struct track_map *map = &redact->map;
	bool hash = map->rules->identity_hash && map->identified &&
		    node != redact->erase_id;
	enum track_id_defect defect;

	if (!track_id_present(node))
		return true;
	defect = track_id_check(map->rules, node);
	/* the settings demand a key: without it nothing can be hashed */
	if (defect == TRACK_ID_VALID && hash && map->rules->key.data != NULL)
		return redact_hash(redact, node, CATALOGUE_PLAIN, reterr);
	if (redact_substitutes[defect] == NULL ||
	    (!hash && defect != TRACK_ID_KIND))
		return redact_keep(redact, node, reterr);
	(void)buf_text(redact->out, redact_substitutes[defect]);
	return buf_ok(redact->out, reterr);
}

/* Of a list of ids it only matters that there is one. */
static bool
redact_list(
    struct redact *redact, const struct flat_node *node, struct err *reterr)
{
	if (track_ids_present(node))
		(void)buf_text(redact->out, "[[]]");
	return buf_ok(redact->out, reterr);
}

static const struct redact_member redact_alias[] = {
    {"alias_name", redact_id, NULL, NULL},
    {"alias_label", redact_scalar, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static const struct redact_member redact_user[] = {
    {"external_user_id", redact_id, NULL, NULL},
    {"user_id", redact_id, NULL, "braze_user_id"},
    {"device_id", redact_id, NULL, "device_id"},
    {"timezone", NULL, NULL, "timezone"},
    {"alias", redact_id, redact_alias, NULL},
    {"user_alias", redact_id, redact_alias, NULL},
    {"alias_name", redact_id, NULL, NULL},
    {"alias_label", redact_scalar, NULL, NULL},
    {"aliases", redact_list, NULL, NULL},
    {"user_aliases", redact_list, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static const struct redact_member redact_event[] = {
    {"event_type", redact_scalar, NULL, NULL},
    {"id", redact_scalar, NULL, NULL},
    {"time", redact_scalar, NULL, NULL},
    {"user", NULL, redact_user, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- the walk ---- */

static bool redact_object(struct redact *redact, uint32_t object,
    const struct redact_member *known, uint32_t *at, struct err *reterr);

/* Write the value of the node at *at, if it stays; that of a superseded one is
 * never read. */
static bool
redact_value(struct redact *redact, const struct redact_member *known,
    uint32_t *at, struct err *reterr)
{
	struct track_map *map = &redact->map;
	uint32_t index = (*at)++;
	const struct flat_node *node = &map->flat.nodes[index];

	if (node->superseded)
		return true;
	if (node == map->properties ||
	    (node->top != FLAT_ROOT && node->kind == SCAN_OBJECT))
		return redact_object(redact, index, known, at, reterr);
	if (node->top != FLAT_ROOT)
		return redact_judge(redact, node, node->path,
		    track_top_of(map, node->top).class, reterr);
	while (known->name != NULL && !str_equal_text(node->key, known->name))
		known++;
	if (known->inside != NULL && node->kind == SCAN_OBJECT)
		return redact_object(redact, index, known->inside, at, reterr);
	/* without an identity these two are what identifies */
	if (known->added != NULL && node != map->identity_node &&
	    (map->identified || node == map->timezone))
		return track_text_of(node).len == 0 ||
		       redact_judge(redact, node, str_text(known->added),
			   CATALOGUE_PLAIN, reterr);
	return known->write == NULL || known->write(redact, node, reterr);
}

/* Write an object, whose first member is at *at, and step behind its last;
 * write nothing if none stays. `known`, the members that are read, does not
 * matter in the properties. At most as deep as the event is. */
static bool
redact_object(struct redact *redact, uint32_t object,
    const struct redact_member *known, uint32_t *at, struct err *reterr)
{
	const struct flat *flat = &redact->map.flat;
	struct buf *out = redact->out;
	size_t start = out->len;

	(void)buf_char(out, '{');
	while (*at < flat->count && flat->nodes[*at].parent == object) {
		const struct flat_node *node = &flat->nodes[*at];
		size_t before = out->len, value;

		if (before > start + 1)
			(void)buf_char(out, ',');
		(void)buf_append(
		    out, node->from, (size_t)(node->value - node->from));
		value = out->len;
		if (!redact_value(redact, known, at, reterr))
			return false;
		if (redact->out->len == value)
			buf_truncate(out, before);
		while (
		    *at < flat->count && flat->nodes[*at].depth > node->depth)
			++*at;
	}
	if (out->len == start + 1 && object != FLAT_ROOT)
		buf_truncate(out, start);
	else
		(void)buf_char(out, '}');
	return buf_ok(out, reterr);
}

static bool
redact_walk(struct redact *redact, const struct track_rules *rules,
    struct str event, struct err *reterr)
{
	struct track_map *map = &redact->map;
	uint32_t at = 0;
	struct err err;

	if (!track_map_init(map, rules, event, &redact->result, reterr))
		return false;
	if (!track_paths_find(map, &err)) {
		if (err.code != ERR_LIMIT)
			return err_set_nomem(reterr);
		map->properties = NULL; /* not judged, so left out */
	}
	redact->erase_id = NULL;
	if (track_erasure(map)) {
		map->identified = true;
		map->identity_node = redact->erase_id = map->user_id;
	} else {
		(void)!track_identity_find(map); /* the fate is not ours */
	}
	return redact_object(redact, FLAT_ROOT, redact_event, &at, reterr);
}

bool
redact_write(const struct track_rules *rules, struct str event, struct buf *out,
    struct err *reterr)
{
	struct redact redact;
	size_t before = out->len;
	struct scan_value value;
	struct scan scan;
	bool ok;

	scan_init(&scan, event);
	if (scan_value(&scan, &value) && value.kind != SCAN_OBJECT) {
		(void)buf_text(out, "null"); /* nothing of it is ever read */
		ok = buf_ok(out, reterr);
	} else {
		redact.out = out;
		ok = redact_walk(&redact, rules, event, reterr);
		track_map_fini(&redact.map);
	}
	if (!ok) {
		buf_truncate(out, before);
		out->failed = false;
	}
	return ok;
}

void
redact_id_write(
    const struct track_rules *rules, struct str id, char ret[REDACT_ID_BYTES])
{
	enum { MARK = sizeof(TRACK_MARK) - 1 };

	_Static_assert(MARK + TRACK_HEX == REDACT_ID_BYTES, "mark and hex");
	memcpy(ret, TRACK_MARK, MARK);
	track_hash(rules, id, ret + MARK);
}
