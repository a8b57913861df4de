/*
 * First each member is judged, parents before children. Then objects with
 * nothing left in them are removed, too, because their names may reveal
 * something. Then the bytes are copied around what is removed. A comma belongs
 * to the member before it, or, at the end of an object, to the last member that
 * stays.
 *
 * Members of the user that are never mapped are removed. The rules for
 * braze_user_id, device_id and timezone apply to what is sent beside an
 * identity; an anonymous person is known only by the device's id or Braze's, so
 * these ids stay.
 *
 * With identity_hash no id stays in clear text, not even in an event that will
 * be a dead letter because its identity cannot be used. But the reason must
 * stay the same, and the event must never be sent under another id. So an id
 * that cannot be used is replaced:
 *
 *	a placeholder               stays: it names no one
 *	longer than 255             256 asterisks
 *	has an unreadable character U+FFFD
 *	is not text                 []
 *
 * An id that is valid but not the one to use (an alias with another label) is
 * replaced by its hash.
 */
#include "schema/track/track.h"

#include "schema/track/map.h"

#include <stdlib.h>

#define STARS_16 "****************"
#define STARS_64 STARS_16 STARS_16 STARS_16 STARS_16

enum redact_action {
	REDACT_KEEP,
	REDACT_REMOVE,
	REDACT_REPLACE,
};

/* What becomes of a member. */
struct redact_member {
	enum redact_action action;
	uint32_t left;	/* of an object: members that stay */
	size_t at, len; /* in map.values: what replaces it */
};

/* An object whose members are being copied. */
struct redact_frame {
	uint32_t object;      /* or FLAT_ROOT */
	bool gap;	      /* what was before is removed */
	const char *gap_from; /* its first member */
	const char *gap_end;
	const char *kept_end; /* of the last that stays, or NULL */
};

struct redact {
	struct track_map map;	       /* values: what replaces members */
	struct track_result result;    /* not used */
	struct redact_member *members; /* of each node */
	bool unjudged;		       /* names take too much room */

	/* copying */
	struct buf *out;
	const char *at; /* copied up to here */
	struct redact_frame frames[SCAN_DEPTH + 1];
	size_t depth;
};

/* ---- what becomes of a member ---- */

static struct redact_member *
redact_member_of(struct redact *redact, const struct flat_node *node)
{
	return &redact->members[flat_index(&redact->map.flat, node)];
}

/* Replace it by what map.values holds from there on. */
static bool
redact_replace_from(struct redact *redact, const struct flat_node *node,
    size_t at, struct err *reterr)
{
	struct redact_member *member = redact_member_of(redact, node);

	member->action = REDACT_REPLACE;
	member->at = at;
	member->len = redact->map.values.len - at;
	return buf_ok(&redact->map.values, reterr);
}

/* Replace a value by that JSON. */
static bool
redact_replace(struct redact *redact, const struct flat_node *node,
    const char *json, struct err *reterr)
{
	size_t at = redact->map.values.len;

	(void)buf_text(&redact->map.values, json);
	return redact_replace_from(redact, node, at, reterr);
}

/* Replace a value by its hash, if there is something to hash. */
static bool
redact_hash(struct redact *redact, const struct flat_node *node,
    enum catalogue_class class, struct err *reterr)
{
	struct buf *values = &redact->map.values;
	struct str text = node->text;
	char hex[TRACK_HEX];
	size_t at;
	bool sent;

	if (node->kind == SCAN_OBJECT ||
	    (node->kind == SCAN_STRING && track_marked(&text)))
		return true; /* empty; or a hash already */
	if (!track_node_hash(&redact->map, node, class, hex, &sent, reterr))
		return false;
	if (!sent) {
		/* too long to be sent, and personal all the same */
		if (node->kind == SCAN_NUMBER || node->kind == SCAN_ARRAY)
			redact_member_of(redact, node)->action = REDACT_REMOVE;
		return true;
	}
	at = values->len;
	(void)buf_text(values, "\"" TRACK_MARK);
	(void)buf_append(values, hex, sizeof(hex));
	(void)buf_char(values, '"');
	return redact_replace_from(redact, node, at, reterr);
}

/* Judge a value by that name. */
static bool
redact_judge(struct redact *redact, const struct flat_node *node,
    struct str name, enum catalogue_class class, struct err *reterr)
{
	struct track_map *map = &redact->map;
	size_t at = map->values.len;
	const char *why;
	bool changed;

	switch (track_privacy(
	    map->rules, map->type, name, node->path_cut, class, &why)) {
	case TRACK_PRIVACY_SEND:
		if (node->kind != SCAN_ARRAY)
			break;
		if (!track_array_redact(map, node, class, &changed, reterr))
			return false;
		return !changed ||
		       redact_replace_from(redact, node, at, reterr);
	case TRACK_PRIVACY_DROP:
		redact_member_of(redact, node)->action = REDACT_REMOVE;
		break;
	case TRACK_PRIVACY_HASH:
		return redact_hash(redact, node, class, reterr);
	}
	return true;
}

/* ---- the user: which members stay at all ---- */

/* Keep the member of that name, if there is one of the form that is read: a
 * scalar or an object. Returned in any form. */
static const struct flat_node *
redact_keep(
    struct redact *redact, uint32_t parent, const char *name, bool scalar)
{
	const struct flat_node *node =
	    flat_find(&redact->map.flat, parent, name);

	if (node != NULL &&
	    (node->kind == SCAN_NULL ||
		(scalar ? node->kind < SCAN_ARRAY : node->kind == SCAN_OBJECT)))
		redact_member_of(redact, node)->action = REDACT_KEEP;
	return node;
}

/* An id. In another form than text it is unusable, whatever it holds. */
static bool
redact_keep_id(struct redact *redact, uint32_t parent, const char *name,
    struct err *reterr)
{
	const struct flat_node *node = redact_keep(redact, parent, name, true);

	return node == NULL || node->kind < SCAN_ARRAY ||
	       redact_replace(redact, node, "[]", reterr);
}

static bool
redact_keep_alias(
    struct redact *redact, uint32_t user, const char *name, struct err *reterr)
{
	const struct flat_node *node = flat_find(&redact->map.flat, user, name);
	uint32_t alias;

	if (node == NULL || node->kind != SCAN_OBJECT)
		return redact_keep_id(redact, user, name, reterr);
	redact_member_of(redact, node)->action = REDACT_KEEP;
	alias = flat_index(&redact->map.flat, node);
	(void)redact_keep(redact, alias, "alias_label", true);
	return redact_keep_id(redact, alias, "alias_name", reterr);
}

/* Of a list of aliases it only matters that there is one. */
static bool
redact_keep_list(
    struct redact *redact, uint32_t user, const char *name, struct err *reterr)
{
	const struct flat_node *node = flat_find(&redact->map.flat, user, name);

	return !track_ids_present(node) ||
	       redact_replace(redact, node, "[[]]", reterr);
}

/* ---- the user: the identity ---- */

static bool
redact_identity(
    struct redact *redact, const struct flat_node *node, struct err *reterr)
{
	const struct track_rules *rules = redact->map.rules;

	switch (track_id_check(rules, node)) {
	case TRACK_ID_VALID:
		/* without a key nothing can be hashed: the settings need one */
		return rules->key.data == NULL ||
		       redact_hash(redact, node, CATALOGUE_PLAIN, reterr);
	case TRACK_ID_KIND:
		return redact_replace(redact, node, "[]", reterr);
	case TRACK_ID_UNREADABLE:
		return redact_replace(redact, node, "\"\xef\xbf\xbd\"", reterr);
	case TRACK_ID_LONG:
		return redact_replace(redact, node,
		    "\"" STARS_64 STARS_64 STARS_64 STARS_64 "\"", reterr);
	case TRACK_ID_PLACEHOLDER:
	case TRACK_ID_DEFECTS:
		break;
	}
	return true;
}

/* Is the identity the member itself, or in it? */
static bool
redact_holds_identity(const struct redact *redact, const struct flat_node *node)
{
	const struct flat_node *at = redact->map.identity_node;

	while (at != node && at->parent != FLAT_ROOT)
		at = &redact->map.flat.nodes[at->parent];
	return at == node;
}

/* Of the customer's ids only the one that decides is needed; if none does
 * alone, only that they are there. */
static bool
redact_identities(struct redact *redact, uint32_t user, struct err *reterr)
{
	/* the lists, which hold nothing any more, come last */
	enum { FIRST_LIST = 4 };
	static const char *const ids[] = {"external_user_id", "alias",
	    "user_alias", "alias_name", "aliases", "user_aliases"};
	const struct flat *flat = &redact->map.flat;
	const struct flat_node *decides = redact->map.identity_node;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		const struct flat_node *node = flat_find(flat, user, ids[i]);

		if (node == NULL)
			continue;
		if (decides != NULL) {
			if (!redact_holds_identity(redact, node))
				redact_member_of(redact, node)->action =
				    REDACT_REMOVE;
			continue;
		}
		if (node->kind == SCAN_OBJECT)
			node = flat_find(
			    flat, flat_index(flat, node), "alias_name");
		if (track_id_present(node) && i < FIRST_LIST &&
		    !redact_identity(redact, node, reterr))
			return false;
	}
	return decides == NULL || redact_identity(redact, decides, reterr);
}

/* A member of the user that is sent as a property of that name too. */
static bool
redact_judge_added(struct redact *redact, const struct flat_node *node,
    const char *name, struct err *reterr)
{
	return node == redact->map.identity_node ||
	       track_text_of(node).len == 0 ||
	       redact_judge(
		   redact, node, str_text(name), CATALOGUE_PLAIN, reterr);
}

static bool
redact_user(struct redact *redact, struct err *reterr)
{
	struct track_map *map = &redact->map;
	uint32_t user = flat_index(&map->flat, map->user);

	(void)redact_keep(redact, user, "timezone", true);
	(void)redact_keep(redact, user, "alias_label", true);
	if (!redact_keep_id(redact, user, "external_user_id", reterr) ||
	    !redact_keep_id(redact, user, "user_id", reterr) ||
	    !redact_keep_id(redact, user, "device_id", reterr) ||
	    !redact_keep_id(redact, user, "alias_name", reterr) ||
	    !redact_keep_alias(redact, user, "alias", reterr) ||
	    !redact_keep_alias(redact, user, "user_alias", reterr) ||
	    !redact_keep_list(redact, user, "aliases", reterr) ||
	    !redact_keep_list(redact, user, "user_aliases", reterr))
		return false;
	if (track_erasure(map))
		return true;
	(void)!track_identity_find(map); /* sets map->identified, too */
	if (!redact_judge_added(redact, map->timezone, "timezone", reterr))
		return false;
	if (!map->identified)
		return true;
	return redact_judge_added(
		   redact, map->user_id, "braze_user_id", reterr) &&
	       redact_judge_added(
		   redact, map->device_id, "device_id", reterr) &&
	       (!map->rules->identity_hash ||
		   redact_identities(redact, user, reterr));
}

/* ---- all members ---- */

static bool
redact_has_members(const struct flat *flat, uint32_t index)
{
	return index + 1 < flat->count &&
	       flat->nodes[index + 1].parent == index;
}

/* A member of the properties, at any depth. */
static bool
redact_property(struct redact *redact, uint32_t index, struct err *reterr)
{
	const struct flat *flat = &redact->map.flat;
	const struct flat_node *node = &flat->nodes[index];
	enum catalogue_class class = CATALOGUE_PLAIN;
	size_t found;

	if (node->kind == SCAN_OBJECT && redact_has_members(flat, index))
		return true; /* its members are judged */
	found = catalogue_property_find(flat->nodes[node->top].key);
	if (found < catalogue_property_count())
		class = catalogue_property_at(found)->class;
	return redact_judge(redact, node, node->path, class, reterr);
}

static bool
redact_members_judge(struct redact *redact, struct err *reterr)
{
	const struct flat *flat = &redact->map.flat;
	uint32_t properties = redact->map.properties == NULL
				  ? FLAT_ROOT
				  : flat_index(flat, redact->map.properties);
	uint32_t count = (uint32_t)flat->count;

	for (uint32_t i = 0; i < count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		/* outside the properties only what is kept below stays */
		if (node->top == FLAT_ROOT ||
		    (redact->unjudged && node->parent == properties))
			redact->members[i].action = REDACT_REMOVE;
		else if (!redact->unjudged &&
			 !redact_property(redact, i, reterr))
			return false;
	}
	(void)redact_keep(redact, FLAT_ROOT, "event_type", true);
	(void)redact_keep(redact, FLAT_ROOT, "id", true);
	(void)redact_keep(redact, FLAT_ROOT, "time", true);
	(void)redact_keep(redact, FLAT_ROOT, "user", false);
	(void)redact_keep(redact, FLAT_ROOT, "properties", false);
	if (redact->map.user != NULL && !redact_user(redact, reterr))
		return false;
	/* objects that lose all they had are removed, too */
	for (uint32_t i = count; i-- > 0;) {
		const struct flat_node *node = &flat->nodes[i];
		struct redact_member *member = &redact->members[i];

		if (node->top != FLAT_ROOT && node->kind == SCAN_OBJECT &&
		    redact_has_members(flat, i) && member->left == 0)
			member->action = REDACT_REMOVE;
		if (member->action != REDACT_REMOVE &&
		    node->parent != FLAT_ROOT)
			redact->members[node->parent].left++;
	}
	return true;
}

/* ---- copying ---- */

static void
redact_copy_to(struct redact *redact, const char *to)
{
	(void)buf_append(redact->out, redact->at, (size_t)(to - redact->at));
	redact->at = to;
}

static void
redact_copy_close(struct redact *redact)
{
	struct redact_frame *frame = &redact->frames[--redact->depth];

	if (!frame->gap)
		return;
	redact_copy_to(redact,
	    frame->kept_end != NULL ? frame->kept_end : frame->gap_from);
	redact->at = frame->gap_end;
}

static void
redact_copy_member(struct redact *redact, uint32_t index)
{
	struct redact_frame *frame = &redact->frames[redact->depth - 1];
	const struct flat_node *node = &redact->map.flat.nodes[index];
	const struct redact_member *member = &redact->members[index];

	if (member->action == REDACT_REMOVE) {
		if (!frame->gap)
			frame->gap_from = node->from;
		frame->gap = true;
		frame->gap_end = node->end;
		return;
	}
	if (frame->gap) {
		redact_copy_to(redact, frame->gap_from);
		redact->at = node->from;
		frame->gap = false;
	}
	frame->kept_end = node->end;
	if (member->action == REDACT_REPLACE) {
		redact_copy_to(redact, node->value);
		(void)buf_append(redact->out,
		    redact->map.values.data + member->at, member->len);
		redact->at = node->end;
	} else if (node->kind == SCAN_OBJECT) {
		redact->frames[redact->depth++] =
		    (struct redact_frame){.object = index};
	}
}

static void
redact_copy(struct redact *redact, struct str event)
{
	const struct flat *flat = &redact->map.flat;

	redact->at = event.data;
	redact->frames[0] = (struct redact_frame){.object = FLAT_ROOT};
	redact->depth = 1;
	for (uint32_t i = 0; i < flat->count; i++) {
		uint32_t parent = flat->nodes[i].parent;

		if (parent != FLAT_ROOT &&
		    redact->members[parent].action != REDACT_KEEP) {
			redact->members[i].action = REDACT_REMOVE;
			continue; /* removed with it */
		}
		while (redact->frames[redact->depth - 1].object != parent)
			redact_copy_close(redact);
		redact_copy_member(redact, i);
	}
	while (redact->depth > 0)
		redact_copy_close(redact);
	redact_copy_to(redact, event.data + event.len);
}

/* ---- the whole ---- */

/* Is it JSON, but no object? Then nothing of it will ever be read. */
static bool
redact_no_object(struct str event)
{
	struct scan_value value;
	struct scan scan;

	scan_init(&scan, event);
	return scan_value(&scan, &value) && value.kind != SCAN_OBJECT &&
	       (!scan_opened(&value) || scan_skip(&scan, &value, SCAN_DEPTH)) &&
	       !scan_space(&scan);
}

static bool
redact_event(struct redact *redact, const struct track_rules *rules,
    struct str event, struct err *reterr)
{
	struct track_map *map = &redact->map;
	struct err err;

	if (!track_map_init(map, rules, event, &redact->result, reterr))
		return false;
	if (!track_paths_find(map, &err)) {
		if (err.code != ERR_LIMIT)
			return err_set_nomem(reterr);
		redact->unjudged = true;
	}
	redact->members = calloc(map->flat.count + 1, sizeof(*redact->members));
	if (redact->members == NULL)
		return err_set_nomem(reterr);
	if (!redact_members_judge(redact, reterr))
		return false;
	redact_copy(redact, event);
	return buf_ok(redact->out, reterr);
}

bool
redact_write(const struct track_rules *rules, struct str event, struct buf *out,
    struct err *reterr)
{
	struct redact redact;
	size_t before = out->len;
	bool ok;

	if (redact_no_object(event)) {
		(void)buf_text(out, "null");
		ok = buf_ok(out, reterr);
	} else {
		redact.out = out;
		redact.members = NULL;
		redact.unjudged = false;
		ok = redact_event(&redact, rules, event, reterr);
		free(redact.members);
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
