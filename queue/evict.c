#include "queue/evict.h"

#include "queue/set.h"

#include "base/counters.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>

enum {
	EVICT_ROOM_STEPS = 8, /* such, before one commit */
	EVICT_SLACK = 256,    /* this part of the bound goes as well, so that
			       * not each put has to make room */
	EVICT_NEARLY = 64,    /* more by this part is not more */
	EVICT_NEAR = 80,      /* per cent of its bound: a kind is near it */
	EVICT_NOT_NEAR = 70,  /* and is not any more */
	EVICT_SAVE_MS = 60 * 1000,
	EVICT_TELL_MS = 60 * 1000,
	EVICT_TICK_MS = 60 * 1000, /* at most: a thread that was stopped for
				    * longer did not run */
	EVICT_EXPIRING_MS = 7 * 24 * 3600 * 1000,
};

static const char *const evict_names[BOUNDS_KINDS] = {
    [BOUNDS_ARCHIVE] = "archive",
    [BOUNDS_DEAD] = "dead",
    [BOUNDS_UNREADABLE] = "unreadable",
};

static const enum counter evict_counters[BOUNDS_KINDS] = {
    [BOUNDS_ARCHIVE] = COUNTER_EVICTED_ARCHIVE,
    [BOUNDS_DEAD] = COUNTER_EVICTED_DEAD,
    [BOUNDS_UNREADABLE] = COUNTER_EVICTED_UNREADABLE,
};

static const char *const evict_whys[EVICT_WHYS] = {
    [EVICT_AGE] = "age",
    [EVICT_BYTES] = "bytes",
    [EVICT_ROOM] = "room",
};

/* What there is of a kind, and what there may be. */
struct evict_kind {
	int64_t bytes, max_bytes, keep_ms;
};

static struct evict_kind
evict_kind(const struct queue *queue, const struct engine_totals *totals,
    enum bounds_kind kind)
{
	const struct queue_settings *settings = &queue->settings;

	switch (kind) {
	case BOUNDS_ARCHIVE:
		return (struct evict_kind){totals->archive_bytes,
		    settings->keep_bytes, settings->keep_ms};
	case BOUNDS_DEAD:
		return (struct evict_kind){totals->dead_bytes,
		    queue_dead_max_bytes(settings), settings->keep_dead_ms};
	case BOUNDS_UNREADABLE:
		return (struct evict_kind){totals->unreadable_bytes,
		    settings->unreadable_max_bytes,
		    settings->keep_unreadable_ms};
	case BOUNDS_KINDS:
		break;
	}
	NEVER("a kind that is none");
}

/* ---- evicting ---- */

/* The oldest of a kind that are to go. */
struct evict {
	struct queue *queue;
	enum bounds_kind kind;
	enum evict_why why;
	int64_t bytes_all;  /* so many there are */
	int64_t over_bytes; /* so many must go; or */
	int64_t before_ms;  /* by age, all whose own is this or less */
	size_t most;	    /* rows at once */
	struct err *reterr;
	bool ok;
	/* out */
	bool more;  /* by age: there may be such */
	int64_t id; /* of the last row */
	size_t rows;
	int64_t bytes, count;
};

static const enum engine_table evict_tables[BOUNDS_KINDS] = {
    [BOUNDS_ARCHIVE] = ENGINE_ARCHIVE_HEADS,
    [BOUNDS_DEAD] = ENGINE_DEAD,
    [BOUNDS_UNREADABLE] = ENGINE_UNREADABLE_HEADS,
};

/* What matters here of a row, or of sums. */
struct evict_head {
	int64_t id, age_ms, bytes;
};

static struct evict_head
evict_head(enum bounds_kind kind, const union engine_row *row)
{
	switch (kind) {
	case BOUNDS_ARCHIVE:
		return (struct evict_head){row->archived.id,
		    row->archived.age_ms, (int64_t)row->archived.bytes};
	case BOUNDS_DEAD:
		return (struct evict_head){
		    row->dead.id, row->dead.age_ms, (int64_t)row->dead.bytes};
	case BOUNDS_UNREADABLE:
		return (struct evict_head){row->unreadable.id,
		    row->unreadable.age_ms, (int64_t)row->unreadable.bytes};
	case BOUNDS_KINDS:
		break;
	}
	NEVER("a kind that is none");
}

/* Who has most of a kind, and how much the next one has. */
struct evict_most {
	struct queue *queue;
	enum bounds_kind kind;
	int64_t bytes, second;
	struct str owner; /* empty: not known */
};

/* The name as the queue keeps it. */
static struct str
evict_name(const struct evict_most *most, const union engine_row *row)
{
	struct queue *queue = most->queue;
	struct err err;
	int64_t id;

	if (most->kind == BOUNDS_DEAD) {
		id = destination_find(
		    &queue->destinations, row->dead.destination);
		return id == 0 ? str_text(NULL)
			       : destination_at(&queue->destinations, id)->name;
	}
	return ledger_source(
		   queue->ledger, row->unreadable.source, SIZE_MAX, &id, &err)
		   ? ledger_source_at(queue->ledger, id)
		   : str_text(NULL);
}

static bool
evict_compare(void *arg, const union engine_row *row)
{
	struct evict_most *most = arg;
	int64_t bytes = evict_head(most->kind, row).bytes;

	if (bytes > most->bytes) {
		most->second = most->bytes;
		most->bytes = bytes;
		most->owner = evict_name(most, row);
	} else if (bytes > most->second) {
		most->second = bytes;
	}
	return true;
}

/* Dead letters and unreadable bodies are last copies: those of whom has few are
 * not to go for somebody's many. Empty: the oldest of all go. It takes a look
 * at all rows, so it stays until the next one has as much, nearly. */
static struct str
evict_owner(struct queue *queue, const struct evict *evict)
{
	struct evictions *evictions = &queue->evictions;
	struct evict_most most = {.queue = queue, .kind = evict->kind};
	struct engine_cursor cursor = {.begun = false};
	int64_t *left = &evictions->most[evict->kind].bytes;
	bool more;
	struct err err;

	if (evict->why == EVICT_AGE || evict->kind == BOUNDS_ARCHIVE)
		return str_text(NULL);
	if (*left > 0)
		return evictions->most[evict->kind].owner;
	if (!queue->engine->walk(queue->store,
		evict->kind == BOUNDS_DEAD ? ENGINE_DEAD_SUMS
					   : ENGINE_UNREADABLE_SUMS,
		&cursor, SIZE_MAX, evict_compare, &most, &more, &err))
		return str_text(NULL);
	*left = most.bytes - most.second;
	if (*left < most.bytes / EVICT_NEARLY)
		*left = most.bytes / EVICT_NEARLY;
	evictions->most[evict->kind].owner = most.owner;
	return most.owner;
}

static bool
evict_note(void *arg, const union engine_row *row)
{
	struct evict *evict = arg;

	evict->queue->bounds.oldest_ms[evict->kind] =
	    evict_head(evict->kind, row).age_ms;
	return false;
}

/* Note the age of the oldest that is left. */
static void
evict_look(struct evict *evict)
{
	struct queue *queue = evict->queue;
	struct engine_cursor cursor = {.begun = false};
	bool more;
	struct err err;

	queue->bounds.oldest_ms[evict->kind] = INT64_MAX;
	(void)!queue->engine->walk(queue->store, evict_tables[evict->kind],
	    &cursor, 1, evict_note, evict, &more, &err);
}

/* Dead letters are in the ledger: all of the row expire. One that cannot be
 * read stays: it could not be counted. */
static bool
evict_dead(
    struct evict *evict, const struct engine_dead *row, size_t *ret_letters)
{
	struct ledger *ledger = evict->queue->ledger;
	struct stats_line moved = {.dead = -1, .expired = 1};
	struct dead_row letters;
	struct err err;

	*ret_letters = 0;
	if (!dead_row_read(row, &letters, &err)) {
		evict->ok = err.code == ERR_DAMAGED ||
			    err_set(evict->reterr, err.code, "%s", err.text);
		return false;
	}
	for (size_t i = 0; evict->ok && i < letters.count; i++) {
		const struct dead_letter *letter = &letters.letters[i];
		struct ledger_key key = {
		    .hour = ledger_hour(letter->accepted_ms)};

		evict->ok =
		    ledger_source(ledger, letter->source, SIZE_MAX, &key.source,
			evict->reterr) &&
		    ledger_type_from(ledger, letter->type, LEDGER_DEAD,
			&key.type, evict->reterr) &&
		    ledger_add(ledger, &key, NULL, &moved, evict->reterr) &&
		    set_dead_less(
			evict->queue, row->destination, letter, evict->reterr);
	}
	*ret_letters = letters.count;
	dead_row_fini(&letters);
	changes_add(&evict->queue->changes, ENGINE_DEAD_DELETE)->row.dead.id =
	    row->id;
	return evict->ok;
}

static bool
evict_row(void *arg, const union engine_row *row)
{
	struct evict *evict = arg;
	struct evictions *evictions = &evict->queue->evictions;
	struct changes *changes = &evict->queue->changes;
	struct evict_head head = evict_head(evict->kind, row);
	size_t count = 1;
	/* The last dead letters stay until others come, however large. */
	bool last = evict->kind == BOUNDS_DEAD && evict->why == EVICT_BYTES &&
		    evict->bytes + head.bytes >= evict->bytes_all;

	if (last ||
	    (evict->why == EVICT_AGE ? head.age_ms > evict->before_ms
				     : evict->bytes >= evict->over_bytes)) {
		evict->more = false;
		return false;
	}
	if (evict->rows == evict->most)
		return false;
	if (engine_leased_has(evictions->stuck[evict->kind].ids,
		evictions->stuck[evict->kind].count, head.id))
		return true;
	evict->id = head.id;
	switch (evict->kind) {
	case BOUNDS_ARCHIVE:
		changes_add(changes, ENGINE_ARCHIVE_DELETE)->row.archived.id =
		    head.id;
		changes_add(changes, ENGINE_BATCH_DELETE)->row.delivery.seq =
		    row->archived.seq;
		break;
	case BOUNDS_DEAD:
		if (!evict_dead(evict, &row->dead, &count))
			return evict->ok;
		break;
	case BOUNDS_UNREADABLE:
		changes_add(changes, ENGINE_UNREADABLE_DELETE)
		    ->row.unreadable.id = head.id;
		break;
	case BOUNDS_KINDS:
		break;
	}
	evict->rows++;
	evict->bytes += head.bytes;
	evict->count += (int64_t)count;
	return true;
}

static bool
evict_walk(struct queue *queue, struct evict *evict, struct str owner,
    struct err *reterr)
{
	struct engine_cursor cursor = {.of = owner};
	bool more;

	evict->reterr = reterr;
	evict->ok = evict->more = true;
	evict->rows = 0;
	evict->bytes = evict->count = 0;
	if (!queue->engine->walk(queue->store, evict_tables[evict->kind],
		&cursor, SIZE_MAX, evict_row, evict, &more, reterr))
		return false;
	evict->more = evict->more && more;
	return evict->ok;
}

/* Who had most may have nothing any more; or nothing that can go. */
static bool
evict_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct evict *evict = arg;
	int64_t *left = &queue->evictions.most[evict->kind].bytes;
	bool known = *left > 0, ok;
	struct str owner = evict_owner(queue, evict);

	ok = evict_walk(queue, evict, owner, reterr);
	if (ok && evict->rows == 0 && owner.len > 0) {
		*left = 0;
		owner = known ? evict_owner(queue, evict) : str_text(NULL);
		ok = evict_walk(queue, evict, owner, reterr);
	}
	return ok;
}

/* Pass over a row from now on; false if there are too many such. */
static bool
evict_pass(struct evict *evict, const struct err *why)
{
	struct evictions *evictions = &evict->queue->evictions;
	size_t count = evictions->stuck[evict->kind].count, at;
	int64_t *ids = evictions->stuck[evict->kind].ids;

	if (count == 0)
		log_line(LOG_ERROR, "queue",
		    "evict what=%s result=damaged why=%s help=\"the others are "
		    "deleted: see currentsd queue check\"",
		    evict_names[evict->kind], LOG_QUOTE(why->text));
	if (count == EVICT_STUCK)
		return false;
	at = engine_leased_place(ids, count, evict->id);
	memmove(ids + at + 1, ids + at, (count - at) * sizeof(*ids));
	ids[at] = evict->id;
	evictions->stuck[evict->kind].count++;
	return true;
}

/* One transaction; none if nothing is to go. If damage keeps a row from being
 * deleted it is tried row by row. */
static bool
evict_rows(struct queue *queue, struct evict *evict, struct err *reterr)
{
	struct evictions *evictions = &queue->evictions;

	evict->queue = queue;
	evict->most = EVICT_ROWS + evictions->added;
	while (!queue_change_held(queue, evict_change, evict, false, reterr)) {
		if (reterr->code != ERR_DAMAGED || evict->rows == 0 ||
		    (evict->most == 1 && !evict_pass(evict, reterr)))
			return false;
		evict->most = 1;
	}
	/* A damaged row may be shown, and not be there to be deleted. */
	for (size_t i = 0; i < queue->changes.count; i++)
		evict->rows -=
		    queue->changes.list[i].op == ENGINE_UNREADABLE_DELETE &&
		    !queue->changes.list[i].flag;
	counter_add(evict_counters[evict->kind], (uint64_t)evict->count);
	evictions->gone[evict->kind][evict->why].count += evict->count;
	evictions->gone[evict->kind][evict->why].bytes += evict->bytes;
	evictions->most[evict->kind].bytes -= evict->bytes;
	evict_look(evict);
	return true;
}

/* ---- room for puts ---- */

/* How much must go before puts may be written: 0 if there is room. */
static int64_t
evict_missing(const struct queue *queue, const struct engine_totals *totals,
    struct err *reterr)
{
	const struct queue_settings *settings = &queue->settings;
	int64_t left = bounds_left(totals);

	if (totals->live_bytes >= settings->max_bytes) {
		(void)err_set(reterr, ERR_FULL,
		    "the queue has reached its limit of %" PRId64 " bytes",
		    settings->max_bytes);
		return totals->live_bytes - settings->max_bytes + 1;
	}
	if (left < settings->min_free_bytes) {
		(void)err_set(reterr, ERR_FULL,
		    "the disk has %" PRId64 " bytes free, less than the "
		    "%" PRId64 " that must stay free",
		    totals->free_bytes, settings->min_free_bytes);
		return settings->min_free_bytes - left;
	}
	return 0;
}

/* Which kind gives way next; there is one that can. */
static enum bounds_kind
evict_next(const struct queue *queue, const struct engine_totals *totals)
{
	const struct bounds *bounds = &queue->bounds;

	if (totals->archive_bytes > 0)
		return BOUNDS_ARCHIVE;
	if (totals->dead_bytes == 0)
		return BOUNDS_UNREADABLE;
	return totals->unreadable_bytes > 0 &&
		       bounds->oldest_ms[BOUNDS_UNREADABLE] <
			   bounds->oldest_ms[BOUNDS_DEAD]
		   ? BOUNDS_UNREADABLE
		   : BOUNDS_DEAD;
}

bool
evict_room(struct queue *queue, bool evict, struct err *reterr)
{
	struct engine_totals totals;
	int64_t missing;
	struct err err;

	fair_lock_assert_held(&queue->lock);
	for (int step = 0;; step++) {
		struct evict one = {.why = EVICT_ROOM};

		if (!queue->engine->totals(
			queue->store, false, &totals, reterr))
			return false;
		bounds_measure(queue, &totals);
		missing = evict_missing(queue, &totals, reterr);
		if (missing == 0 ||
		    (!evict && missing <= bounds_giving(&totals)))
			return true;
		if (!evict || missing > bounds_giving(&totals) ||
		    step == EVICT_ROOM_STEPS)
			return false;
		one.kind = evict_next(queue, &totals);
		one.over_bytes =
		    missing + queue->settings.max_bytes / EVICT_SLACK;
		if (!evict_rows(queue, &one, &err) || one.rows == 0)
			return false;
	}
}

void
evict_added(struct queue *queue)
{
	size_t *added = &queue->evictions.added;

	fair_lock_assert_held(&queue->lock);
	for (size_t i = 0; i < queue->changes.count; i++) {
		enum engine_op op = queue->changes.list[i].op;

		*added += op == ENGINE_DEAD_ADD || op == ENGINE_UNREADABLE_ADD;
	}
}

/* ---- the clock ---- */

static bool
tick_change(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	queue_state_put(queue, "age",
	    str_bytes((const char *)&queue->bounds.age_ms,
		sizeof(queue->bounds.age_ms)));
	return true;
}

void
evict_tick(struct queue *queue, int64_t mono_ms, bool stop)
{
	struct evictions *evictions = &queue->evictions;
	struct bounds *bounds = &queue->bounds;
	int64_t passed_ms = mono_ms - evictions->ticked_mono_ms;
	struct err err;

	fair_lock_assert_held(&queue->lock);
	if (evictions->ticked_mono_ms != 0 && passed_ms > 0)
		bounds->age_ms +=
		    passed_ms < EVICT_TICK_MS ? passed_ms : EVICT_TICK_MS;
	evictions->ticked_mono_ms = mono_ms;
	erased_tick(queue->erased, bounds->age_ms, queue->settings.suppress_ms);
	if ((stop || bounds->age_ms - evictions->saved_ms >= EVICT_SAVE_MS) &&
	    bounds->age_ms != evictions->saved_ms &&
	    queue_change_held(queue, tick_change, NULL, false, &err))
		evictions->saved_ms = bounds->age_ms;
}

/* ---- housekeeping ---- */

void
evict_tidy(struct queue *queue, bool *ret_more)
{
	struct engine_totals totals;
	struct err err;

	fair_lock_assert_held(&queue->lock);
	*ret_more = false;
	if (!queue->engine->totals(queue->store, false, &totals, &err))
		return;
	for (int kind = 0; kind < BOUNDS_KINDS; kind++) {
		struct evict old = {
		    .kind = (enum bounds_kind)kind, .why = EVICT_AGE};
		struct evict over = {.kind = old.kind, .why = EVICT_BYTES};
		struct evict_kind of = evict_kind(queue, &totals, old.kind);

		if (of.bytes == 0) {
			queue->bounds.oldest_ms[kind] = INT64_MAX;
			continue;
		}
		old.before_ms = queue->bounds.age_ms - of.keep_ms;
		if (!evict_rows(queue, &old, &err))
			continue;
		over.bytes_all = of.bytes - old.bytes;
		over.over_bytes = over.bytes_all - of.max_bytes;
		if (over.over_bytes > 0) {
			over.over_bytes += of.max_bytes / EVICT_SLACK;
			if (!evict_rows(queue, &over, &err))
				continue;
		}
		*ret_more = *ret_more || (old.more && old.rows > 0) ||
			    (over.bytes < over.over_bytes && over.rows > 0);
	}
	queue->evictions.added = 0;
}

/* What went is an error to no one, but of dead letters and unreadable bodies it
 * was the last copy. */
static void
evict_tell_gone(struct evictions *evictions)
{
	for (int kind = 0; kind < BOUNDS_KINDS; kind++) {
		for (int why = 0; why < EVICT_WHYS; why++) {
			int64_t count = evictions->gone[kind][why].count;
			int64_t bytes = evictions->gone[kind][why].bytes;

			if (count == 0)
				continue;
			log_line(kind == BOUNDS_ARCHIVE && why != EVICT_ROOM
				     ? LOG_INFO
				     : LOG_WARN,
			    "queue",
			    "evict what=%s why=%s count=%" PRId64
			    " bytes=%" PRId64,
			    evict_names[kind], evict_whys[why], count, bytes);
			evictions->gone[kind][why].count = 0;
			evictions->gone[kind][why].bytes = 0;
		}
	}
}

/* Once when it is near, and again after it was not. The archive may always be:
 * it has arrived. */
static void
evict_tell_near(struct queue *queue, const struct engine_totals *totals)
{
	struct evictions *evictions = &queue->evictions;

	for (int kind = 0; kind < BOUNDS_KINDS; kind++) {
		struct evict_kind of =
		    evict_kind(queue, totals, (enum bounds_kind)kind);
		int least = evictions->near[kind] ? EVICT_NOT_NEAR : EVICT_NEAR;
		bool near =
		    of.bytes > 0 && of.bytes >= of.max_bytes / 100 * least;

		if (near && !evictions->near[kind])
			log_line(kind == BOUNDS_ARCHIVE ? LOG_INFO : LOG_WARN,
			    "queue",
			    "near what=%s bytes=%" PRId64 " max=%" PRId64
			    " next=\"the oldest are deleted\"",
			    evict_names[kind], of.bytes, of.max_bytes);
		evictions->near[kind] = near;
	}
}

void
evict_tell(struct queue *queue, int64_t mono_ms)
{
	struct evictions *evictions = &queue->evictions;
	struct engine_totals totals;
	int64_t left_ms;
	bool expiring;
	struct err err;

	fair_lock_assert_held(&queue->lock);
	if (mono_ms < evictions->told_mono_ms)
		return;
	evictions->told_mono_ms = mono_ms + EVICT_TELL_MS;
	evict_tell_gone(evictions);
	if (queue->engine->totals(queue->store, false, &totals, &err))
		evict_tell_near(queue, &totals);
	left_ms = bounds_dead_left_ms(queue);
	expiring = left_ms <= EVICT_EXPIRING_MS;
	if (expiring && !evictions->expiring)
		log_line(LOG_WARN, "queue",
		    "expire what=dead first_s=%" PRId64
		    " help=\"currentsd dead export\"",
		    left_ms / 1000);
	evictions->expiring = expiring;
}
