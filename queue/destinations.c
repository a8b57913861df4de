#include "queue/destinations.h"

#include <stdlib.h>

void
destinations_fini(struct destinations *destinations)
{
	free(destinations->list);
	names_fini(&destinations->names);
	*destinations = (struct destinations){.list = NULL};
}

struct destination *
destination_at(struct destinations *destinations, int64_t id)
{
	CHECK(id >= 1 && (size_t)id <= destinations->count);
	return &destinations->list[id - 1];
}

struct destination *
destination_change(struct destinations *destinations, int64_t id)
{
	struct destination *destination = destination_at(destinations, id);

	if (!destination->changed) {
		destination->changed = true;
		destination->due_moved_ms = INT64_MAX;
		destination->replay_moved_ms = INT64_MAX;
		destination->next_changed = destinations->changed;
		destinations->changed = id;
	}
	return destination;
}

int64_t
destination_find(const struct destinations *destinations, struct str name)
{
	int64_t id = names_find(&destinations->names, name);

	return id != 0 && (destinations->list[id - 1].there ||
			      destinations->list[id - 1].put)
		   ? id
		   : 0;
}

/* Its place in the list, which is that of its name. */
static bool
destination_place(struct destinations *destinations, struct str name,
    int64_t *ret_id, struct err *reterr)
{
	if (destinations->count == destinations->cap) {
		size_t cap = destinations->cap == 0 ? 8 : destinations->cap * 2;
		struct destination *list =
		    realloc(destinations->list, cap * sizeof(*list));

		if (list == NULL)
			return err_set_nomem(reterr);
		destinations->list = list;
		destinations->cap = cap;
	}
	if (!names_add(&destinations->names, name, ret_id, reterr))
		return false;
	if ((size_t)*ret_id > destinations->count)
		destinations->list[destinations->count++] =
		    (struct destination){
			.name = names_at(&destinations->names, *ret_id)};
	return true;
}

bool
destination_add(struct destinations *destinations, struct str name, size_t most,
    struct changes *changes, int64_t *ret_id, struct err *reterr)
{
	struct destination *destination;

	*ret_id = destination_find(destinations, name);
	if (*ret_id != 0)
		return true;
	if (name.len > DESTINATION_NAME_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "the name of a destination is longer than %d bytes",
		    DESTINATION_NAME_MAX);
	if (destinations->there >= most)
		return err_set(
		    reterr, ERR_LIMIT, "more than %zu destinations", most);
	if (!destination_place(destinations, name, ret_id, reterr))
		return false;
	destination = destination_change(destinations, *ret_id);
	destination->put = true;
	destinations->there++;
	destination->clean = true;
	changes_add(changes, ENGINE_DESTINATION_PUT)->row.destination =
	    (struct engine_destination){
		.name = destination->name, .clean = true};
	return true;
}

/* The next of those with changes, which has none from then on. */
static struct destination *
destination_settled(struct destinations *destinations)
{
	struct destination *one;

	if (destinations->changed == 0)
		return NULL;
	one = destination_at(destinations, destinations->changed);
	destinations->changed = one->next_changed;
	one->changed = false;
	return one;
}

void
destinations_write(struct destinations *destinations, struct changes *changes)
{
	for (int64_t id = destinations->changed; id != 0;) {
		const struct destination *one =
		    destination_at(destinations, id);

		id = one->next_changed;
		if (one->queued_moved == 0 && one->bytes_moved == 0 &&
		    one->delivered_moved_ms == 0)
			continue;
		changes_add(changes, ENGINE_DESTINATION_ADD)->row.destination =
		    (struct engine_destination){
			.name = one->name,
			.queued = one->queued_moved,
			.bytes = one->bytes_moved,
			.delivered_ms = one->delivered_moved_ms,
		    };
	}
}

void
destinations_commit(struct destinations *destinations)
{
	struct destination *one;

	while ((one = destination_settled(destinations)) != NULL) {
		if (one->queued == 0)
			one->oldest_until_ms = 0;
		one->queued += one->queued_moved;
		one->bytes += one->bytes_moved;
		if (one->delivered_moved_ms != 0)
			one->delivered_ms = one->delivered_moved_ms;
		if (one->next_ms > one->due_moved_ms)
			one->next_ms = one->due_moved_ms;
		if (one->next_replay_ms > one->replay_moved_ms)
			one->next_replay_ms = one->replay_moved_ms;
		one->there = one->there || one->put;
		one->queued_moved = one->bytes_moved = 0;
		one->delivered_moved_ms = 0;
		one->put = false;
	}
}

void
destinations_rollback(struct destinations *destinations)
{
	struct destination *one;

	while ((one = destination_settled(destinations)) != NULL) {
		one->queued_moved = one->bytes_moved = 0;
		one->delivered_moved_ms = 0;
		destinations->there -= one->put;
		one->put = false;
	}
}

void
destinations_load_begin(struct destinations *destinations)
{
	for (size_t i = 0; i < destinations->count; i++) {
		struct destination *one = &destinations->list[i];

		one->there = false;
		one->queued = one->bytes = one->delivered_ms = 0;
		one->paused = one->clean = one->saved = false;
		one->next_ms = one->next_replay_ms = 0;
	}
	destinations->there = 0;
}

bool
destinations_load(struct destinations *destinations,
    const struct engine_destination *row, struct err *reterr)
{
	struct destination *one;
	int64_t id;

	if (!destination_place(destinations, row->name, &id, reterr))
		return false;
	one = destination_at(destinations, id);
	one->there = true;
	one->queued = row->queued;
	one->bytes = row->bytes;
	one->delivered_ms = row->delivered_ms;
	one->paused = row->paused;
	one->clean = row->clean;
	one->saved = row->saved;
	if (one->queued == 0)
		one->next_ms = INT64_MAX;
	destinations->there++;
	return true;
}
