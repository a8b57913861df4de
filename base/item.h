#ifndef BASE_ITEM_H
#define BASE_ITEM_H

/*
 * What travels: an event of a source, or a change of a set, by which a member
 * enters or leaves a group. A schema splits a body into items, the queue stores
 * them, and the forwarder sends them. Whoever hands an item over lends all its
 * views.
 */

#include "base/str.h"

enum item_fate {
	ITEM_QUEUE, /* to be delivered */
	ITEM_DEAD,  /* kept as a dead letter, with the reason */
	ITEM_DROP,  /* dropped by a rule, and only counted */
};

/* What an item is counted under beside its type, and its own time. */
struct item_label {
	const char *kind;    /* static; "" if it has no label */
	struct str id, name; /* the name may be empty */
	bool timed;
	int64_t time_s; /* if timed: UNIX seconds, of any size */
};

struct item {
	enum item_fate fate;
	struct str type; /* empty if it has none */
	struct str id;	 /* identifies duplicates; if empty, the data does */
	struct str data; /* as received */
	/* The part of the data that has all ids of persons, if that is known,
	 * and the id is the data's own; else empty. */
	struct str persons;
	const char *reason; /* ITEM_DEAD: why; ITEM_DROP: the rule; lent, too */
	const struct item_label *label; /* NULL: it was not read yet; lent */
};

/*
 * A change of a set has the id of its group as its type, and as its data a
 * sign and the member: "+ann" has entered, "-ann" has left. It needs no id:
 * of a member only the last word counts.
 */
#define ITEM_ENTERED '+'
#define ITEM_LEFT    '-'

static inline bool
item_change_read(struct str data, struct str *ret_member, bool *ret_wanted)
{
	if (data.len < 2 ||
	    (data.data[0] != ITEM_ENTERED && data.data[0] != ITEM_LEFT))
		return false;
	*ret_member = str_bytes(data.data + 1, data.len - 1);
	*ret_wanted = data.data[0] == ITEM_ENTERED;
	return true;
}

#endif
