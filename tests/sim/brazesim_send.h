#ifndef BRAZESIM_SEND_H
#define BRAZESIM_SEND_H

/* The connections: threads that take work, post it and settle it. */

#include "tests/sim/brazesim_work.h"

struct brazesim_senders;

/* finished is called by the last thread as it ends. */
struct brazesim_senders *
brazesim_senders_start(const struct brazesim_settings *settings,
    const struct brazesim_source *source, struct brazesim_work *work,
    void (*finished)(void));
/* Waits for all of them. */
void brazesim_senders_join(struct brazesim_senders *senders);

#endif
