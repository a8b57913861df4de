#ifndef SERVER_INGEST_H
#define SERVER_INGEST_H

/*
 * POST /currents: what the route does at each step of a request (struct
 * route).
 */

#include "server/request.h"

void ingest_begin(struct request *request, const struct headers *headers);
void ingest_add(struct request *request, const char *data, size_t len);
enum MHD_Result ingest_complete(struct request *request);
enum MHD_Result ingest_done(struct request *request);
void ingest_free(struct request *request);

/* Do the settings allow the largest event and the largest body? If not,
 * ERR_CONFIG. */
MUST_USE bool ingest_check_settings(
    const struct server_settings *settings, struct err *reterr);

#endif
