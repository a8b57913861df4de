#ifndef BRAZESIM_BOOKS_H
#define BRAZESIM_BOOKS_H

/* What became of each event, and the counts. One thread at a time. */

#include "tests/sim/brazesim_source.h"

enum brazesim_fate {
	BRAZESIM_UNRESOLVED,
	BRAZESIM_ACKED,
	BRAZESIM_DELETED,
	BRAZESIM_STRANDED,
	BRAZESIM_FATES,
};

enum brazesim_count {
	BRAZESIM_REQUESTS,
	BRAZESIM_SENT_EVENTS,
	BRAZESIM_NETWORK_ERRORS,
	BRAZESIM_UNKNOWN_OUTCOMES,   /* made by us */
	BRAZESIM_DUPLICATE_REQUESTS, /* sent once more after a 2xx */
	BRAZESIM_SPLITS,
	BRAZESIM_COUNTS,
};

struct brazesim_books;

struct brazesim_books *brazesim_books_new(uint32_t events);
void brazesim_books_free(struct brazesim_books *books);

void brazesim_books_count(
    struct brazesim_books *books, enum brazesim_count what, uint64_t n);
void brazesim_books_answered(
    struct brazesim_books *books, long status, int64_t took_us);
/* Only an unresolved event gets a fate: the first is final. */
void brazesim_books_settle(struct brazesim_books *books, const uint32_t *events,
    size_t n, enum brazesim_fate fate);

bool brazesim_books_all_acked(const struct brazesim_books *books);
void brazesim_books_print(const struct brazesim_books *books, int64_t took_us);
/* Write the names of all events of that fate; "" is no file. */
void brazesim_list_write(const struct brazesim_books *books,
    const struct brazesim_source *source, enum brazesim_fate fate,
    const char *path);

#endif
