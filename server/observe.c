#include "server/observe.h"

#include "base/log.h"
#include "schema/drift.h"

#include <stdlib.h>

size_t
observe_cost(const struct currents_batch *batch)
{
	return batch->drift_count *
	       (sizeof(*batch->drifts) + sizeof(struct queue_drift) +
		   DRIFT_TEXT_MAX);
}

bool
observe_make(struct request *request)
{
	const struct currents_batch *batch = &request->batch;
	char *text;

	if (batch->drift_count == 0)
		return true;
	request->notes = calloc(batch->drift_count, sizeof(*request->notes));
	request->note_texts = malloc(batch->drift_count * DRIFT_TEXT_MAX);
	if (request->notes == NULL || request->note_texts == NULL)
		return false;
	for (size_t i = 0; i < batch->drift_count; i++) {
		text = request->note_texts + i * DRIFT_TEXT_MAX;
		drift_text_write(&batch->drifts[i], text);
		request->notes[i] = (struct queue_drift){
		    .text = text, .events = batch->drifts[i].events};
	}
	return true;
}

static void
observe_log(const struct request *request, const char *text)
{
	struct drift drift;

	if (!drift_text_read(text, &drift))
		return;
	log_line(LOG_WARN, "server",
	    "drift source=%s what=%s type=%s field=%s json=%s",
	    request->put.source, LOG_QUOTE(currents_drift_name(drift.what)),
	    LOG_QUOTE_BYTES(drift.type.data, drift.type.len),
	    LOG_QUOTE_BYTES(drift.field.data, drift.field.len),
	    LOG_QUOTE_BYTES(drift.json.data, drift.json.len));
}

void
observe_tell(struct request *request)
{
	const struct currents_batch *batch = &request->batch;

	for (size_t i = 0; i < batch->drift_count; i++) {
		counter_add((enum counter)((int)COUNTER_DRIFT_TYPE +
					   (int)batch->drifts[i].what),
		    batch->drifts[i].events);
		if (!request->notes[i].first)
			continue;
		counter_add(COUNTER_DRIFT_FIRST, 1);
		observe_log(request, request->notes[i].text);
	}
}
