/*
 * How items come from the queue and go back to it.
 *
 * Leases are looked at item by item; each is prepared on the way and put into
 * a request. An item that the outlet does not send has its outcome at once.
 * So has one whose key has no room in the limits: it is deferred until there
 * will be some, so that it holds up no other. Suspects go into requests of
 * their own, one by one; so do, together, the items of a type that is refused
 * on its own, and replays; and if the outlet wants groups alone, those of each
 * group. A lease of a group without room is passed by others.
 *
 * Each item either gets an outcome, in its lease, which is settled, or is
 * handed back unsettled. There is no third way. lease->held counts the items
 * that have neither; a lease is freed when there are none and the outcomes are
 * durable.
 */

#include "base/counters.h"
#include "base/log.h"
#include "forwarder/sender_private.h"

#include <stdlib.h>
#include <string.h>

enum {
	SENDER_GRID_MS = 1000, /* few due times make few batches */
	SENDER_DEFERRED_FIRST = 16,
	SENDER_LEFT_OUT_LOG = 4096, /* bytes of a line of log */
	SENDER_LABEL_MOST = 64 * 1024,
};

/* ---- times of the queue ---- */

int64_t
sender_due_now_ms(struct sender_shared *shared, const struct clock_times *now)
{
	int64_t ahead_ms = atomic_load(&shared->due_ahead_ms);
	int64_t ms = now->wall_ms - now->mono_ms;

	while (ms > ahead_ms && !atomic_compare_exchange_weak(
				    &shared->due_ahead_ms, &ahead_ms, ms))
		;
	return now->mono_ms + (ms > ahead_ms ? ms : ahead_ms);
}

/*
 * The time by which the outlet judges the items' own. It never goes back. It is
 * 0 while the clock is behind a time that it had already reached: by a machine
 * that starts in 1970 every item would be from the future, and dead.
 */
static int64_t
judge_now_ms(struct sender *sender, const struct clock_times *now)
{
	int64_t now_ms = sender_due_now_ms(sender->shared, now);
	char clock[CLOCK_TEXT], least[CLOCK_TEXT];

	if (now_ms >= sender->clock_least_ms) {
		sender->clock_told = false;
		return now_ms;
	}
	if (!sender->clock_told) {
		clock_text(now->wall_ms, clock, sizeof(clock));
		clock_text(sender->clock_least_ms, least, sizeof(least));
		log_line(LOG_WARN, "forwarder",
		    "clock_wrong destination=\"%s\" clock=%s was=%s help=%s",
		    sender->settings.name, clock, least,
		    LOG_QUOTE("set this machine's clock; until it is right, "
			      "no item's time is checked"));
		sender->clock_told = true;
	}
	return 0;
}

/* ---- leases ---- */

static void
lease_append(
    struct sender *sender, enum sender_list list, struct queue_lease *lease)
{
	lease->next = NULL;
	*sender->ends[list] = lease;
	sender->ends[list] = &lease->next;
}

static struct queue_lease *
lease_remove_first(struct sender *sender, enum sender_list list)
{
	struct queue_lease *lease = sender->leases[list];

	sender->leases[list] = lease->next;
	if (lease->next == NULL)
		sender->ends[list] = &sender->leases[list];
	return lease;
}

/* The next item of a list was looked at. */
static void
lease_pass(struct sender *sender, enum sender_list list)
{
	struct queue_lease *lease = sender->leases[list];

	if (++lease->looked == lease->count)
		lease_append(
		    sender, SENDER_READ, lease_remove_first(sender, list));
}

void
sender_give(struct sender *sender, struct queue_lease *lease)
{
	const struct queue_history *history = &lease->items[0].history;
	enum sender_list list = SENDER_FRESH;

	CHECK(lease->count > 0);
	if (sender->probe_asked)
		list = SENDER_PARKED;
	else if (sender->sampling)
		list = SENDER_SAMPLES;
	else if (history->refusals > 0 || history->failures > 0)
		list = SENDER_SUSPECTS;
	else if (lease->replay)
		list = SENDER_REPLAYS;
	lease->held = lease->count;
	lease->looked = 0;
	/* Without memory it is seen with its first item. */
	if (lease->group != NULL)
		(void)groups_see(
		    &sender->groups, sender->outlet->kind, lease->group);
	sender->held_bytes += lease->bytes;
	/* What was posted before this process had it may have arrived. */
	for (size_t i = 0; i < lease->count; i++)
		lease->items[i].unsure = lease->rules.len > 0;
	lease_append(sender, list, lease);
}

static void
lease_free(struct sender *sender, struct queue_lease *lease)
{
	for (size_t i = 0; i < lease->count; i++)
		free((void *)(uintptr_t)lease->items[i].detail);
	sender->held_bytes -= lease->bytes;
	queue_lease_free(sender->shared->queue, lease);
}

/* ---- outcomes ---- */

static struct queue_item *
outcome_set(struct sender *sender, struct queue_lease *lease, size_t index,
    enum queue_outcome outcome)
{
	struct queue_item *cell = &lease->items[index];

	CHECK(cell->outcome == QUEUE_OPEN && lease->held > 0);
	cell->outcome = outcome;
	lease->held--;
	sender->decided = sender->decided || lease->held == 0;
	return cell;
}

void
sender_deliver(struct sender *sender, struct request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];

		outcome_set(sender, item->lease, item->index, QUEUE_DELIVERED);
		if (item->type != NULL)
			fault_type_accept(&sender->fault, item->type, 1);
	}
	sender->decided = true;
	request_free(&sender->fault, request);
}

/* The item is deferred until then: look for it again. It is settled before
 * anything is taken, so that the queue, too, knows when it is due. */
static void
outcome_due(struct sender *sender, struct queue_item *cell, int64_t due_ms)
{
	int64_t look_ms = due_ms - sender->shared->due_ahead_ms;

	cell->due_ms = due_ms;
	sender->decided = true;
	if (look_ms < sender->look_ms)
		sender->look_ms = look_ms;
}

/* A time for the queue, on the grid. */
static int64_t
due_grid(int64_t due_ms)
{
	due_ms += SENDER_GRID_MS - 1;
	return due_ms - due_ms % SENDER_GRID_MS;
}

static void
deferred_add(struct sender *sender, int64_t due_ms)
{
	size_t cap = sender->deferred_cap == 0 ? SENDER_DEFERRED_FIRST
					       : 2 * sender->deferred_cap;
	int64_t *more;

	if (sender->deferred_count == SENDER_DEFERRED_MAX)
		return;
	if (sender->deferred_count == sender->deferred_cap) {
		more = realloc(sender->deferred, cap * sizeof(*more));
		if (more == NULL)
			return;
		sender->deferred = more;
		sender->deferred_cap = cap;
	}
	sender->deferred[sender->deferred_count++] = due_ms;
}

void
sender_defer(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	const struct request_item *item = &request->items[0];
	struct queue_item *cell =
	    outcome_set(sender, item->lease, item->index, QUEUE_DEFERRED);
	int64_t wait_ms = fault_defer_ms(&sender->fault, &request->record);
	int64_t due_ms;

	CHECK(request->count == 1);
	due_ms = sender_due_now_ms(sender->shared, now) + wait_ms;
	if (wait_ms > 8 * SENDER_GRID_MS)
		due_ms = due_grid(due_ms);
	outcome_due(sender, cell, due_ms);
	cell->history = request->record.history;
	deferred_add(sender, due_ms);
	request_free(&sender->fault, request);
}

/* Hold an item back with its type; or, above the bound, for good. */
static void
cell_park(struct sender *sender, struct queue_lease *lease, size_t index,
    struct fault_type *type, bool again, const struct clock_times *now)
{
	struct queue_item *cell = &lease->items[index];
	struct queue_detail detail = {.status = type->status};
	size_t bytes = cell->data.len;

	detail.answer = str_text(type->why);
	if (!again && sender->settings.park_bytes > 0 &&
	    type->bytes + bytes > sender->settings.park_bytes) {
		cell = outcome_set(sender, lease, index, QUEUE_DEAD);
		cell->reason = "its type is refused by the destination, and "
			       "too much of it is parked";
		request_detail_set(cell, &detail, NULL);
		return;
	}
	cell = outcome_set(sender, lease, index, QUEUE_PARKED);
	cell->reason = type->name;
	if (cell->history.first_ms == 0)
		cell->history.first_ms = now->wall_ms;
	if (again)
		return;
	type->count++;
	type->bytes += bytes;
	if (sender->save_ms == INT64_MAX)
		sender->save_ms = now->mono_ms + SENDER_SAVE_MS;
}

/* An item that was parked is so no more. */
static void
parked_less(struct fault_type *type, const struct queue_item *cell)
{
	type->count -= type->count > 0;
	type->bytes -=
	    cell->data.len < type->bytes ? cell->data.len : type->bytes;
}

void
sender_park(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	for (size_t i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];

		if (request->held)
			limits_key_release(&sender->limits, item->key);
		if (request->waits)
			limits_key_wait_end(&sender->limits, item->key);
		if (request->count == 1)
			request_item_cell(item)->history =
			    request->record.history;
		cell_park(sender, item->lease, item->index, item->type,
		    request->record.probe, now);
	}
	sender->decided = true;
	request_free(&sender->fault, request);
}

void
sender_unpark(struct sender *sender, struct fault_type *type,
    const struct clock_times *now)
{
	int64_t now_ms = sender_due_now_ms(sender->shared, now);

	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		for (struct queue_lease *lease = sender->leases[list];
		     lease != NULL; lease = lease->next) {
			for (size_t i = 0; i < lease->count; i++) {
				struct queue_item *cell = &lease->items[i];

				if (cell->outcome != QUEUE_PARKED ||
				    cell->settled || cell->reason != type->name)
					continue;
				cell->outcome = QUEUE_DEFERRED;
				cell->reason = NULL;
				parked_less(type, cell);
				outcome_due(sender, cell, now_ms);
			}
		}
	}
}

void
sender_dead(struct sender *sender, struct request *request, const char *reason,
    int status, struct str answer)
{
	const struct request_item *item = &request->items[0];
	struct queue_item *cell =
	    outcome_set(sender, item->lease, item->index, QUEUE_DEAD);

	CHECK(request->count == 1);
	cell->reason = "refused by the destination"; /* without memory */
	request_detail_set(cell,
	    &(struct queue_detail){
		/* At least: of earlier leases only those that counted. */
		.posts = item->posts + cell->history.refusals +
			 cell->history.failures,
		.status = status,
		.answer = answer,
		.sent = str_bytes(request->bytes.data + item->at, item->len),
	    },
	    reason);
	sender->decided = true;
	request_free(&sender->fault, request);
}

/* Defer what there is of a group in a request, with its history. What was taken
 * out of the queue to be tried goes back as it was. */
static void
sender_put_off(struct sender *sender, struct request *request, int64_t due_ms)
{
	if (request->record.probe || request->sample) {
		sender_return(sender, request);
		return;
	}
	for (size_t i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];
		struct queue_item *cell = outcome_set(
		    sender, item->lease, item->index, QUEUE_DEFERRED);

		if (request->held)
			limits_key_release(&sender->limits, item->key);
		if (request->waits)
			limits_key_wait_end(&sender->limits, item->key);
		if (request->count == 1)
			cell->history = request->record.history;
		outcome_due(sender, cell, due_ms);
	}
	sender_request_leaves(sender, request);
	request_free(&sender->fault, request);
}

void
sender_group_wait(struct sender *sender, struct group *group, int64_t until_ms)
{
	int64_t due_ms = until_ms + sender->shared->due_ahead_ms;

	CHECK(!group->busy);
	group->until_ms = until_ms;
	for (struct request *r = sender->ready, *next; r != NULL; r = next) {
		next = r->next;
		if (r->group != group)
			continue;
		sender_ready_remove(sender, r);
		sender_put_off(sender, r, due_ms);
	}
	for (size_t i = 0; i < SENDER_SLOTS; i++) {
		struct sender_filling *slot = &sender->slots[i];

		if (slot->request == NULL || slot->request->group != group)
			continue;
		sender_put_off(sender, slot->request, due_ms);
		slot->request = NULL;
		slot->full = false;
	}
}

/* The outlet does not send it. */
static void
outcome_not_sent(struct sender *sender, struct queue_lease *lease, size_t index,
    const struct outlet_prepared *prepared)
{
	bool dead = prepared->fate == OUTLET_DEAD;
	struct queue_item *cell = outcome_set(
	    sender, lease, index, dead ? QUEUE_DEAD : QUEUE_DROPPED);

	cell->reason = prepared->reason;
	omissions_add(&sender->omissions, prepared);
}

/* ---- what is ready ---- */

void
sender_ready(
    struct sender *sender, struct request *request, int64_t at_ms, bool first)
{
	struct request **at = &sender->ready;

	request->not_before_ms = at_ms;
	while (!first && *at != NULL)
		at = &(*at)->next;
	request->next = *at;
	*at = request;
	sender->ready_count++;
}

void
sender_ready_remove(struct sender *sender, struct request *request)
{
	struct request **at = &sender->ready;

	for (; *at != request; at = &(*at)->next)
		CHECK(*at != NULL);
	*at = request->next;
	request->next = NULL;
	sender->ready_count--;
}

/* ---- filling ---- */

/* How many items a slot's request may have. */
static size_t
slot_items(const struct sender *sender, const struct sender_filling *slot)
{
	size_t items = pace_request_items(&sender->pace);

	if (items > sender->items_limit.present)
		items = sender->items_limit.present;
	/* Replays go in small requests, so that the pace holds up the items
	 * that come in behind one for a short time only. */
	if (slot == &sender->slots[SENDER_REPLAY])
		return items / SENDER_PART + 1;
	return items;
}

bool
sender_slot_enough(
    const struct sender *sender, const struct sender_filling *slot)
{
	return slot->request != NULL &&
	       (slot->full || slot->request->count >= slot_items(sender, slot));
}

bool
sender_main_enough(const struct sender *sender)
{
	return !sender->outlet->group_alone &&
	       sender_slot_enough(sender, &sender->slots[SENDER_MAIN]);
}

/* The slot of a group that goes alone; NULL: others have them all, and the
 * oldest of these is to leave. */
static struct sender_filling *
slot_of_group(struct sender *sender, const struct group *group)
{
	struct sender_filling *unused = NULL, *oldest = NULL;

	for (size_t i = 0; i < SENDER_SLOTS; i++) {
		struct sender_filling *slot = &sender->slots[i];

		if (i == SENDER_REPLAY)
			continue;
		if (slot->request == NULL || slot->request->count == 0)
			unused = slot;
		else if (slot->request->group == group)
			return slot;
		else if (!slot->request->group->busy &&
			 (oldest == NULL || slot->request->since_ms <
						oldest->request->since_ms))
			oldest = slot;
	}
	if (unused == NULL && oldest != NULL)
		oldest->full = true;
	return unused;
}

/* The slot for a type of its own; the main one if there are too many. */
static struct sender_filling *
slot_of_type(struct sender *sender, const struct fault_type *type)
{
	struct sender_filling *unused = &sender->slots[SENDER_MAIN];

	for (size_t i = SENDER_OWN; i < SENDER_SLOTS; i++) {
		if (sender->slots[i].request == NULL)
			unused = &sender->slots[i];
		else if (sender->slots[i].type == type)
			return &sender->slots[i];
	}
	return unused;
}

/* The item that was added last stays in the request if its key has room; else
 * it is deferred. */
static void
fill_added(struct sender *sender, struct request *request,
    struct fault_type *type, const struct outlet_prepared *prepared,
    const struct clock_times *now)
{
	struct request_item item = *request_last(request);
	struct limits *limits = &sender->limits;
	struct queue_item *cell;
	int64_t due_ms;

	if ((!item.lease->replay ||
		limits_key_half_free(limits, item.key, now->mono_ms)) &&
	    limits_key_hold(limits, item.key, false, now->mono_ms)) {
		omissions_add(&sender->omissions, prepared);
		cell = &item.lease->items[item.index];
		cell->left_out = left_out_of(&sender->left_out, prepared);
		request_last_type(request, type);
		if (request->count == 1)
			request->since_ms = now->mono_ms;
		return;
	}
	request_pop(request);
	due_ms = limits_key_defer_ms(limits, item.key, now->mono_ms) -
		 now->mono_ms + sender_due_now_ms(sender->shared, now);
	if (due_ms > sender->last_due_ms)
		sender->last_due_ms = due_ms;
	cell = outcome_set(sender, item.lease, item.index, QUEUE_DEFERRED);
	outcome_due(sender, cell, due_grid(due_ms));
}

/* A destination of this name had an outlet of another shape: of a log or of
 * sets. */
static bool
lease_foreign(const struct sender *sender, const struct queue_lease *lease)
{
	return sender->outlet->set != (lease->group != NULL);
}

/* The group of a lease; NULL without memory, or if it has none. */
static struct group *
lease_group(struct sender *sender, const struct queue_lease *lease)
{
	struct group *group;

	if (lease->group == NULL)
		return NULL;
	group = groups_find(&sender->groups, lease->group->number);
	if (group != NULL)
		return group;
	return groups_see(&sender->groups, sender->outlet->kind, lease->group);
}

/* What the destination is to call the group is decided once, and saved before
 * it is used. It stays empty if the destination has no name for it. False: no
 * memory, or the queue fails. */
static bool
group_label(struct sender *sender, struct group *group, struct err *reterr)
{
	struct outlet_group view;
	struct buf label;
	struct str text;
	bool ok;

	buf_init(&label, SENDER_LABEL_MOST);
	ok = sender->outlet->label(
		 sender->context, group_view(group, &view), &label, reterr) &&
	     buf_ok(&label, reterr);
	text = str_bytes(label.data, label.len);
	if (!ok && reterr->code != ERR_NOMEM)
		ok = true;
	else if (ok && label.len > 0)
		ok = (sender->settings.dry_run ||
			 queue_group_save(sender->shared->queue, sender->id,
			     group->of.number, group->of.kind, text,
			     group->of.announced, reterr)) &&
		     (group_set(group, text, group->of.announced) ||
			 err_set_nomem(reterr));
	buf_fini(&label);
	return ok;
}

/* Give the group a label, if it has none. False: trouble of ours, not before a
 * while. */
static bool
fill_label(
    struct sender *sender, struct group *group, const struct clock_times *now)
{
	struct err err;

	if (group != NULL && group->of.label.len > 0)
		return true;
	if (sender->post_ms > now->mono_ms)
		return false;
	(void)err_set_nomem(&err);
	if (group != NULL && group_label(sender, group, &err))
		return true;
	log_line(LOG_ERROR, "forwarder", "group why=%s destination=\"%s\"",
	    LOG_QUOTE(err.text), sender->settings.name);
	sender->lost = sender->lost || err.code == ERR_BUSY;
	sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
	return false;
}

/* Can items of that group be posted? Else this one has its outcome. */
static bool
fill_group(struct sender *sender, struct queue_lease *lease, size_t index,
    const struct group *group, const struct clock_times *now)
{
	struct queue_item *cell;

	if (group->of.label.len > 0 && group->until_ms <= now->mono_ms)
		return true;
	if (group->of.label.len == 0) {
		cell = outcome_set(sender, lease, index, QUEUE_DEAD);
		cell->reason = "the destination has no name for its group";
		return false;
	}
	cell = outcome_set(sender, lease, index, QUEUE_DEFERRED);
	outcome_due(
	    sender, cell, group->until_ms + sender->shared->due_ahead_ms);
	return false;
}

/* Prepare an item into a request. False: it stays where it is, for want of
 * room or memory. */
static bool
fill_prepare(struct sender *sender, struct request *request,
    struct queue_lease *lease, size_t index, struct fault_type *type,
    bool *ret_full, const struct clock_times *now)
{
	struct group *group = lease_group(sender, lease);
	struct outlet_prepared prepared;

	prepared.label.kind = NULL;
	*ret_full = false;
	if (lease_foreign(sender, lease)) {
		outcome_set(sender, lease, index, QUEUE_DEAD)->reason =
		    "its destination now takes items of another kind";
		return true;
	}
	if (lease->group != NULL) {
		if (!fill_label(sender, group, now))
			return false;
		if (!fill_group(sender, lease, index, group, now))
			return true;
	}
	switch (request_add(request, sender->outlet, sender->context, lease,
	    index, group, sender->bytes_limit.present,
	    judge_now_ms(sender, now), &prepared)) {
	case REQUEST_ADDED:
		lease->items[index].label = prepared.label;
		fill_added(sender, request, type, &prepared, now);
		return true;
	case REQUEST_NOT_SENT:
		outcome_not_sent(sender, lease, index, &prepared);
		return true;
	case REQUEST_FULL:
		*ret_full = true;
		return false;
	case REQUEST_NO_MEMORY:
		break;
	}
	sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
	return false;
}

/* An item of a parked type: hold it back, but a replay is only counted. */
static void
fill_parked(struct sender *sender, struct queue_lease *lease, size_t index,
    struct fault_type *type, const struct clock_times *now)
{
	struct queue_item *cell;

	if (!lease->replay) {
		cell_park(sender, lease, index, type, false, now);
		return;
	}
	cell = outcome_set(sender, lease, index, QUEUE_DEAD);
	cell->reason = "its type is refused by the destination";
}

/* The next item of a list gets into a request of its kind or has its outcome;
 * false: it stays. */
static bool
fill_one(
    struct sender *sender, enum sender_list list, const struct clock_times *now)
{
	struct queue_lease *lease = sender->leases[list];
	size_t index = lease->looked;
	struct fault_type *type =
	    fault_type_at(&sender->fault, lease->items[index].type);
	struct sender_filling *slot = &sender->slots[SENDER_MAIN];
	struct group *group = lease_group(sender, lease);
	bool full, alone = sender->outlet->group_alone && group != NULL;

	if (type != NULL && type->parked == FAULT_PARKED_ALL) {
		fill_parked(sender, lease, index, type, now);
		lease_pass(sender, list);
		return true;
	}
	if (list == SENDER_REPLAYS)
		slot = &sender->slots[SENDER_REPLAY];
	else if (alone)
		slot = slot_of_group(sender, group);
	else if (type != NULL &&
		 fault_type_own(&sender->fault, type, now->mono_ms))
		slot = slot_of_type(sender, type);
	if (slot == NULL || sender_slot_enough(sender, slot))
		return false;
	if (alone && slot->request != NULL && slot->request->count > 0 &&
	    slot->request->group != group) {
		slot->full = true; /* replays of another */
		return false;
	}
	if (slot->request == NULL) {
		slot->request =
		    request_new(&sender->fault, sender->request_items);
		if (slot->request == NULL) {
			sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
			return false;
		}
		slot->request->held = true;
		slot->request->record.replay = list == SENDER_REPLAYS;
		slot->full = false;
		slot->type = slot < &sender->slots[SENDER_OWN] ? NULL : type;
	}
	if (!fill_prepare(
		sender, slot->request, lease, index, type, &full, now)) {
		slot->full = slot->full || full;
		return false;
	}
	lease_pass(sender, list);
	return true;
}

/* Make a request of a suspect; false: it stays. */
static bool
fill_suspect(struct sender *sender, const struct clock_times *now)
{
	struct queue_lease *lease = sender->leases[SENDER_SUSPECTS];
	size_t index = lease->looked;
	struct fault_type *type =
	    fault_type_at(&sender->fault, lease->items[index].type);
	struct request *request;
	bool full, ok;

	if (type != NULL && type->parked == FAULT_PARKED_ALL) {
		fill_parked(sender, lease, index, type, now);
		lease_pass(sender, SENDER_SUSPECTS);
		return true;
	}
	request = request_new(&sender->fault, 1);
	if (request == NULL) {
		sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
		return false;
	}
	request->held = true;
	ok = fill_prepare(sender, request, lease, index, type, &full, now);
	if (ok && request->count > 0) {
		fault_record_resume(
		    &request->record, &lease->items[index].history);
		request->record.replay = lease->replay;
		sender_ready(sender, request, now->mono_ms, false);
	} else
		request_free(&sender->fault, request);
	if (ok)
		lease_pass(sender, SENDER_SUSPECTS);
	return ok;
}

/*
 * One batch of what is parked of a type. Items that were parked for too long
 * are dead letters; one of the others is tried, and the rest is handed back.
 */
static void
fill_probe(struct sender *sender, const struct clock_times *now)
{
	struct queue_lease *lease = sender->leases[SENDER_PARKED];
	struct fault_type *type = sender->fault.probing;
	/* Each time another one: if the same were refused each minute, nothing
	 * would be learnt of the others. */
	size_t pick = type->probes++ % lease->count;
	struct request *request = NULL;
	bool full;

	while (sender->leases[SENDER_PARKED] != NULL) {
		int64_t age_ms = fault_type_age_ms(type, now->mono_ms);
		struct queue_item *cell;
		size_t index;

		lease = sender->leases[SENDER_PARKED];
		index = lease->looked;
		cell = &lease->items[index];
		/* A clock that was set forward ages nothing. */
		if (age_ms > now->wall_ms - cell->history.first_ms)
			age_ms = now->wall_ms - cell->history.first_ms;
		if (age_ms >= sender->settings.park_ms) {
			struct queue_detail detail = {.status = type->status};

			detail.answer = str_text(type->why);
			cell = outcome_set(sender, lease, index, QUEUE_DEAD);
			cell->reason = "parked for too long: its type is "
				       "refused by the destination";
			request_detail_set(cell, &detail, NULL);
			parked_less(type, cell);
		} else if (request == NULL && index >= pick) {
			request = request_new(&sender->fault, 1);
			if (request == NULL)
				lease->held--;
			else {
				request->held = true;
				if (!fill_prepare(sender, request, lease, index,
					type, &full, now))
					lease->held--;
				else if (request->count == 0)
					parked_less(type, cell);
			}
		} else
			lease->held--;
		lease_pass(sender, SENDER_PARKED);
	}
	sender->decided = true; /* to free it, at least */
	type->probe_ms = now->mono_ms;
	if (request == NULL)
		return; /* at once: all of it was old */
	type->probe_ms += FAULT_PROBE_MS;
	if (request->count == 0) {
		request_free(&sender->fault, request);
		sender->fault.probing = NULL;
		return;
	}
	request->record.probe = true;
	request->record.history = request_item_cell(request->items)->history;
	sender_ready(sender, request, now->mono_ms, true);
}

/* One item of a type that was not refused yet is tried; the rest of the batch
 * is handed back. */
static void
fill_sample(struct sender *sender, const struct clock_times *now)
{
	struct queue_lease *lease = lease_remove_first(sender, SENDER_SAMPLES);
	struct fault_type *type = NULL;
	struct request *request = NULL;
	size_t i;
	bool full;

	for (i = 0; i < lease->count; i++) {
		type = fault_type_at(&sender->fault, lease->items[i].type);
		if (!fault_type_tried(&sender->fault, type))
			break;
	}
	if (i < lease->count)
		request = request_new(&sender->fault, 1);
	lease->held = request != NULL;
	lease_append(sender, SENDER_READ, lease);
	sender->decided = true; /* to free it, at least */
	if (request == NULL)
		return;
	request->held = request->sample = true;
	if (!fill_prepare(sender, request, lease, i, type, &full, now))
		lease->held--;
	if (request->count > 0)
		sender_ready(sender, request, now->mono_ms, true);
	else
		request_free(&sender->fault, request);
}

bool
sender_fill(struct sender *sender, const struct clock_times *now)
{
	size_t singles = 0, passed = 0, looked = 0;

	while (sender->leases[SENDER_SAMPLES] != NULL)
		fill_sample(sender, now);

	if (sender->leases[SENDER_PARKED] != NULL) {
		fill_probe(sender, now);
		if (sender->fault.probing != NULL &&
		    sender->fault.probing->probe_ms <= now->mono_ms)
			sender->fault.probing = NULL;
	}
	for (const struct request *r = sender->ready; r != NULL; r = r->next)
		singles += r->count == 1 && r->not_before_ms <= now->mono_ms;
	while (sender->leases[SENDER_SUSPECTS] != NULL &&
	       singles < SENDER_SINGLES_MOST && fill_suspect(sender, now))
		singles++;
	for (; looked < SENDER_FILL_MOST; looked++) {
		enum sender_list list = sender->leases[SENDER_FRESH] != NULL
					    ? SENDER_FRESH
					    : SENDER_REPLAYS;

		if (sender->leases[list] == NULL ||
		    sender_main_enough(sender) ||
		    (list == SENDER_REPLAYS &&
			sender->slots[SENDER_REPLAY].request == NULL &&
			!limits_half_free(&sender->limits, 1, now)))
			break;
		if (!fill_one(sender, list, now)) {
			/* Another group may have room. */
			if (!sender->outlet->group_alone ||
			    ++passed > SENDER_PASSED_MOST)
				break;
			lease_append(
			    sender, list, lease_remove_first(sender, list));
		} else
			passed = 0;
	}
	sender->passed = passed > SENDER_PASSED_MOST;
	/* An empty request would take a slot. */
	for (size_t i = 0; i < SENDER_SLOTS; i++) {
		struct sender_filling *slot = &sender->slots[i];

		if (slot->request == NULL || slot->request->count > 0)
			continue;
		request_free(&sender->fault, slot->request);
		slot->request = NULL;
	}
	return looked < SENDER_FILL_MOST;
}

/*
 * When a request leaves though it could take more. It lingers, counted from
 * its first item. But if no request is in flight, and none started within the
 * last linger, it leaves at once: a lone item is not held up, and a trickle is
 * still batched, because at most one request leaves so in each linger. Replays
 * have no hurry.
 */
static int64_t
slot_leave_ms(const struct sender *sender, const struct sender_filling *slot,
    const struct clock_times *now)
{
	int64_t leave_ms = slot->request->since_ms + sender->settings.linger_ms;

	if (sender_slot_enough(sender, slot))
		return now->mono_ms;
	if (sender->in_flight == NULL && !slot->request->record.replay &&
	    sender->idle_ms < leave_ms)
		return sender->idle_ms;
	return leave_ms;
}

struct sender_filling *
sender_ripe(struct sender *sender, bool hurry, const struct clock_times *now,
    int64_t *next_ms)
{
	struct sender_filling *ripe = NULL;

	for (size_t i = 0; i < SENDER_SLOTS; i++) {
		struct sender_filling *slot = &sender->slots[i];
		int64_t leave_ms;

		if (slot->request == NULL || (slot->request->group != NULL &&
						 slot->request->group->busy))
			continue;
		leave_ms = slot_leave_ms(sender, slot, now);
		if (hurry && !slot->request->record.replay)
			leave_ms = now->mono_ms;
		if (leave_ms <= now->mono_ms && slot->request->record.replay &&
		    !limits_half_free(
			&sender->limits, slot->request->count, now))
			leave_ms = now->mono_ms + SENDER_RETRY_MS;
		if (leave_ms > now->mono_ms) {
			if (leave_ms < *next_ms)
				*next_ms = leave_ms;
		} else if (ripe == NULL || ripe->request->record.replay ||
			   (!slot->request->record.replay &&
			       slot->request->since_ms <
				   ripe->request->since_ms))
			ripe = slot;
	}
	return ripe;
}

/*
 * Requests differ in their number of items, because their bytes are bounded.
 * To wait for the room of a whole one would leave some of the share unused,
 * so a part of the request may leave; the rest goes on filling.
 */
size_t
sender_slot_least(
    const struct sender *sender, const struct sender_filling *slot)
{
	size_t worth = pace_request_items(&sender->pace) / SENDER_PART + 1;

	return slot->request->count < worth ? slot->request->count : worth;
}

bool
sender_slot_close(struct sender *sender, struct sender_filling *slot,
    const struct clock_times *now)
{
	struct request *request = slot->request;
	size_t room = limits_room(&sender->limits, now);

	if (room < request->count) {
		for (size_t i = 0; i < request->count; i++)
			request->items[i].picked = i < room;
		request = request_take(&sender->fault, request);
		if (request == NULL) {
			sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
			return false;
		}
	} else
		slot->request = NULL;
	slot->full = false;
	sender_ready(sender, request, now->mono_ms, true);
	return true;
}

/* Prepare the items of a lease, and count them. Without memory they are not
 * counted. */
static void
trial_lease(struct sender *sender, const struct queue_lease *lease,
    int64_t now_ms, struct buf *out)
{
	struct group *group = lease_group(sender, lease);
	struct outlet_prepared prepared;
	struct outlet_group view;
	struct err err;

	if (lease->group != NULL && group == NULL)
		return;
	if (!lease_foreign(sender, lease) && group != NULL &&
	    group->of.label.len == 0 && !group_label(sender, group, &err))
		return;
	if (lease_foreign(sender, lease) ||
	    (group != NULL && group->of.label.len == 0)) {
		sender->trial_dead += lease->count;
		return;
	}
	for (size_t i = 0; i < lease->count; i++) {
		struct item item = {
		    .type = lease->items[i].type,
		    .data = lease->items[i].data,
		};

		buf_reset(out);
		if (!sender->outlet->prepare(sender->context, lease->rules,
			group_view(group, &view), &item, now_ms, out, &prepared,
			NULL))
			continue;
		omissions_add(&sender->omissions, &prepared);
		sender->trial_sent += prepared.fate == OUTLET_SEND;
		sender->trial_dropped += prepared.fate == OUTLET_DROP;
		sender->trial_dead += prepared.fate == OUTLET_DEAD;
	}
}

/*
 * Each fresh item is prepared once and counted as if it were sent, and goes on
 * waiting. Nothing is posted and nothing settled, so that all of it is
 * delivered once the setting is off.
 */
void
sender_trial(struct sender *sender, const struct clock_times *now)
{
	int64_t now_ms = judge_now_ms(sender, now);
	struct buf out;

	buf_init(&out, REQUEST_BYTES_HARD);
	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		while (sender->leases[list] != NULL) {
			struct queue_lease *lease =
			    lease_remove_first(sender, list);

			trial_lease(sender, lease, now_ms, &out);
			lease_free(sender, lease);
		}
	}
	buf_fini(&out);
}

/* ---- back to the queue ---- */

void
sender_request_leaves(struct sender *sender, const struct request *request)
{
	for (struct request *r = sender->in_flight; r != NULL; r = r->next) {
		if (r->whole == request)
			r->whole = NULL;
	}
	for (struct request *r = sender->ready; r != NULL; r = r->next) {
		if (r->whole == request)
			r->whole = NULL;
	}
}

void
sender_return(struct sender *sender, struct request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];

		if (request->held)
			limits_key_release(&sender->limits, item->key);
		if (request->waits)
			limits_key_wait_end(&sender->limits, item->key);
		item->lease->held--;
	}
	sender->decided = true; /* leases to free */
	if (request->record.probe)
		sender->fault.probing = NULL;
	sender_request_leaves(sender, request);
	request_free(&sender->fault, request);
}

void
sender_return_all(struct sender *sender)
{
	struct request *request;

	while ((request = sender->ready) != NULL) {
		sender_ready_remove(sender, request);
		sender_return(sender, request);
	}
	for (size_t i = 0; i < SENDER_SLOTS; i++) {
		if (sender->slots[i].request != NULL)
			sender_return(sender, sender->slots[i].request);
		sender->slots[i].request = NULL;
		sender->slots[i].full = false;
	}
	for (enum sender_list list = 0; list < SENDER_READ; list++) {
		while (sender->leases[list] != NULL) {
			sender->leases[list]->held--;
			lease_pass(sender, list);
		}
	}
	sender->fault.probing = NULL;
	sender->decided = true;
	sender->look_ms = INT64_MIN;
}

/* ---- settling ---- */

/* How many of its outcomes are not durable. */
static size_t
lease_unsettled(const struct queue_lease *lease)
{
	size_t count = 0;

	for (size_t i = 0; i < lease->count; i++)
		count += lease->items[i].outcome != QUEUE_OPEN &&
			 !lease->items[i].settled;
	return count;
}

/* Free the leases that are done, and of others the details that are. */
static void
leases_free(struct sender *sender, bool all)
{
	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		struct queue_lease **at = &sender->leases[list], *lease;

		while ((lease = *at) != NULL) {
			/* Most have none yet. */
			for (size_t i = 0;
			     lease->held < lease->count && i < lease->count;
			     i++) {
				struct queue_item *cell = &lease->items[i];

				if (!cell->settled)
					continue;
				free((void *)(uintptr_t)cell->detail);
				cell->detail = NULL;
			}
			if (!all && (lease->held > 0 || list != SENDER_READ ||
					lease_unsettled(lease) > 0)) {
				at = &lease->next;
				continue;
			}
			*at = lease->next;
			if (lease->open > 0)
				sender->look_ms = INT64_MIN;
			lease_free(sender, lease);
		}
		sender->ends[list] = at;
	}
}

/* The counts of what was left out are durable: say what is new, and count it
 * for the metrics. */
static void
left_out_log(struct sender *sender, const struct queue_lease *lease)
{
	struct buf text;

	buf_init(&text, SENDER_LEFT_OUT_LOG);
	for (size_t i = 0; i < lease->drift_count; i++) {
		const struct queue_drift *drift = &lease->drift[i];

		counter_drift_add(INTAKE_DRIFT_LEFT_OUT, drift->events);
		if (!drift->first)
			continue;
		counter_add(COUNTER_DRIFT_FIRST, 1);
		buf_reset(&text);
		sender->outlet->left_out_write(drift->text, &text);
		if (text.len > 0)
			log_line(LOG_WARN, "forwarder",
			    "drift destination=\"%s\" %.*s",
			    sender->settings.name, (int)text.len, text.data);
	}
	buf_fini(&text);
}

void
sender_settle(struct sender *sender, const struct clock_times *now)
{
	struct queue_lease **leases, *lease;
	size_t count = 0, n = 0;
	struct err err;
	bool ok;

	if (!sender->decided || now->mono_ms < sender->settle_ms)
		return;
	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		for (lease = sender->leases[list]; lease != NULL;
		     lease = lease->next)
			count += lease->open > lease->held;
	}
	leases = calloc(count + 1, sizeof(struct queue_lease *));
	if (leases == NULL) {
		sender->settle_ms = now->mono_ms + SENDER_RETRY_MS;
		return;
	}
	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		for (lease = sender->leases[list]; lease != NULL;
		     lease = lease->next) {
			if (lease->open <= lease->held)
				continue;
			left_out_count(lease);
			leases[n++] = lease;
		}
	}
	/* What is parked is found again by what was saved. */
	ok = !sender->save_first || sender_save(sender, false, now, &err);
	ok = ok && (count == 0 || queue_settle(sender->shared->queue, leases,
				      count, now->wall_ms, &err));
	for (size_t i = 0; i < n; i++) {
		if (lease_unsettled(leases[i]) == 0)
			left_out_log(sender, leases[i]);
		left_out_counted(leases[i]);
	}
	free(leases);
	leases_free(sender, false);
	if (ok) {
		sender->decided = false;
		return;
	}
	log_line(LOG_ERROR, "forwarder", "settle why=%s destination=\"%s\"",
	    LOG_QUOTE(err.text), sender->settings.name);
	sender->settle_ms = now->mono_ms + SENDER_RETRY_MS;
	sender->lost = sender->lost || err.code == ERR_BUSY;
}

void
sender_abandon(struct sender *sender)
{
	size_t unsettled = 0;

	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		for (const struct queue_lease *lease = sender->leases[list];
		     lease != NULL; lease = lease->next)
			unsettled += lease_unsettled(lease);
	}
	/* They will be sent again; that is harmless, but it is said. */
	if (unsettled > 0)
		log_line(LOG_WARN, "forwarder",
		    "unsettled destination=\"%s\" %ss=%zu",
		    sender->settings.name, sender->outlet->item_noun,
		    unsettled);
	leases_free(sender, true);
	sender->decided = false;
}
