#ifndef BASE_ITEM_H
#define BASE_ITEM_H

/*
 * What travels: one event of a source. A schema makes items of a body, the
 * queue keeps them, and the forwarder sends them. All views are lent by
 * whoever hands the item over.
 */

#include "base/str.h"

enum item_fate {
	ITEM_QUEUE, /* to be delivered */
	ITEM_DEAD,  /* kept as a dead letter, with the reason */
	ITEM_DROP,  /* dropped by a rule, and only counted */
};

struct item {
	enum item_fate fate;
	struct str type;    /* empty if it has none */
	struct str id;	    /* tells duplicates; the data does if it is empty */
	struct str data;    /* as it came */
	const char *reason; /* ITEM_DEAD: why; ITEM_DROP: the rule; static */
};

#endif
