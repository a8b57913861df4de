#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

/*
 * The answers: status, headers, body; counted and logged. One line in the
 * log for each accepted request, and for the refused ones at most one a
 * second of each status.
 */

#include "server/request.h"

/* The refusal of the request, as {"error":...}. */
enum MHD_Result answer_refusal(struct request *request);

/* A body that could not be read and was kept: 400. */
enum MHD_Result answer_fault(struct request *request);

/* Durable (or a probe: zeroes): 200. */
enum MHD_Result answer_receipt(struct request *request);

/* Plain text: the health checks and the views. Takes what is in *text. */
enum MHD_Result answer_text(struct request *request, unsigned status,
    const char *type, struct buf *text);

#endif
