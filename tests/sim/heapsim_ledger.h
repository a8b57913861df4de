#ifndef HEAPSIM_LEDGER_H
#define HEAPSIM_LEDGER_H

/* The records behind heapsim_books.h; shared with heapsim_report.c only. */

#include "tests/sim/heapsim_books.h"
#include "tests/sim/sim_table.h"
#include "tests/sim/sim_window.h"

enum {
	HEAPSIM_STATUSES = 600,
};

struct heapsim_user {
	struct sim_window window;
	uint32_t pending; /* events in the request at hand */
};

struct heapsim_name {
	uint64_t events; /* distinct */
};

/* An event at Heap; in the table of keys, so the key is the record's. */
struct heapsim_stored {
	struct heapsim_stored *other;	 /* the same key under another user */
	const struct heapsim_user *user; /* a record: its key is the user */
	const struct heapsim_name *name;
	char *json; /* or NULL: not kept */
	uint64_t times;
};

struct heapsim_app {
	struct sim_table *users;
	struct sim_table *keys;
	struct sim_window window;
	uint64_t user_max; /* the fullest window of one user */
	const struct heapsim_user *user_max_of;
	uint64_t counts[HEAPSIM_COUNTS];
};

struct heapsim_books {
	struct sim_table *apps;
	struct sim_table *names;
	uint64_t counts[HEAPSIM_COUNTS];
	uint64_t by_status[HEAPSIM_STATUSES];
	uint64_t kept;
	char last_refusal[512];
	int64_t start_ms;
};

#endif
