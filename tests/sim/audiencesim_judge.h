#ifndef AUDIENCESIM_JUDGE_H
#define AUDIENCESIM_JUDGE_H

/*
 * The simulator without the network: what is done with a request, and what
 * is answered. Any thread.
 */

#include "tests/sim/audiencesim_settings.h"
#include "tests/sim/sim_http.h"

struct audiencesim;

struct audiencesim *
audiencesim_new(const struct audiencesim_settings *settings);
void audiencesim_free(struct audiencesim *sim);

/* The paths of --help. */
extern const struct sim_route audiencesim_routes[];
/* Of a body to the API, for sim_http_start(). */
int64_t audiencesim_max_bytes(void *sim);

/* The report as JSON, the memberships as lines; call may be NULL. */
void audiencesim_report_show(
    void *sim, const struct sim_call *call, struct sim_reply *reply);
void audiencesim_memberships_show(
    void *sim, const struct sim_call *call, struct sim_reply *reply);

#endif
