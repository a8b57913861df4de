#ifndef SCHEMA_TRACK_PARTS_H
#define SCHEMA_TRACK_PARTS_H

/*
 * The parts of one mapping. Internal to schema/track*.c:
 *
 *	track.c           the order of the work, and the JSON
 *	track_omission.c      what is told of it
 *	track_identity.c  who it is
 *	track_leaf.c      which properties go
 *	track_value.c     as what
 *	track_array.c     arrays, and what is private in them
 *	track_name.c      names, and what to do when two are the same
 *	track_private.c   classes and selectors
 *	private.c         taking out at acceptance what those say
 */

#include "base/digest.h"
#include "schema/catalogue.h"
#include "schema/flat.h"
#include "schema/track.h"

enum {
	TRACK_FEW = FLAT_FEW + 6,      /* properties that need no memory */
	TRACK_HEX = 2 * DIGEST_SHA256, /* bytes; not NUL-ended */
};

/* One property on its way out. */
struct track_leaf {
	const char *property; /* for notes; static */
	struct str name;
	struct str value;
	const struct flat_node *node; /* NULL: an added property */
	size_t held_at;		      /* if held: where in values */
	bool held;		      /* value.data is not set yet */
	bool number;
	enum catalogue_class class;
	bool hash;    /* it is sent as its hash */
	bool renamed; /* by a rule */

	/* set when names clash */
	struct str base;
	struct track_leaf *owner; /* of that name */
	uint32_t suffix;	  /* the next to try; of an owner */
};

/* One call of track_write(). */
struct track_job {
	const struct track_rules *rules;
	struct track_result *result;
	struct flat flat;

	/* the envelope */
	struct str type, id;
	int64_t time_s;
	const struct flat_node *user, *properties;
	const struct flat_node *user_id, *device_id, *timezone;
	const struct catalogue_type *known; /* or NULL */

	/* who */
	bool identified; /* by an id, usable or not, that is no device's */
	bool numeric;
	uint64_t number;     /* if numeric */
	struct str identity; /* else */
	const struct flat_node *identity_node;
	bool identity_hashed;
	char identity_hex[TRACK_HEX];

	/* what */
	struct str event;
	struct buf event_name; /* its memory, if it was put together */
	struct buf names;      /* reserved whole: never moves */
	struct buf suffixed;   /* likewise */
	struct buf values;     /* may move: see track_leaf.held */
	struct track_leaf *leaves;
	size_t count, cap;
	struct track_leaf few[TRACK_FEW];
};

/* track.c */
void track_job_init(struct track_job *job, const struct track_rules *rules,
    struct track_result *result);
void track_job_fini(struct track_job *job);
/* Read it flat, and find type, id, user and properties, if they are there.
 * Call track_job_fini() in any case. */
MUST_USE bool track_members_read(
    struct track_job *job, const char *event, size_t len, struct err *reterr);
/* Make room for values; len is the event's. */
void track_values_init(struct track_job *job, size_t len);
/* The text of a string or number; empty if there is none or it is blank. */
struct str track_text_of(const struct flat_node *node);

/* track_omission.c */
extern const char track_other[]; /* what is no property of the catalogue */
void track_omission(
    struct track_job *job, const char *property, enum track_omission_kind kind);
void track_omissions(struct track_job *job, const char *property,
    enum track_omission_kind kind, unsigned count);
void track_say(const struct track_job *job, const char *subject,
    size_t subject_len, const char *format, ...) PRINTF_LIKE(4, 5);
bool track_dead(struct track_job *job, const char *reason);
bool track_drop(struct track_job *job, const char *rule);

/* track_identity.c */
/* Why an id cannot be used. */
enum track_trouble {
	TRACK_TROUBLE_NONE,
	TRACK_TROUBLE_KIND,
	TRACK_TROUBLE_UNREADABLE, /* sent it would not be the same text */
	TRACK_TROUBLE_PLACEHOLDER,
	TRACK_TROUBLE_LONG,
	TRACK_TROUBLES
};
/* Is there an id? Absent, null and blank mean that there is none. */
bool track_there(const struct flat_node *node);
/* The same of a list of ids; nothing in it means none. */
bool track_list_there(const struct flat_node *node);
enum track_trouble
track_trouble(const struct track_rules *rules, const struct flat_node *node);
/* False if the fate is not TRACK_SEND. */
MUST_USE bool track_identity_find(struct track_job *job);
/* Does it ask for an erasure? Whose: sets the fate. */
bool track_erasure(const struct track_job *job);
void track_erasure_read(struct track_job *job);

/* track_leaf.c */
/* The class of what is in the property with that index. */
enum catalogue_class
track_class_of(const struct track_job *job, uint32_t index);
MUST_USE bool track_leaves_read(struct track_job *job, struct err *reterr);

/* track_value.c */
bool track_number_keeps(const char *data, size_t len);
/* The hash of a value as it would be sent. *ret_sent: there is something. */
MUST_USE bool track_value_hash(struct track_job *job,
    const struct flat_node *node, enum catalogue_class class,
    char ret_hex[TRACK_HEX], bool *ret_sent, struct err *reterr);
/* Set the leaf's value to its node's. *ret_send stays false if there is
 * nothing to send. */
MUST_USE bool track_value_read(struct track_job *job, struct track_leaf *leaf,
    bool *ret_send, struct err *reterr);
/* Is the value that is to be hashed a hash already? Then it is that from
 * here on. */
bool track_leaf_hashed(const struct track_job *job, struct track_leaf *leaf);
MUST_USE bool track_leaf_hash(
    struct track_job *job, struct track_leaf *leaf, struct err *reterr);
/* Cut it. Is anything to be seen of what fits? If not, it is left out. */
bool track_leaf_cut(struct track_job *job, struct track_leaf *leaf);
/* Left out, and noted. Always true. */
bool track_leaf_none(struct track_job *job, const struct track_leaf *leaf,
    enum track_omission_kind kind, const char *why);

/* track_array.c */
struct track_array_rules {
	const char *property; /* for notes; static */
	enum catalogue_class class;
	bool hashed_whole; /* so nothing in it is hashed by itself */
	bool accept;	   /* write what may be kept, not what is sent */
};
struct track_array_sum {
	unsigned left;	/* elements that did not fit */
	unsigned blank; /* null or blank ones */
	bool none;	/* there is nothing to send */
};
/* Append the text of an array to job->values. */
MUST_USE bool track_array_write(struct track_job *job,
    const struct flat_node *node, const struct track_array_rules *rules,
    struct track_array_sum *ret_sum, struct err *reterr);
/* Append the JSON of an array without what is private in it; nothing unless
 * *ret_changed. */
MUST_USE bool track_array_keep(struct track_job *job,
    const struct flat_node *node, const struct track_array_rules *rules,
    bool *ret_changed, struct err *reterr);

/* track_name.c */
MUST_USE bool track_names_find(struct track_job *job, struct err *reterr);
/* Sets the fate, too. */
MUST_USE bool track_event_name_find(struct track_job *job, struct err *reterr);

/* track_private.c */
enum track_private {
	TRACK_PRIVATE_SEND,
	TRACK_PRIVATE_HASH,
	TRACK_PRIVATE_DROP,
};
/* *ret_why: which rule said so; static. */
enum track_private
track_private_of(const struct track_job *job, const struct str *path,
    bool path_cut, enum catalogue_class class, const char **ret_why);
void track_hash(const struct track_rules *rules, const char *data, size_t len,
    char ret_hex[TRACK_HEX]);
/* Is it a hash that was made at acceptance (TRACK_MARK and hex)? Then narrow
 * it to the hex: it is not hashed a second time. */
#define TRACK_MARK "hmac-sha256:"
bool track_marked(struct str *text);

#endif
