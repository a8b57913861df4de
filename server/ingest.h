#ifndef SERVER_INGEST_H
#define SERVER_INGEST_H

/*
 * A source's post: what the route of an intake does at each step of a request
 * (struct route).
 */

#include "server/request.h"

void ingest_begin(struct request *request, const struct headers *headers);
void ingest_add(struct request *request, const char *data, size_t len);
enum MHD_Result ingest_complete(struct request *request);
enum MHD_Result ingest_done(struct request *request);
void ingest_free(struct request *request);

/* Do the settings allow the largest item and the largest body of each source?
 * If not, ERR_CONFIG. */
MUST_USE bool ingest_check_settings(
    const struct server_settings *settings, struct err *reterr);

/* How much of the memory for bodies those may use whose source proves itself
 * only behind them: strangers can post such, too. */
size_t ingest_unproven_memory(const struct server_settings *settings);

#endif
