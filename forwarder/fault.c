/*
 * Who is at fault shows in what becomes of others. What the destination does
 * not take while it takes the rest is the items' fault; when it takes nothing
 * it is the destination's, and then no item is blamed.
 *
 * While others are accepted:
 *
 * - A request that is refused is split at once. One that fails is posted
 *   again, alone and after a back-off of its own, and split if it fails again
 *   with an acceptance in between. Its parts inherit that, so they are split
 *   at their next failure.
 * - A single item that is refused, or fails a second time, is a suspect. A try
 *   of it counts if the nearest outcomes of other requests, before and after
 *   it, were acceptances. Until the one after it has come the item waits. Other
 *   suspects in between change nothing, so that all the tries between two
 *   acceptances count.
 * - Between tries that count the item is deferred. When it was refused twice,
 *   or failed ten times, it is tried once more, at once. If that, too, goes
 *   wrong, and the outcome before it is an acceptance, the item is a dead
 *   letter.
 * - A type that was refused on its own travels in requests of its own. If
 *   nearly all of it is refused, with one text, it is parked: its items wait
 *   in the queue, and one of them is tried each minute, until one is accepted.
 *   If too many are refused in a day, though others of the type are accepted,
 *   only those that are refused are parked.
 *
 * When nothing is accepted, because three requests failed in a row, or twenty
 * were refused (of one type in a row only the first counts, if others were ever
 * accepted), or two were denied, the sender tries single items only. Then
 * nothing is split and nothing counts, and the requests keep their history;
 * with the first acceptance it goes on as before.
 *
 * Replays tell nothing about others, because they are old; nor does a request
 * that is posted again as it was, because it was found to fail.
 *
 * Before the first outcome it is not known whether the destination accepts
 * anything. It is taken to: an item becomes a dead letter only after an
 * acceptance that was seen.
 *
 * A suspect that is tried over and over without others says nothing about the
 * destination, so it does not count for the runs of failures and refusals.
 */

#include "forwarder/fault.h"

#include <stdlib.h>

enum { FAULT_DAY_MS = 24 * 60 * 60 * 1000 };

/* ---- the waiting ---- */

static void
fault_link(struct fault_record **list, struct fault_record *record)
{
	CHECK(!record->waits);
	record->waits = true;
	record->next = *list;
	record->prev = list;
	if (record->next != NULL)
		record->next->prev = &record->next;
	*list = record;
}

static void
fault_unlink(struct fault *fault, struct fault_record *record)
{
	if (!record->waits)
		return;
	*record->prev = record->next;
	if (record->next != NULL)
		record->next->prev = record->prev;
	record->waits = false;
	fault->waiting_count--;
}

/* Enough tries for the last one? */
static bool
fault_proven(const struct queue_history *history)
{
	return history->refusals >= FAULT_REFUSALS ||
	       history->failures >= FAULT_FAILURES;
}

/* The neighbour after them was an acceptance, or (`count` is false) it was
 * not. */
static void
fault_tell_waiting(struct fault *fault, bool count, int64_t wall_ms)
{
	struct fault_record *record;

	while ((record = fault->waiting) != NULL) {
		struct queue_history *history = &record->history;

		fault_unlink(fault, record);
		if (count) {
			history->refusals += record->new_refusals;
			history->failures += record->new_failures;
			if (history->first_ms == 0)
				history->first_ms = wall_ms;
		}
		record->new_refusals = record->new_failures = 0;
		if (record->in_flight)
			continue; /* its answer decides */
		record->confirming = count && fault_proven(history);
		fault->waiting_count++;
		fault_link(&fault->decided, record);
	}
}

struct fault_record *
fault_decided(struct fault *fault, enum fault_action *ret_action)
{
	struct fault_record *record = fault->decided;

	if (record == NULL)
		return NULL;
	fault_unlink(fault, record);
	*ret_action = record->confirming ? FAULT_RETRY : FAULT_DEFER;
	return record;
}

/* Nothing is accepted at present: those that wait are not blamed. */
static void
fault_enter(struct fault *fault, enum fault_state state)
{
	struct fault_record *record;

	fault->state = state;
	while ((record = fault->waiting) != NULL) {
		fault_unlink(fault, record);
		record->new_refusals = record->new_failures = 0;
	}
}

void
fault_back_off(struct fault *fault)
{
	if (fault->state == FAULT_RUNNING)
		fault_enter(fault, FAULT_BACKING_OFF);
}

void
fault_resume(struct fault *fault)
{
	fault->failed = fault->refused = 0;
	fault->refused_type = NULL;
	fault->denied = 0;
	fault->runs++;
	fault->state = FAULT_RUNNING;
}

static uint64_t
fault_random(struct fault *fault, uint64_t below)
{
	/* splitmix64: any seed will do, and its state is a counter. */
	uint64_t x = fault->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % below;
}

int64_t
fault_defer_ms(struct fault *fault, const struct fault_record *record)
{
	unsigned tries = record->history.refusals + record->history.failures +
			 record->new_refusals + record->new_failures;
	int64_t wait_ms = fault->defer_ms;

	for (; tries > 1 && wait_ms < fault->defer_ms * FAULT_DEFER_MOST;
	     tries--)
		wait_ms *= 2;
	if (wait_ms > fault->defer_ms * FAULT_DEFER_MOST)
		wait_ms = fault->defer_ms * FAULT_DEFER_MOST;
	return wait_ms / 2 +
	       (int64_t)fault_random(fault, (uint64_t)wait_ms + 1);
}

/* ---- records ---- */

void
fault_record_init(struct fault *fault, struct fault_record *record, void *owner,
    const struct fault_record *whole)
{
	*record = (struct fault_record){.owner = owner, .id = ++fault->ids};
	if (whole == NULL)
		return;
	record->replay = whole->replay;
	record->refused = whole->refused;
	record->failures = whole->failures;
	record->failed_at = whole->failed_at;
}

void
fault_record_resume(
    struct fault_record *record, const struct queue_history *history)
{
	record->history = *history;
	record->confirming = fault_proven(history);
}

void
fault_record_fini(struct fault *fault, struct fault_record *record)
{
	fault_unlink(fault, record);
}

bool
fault_record_suspect(const struct fault_record *record)
{
	return record->probe || record->history.refusals > 0 ||
	       record->history.failures > 0 || record->new_refusals > 0 ||
	       record->new_failures > 0;
}

bool
fault_record_isolating(const struct fault_record *record)
{
	return record->refused || record->failures > 0 ||
	       fault_record_suspect(record);
}

/* ---- types ---- */

struct fault_lookup {
	struct fault_type *const *types;
	struct str name;
};

static bool
fault_type_equal(const void *arg, uint32_t position)
{
	const struct fault_lookup *lookup = arg;

	return str_equal_text(lookup->name, lookup->types[position]->name);
}

/* Does anything depend on it? */
static bool
fault_type_held(const struct fault *fault, const struct fault_type *type)
{
	return type->items > 0 || type->own || type->parked != FAULT_FLOWS ||
	       type == fault->probing || type == fault->refused_type ||
	       type == fault->accepted_types[0] ||
	       type == fault->accepted_types[1];
}

/* The position of one that gives way, out of the table; TABLE_NONE: there is
 * none. Each turn is a second chance for those that were seen. */
static uint32_t
fault_type_reuse(struct fault *fault)
{
	for (size_t i = 0; i < 2 * FAULT_TYPES_MAX; i++) {
		size_t at = fault->turn++ % FAULT_TYPES_MAX;
		struct fault_type *type = fault->types[at];

		if (!type->seen && !fault_type_held(fault, type)) {
			table_remove(&fault->type_table,
			    str_hash(0, str_text(type->name)), (uint32_t)at);
			free(type->name);
			return (uint32_t)at;
		}
		type->seen = false;
	}
	return TABLE_NONE;
}

/* The position of one more, likewise; TABLE_NONE without memory. */
static uint32_t
fault_type_append(struct fault *fault)
{
	size_t count = fault->type_count;
	struct fault_type **types;

	if (!table_reserve(&fault->type_table, count + 1))
		return TABLE_NONE;
	if ((count & (count - 1)) == 0) { /* a power of two: full */
		types = realloc(fault->types,
		    (count == 0 ? 1 : 2 * count) * sizeof(struct fault_type *));
		if (types == NULL)
			return TABLE_NONE;
		fault->types = types;
	}
	fault->types[count] = malloc(sizeof(struct fault_type));
	if (fault->types[count] == NULL)
		return TABLE_NONE;
	return (uint32_t)fault->type_count++;
}

struct fault_type *
fault_type_at(struct fault *fault, struct str name)
{
	uint64_t hash = str_hash(0, name);
	uint32_t at = table_find(&fault->type_table, hash, fault_type_equal,
	    &(struct fault_lookup){fault->types, name});
	char *copy;

	if (at != TABLE_NONE) {
		fault->types[at]->seen = true;
		return fault->types[at];
	}
	if (memchr(name.data, '\0', name.len))
		return NULL;
	copy = strndup(name.len > 0 ? name.data : "", name.len);
	if (copy == NULL)
		return NULL;
	at = fault->type_count < FAULT_TYPES_MAX ? fault_type_append(fault)
						 : fault_type_reuse(fault);
	if (at == TABLE_NONE) {
		free(copy);
		return NULL;
	}
	table_add(&fault->type_table, hash, at);
	*fault->types[at] = (struct fault_type){.name = copy};
	return fault->types[at];
}

bool
fault_type_own(struct fault *fault, struct fault_type *type, int64_t mono_ms)
{
	if (type->own && (type->streak >= FAULT_OWN_STREAK ||
			     mono_ms - type->refused_ms > FAULT_OWN_MS)) {
		type->own = false;
		fault->own_count--;
	}
	return type->own;
}

bool
fault_type_tried(const struct fault *fault, const struct fault_type *type)
{
	return type != NULL &&
	       (type->run == fault->runs || type->parked == FAULT_PARKED_ALL);
}

/* A request of that type alone was refused. */
static void
fault_type_mark(struct fault *fault, struct fault_type *type, int64_t mono_ms)
{
	type->streak = 0;
	type->refused_ms = mono_ms;
	if (type->own)
		return;
	if (fault->own_count == FAULT_OWN_MAX) {
		for (size_t i = 0; i < fault->type_count; i++)
			(void)fault_type_own(fault, fault->types[i], mono_ms);
	}
	if (fault->own_count == FAULT_OWN_MAX)
		return;
	type->own = true;
	fault->own_count++;
}

static void
fault_type_add(struct fault_type *type, size_t count, bool refused)
{
	if (count >= FAULT_PARK_RECENT) {
		type->recent[0] = type->recent[1] = refused ? UINT64_MAX : 0;
		type->recent_count = FAULT_PARK_RECENT;
		return;
	}
	for (; count > 0; count--) {
		type->recent[1] = type->recent[1] << 1 | type->recent[0] >> 63;
		type->recent[0] = type->recent[0] << 1 | refused;
		if (type->recent_count < FAULT_PARK_RECENT)
			type->recent_count++;
	}
}

/* Of the last outcomes, per cent. */
static unsigned
fault_type_refused_percent(const struct fault_type *type)
{
	unsigned refused = 0;

	if (type->recent_count == 0)
		return 0;
	for (unsigned i = 0; i < type->recent_count; i++)
		refused += (unsigned)(type->recent[i / 64] >> i % 64 & 1);
	return refused * 100 / type->recent_count;
}

void
fault_type_accept(struct fault *fault, struct fault_type *type, size_t count)
{
	if (fault->accepted_types[0] == NULL)
		fault->accepted_types[0] = type;
	else if (fault->accepted_types[0] != type)
		fault->accepted_types[1] = type;
	fault_type_add(type, count, false);
	type->streak +=
	    count < FAULT_OWN_STREAK ? (unsigned)count : FAULT_OWN_STREAK;
	if (type->streak > FAULT_OWN_STREAK)
		type->streak = FAULT_OWN_STREAK;
}

void
fault_type_park(struct fault *fault, struct fault_type *type,
    enum fault_parked parked, const struct clock_times *now)
{
	if (type->parked == FAULT_FLOWS) {
		fault->parked_count++;
		type->since_ms = now->wall_ms;
		type->age_ms = 0;
		type->aged_ms = now->mono_ms;
		type->probe_ms = now->mono_ms + FAULT_PROBE_MS;
		type->count = type->bytes = 0;
	}
	type->parked = parked;
}

void
fault_type_release(struct fault *fault, struct fault_type *type)
{
	if (type->parked == FAULT_FLOWS)
		return;
	type->parked = FAULT_FLOWS;
	fault->parked_count--;
	type->count = type->bytes = 0;
	type->alike = type->day_refused = 0;
}

int64_t
fault_type_age_ms(struct fault_type *type, int64_t mono_ms)
{
	type->age_ms += mono_ms - type->aged_ms;
	type->aged_ms = mono_ms;
	return type->age_ms;
}

struct fault_type *
fault_type_parked(const struct fault *fault, size_t *position)
{
	if (fault->parked_count == 0)
		return NULL;
	while (*position < fault->type_count) {
		struct fault_type *type = fault->types[(*position)++];

		if (type->parked != FAULT_FLOWS)
			return type;
	}
	return NULL;
}

/* The same text for the same cause: positions and ids are numbers. */
static uint64_t
fault_text_hash(struct str text)
{
	uint64_t hash = 1;
	size_t from = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && (text.data[i] < '0' || text.data[i] > '9'))
			continue;
		if (i > from)
			hash = str_hash(
			    hash, str_bytes(text.data + from, i - from));
		from = i + 1;
	}
	return hash;
}

/* An item of that type was refused alone; `first`: never before. */
static void
fault_type_refuse(struct fault *fault, struct fault_type *type, bool first,
    struct str text, const struct clock_times *now)
{
	uint64_t hash = fault_text_hash(text);
	size_t len = text.len < FAULT_WHY_MAX ? text.len : FAULT_WHY_MAX - 1;

	/* That a suspect is refused again says nothing new of its type. */
	if (first)
		fault_type_add(type, 1, true);
	if (hash != type->text)
		type->alike = 0;
	type->text = hash;
	type->alike += first;
	if (len > 0)
		memcpy(type->why, text.data, len);
	type->why[len] = '\0';
	if (now->mono_ms - type->day_ms >= FAULT_DAY_MS) {
		type->day_ms = now->mono_ms;
		type->day_refused = 0;
	}
	type->day_refused += first;
	if (type->alike >= FAULT_PARK_ALIKE &&
	    fault_type_refused_percent(type) >= FAULT_PARK_PERCENT)
		fault_type_park(fault, type, FAULT_PARKED_ALL, now);
	else if (type->day_refused > FAULT_PARK_DAY &&
		 type->parked == FAULT_FLOWS)
		fault_type_park(fault, type, FAULT_PARKED_REFUSED, now);
}

/* ---- outcomes ---- */

/* Was any other type ever accepted? */
static bool
fault_others_accepted(const struct fault *fault, const struct fault_type *type)
{
	return (fault->accepted_types[0] != NULL &&
		   fault->accepted_types[0] != type) ||
	       fault->accepted_types[1] != NULL;
}

/* The runs. Sets the state if one is long enough. That a type is refused over
 * and over, as its requests are split, says little of the destination, if it
 * takes others. */
static void
fault_row(struct fault *fault, const struct fault_record *record,
    const struct fault_type *type, enum fault_outcome outcome)
{
	enum fault_state state = fault->state;

	if (outcome == FAULT_REFUSED) {
		fault->failed = 0;
		if (type == NULL || type != fault->refused_type ||
		    !fault_others_accepted(fault, type))
			fault->refused++;
		fault->refused_type = type;
	} else
		fault->failed++;
	if (outcome == FAULT_BARRED ||
	    (outcome == FAULT_DENIED && fault->denied != 0 &&
		fault->denied != record->id))
		state = FAULT_HALTED;
	else
		fault->denied = outcome == FAULT_DENIED ? record->id : 0;
	if (fault->refused >= FAULT_REFUSED_RUN)
		state = FAULT_HALTED;
	else if (fault->failed >= FAULT_FAILED_RUN && state == FAULT_RUNNING)
		state = FAULT_BACKING_OFF;
	if (state != fault->state)
		fault_enter(fault, state);
}

static void
fault_accept(struct fault *fault, struct fault_record *record, int64_t wall_ms)
{
	fault_resume(fault);
	fault_unlink(fault, record);
	if (record->replay)
		return;
	fault->accepted++;
	if (record->repeated)
		return;
	fault->clean = fault->last_accepted = true;
	fault_tell_waiting(fault, true, wall_ms);
}

/* A single item was refused, or failed again. `accepted_before`: the outcome
 * before this was an acceptance. */
static enum fault_action
fault_suspect(struct fault *fault, struct fault_record *record, bool refused,
    bool accepted_before)
{
	/* A failure confirms no refusals: it may be the destination's. */
	if (record->confirming && accepted_before &&
	    (refused || record->history.failures >= FAULT_FAILURES))
		return FAULT_DEAD;
	record->confirming = false;
	if (!fault->clean ||
	    (!record->waits && fault->waiting_count >= FAULT_WAITING_MAX)) {
		fault_unlink(fault, record);
		record->new_refusals = record->new_failures = 0;
		return FAULT_DEFER;
	}
	record->new_refusals += refused;
	record->new_failures += !refused;
	record->repeated = true;
	if (!record->waits) {
		fault->waiting_count++;
		fault_link(&fault->waiting, record);
	}
	return FAULT_WAIT;
}

/* Fails, or is denied. */
static enum fault_action
fault_fail(struct fault *fault, struct fault_record *record, bool single,
    bool accepted_before)
{
	bool again =
	    record->failures > 0 && fault->accepted > record->failed_at;
	bool suspect = single && fault_record_suspect(record);

	record->failures += again || record->failures == 0;
	record->failed_at = fault->accepted;
	if (suspect || (again && single))
		return fault_suspect(fault, record, false, accepted_before);
	if (again)
		return FAULT_SPLIT;
	record->repeated = true;
	return FAULT_RETRY;
}

enum fault_action
fault_judge(struct fault *fault, struct fault_record *record, size_t count,
    struct fault_type *type, enum fault_outcome outcome, struct str text,
    const struct clock_times *now)
{
	bool single = count == 1, accepted_before = fault->last_accepted;
	bool suspect = single && fault_record_suspect(record);

	if (outcome == FAULT_ACCEPTED) {
		fault_accept(fault, record, now->wall_ms);
		return FAULT_DELIVERED;
	}
	if (outcome == FAULT_REFUSED && type != NULL)
		type->run = fault->runs;
	if (!suspect || outcome == FAULT_BARRED)
		fault_row(fault, record, type, outcome);
	if (record->probe)
		return FAULT_PARK;
	if (fault->state != FAULT_RUNNING)
		return FAULT_KEEP;
	if (outcome == FAULT_NOT_TAKEN) {
		record->repeated = true;
		return FAULT_RETRY;
	}
	if (!record->replay && !record->repeated) {
		fault->last_accepted = false;
		fault->clean = fault->clean && single;
		if (!single)
			fault_tell_waiting(fault, false, now->wall_ms);
	}
	if (outcome != FAULT_REFUSED)
		return fault_fail(fault, record, single, accepted_before);

	record->refused = true;
	if (type != NULL && !record->replay)
		fault_type_mark(fault, type, now->mono_ms);
	if (!single)
		return FAULT_SPLIT;
	if (type != NULL && !record->replay) {
		fault_type_refuse(fault, type, !suspect, text, now);
		if (type->parked != FAULT_FLOWS) {
			fault_unlink(fault, record);
			return FAULT_PARK;
		}
	}
	return fault_suspect(fault, record, true, accepted_before);
}

/* ---- life ---- */

void
fault_init(struct fault *fault, int64_t defer_ms, uint64_t seed)
{
	*fault = (struct fault){
	    .defer_ms = defer_ms > 0 ? defer_ms : 1,
	    .random = seed,
	    .runs = 1,
	    .clean = true,
	};
}

void
fault_fini(struct fault *fault)
{
	CHECK(fault->waiting == NULL && fault->decided == NULL);
	for (size_t i = 0; i < fault->type_count; i++) {
		CHECK(fault->types[i]->items == 0);
		free(fault->types[i]->name);
		free(fault->types[i]);
	}
	free(fault->types);
	table_fini(&fault->type_table);
}
