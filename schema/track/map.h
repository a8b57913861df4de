#ifndef SCHEMA_TRACK_MAP_H
#define SCHEMA_TRACK_MAP_H

/*
 * The state of one mapping, and the files that work on it. Internal to this
 * folder. Each file needs only those below it:
 *
 *	redact.c    what may be stored of an event
 *	track.c     the order of the work, the properties, the JSON
 *	name.c      names, and what to do when two are the same
 *	value.c     values and arrays, and what is private in arrays
 *	number.c    numbers
 *	identity.c  the identity
 *	rules.c     classes and selectors, hashing
 *	map.c       reading the event, its fate, what is reported of it
 */

#include "base/digest.h"
#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"
#include "schema/json/flat.h"
#include "schema/track/track.h"

enum {
	TRACK_FEW = FLAT_FEW + 6,      /* properties that need no allocation */
	TRACK_HEX = 2 * DIGEST_SHA256, /* bytes; not NUL-terminated */
	TRACK_NUMBER = 48, /* bytes of a number that is rewritten, and NUL */
};

/* One property on its way out. */
struct track_leaf {
	const char *property; /* for omissions; static */
	struct str name;
	struct str value;
	const struct flat_node *node; /* NULL: an added property */
	size_t held_at;		      /* if held: where in values */
	bool held;		      /* value.data is not set yet */
	bool number;
	enum catalogue_class class;
	bool hash;    /* it is sent as its hash */
	bool kept;    /* by a rule, though its class is left out */
	bool renamed; /* by a rule */

	/* set when names clash */
	struct str base;
	struct track_leaf *owner; /* of that name */
	uint32_t suffix;	  /* the next to try; of an owner */
};

/* The work of one track_write(). */
struct track_map {
	const struct track_rules *rules;
	struct track_result *result;
	struct flat flat;

	/* the envelope */
	struct str type, id;
	int64_t time_s;
	const struct flat_node *user, *properties;
	const struct flat_node *user_id, *device_id, *timezone;
	const struct catalogue_type *known; /* or NULL */
	const struct flat_node *left_out;   /* noted last, or NULL */
	bool left_out_more;		    /* there was no room for all */
	struct str campaign[CAMPAIGN_PROPERTIES]; /* decoded texts of these */
	bool repeated; /* a member has the name of an earlier one */

	/* the identity */
	bool identified; /* by an id, usable or not, other than a device's */
	bool numeric;
	uint64_t number;     /* if numeric */
	struct str identity; /* else */
	const struct flat_node *identity_node;
	bool identity_hashed;
	char identity_hex[TRACK_HEX];

	/* the event */
	struct str event;
	struct buf event_name; /* its memory, if it was put together */
	struct buf names;      /* reserved whole: never moves */
	struct buf suffixed;   /* likewise */
	struct buf values;     /* may move: see track_leaf.held */
	struct track_leaf *leaves;
	size_t count, cap;
	struct track_leaf few[TRACK_FEW];
};

/* ---- map.c ---- */

/* The name under which omissions outside the catalogue's properties are
 * counted. */
extern const char track_other[];

/* Flatten the event, and find its type, id, user and properties, if it has
 * them. Call track_map_fini() in any case. */
MUST_USE bool
track_map_init(struct track_map *map, const struct track_rules *rules,
    struct str event, struct track_result *result, struct err *reterr);
void track_map_fini(struct track_map *map);

/* Name everything in the properties, if there are any: see flat_paths(). */
MUST_USE bool track_paths_find(struct track_map *map, struct err *reterr);

/* The text of a string or number; empty if there is none or it is blank. */
struct str track_text_of(const struct flat_node *node);

/* Set the fate, with the reason (static); always false. */
bool track_dead(struct track_map *map, const char *reason);
bool track_drop(struct track_map *map, const char *rule);

void track_omit(struct track_map *map, const char *property,
    enum track_omission_kind kind, unsigned count);
/* The same property is noted once if its values come one after the other. */
void
track_note_left_out(struct track_map *map, const struct flat_node *property);
void track_explain(const struct track_map *map, struct str subject,
    const char *format, ...) PRINTF_LIKE(3, 4);
/* Of the properties that are sent. */
void track_explain_sent(const struct track_map *map);

/* ---- rules.c ---- */

enum track_privacy {
	TRACK_PRIVACY_SEND,
	TRACK_PRIVACY_HASH,
	TRACK_PRIVACY_DROP,
};

/* Why something is left out that no one has decided about. */
extern const char track_unclassified[];

/* What the rules do with a property of an event of that type. path_cut: the
 * path is only the beginning of the name. *ret_why: the rule that decided;
 * static, or NULL. */
enum track_privacy
track_privacy(const struct track_rules *rules, struct str type, struct str path,
    bool path_cut, enum catalogue_class class, const char **ret_why);

/* The HMAC-SHA-256 of a text, with the key of the rules. */
void track_hash(
    const struct track_rules *rules, struct str text, char ret_hex[TRACK_HEX]);

/* Is it a hash that was made at acceptance (TRACK_MARK and hex)? If so, narrow
 * it to the hex, so that it is not hashed again. */
#define TRACK_MARK "hmac-sha256:"
bool track_marked(struct str *text);

/* ---- identity.c ---- */

/* Why an id cannot be used. */
enum track_id_defect {
	TRACK_ID_VALID,
	TRACK_ID_KIND,
	TRACK_ID_UNREADABLE, /* it cannot be sent as the same text */
	TRACK_ID_PLACEHOLDER,
	TRACK_ID_LONG,
	TRACK_ID_DEFECTS
};
enum track_id_defect
track_id_check(const struct track_rules *rules, const struct flat_node *node);

/* Is there an id? Absent, null and blank mean that there is none. */
bool track_id_present(const struct flat_node *node);

/* The same for a list of ids; an empty list means that there is none. */
bool track_ids_present(const struct flat_node *node);

/* False if the fate is not TRACK_SEND. */
MUST_USE bool track_identity_find(struct track_map *map);

/* Does the event request an erasure? If so, track_erasure_read() sets the
 * fate. */
bool track_erasure(const struct track_map *map);
void track_erasure_read(struct track_map *map);

/* ---- number.c ---- */

/* The number as it is sent: lent from the literal, which has at most
 * TRACK_VALUE_MAX bytes, or written to the room. If it can only be sent as
 * text, returns why (static), else NULL. */
const char *track_number_read(
    struct str literal, char room[TRACK_NUMBER], struct str *ret_number);

/* ---- value.c ---- */

/* Set the leaf's value to that of its node. *ret_send stays false if there is
 * nothing to send. */
MUST_USE bool track_value_read(struct track_map *map, struct track_leaf *leaf,
    bool *ret_send, struct err *reterr);

/* Replace the value with its hash, unless it is already one. */
MUST_USE bool track_value_hash(
    struct track_map *map, struct track_leaf *leaf, struct err *reterr);

/* Cut it. False if only white space is left: then it is left out. */
bool track_value_cut(struct track_map *map, struct track_leaf *leaf);

/* Leave it out, and record that. Always true. */
bool track_value_omit(struct track_map *map, struct track_leaf *leaf,
    enum track_omission_kind kind, const char *why);

/* The value, held or not; map->values must not move while it is used. */
struct str
track_value_lend(const struct track_map *map, const struct track_leaf *leaf);

/* For storing: append the JSON of an array without what is private in it. */
MUST_USE bool
track_array_redact(struct track_map *map, const struct flat_node *node,
    enum catalogue_class class, struct buf *out, struct err *reterr);

/* ---- name.c ---- */

MUST_USE bool track_names_find(struct track_map *map, struct err *reterr);

/* Sets the fate, too. */
MUST_USE bool track_event_name_find(struct track_map *map, struct err *reterr);

/* ---- track.c ---- */

/* The property that a nested value is in. */
struct track_top {
	uint32_t index;
	const char *property; /* static */
	enum catalogue_class class;
};
struct track_top track_top_of(const struct track_map *map, uint32_t index);

#endif
