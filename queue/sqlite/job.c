/* Jobs on the file as a whole: checking it, emptying the log, and copying it
 * while it is in use. */

#include "queue/sqlite/store.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	JOB_STEP_MS = 2,
	JOB_BACKUP_PAGES = 16,	    /* at once: 128 KiB */
	JOB_BACKUP_STEP_PAGES = 32, /* in one step, at most */
};

/* ---- checking ---- */

/* What SQLite's own check does not know: a text for each fault. Each is a step,
 * and reads some tables through. */
static const char *const job_checks[] = {
    "SELECT printf('batch %d, queued: there is no destination %d: it is never"
    " sent, but `currentsd queue rescue` finds it', seq, destination)"
    " FROM (SELECT seq, destination FROM delivery UNION ALL"
    " SELECT seq, destination FROM quarantine)"
    " WHERE destination NOT IN (SELECT id FROM destination) LIMIT ?1",

    "SELECT printf('batch %d, queued: there is no source %d', seq, source)"
    " FROM (SELECT seq, source FROM delivery UNION ALL"
    " SELECT seq, source FROM quarantine)"
    " WHERE source NOT IN (SELECT id FROM name) LIMIT ?1",

    "SELECT printf('batch %d, in the archive: its destination %d or source %d"
    " is not there', seq, destination, source) FROM archive"
    " WHERE destination NOT IN (SELECT id FROM destination)"
    " OR source NOT IN (SELECT id FROM name) LIMIT ?1",

    "SELECT printf('row of dead letters %d: there is no destination %d', id,"
    " destination) FROM dead"
    " WHERE destination NOT IN (SELECT id FROM destination) LIMIT ?1",

    "SELECT printf('unreadable body %d: there is no source %d', id, source)"
    " FROM unreadable WHERE source NOT IN (SELECT id FROM name) LIMIT ?1",

    "SELECT printf('request of erasure %d: there is no source %d', id, source)"
    " FROM erasure WHERE source NOT IN (SELECT id FROM name) LIMIT ?1",

    "SELECT printf('batch %d, queued: it is never due: its time is %d', seq,"
    " due_ms) FROM delivery WHERE typeof(due_ms)<>'integer' OR due_ms<-1"
    " OR (due_ms=-1)<>(replay=1 AND due_ms<=0)"
    " OR (due_ms=9223372036854775807 AND parked IS NULL) LIMIT ?1",

    "SELECT printf('batch %d, queued: its row cannot be changed: its version"
    " is %s', seq, version) FROM (SELECT seq, version FROM delivery UNION ALL"
    " SELECT seq, version FROM quarantine)"
    " WHERE typeof(version)<>'integer' OR version<1"
    " OR version>=" STORE_NUMBERS_SQL " LIMIT ?1",

    "SELECT printf('batch %d: it is queued, or in the archive, %d times', seq,"
    " n) FROM (SELECT seq, count(*) AS n FROM"
    " (SELECT seq FROM delivery UNION ALL SELECT seq FROM quarantine"
    " UNION ALL SELECT seq FROM archive) GROUP BY seq)"
    " WHERE n>1 LIMIT ?1",

    "SELECT printf('batch %d: it is queued, or in the archive, but is not"
    " there', seq) FROM"
    " (SELECT seq FROM delivery UNION ALL SELECT seq FROM quarantine"
    " UNION ALL SELECT seq FROM archive)"
    " WHERE seq NOT IN (SELECT seq FROM batch) LIMIT ?1",

    "SELECT printf('batch %d: it is neither queued nor in the archive, but"
    " `currentsd queue rescue` finds it', seq) FROM batch WHERE seq NOT IN"
    " (SELECT seq FROM delivery UNION ALL SELECT seq FROM quarantine"
    " UNION ALL SELECT seq FROM archive) LIMIT ?1",

    "SELECT printf('%s %d: no row has such a number', what, id) FROM"
    " (SELECT 'batch' AS what, seq AS id FROM batch"
    " UNION ALL SELECT 'row of the archive', id FROM archive"
    " UNION ALL SELECT 'row of dead letters', id FROM dead"
    " UNION ALL SELECT 'unreadable body', id FROM unreadable"
    " UNION ALL SELECT 'request of erasure', id FROM erasure"
    " UNION ALL SELECT 'last number in table ' || name || ':', seq + (seq=0)"
    " FROM sqlite_sequence)"
    " WHERE id<1 OR id>=" STORE_NUMBERS_SQL " LIMIT ?1",

    /* By days: what is settled after its hour was folded into its day leaves
     * an hour of its own, of what has moved. */
    "SELECT printf('ledger: a sum of hour %d is negative or too large', hour)"
    " FROM (SELECT min(hour) AS hour, total(received) AS a, total(queued) AS b,"
    " total(delivered) AS c, total(dead) AS d, total(dropped) AS e,"
    " total(duplicates) AS f, total(erased) AS g, total(expired) AS h,"
    " total(replayed) AS i, total(replay_delivered) AS j,"
    " total(replay_refused) AS k FROM ledger"
    " GROUP BY hour - hour % 24, source, type)"
    " WHERE min(a, b, c, d, e, f, g, h, i, j, k)<0"
    " OR max(a, b, c, d, e, f, g, h, i, j, k)>100000000000000 LIMIT ?1",

    "SELECT printf('dropped by rules: a sum of hour %d is negative or too"
    " large', hour) FROM dropped"
    " WHERE events<0 OR events>100000000000000 LIMIT ?1",

    "SELECT printf('reports: a row of day %d cannot be', day) FROM report"
    " WHERE typeof(delivered)<>'integer' OR typeof(dropped)<>'integer'"
    " OR typeof(dead)<>'integer' OR type NOT IN (SELECT id FROM name)"
    " OR max(abs(delivered), abs(dropped), abs(dead))>100000000000000"
    " LIMIT ?1",

    "SELECT printf('destination %s: a sum is negative or too large', name)"
    " FROM destination WHERE min(queued, bytes)<0"
    " OR max(queued, bytes)>100000000000000 LIMIT ?1",

    "SELECT printf('destination %s: %d events and %d bytes are queued, but it"
    " says %d and %d', name, events, size, queued, bytes) FROM destination"
    " LEFT JOIN (SELECT destination, total(remaining) AS events,"
    " total(bytes) AS size FROM"
    " (SELECT destination, remaining, bytes FROM delivery WHERE replay=0"
    " UNION ALL"
    " SELECT destination, remaining, bytes FROM quarantine WHERE replay=0)"
    " GROUP BY destination) ON destination=id"
    " WHERE queued<>coalesce(events, 0) OR bytes<>coalesce(size, 0) LIMIT ?1",

    "SELECT printf('the number %s is not one: %s', key, value) FROM meta"
    " WHERE typeof(value)<>'integer' OR value<0 OR value>100000000000000"
    " LIMIT ?1",

    "SELECT printf('batch %d, queued: its place among the changes of its set"
    " is %s', seq, stamp) FROM (SELECT seq, stamp FROM delivery UNION ALL"
    " SELECT seq, stamp FROM quarantine)"
    " WHERE typeof(stamp)<>'integer' OR stamp<0 LIMIT ?1",

    "SELECT printf('group %d: there is no destination %d', id, destination)"
    " FROM grp WHERE destination NOT IN (SELECT id FROM destination) LIMIT ?1",

    "SELECT printf('group %d: it has %s, but is not there', grp, what) FROM"
    " (SELECT DISTINCT grp, 'syncs' AS what FROM sync UNION ALL"
    " SELECT DISTINCT grp, 'members' FROM member)"
    " WHERE grp NOT IN (SELECT id FROM grp) LIMIT ?1",

    "SELECT printf('person %d: the row cannot be', id) FROM person"
    " WHERE id<1 OR typeof(refs)<>'integer' OR (text IS NULL)<>(refs=0)"
    " LIMIT ?1",

    "SELECT printf('member %d of group %d: the row cannot be', person, grp)"
    " FROM member WHERE typeof(said)<>'integer' OR said<0"
    " OR typeof(sent_s)<>'integer' OR sent_s<0 LIMIT ?1",

    /* Sorting them takes memory; if the sums agree, so do the counts, but for
     * a rare chance. */
    "SELECT printf('people: there are %d members, but their texts are counted"
    " for %d, or for others', members, refs)"
    " FROM (SELECT count(*) AS members, total(person%65521) AS their"
    " FROM member), (SELECT total(refs) AS refs, total(refs*(id%65521)) AS sum"
    " FROM person) WHERE members<>refs OR their<>sum LIMIT ?1",
};

enum {
	JOB_CHECKS = sizeof(job_checks) / sizeof(*job_checks),
	JOB_CHECK_FAULTS = 100, /* of a step */
};

/* Show the rows of a check; *ret_faults: how many there were. One that fails
 * because of damage has found some. */
static bool
job_check_rows(struct store *store, struct engine_job *job, const char *sql,
    int *ret_faults, struct err *reterr)
{
	struct err err = {.code = ERR_NONE};
	struct db_rows rows =
	    db_select(&store->db, &err, sql, "d", JOB_CHECK_FAULTS);
	const char *text;

	*ret_faults = 0;
	while (db_next(&rows, &err, "t", &text)) {
		if (strcmp(text, "ok") == 0)
			continue;
		++*ret_faults;
		job->fn(job->arg, text);
	}
	if (db_end(&rows))
		return true;
	if (err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	++*ret_faults;
	job->fn(job->arg, err.text);
	return true;
}

/* A statement that reads a whole table may never end if pages of it lead to
 * each other. SQLite's own check sees that, but goes on to such statements
 * unless its first fault is the last one it is asked for. So only a sound file
 * is checked further in this way; of any other, the batches that can be read
 * are. */
static bool
job_check(struct store *store, struct engine_job *job, struct err *reterr)
{
	const char *sql = job->step == 0 ? "PRAGMA integrity_check(1)"
					 : job_checks[job->step - 1];
	int faults;

	if (!job_check_rows(store, job, sql, &faults, reterr))
		return false;
	job->more = job->step < JOB_CHECKS && (job->step > 0 || faults == 0);
	job->step++;
	return true;
}

static bool
job_flush(struct store *store, struct err *reterr)
{
	if (!store_ours(store, reterr))
		return false;
	if (store_checkpoint(store, true, reterr))
		return true;
	if (reterr->code == ERR_IO)
		store_break(store);
	return false;
}

/* ---- copying ---- */

struct job_backup {
	struct db_backup *backup;
	int fd;	    /* of the copy, to sync it */
	bool whole; /* all pages are copied */
};

static void
job_backup_end(struct job_backup *state)
{
	if (state == NULL)
		return;
	db_backup_end(state->backup);
	if (state->fd >= 0)
		(void)close(state->fd);
	free(state);
}

static bool
job_backup_begin(
    struct store *store, struct engine_job *job, struct err *reterr)
{
	struct job_backup *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return err_set_nomem(reterr);
	state->fd =
	    open(job->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (state->fd < 0) {
		(void)err_set(reterr, ERR_INPUT, "%s: cannot create: %s",
		    job->path, strerror(errno));
		job_backup_end(state);
		return false;
	}
	if (!db_backup_begin(&store->db, job->path, &state->backup, reterr)) {
		job_backup_end(state);
		(void)unlink(job->path);
		return false;
	}
	job->state = state;
	job->more = true;
	return true;
}

/* Copy some pages, and sync them in a step without the lock: else a file
 * system makes the next commit wait until all that was written to the copy is
 * synced. */
static bool
job_backup_step(struct engine_job *job, struct err *reterr)
{
	struct job_backup *state = job->state;
	int64_t until_ms = clock_mono_ms() + JOB_STEP_MS;
	bool ok = true, more = true;

	if (job->unlocked) {
		job->unlocked = false;
		job->more = !state->whole;
		if (fdatasync(state->fd) != 0)
			return err_set(reterr, ERR_IO, "%s: cannot sync: %s",
			    job->path, strerror(errno));
		return job->more || db_sync_dir(job->path, reterr);
	}
	for (int pages = 0; ok && more && pages < JOB_BACKUP_STEP_PAGES;
	     pages += JOB_BACKUP_PAGES) {
		ok = db_backup_step(state->backup, JOB_BACKUP_PAGES, &more,
		    &job->left_bytes, reterr);
		if (clock_mono_ms() >= until_ms)
			break;
	}
	job->unlocked = ok;
	state->whole = ok && !more;
	return ok;
}

bool
store_job(struct store *store, struct engine_job *job, struct err *reterr)
{
	switch (job->verb) {
	case ENGINE_CHECK:
		return job->end || job_check(store, job, reterr);
	case ENGINE_FLUSH:
		return job->end || job_flush(store, reterr);
	case ENGINE_BACKUP:
		if (job->end)
			job_backup_end(job->state);
		else if (job->state == NULL)
			return job_backup_begin(store, job, reterr);
		else
			return job_backup_step(job, reterr);
		return true;
	}
	NEVER("a job of no kind");
}
