/*
 * The mapping: any bytes do not break it, and every event that the judge
 * finds sound becomes one JSON object or none, under any rules, whether or
 * not private things were taken out before. The first byte chooses the rules.
 */

#include "schema/currents.h"
#include "schema/private.h"
#include "schema/scan.h"
#include "schema/track.h"

#include <string.h>

enum { OUT_MAX = 1 << 26, EVENTS_MAX = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
choose(struct track_rules *rules, uint8_t chosen)
{
	static const char *const all[] = {"*"};
	static const char *const some[] = {
	    "content", "custom_properties.a*", "users.*/name", "contact"};
	static const struct track_rename renames[] = {
	    {"name", "price"}, {"users.behaviors.Purchase", "bought"}};

	track_rules_init(rules);
	rules->key = "0123456789abcdef";
	rules->key_len = 16;
	if ((chosen & 1) != 0)
		rules->keep = (struct track_list){all, 1};
	if ((chosen & 2) != 0)
		rules->hash = (struct track_list){some, 4};
	if ((chosen & 4) != 0)
		rules->drop = (struct track_list){some, 2};
	if ((chosen & 8) != 0)
		rules->prefix = "braze-";
	if ((chosen & 16) != 0)
		rules->identity = TRACK_IDENTITY_BRAZE;
	if ((chosen & 32) != 0)
		rules->custom_event_name = true;
	if ((chosen & 64) != 0) {
		rules->renames = renames;
		rules->rename_count = 2;
	}
	rules->identity_hash = (chosen & 128) != 0;
}

static void
check_object(const struct buf *out)
{
	struct scan_value value;
	struct scan scan;

	scan_init(&scan, out->data, out->len);
	CHECK(scan_value(&scan, &value) && value.kind == SCAN_OBJECT);
	CHECK(scan_skip(&scan, &value, 64) && !scan_space(&scan));
	CHECK(scan.bad_utf8 == NULL && scan.too_deep == NULL);
}

static void
check_write(
    const struct track_rules *rules, const char *data, size_t len, bool sound)
{
	struct track_result result;
	struct err err;
	struct buf out;

	buf_init(&out, OUT_MAX);
	if (!track_write(rules, data, len, &out, &result, &err)) {
		CHECK(!sound && out.len == 0);
	} else if (result.fate == TRACK_SEND) {
		CHECK(result.note_count <= TRACK_OMISSIONS_MAX);
		check_object(&out);
	} else {
		CHECK(out.len == 0 && result.reason != NULL);
	}
	buf_fini(&out);
}

/* What is kept when private things are taken out at acceptance becomes the
 * same Heap event as what came. */
static void
check_private(
    const struct track_rules *rules, const char *data, size_t len, bool sound)
{
	struct track_result came, kept;
	struct buf left, one, other;
	struct err err;

	buf_init(&left, OUT_MAX);
	buf_init(&one, OUT_MAX);
	buf_init(&other, OUT_MAX);
	if (!private_write(rules, data, len, &left, &err)) {
		CHECK(!sound && left.len == 0);
	} else if (sound) {
		CHECK(track_write(rules, data, len, &one, &came, &err));
		CHECK(track_write(
		    rules, left.data, left.len, &other, &kept, &err));
		CHECK(came.fate == kept.fate && one.len == other.len);
		CHECK(
		    one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
	}
	buf_fini(&other);
	buf_fini(&one);
	buf_fini(&left);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *body = (const char *)data + 1;
	struct currents_batch batch;
	struct currents_fault fault;
	struct track_rules rules;

	if (size == 0)
		return 0;
	choose(&rules, data[0]);
	check_write(&rules, body, size - 1, false);
	check_private(&rules, body, size - 1, false);
	currents_batch_init(&batch);
	if (currents_read(body, size - 1, EVENTS_MAX, &batch, &fault) ==
	    CURRENTS_READ) {
		for (size_t i = 0; i < batch.count; i++) {
			const struct currents_event *event = &batch.events[i];

			if (event->flaw != CURRENTS_VALID)
				continue;
			check_write(&rules, body + event->at, event->len, true);
			check_private(
			    &rules, body + event->at, event->len, true);
		}
	}
	currents_batch_fini(&batch);
	return 0;
}
