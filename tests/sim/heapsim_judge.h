#ifndef HEAPSIM_JUDGE_H
#define HEAPSIM_JUDGE_H

/*
 * The simulator without the network: what is done with a request, and what
 * is answered. Any thread.
 */

#include "tests/sim/heapsim_settings.h"
#include "tests/sim/sim_http.h"

struct heapsim;

struct heapsim *heapsim_new(const struct heapsim_settings *settings);
void heapsim_free(struct heapsim *sim);
/* The paths of --help. */
extern const struct sim_route heapsim_routes[];
/* Of a body to the API, for sim_http_start(). */
int64_t heapsim_max_bytes(void *sim);

/* The books as JSON; call may be NULL. */
void heapsim_books_show(
    void *sim, const struct sim_call *call, struct sim_reply *reply);

#endif
