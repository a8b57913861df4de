#ifndef SERVER_BUDGET_H
#define SERVER_BUDGET_H

/*
 * The memory that all bodies together may use, and buffers that are paid for
 * out of it before they grow. The first bytes of a buffer are free, so that
 * a probe (a few bytes) can be answered when the budget is spent; what is
 * free is bounded by the number of connections.
 *
 * A budget may be used by any thread, a tray by one at a time.
 */

#include "base/buf.h"

#include <stdatomic.h>
#include <stddef.h>

struct budget {
	atomic_size_t left;
};

void budget_init(struct budget *budget, size_t bytes);
MUST_USE bool budget_take(struct budget *budget, size_t bytes);
void budget_give(struct budget *budget, size_t bytes);
size_t budget_left(struct budget *budget);

enum {
	TRAY_FREE = 1024, /* bytes of a tray that cost nothing */
};

enum tray_result { TRAY_OK, TRAY_LIMIT, TRAY_SPENT };

struct tray {
	struct buf buf;
	struct budget *budget;
	size_t paid;
};

void tray_init(struct tray *tray, size_t limit, struct budget *budget);

/* Frees the memory and gives back what it cost; may be called again. */
void tray_fini(struct tray *tray);

/* Make room for `more` bytes; TRAY_SPENT: no budget, or no memory. */
MUST_USE enum tray_result tray_reserve(struct tray *tray, size_t more);
MUST_USE enum tray_result
tray_append(struct tray *tray, const void *data, size_t len);

#endif
