/*
 * The log of sends as bytes, little-endian:
 *
 *	"CQ1\n"	u32 entries	entries times:
 *		i64 wall time of the end	u32 events
 *		u32 identities (0, or as many as events)	u64 each
 *
 * Ages survive, not clock readings: the monotonic clock starts anew with the
 * machine. An end that lies in the future (the wall clock was set back) is
 * taken as now, which errs towards waiting.
 */

#include "forwarder/bytes.h"
#include "forwarder/quota_inside.h"

#include <stdlib.h>
#include <string.h>

static const char quota_magic[4] = {'C', 'Q', '1', '\n'};

void
quota_write(struct quota *quota, const struct moment *now, struct buf *buf)
{
	size_t i, k, live = 0;

	quota_expire(quota, now->mono_ms);
	for (i = quota->head; i < quota->end; i++)
		live += !quota->entries[i].gone;
	(void)buf_append(buf, quota_magic, sizeof(quota_magic));
	bytes_number_write(buf, live, 4);
	for (i = quota->head; i < quota->end; i++) {
		const struct quota_entry *entry = &quota->entries[i];
		int64_t end_ms = entry->end_ms;
		size_t who = entry->who == NULL ? 0 : entry->count;

		if (entry->gone)
			continue;
		if (end_ms > now->mono_ms)
			end_ms = now->mono_ms;
		bytes_number_write(
		    buf, (uint64_t)moment_wall_ms(now, end_ms), 8);
		bytes_number_write(buf, entry->count, 4);
		bytes_number_write(buf, who, 4);
		for (k = 0; k < who; k++)
			bytes_number_write(buf, entry->who[k], 8);
	}
}

/* The identities of one entry; their slots count them. */
static bool
quota_who_read(struct quota *quota, struct bytes_reader *reader,
    struct quota_entry *entry, size_t count, int64_t mono_ms)
{
	size_t i;

	if (count != entry->count || reader->len / 8 < count)
		return false;
	if (quota->identity == 0) { /* it was switched off since */
		reader->data += count * 8;
		reader->len -= count * 8;
		return true;
	}
	entry->who = calloc(count, sizeof(*entry->who));
	if (entry->who == NULL)
		return false;
	for (i = 0; i < count; i++) {
		struct quota_slot *slot;

		entry->who[i] = bytes_number_read(reader, 8);
		slot = quota_slot_make(quota, entry->who[i], mono_ms);
		if (slot == NULL)
			return false;
		slot->count++;
	}
	return true;
}

static bool
quota_entry_read(
    struct quota *quota, struct bytes_reader *reader, const struct moment *now)
{
	int64_t wall_ms = (int64_t)bytes_number_read(reader, 8);
	struct quota_entry entry = {0};
	size_t who;

	entry.count = (size_t)bytes_number_read(reader, 4);
	who = (size_t)bytes_number_read(reader, 4);
	if (reader->failed || wall_ms < 0)
		return false;
	if (wall_ms > now->wall_ms)
		wall_ms = now->wall_ms;
	entry.start_ms = now->mono_ms - (now->wall_ms - wall_ms);
	entry.end_ms = entry.start_ms;
	/* Entries may have ended out of order; as if they started so. */
	if (quota->end > quota->head &&
	    entry.start_ms < quota->entries[quota->end - 1].start_ms)
		entry.start_ms = quota->entries[quota->end - 1].start_ms;
	if (who > 0 &&
	    !quota_who_read(quota, reader, &entry, who, now->mono_ms))
		goto fail;
	if (!quota_entry_add(quota, &entry))
		goto fail;
	return true;
fail:
	free(entry.who);
	return false;
}

bool
quota_read(struct quota *quota, const void *data, size_t len,
    const struct moment *now, struct err *reterr)
{
	struct bytes_reader reader = {.data = data, .len = len};
	uint64_t count, i;

	if (len < sizeof(quota_magic) ||
	    memcmp(data, quota_magic, sizeof(quota_magic)) != 0)
		goto fail;
	reader.data += sizeof(quota_magic);
	reader.len -= sizeof(quota_magic);
	count = bytes_number_read(&reader, 4);
	for (i = 0; i < count && !reader.failed; i++) {
		if (!quota_entry_read(quota, &reader, now))
			goto fail;
	}
	if (reader.failed || reader.len > 0)
		goto fail;
	quota_expire(quota, now->mono_ms);
	return true;
fail:
	quota_fini(quota);
	return err_set(
	    reterr, ERR_DAMAGED, "the saved log of sends cannot be read");
}
