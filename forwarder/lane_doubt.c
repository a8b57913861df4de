/*
 * What a lane does not know: which of the events that it posted are at the
 * destination. It is noted durably with each post, and what was noted by an
 * earlier life of the lane decides by which rules an event is mapped.
 */

#include "base/log.h"
#include "forwarder/lane_inside.h"

bool
lane_doubt_init(
    struct lane *lane, const void *saved, size_t len, struct err *reterr)
{
	struct bytes_reader reader = {.data = saved, .len = len};
	struct lane_note note;
	struct err err;

	if (!doubt_init(&lane->unknown, &lane->rules, reterr))
		return false;
	if (len > 0)
		lane_note_read(&reader, &note);
	if (doubt_read(&lane->unknown, reader.data, reader.len, &err))
		return true;
	if (err.code == ERR_NOMEM)
		return err_set_nomem(reterr);
	log_line(LOG_ERROR, "forwarder", "doubt destination=%s error=%s",
	    lane->settings.name, LOG_QUOTE(err.text));
	return true;
}

const struct track_rules *
lane_doubt_rules(const struct lane *lane, uint64_t hash)
{
	const struct track_rules *rules = doubt_rules(&lane->unknown, hash);

	return rules != NULL ? rules : &lane->rules;
}

void
lane_doubt_known(struct lane *lane, const struct request *request)
{
	size_t i;

	for (i = 0; i < request->count; i++) {
		if (!request->items[i].doubt)
			doubt_remove(&lane->unknown, request->items[i].hash);
	}
}

void
lane_doubt_unknown(struct request *request)
{
	size_t i;

	for (i = 0; i < request->count; i++)
		request->items[i].doubt = true;
}

bool
lane_doubt_post(struct lane *lane, const struct request *request,
    const struct moment *now, struct err *reterr)
{
	struct buf bytes;
	bool ok = true;
	size_t i;

	buf_init(&bytes, SIZE_MAX / 2);
	for (i = 0; ok && i < request->count; i++)
		ok = doubt_add(&lane->unknown, request->items[i].hash);
	if (!ok)
		(void)err_set_nomem(reterr);
	lane_note_write(lane, now, &bytes);
	doubt_write(&lane->unknown, &bytes);
	ok = ok && buf_ok(&bytes, reterr) &&
	     queue_destination_post(lane->queue, lane->id, now->wall_ms,
		 bytes.data, bytes.len, reterr);
	buf_fini(&bytes);
	if (!ok)
		lane_doubt_known(lane, request);
	return ok;
}
