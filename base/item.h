#ifndef BASE_ITEM_H
#define BASE_ITEM_H

/*
 * One event of a source. A schema splits a body into items, the queue stores
 * them, and the forwarder sends them. Whoever hands an item over lends all its
 * views.
 */

#include "base/str.h"

enum item_fate {
	ITEM_QUEUE, /* to be delivered */
	ITEM_DEAD,  /* kept as a dead letter, with the reason */
	ITEM_DROP,  /* dropped by a rule, and only counted */
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
};

#endif
