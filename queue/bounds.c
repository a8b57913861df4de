#include "queue/bounds.h"

#include "queue/core.h"

#include <inttypes.h>
#include <string.h>

enum { BOUNDS_SHARE = 4 }; /* times what is free, for one destination */

/* A clock that stands further was damaged: 3000 years. */
static const int64_t bounds_age_max = INT64_C(100000000000000);

int64_t
queue_dead_max_bytes(const struct queue_settings *settings)
{
	return settings->dead_max_bytes != 0 ? settings->dead_max_bytes
					     : settings->max_bytes / 10;
}

int64_t
bounds_giving(const struct engine_totals *totals)
{
	return totals->archive_bytes + totals->dead_bytes +
	       totals->unreadable_bytes;
}

int64_t
bounds_left(const struct engine_totals *totals)
{
	return totals->free_bytes + totals->file_bytes - totals->live_bytes;
}

void
bounds_measure(struct queue *queue, const struct engine_totals *totals)
{
	struct bounds *bounds = &queue->bounds;

	bounds->room = queue->settings.max_bytes - totals->live_bytes +
		       bounds_giving(totals);
	bounds->disk = bounds_left(totals) - queue->settings.min_free_bytes +
		       bounds_giving(totals);
	bounds->active = 0;
	for (size_t i = 0; i < queue->destinations.count; i++) {
		const struct destination *one = &queue->destinations.list[i];

		bounds->active += one->claimed || one->queued > 0;
	}
}

/* A share of what is free with what it has. */
int64_t
bounds_destination_max(struct queue *queue, int64_t destination)
{
	const struct destination *to =
	    destination_at(&queue->destinations, destination);
	const struct bounds *bounds = &queue->bounds;
	int64_t room =
	    bounds->room < bounds->disk ? bounds->room : bounds->disk;
	int64_t all = to->bytes + to->bytes_moved + (room > 0 ? room : 0);
	size_t active = to->claimed || to->queued > 0;

	if (to->bytes_max != 0)
		return to->bytes_max;
	return bounds->active > active ? all / (BOUNDS_SHARE + 1) * BOUNDS_SHARE
				       : all;
}

bool
bounds_share(
    struct queue *queue, int64_t destination, size_t bytes, struct err *reterr)
{
	const struct destination *to =
	    destination_at(&queue->destinations, destination);
	int64_t most = bounds_destination_max(queue, destination);
	int64_t queued = to->bytes + to->bytes_moved;

	fair_lock_assert_held(&queue->lock);
	if (queued >= most)
		return err_set(reterr, ERR_FULL,
		    "destination %s has %" PRId64 " bytes queued, of at most "
		    "%" PRId64 "%s",
		    to->name.data, queued, most,
		    to->bytes_max != 0 ? ": its max_bytes"
				       : ": the rest is for the others");
	queue->bounds.room -= (int64_t)bytes;
	queue->bounds.disk -= (int64_t)bytes;
	return true;
}

/* The list is what is neither queued nor gives way, where that is much: the
 * other tables have bounds of their own. */
bool
bounds_list(const struct queue *queue, struct err *reterr)
{
	int64_t most = queue->settings.max_bytes / 2;
	int64_t used = queue->settings.max_bytes - queue->bounds.room;

	for (size_t i = 0; used > most && i < queue->destinations.count; i++) {
		const struct destination *one = &queue->destinations.list[i];

		used -= one->bytes + one->bytes_moved;
	}
	return used <= most ||
	       err_set(reterr, ERR_FULL,
		   "the list of erasures has no room: half of queue_max_bytes "
		   "is neither queued nor gives way; see `currentsd erasures "
		   "list`");
}

bool
bounds_load(struct queue *queue, struct err *reterr)
{
	struct bounds *bounds = &queue->bounds;
	int64_t saved = 0;
	struct buf data;
	bool ok;

	buf_init(&data, SIZE_MAX / 2);
	ok = queue->engine->state(queue->store, "", "age", &data, reterr) &&
	     buf_ok(&data, reterr);
	if (ok && data.len == sizeof(saved))
		memcpy(&saved, data.data, sizeof(saved));
	buf_fini(&data);
	if (saved > bounds_age_max)
		saved = 0;
	/* Never back, if the store was only reopened. */
	if (bounds->age_ms < saved)
		bounds->age_ms = saved;
	for (int kind = 0; kind < BOUNDS_KINDS; kind++)
		bounds->oldest_ms[kind] = INT64_MAX;
	return ok;
}

int64_t
bounds_dead_left_ms(const struct queue *queue)
{
	int64_t oldest_ms = queue->bounds.oldest_ms[BOUNDS_DEAD], left_ms;

	if (oldest_ms == INT64_MAX)
		return INT64_MAX;
	left_ms =
	    oldest_ms + queue->settings.keep_dead_ms - queue->bounds.age_ms;
	return left_ms > 0 ? left_ms : 0;
}
