#ifndef FORWARDER_LEFT_OUT_H
#define FORWARDER_LEFT_OUT_H

/*
 * Properties that are missing from what was delivered, though no setting says
 * to leave them out. The outlet names them when it prepares an item; they count
 * when the item is delivered, in the transaction that settles it. Until then
 * each item points to its texts here, because few different ones are the same
 * in very many items.
 */

#include "base/table.h"
#include "queue/queue.h"
#include "schema/dialect.h"

enum { LEFT_OUT_MAX = 256 }; /* different ones; all others count together */

/* All zero is empty. */
struct left_out {
	char *texts[LEFT_OUT_MAX]; /* owned; each with its NUL, and another NUL
				    * at the end */
	size_t count;
	struct table table;
};

void left_out_fini(struct left_out *left_out);

/* What an item that was prepared is sent without; NULL if that is nothing. */
const char *
left_out_of(struct left_out *left_out, const struct outlet_prepared *prepared);

/* Let the lease carry the counts of what will be settled as delivered now, and
 * free them. Without memory they are not counted, but delivered all the same.
 */
void left_out_count(struct queue_lease *lease);
void left_out_counted(struct queue_lease *lease);

#endif
