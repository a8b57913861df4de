#ifndef SEGMENTSIM_SEND_H
#define SEGMENTSIM_SEND_H

/* The connections: threads that take pages, post them and settle them. */

#include "tests/sim/segmentsim_work.h"

struct segmentsim_senders;

/* finished is called by the last thread as it ends. */
struct segmentsim_senders *
segmentsim_senders_start(const struct segmentsim_settings *settings,
    struct segmentsim_work *work, void (*finished)(void));
/* Waits for all of them. */
void segmentsim_senders_join(struct segmentsim_senders *senders);

#endif
