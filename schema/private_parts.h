#ifndef SCHEMA_PRIVATE_PARTS_H
#define SCHEMA_PRIVATE_PARTS_H

/*
 * The parts of taking out at acceptance. Internal to schema/private*.c:
 *
 *	private.c       the order of the work, and the properties
 *	private_user.c  the members of the user
 *	private_copy.c  the bytes that are left
 */

#include "schema/private.h"

#include "schema/track_parts.h"

enum private_act {
	PRIVATE_KEEP,
	PRIVATE_REMOVE,
	PRIVATE_REPLACE,
};

/* What becomes of a member. */
struct private_fate {
	enum private_act act;
	uint32_t left;	/* of an object: members that stay */
	size_t at, len; /* in job.values: what it is replaced by */
};

/* An object whose members are being copied. */
struct private_frame {
	uint32_t object;      /* or FLAT_ROOT */
	bool gap;	      /* what was before goes */
	const char *gap_from; /* its first member */
	const char *gap_end;
	const char *kept_end; /* of the last that stays, or NULL */
};

struct private
{
	struct track_job job;	    /* values: of what is replaced */
	struct track_result result; /* nobody asks */
	struct private_fate *fates; /* of each node */
	bool unjudged;		    /* names take too much room */

	/* copying */
	struct buf *out;
	const char *at; /* copied up to here */
	struct private_frame frames[FLAT_DEPTH + 1];
	size_t depth;
};

/* private.c */
bool private_has_members(const struct private *p, uint32_t index);
void private_remove(struct private *p, const struct flat_node *node);
/* Keep the member of that name, if there is one of the form that is read: a
 * scalar or an object. Returned in any form. */
const struct flat_node *private_member(
    struct private *p, uint32_t parent, const char *name, bool scalar);
/* Replace a value by that JSON. */
MUST_USE bool private_replace(struct private *p, const struct flat_node *node,
    const char *json, struct err *reterr);
/* Replace a value by its hash, if there is something to hash. */
MUST_USE bool private_hash(struct private *p, const struct flat_node *node,
    enum catalogue_class class, struct err *reterr);
/* Judge a value by that name. */
MUST_USE bool private_judge(struct private *p, const struct flat_node *node,
    const struct str *name, enum catalogue_class class, struct err *reterr);

/* private_user.c */
MUST_USE bool private_judge_user(struct private *p, struct err *reterr);

/* private_copy.c */
void private_copy(struct private *p, const char *event, size_t len);

#endif
