#ifndef QUEUE_SQLITE_SQLITE_H
#define QUEUE_SQLITE_SQLITE_H

/*
 * The engine for a local disk: SQLite, in a directory that one process owns.
 * It always grants claims.
 *
 * When the disk fails (any I/O error in a transaction, a failed fsync above
 * all: what the page cache holds afterwards cannot be trusted to reach the
 * disk) the store is broken: the connection is closed without a checkpoint,
 * and upkeep reopens the file once a second until a truncating checkpoint
 * has succeeded; only then is it trusted again.
 */

#include "queue/engine.h"

extern const struct engine sqlite_engine;

/* ---- for tests ---- */

struct sqlite3;

/* The connection, lent; NULL while the store is broken. */
struct sqlite3 *sqlite_connection(struct store *store);

/* Break the store as a failed disk would. */
void sqlite_break(struct store *store);

#endif
