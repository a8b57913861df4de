#include "queue/tap.h"

#include "base/clock.h"
#include "queue/core.h"

#include <stdlib.h>
#include <string.h>

enum { TAP_BYTES = 4 * 1024 * 1024 };

/* An item in a buffer; its texts follow, each with a NUL. */
struct tap_record {
	enum tap_what what;
	int64_t at_ms;
	size_t source, destination, type, data, reason; /* lengths */
	bool reasoned;					/* there is a reason */
	uint64_t skipped;
};

struct tap {
	struct taps *taps;
	struct tap_settings settings; /* set before it is open */
	struct cond filled;
	/* guarded by the lock of all taps */
	struct buf filling;
	int64_t tokens; /* of the rate, in thousandths of an item */
	int64_t tokens_ms;
	uint64_t skipped; /* since the last record */

	struct buf reading; /* the reader's */
};

void
taps_init(struct taps *taps)
{
	lock_init(&taps->lock);
	atomic_init(&taps->count, 0);
	memset(taps->open, 0, sizeof(taps->open));
}

void
taps_fini(struct taps *taps)
{
	CHECK(!taps_any(taps));
	lock_fini(&taps->lock);
}

const char *
tap_what_name(enum tap_what what)
{
	static const char *const names[] = {
	    [TAP_ACCEPTED] = "accepted",
	    [TAP_DUPLICATE] = "duplicate",
	    [TAP_DELIVERED] = "delivered",
	    [TAP_DEFERRED] = "deferred",
	    [TAP_PARKED] = "parked",
	    [TAP_DEAD] = "dead",
	    [TAP_DROPPED] = "dropped",
	};

	return names[what];
}

/* ---- the reader ---- */

bool
tap_open(struct queue *queue, const struct tap_settings *settings,
    struct tap **ret_tap, struct err *reterr)
{
	struct taps *taps = &queue->taps;
	struct tap *tap = calloc(1, sizeof(*tap));
	bool opened = false;

	if (tap == NULL)
		return err_set_nomem(reterr);
	tap->taps = taps;
	tap->settings = *settings;
	tap->tokens = (int64_t)settings->rate * 1000;
	tap->tokens_ms = clock_mono_ms();
	cond_init(&tap->filled);
	buf_init(&tap->filling, TAP_BYTES);
	buf_init(&tap->reading, TAP_BYTES);
	lock_hold(&taps->lock);
	for (size_t i = 0; !opened && i < TAPS_MAX; i++) {
		if (taps->open[i] != NULL)
			continue;
		taps->open[i] = tap;
		atomic_fetch_add(&taps->count, 1);
		opened = true;
	}
	lock_drop(&taps->lock);
	*ret_tap = tap;
	if (opened)
		return true;
	tap_close(tap);
	return err_set(reterr, ERR_CONFLICT,
	    "there are %d taps already: end one of them", TAPS_MAX);
}

void
tap_close(struct tap *tap)
{
	struct taps *taps;

	if (tap == NULL)
		return;
	taps = tap->taps;
	lock_hold(&taps->lock);
	for (size_t i = 0; i < TAPS_MAX; i++) {
		if (taps->open[i] != tap)
			continue;
		taps->open[i] = NULL;
		atomic_fetch_sub(&taps->count, 1);
	}
	lock_drop(&taps->lock);
	cond_fini(&tap->filled);
	buf_fini(&tap->filling);
	buf_fini(&tap->reading);
	free(tap);
}

/* Lend the next text, and step over it and its NUL. */
static struct str
record_text(const char **at, size_t len)
{
	struct str text = str_bytes(*at, len);

	*at += len + 1;
	return text;
}

bool
tap_read(struct tap *tap, int64_t wait_ms, tap_fn *fn, void *arg)
{
	int64_t until_ms = clock_mono_ms() + wait_ms;
	struct lock *lock = &tap->taps->lock;
	const char *at, *end;
	struct buf filled;
	bool more = true;

	lock_hold(lock);
	while (tap->filling.len == 0 && clock_mono_ms() < until_ms)
		cond_wait(&tap->filled, lock, until_ms);
	filled = tap->filling;
	tap->filling = tap->reading;
	tap->reading = filled;
	buf_reset(&tap->filling);
	lock_drop(lock);
	at = filled.data;
	end = at + filled.len;
	while (more && at < end) {
		struct tap_record record;
		struct tap_item item;

		memcpy(&record, at, sizeof(record));
		at += sizeof(record);
		item = (struct tap_item){
		    .what = record.what,
		    .at_ms = record.at_ms,
		    .source = record_text(&at, record.source),
		    .destination = record_text(&at, record.destination),
		    .type = record_text(&at, record.type),
		    .data = record_text(&at, record.data),
		};
		item.reason = record_text(&at, record.reason).data;
		if (!record.reasoned)
			item.reason = NULL;
		more = fn(arg, &item, record.skipped);
	}
	return more;
}

/* ---- who offers ---- */

/* May it have one more now? */
static bool
tap_token(struct tap *tap, int64_t now_ms)
{
	int64_t most = (int64_t)tap->settings.rate * 1000;

	tap->tokens += (now_ms - tap->tokens_ms) * tap->settings.rate;
	tap->tokens_ms = now_ms;
	if (tap->tokens > most)
		tap->tokens = most;
	if (tap->tokens < 1000)
		return false;
	tap->tokens -= 1000;
	return true;
}

static void
tap_text(struct buf *buf, struct str text)
{
	(void)buf_append(buf, text.data, text.len);
	(void)buf_char(buf, '\0');
}

static void
tap_take(struct tap *tap, const struct tap_item *item, int64_t now_ms)
{
	struct str reason = str_text(item->reason);
	const struct tap_record record = {
	    .what = item->what,
	    .at_ms = item->at_ms,
	    .source = item->source.len,
	    .destination = item->destination.len,
	    .type = item->type.len,
	    .data = item->data.len,
	    .reason = reason.len,
	    .reasoned = item->reason != NULL,
	    .skipped = tap->skipped,
	};
	struct buf *buf = &tap->filling;
	size_t before = buf->len;

	if (!tap_token(tap, now_ms)) {
		tap->skipped++;
		return;
	}
	(void)buf_append(buf, &record, sizeof(record));
	tap_text(buf, item->source);
	tap_text(buf, item->destination);
	tap_text(buf, item->type);
	tap_text(buf, item->data);
	tap_text(buf, reason);
	if (buf->failed) { /* it is full: the reader is slow */
		buf_truncate(buf, before);
		buf->failed = buf->starved = false;
		tap->skipped++;
		return;
	}
	tap->skipped = 0;
	cond_wake(&tap->filled);
}

void
taps_offer(struct taps *taps, const struct tap_item *item)
{
	int64_t now_ms = clock_mono_ms();

	lock_hold(&taps->lock);
	for (size_t i = 0; i < TAPS_MAX; i++) {
		struct tap *tap = taps->open[i];

		if (tap != NULL &&
		    (tap->settings.match == NULL ||
			tap->settings.match(tap->settings.arg, item)))
			tap_take(tap, item, now_ms);
	}
	lock_drop(&taps->lock);
}
