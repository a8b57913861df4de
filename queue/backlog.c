#include "queue/backlog.h"

#include <string.h>

struct backlog *
backlog_find(struct backlogs *backlogs, int64_t destination)
{
	for (size_t i = 0; i < backlogs->count; i++) {
		if (backlogs->list[i].destination == destination)
			return &backlogs->list[i];
	}
	return NULL;
}

bool
backlogs_load(struct backlogs *backlogs, struct db *db,
    const struct names *names, struct err *reterr)
{
	int64_t trials[BACKLOG_DESTINATIONS_MAX];
	size_t trial_count = 0;
	struct backlog row = {.destination = 0}, *backlog;
	struct db_rows rows;
	bool ok = true;

	for (size_t i = 0; i < backlogs->count; i++) {
		if (backlogs->list[i].trial)
			trials[trial_count++] = backlogs->list[i].destination;
	}
	backlogs->count = 0;
	rows = db_select(
	    db, reterr, "SELECT id, queued, delivered_ms FROM destination", "");
	while (ok && db_next(&rows, reterr, "iii", &row.destination,
			 &row.queued, &row.delivered_ms)) {
		ok = backlogs->count < BACKLOG_DESTINATIONS_MAX &&
		     names_text(names, row.destination) != NULL;
		if (ok)
			backlogs->list[backlogs->count++] = row;
		else
			(void)err_set(reterr, ERR_DAMAGED,
			    "queue.db: the table of destinations is damaged");
	}
	ok = db_end(&rows) && ok;
	for (size_t i = 0; ok && i < trial_count; i++) {
		backlog = backlog_find(backlogs, trials[i]);
		if (backlog != NULL)
			backlog->trial = true;
	}
	return ok;
}

bool
backlog_add(struct backlogs *backlogs, struct db *db, struct names *names,
    const char *name, struct backlog **ret_backlog, struct err *reterr)
{
	struct backlog *backlog;
	int64_t id;

	if (strlen(name) > NAMES_TEXT_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "the name of a destination is longer than %d bytes",
		    NAMES_TEXT_MAX);
	if (!names_add(names, db, str_text(name), &id, reterr))
		return false;
	backlog = backlog_find(backlogs, id);
	if (backlog == NULL) {
		if (backlogs->count == BACKLOG_DESTINATIONS_MAX)
			return err_set(reterr, ERR_LIMIT,
			    "more than %d destinations",
			    BACKLOG_DESTINATIONS_MAX);
		if (!db_run(db, reterr,
			"INSERT INTO destination VALUES"
			"(?1, 0, 0, 0, 0, NULL, 0)",
			"i", id))
			return false;
		backlog = &backlogs->list[backlogs->count++];
		*backlog = (struct backlog){.destination = id, .added = true};
	}
	*ret_backlog = backlog;
	return true;
}

bool
backlogs_write(struct backlogs *backlogs, struct db *db, struct err *reterr)
{
	for (size_t i = 0; i < backlogs->count; i++) {
		const struct backlog *backlog = &backlogs->list[i];

		if (backlog->moved == 0 && backlog->delivered_moved_ms == 0)
			continue;
		if (!db_run(db, reterr,
			"UPDATE destination SET queued=queued+?2,"
			" delivered_ms=?3 WHERE id=?1",
			"iii", backlog->destination, backlog->moved,
			backlog->delivered_moved_ms != 0
			    ? backlog->delivered_moved_ms
			    : backlog->delivered_ms))
			return false;
	}
	return true;
}

void
backlogs_commit(struct backlogs *backlogs)
{
	for (size_t i = 0; i < backlogs->count; i++) {
		struct backlog *backlog = &backlogs->list[i];

		backlog->queued += backlog->moved;
		backlog->moved = 0;
		if (backlog->delivered_moved_ms != 0)
			backlog->delivered_ms = backlog->delivered_moved_ms;
		backlog->delivered_moved_ms = 0;
		backlog->added = false;
	}
}

void
backlogs_rollback(struct backlogs *backlogs)
{
	while (backlogs->count > 0 && backlogs->list[backlogs->count - 1].added)
		backlogs->count--;
	for (size_t i = 0; i < backlogs->count; i++)
		backlogs->list[i].moved = backlogs->list[i].delivered_moved_ms =
		    0;
}

int64_t *
backlog_start(struct backlog *backlog, int64_t source)
{
	for (size_t i = 0; i < backlog->start_count; i++) {
		if (backlog->starts[i].source == source)
			return &backlog->starts[i].seq;
	}
	if (backlog->start_count == BACKLOG_SOURCES_MAX)
		return NULL;
	backlog->starts[backlog->start_count] =
	    (struct backlog_start){.source = source};
	return &backlog->starts[backlog->start_count++].seq;
}

void
backlog_start_back(struct backlog *backlog, int64_t source, int64_t seq)
{
	int64_t *start = backlog_start(backlog, source);

	if (start != NULL && *start > seq)
		*start = seq;
}

void
backlogs_restart(struct backlogs *backlogs)
{
	for (size_t i = 0; i < backlogs->count; i++) {
		if (!backlogs->list[i].trial)
			backlogs->list[i].start_count = 0;
	}
}
