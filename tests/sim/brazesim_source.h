#ifndef BRAZESIM_SOURCE_H
#define BRAZESIM_SOURCE_H

/*
 * The events to send. They are numbered from 0 and made of the input's lines
 * whenever they are needed: the same number gives the same bytes, so nothing
 * but numbers waits to be sent again.
 */

#include "tests/sim/brazesim_settings.h"

struct brazesim_source;

/* Reads the whole input; dies if there is none. */
struct brazesim_source *
brazesim_source_new(const struct brazesim_settings *settings);
void brazesim_source_free(struct brazesim_source *source);

/* How many events there are in all. Any thread. */
uint32_t brazesim_source_count(const struct brazesim_source *source);

/* The numbers of the next request's events, at most settings->batch of
 * them; 0 at the end. One thread at a time. */
size_t
brazesim_source_next(struct brazesim_source *source, uint32_t *ret_events);

/* Append the event's JSON; its event_type:id. Any thread. */
void brazesim_event_write(
    const struct brazesim_source *source, uint32_t event, struct sim_text *out);
void brazesim_event_name(
    const struct brazesim_source *source, uint32_t event, struct sim_text *out);

#endif
