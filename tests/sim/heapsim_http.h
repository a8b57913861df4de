#ifndef HEAPSIM_HTTP_H
#define HEAPSIM_HTTP_H

/* The simulator on the network: a thread for each connection. */

#include "tests/sim/heapsim_judge.h"

struct heapsim_http;

/* Dies if it cannot listen. */
struct heapsim_http *heapsim_http_start(struct heapsim *sim, uint16_t port);
uint16_t heapsim_http_port(const struct heapsim_http *http);
void heapsim_http_stop(struct heapsim_http *http);

#endif
