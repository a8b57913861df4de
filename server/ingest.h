#ifndef SERVER_INGEST_H
#define SERVER_INGEST_H

/*
 * POST /currents: who sends, what it is, and into the queue with it.
 */

#include "server/headers.h"
#include "server/request.h"

/* Whose request it is. */
void ingest_find(struct request *request, const char *name, size_t name_len);

/* The headers are in: source, token, coding, size, capacity; refuses. */
void ingest_begin(struct request *request, const struct headers *headers);

/* A piece of the body. */
void ingest_add(struct request *request, const char *data, size_t len);

/* The body is complete: answers, or suspends and asks the queue. */
enum MHD_Result ingest_end(struct request *request);

#endif
