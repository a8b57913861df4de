/*
 * The mapping: any bytes do not break it, and every event that the judge
 * finds valid becomes one JSON object or none, under any rules, whether or
 * not private things were taken out before. The first byte chooses the rules.
 */

#include "schema/currents/currents.h"
#include "schema/json/scan.h"
#include "schema/track/track.h"

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
	rules->key = str_text("0123456789abcdef");
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

	scan_init(&scan, str_bytes(out->data, out->len));
	CHECK(scan_value(&scan, &value) && value.kind == SCAN_OBJECT);
	CHECK(scan_skip(&scan, &value, SCAN_DEPTH) && !scan_space(&scan));
	CHECK(scan.bad_utf8 == NULL && scan.too_deep == NULL);
}

static void
check_write(const struct track_rules *rules, struct str event, bool valid)
{
	struct track_result result;
	struct err err;
	struct buf out;

	buf_init(&out, OUT_MAX);
	if (!track_write(rules, event, 0, &out, &result, &err)) {
		CHECK(!valid && out.len == 0);
	} else if (result.fate == TRACK_SEND) {
		CHECK(result.omission_count <= TRACK_OMISSIONS_MAX);
		check_object(&out);
	} else {
		CHECK(out.len == 0 && result.reason != NULL);
	}
	buf_fini(&out);
}

/* What is kept when private things are taken out at acceptance becomes the
 * same Heap event as what came. */
static void
check_redact(const struct track_rules *rules, struct str event, bool valid)
{
	struct track_result came, kept;
	struct buf left, one, other;
	struct err err;

	buf_init(&left, OUT_MAX);
	buf_init(&one, OUT_MAX);
	buf_init(&other, OUT_MAX);
	if (!redact_write(rules, event, &left, &err)) {
		CHECK(!valid && left.len == 0);
	} else if (valid) {
		CHECK(track_write(rules, event, 0, &one, &came, &err));
		CHECK(track_write(rules, str_bytes(left.data, left.len), 0,
		    &other, &kept, &err));
		CHECK(came.fate == kept.fate && came.reason == kept.reason);
		CHECK(one.len == other.len);
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
	struct str body, bytes;
	struct currents_batch batch;
	struct currents_fault fault;
	struct track_rules rules;

	if (size == 0)
		return 0;
	body = str_bytes((const char *)data + 1, size - 1);
	choose(&rules, data[0]);
	check_write(&rules, body, false);
	check_redact(&rules, body, false);
	currents_batch_init(&batch);
	if (currents_read(body, EVENTS_MAX, &batch, &fault) == CURRENTS_READ) {
		for (size_t i = 0; i < batch.count; i++) {
			const struct currents_event *event = &batch.events[i];

			if (event->defect != CURRENTS_VALID)
				continue;
			bytes = str_bytes(body.data + event->at, event->len);
			check_write(&rules, bytes, true);
			check_redact(&rules, bytes, true);
		}
	}
	currents_batch_fini(&batch);
	return 0;
}
