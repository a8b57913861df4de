#ifndef SERVER_BOARD_H
#define SERVER_BOARD_H

/*
 * How each source fares, for people to see; and one row more, for requests
 * that no source was found for, whose number is the count of the sources.
 * What Braze makes of our answers is measured in days, so the queue keeps it
 * over restarts. Any thread.
 */

#include "server/server.h"

struct board;

/* The names stay lent. NULL: no memory. */
MUST_USE struct board *
board_new(const struct server_source *sources, size_t count);
void board_free(struct board *board);

/* A request with a good token came. */
void board_note_request(struct board *board, size_t source, int64_t wall_ms);

/* It was this token, by its number; those from BOARD_TOKENS on share one. */
enum { BOARD_TOKENS = 16 };
void board_note_token(
    struct board *board, size_t source, size_t token, int64_t wall_ms);
int64_t board_token_ms(struct board *board, size_t source, size_t token);

/* It had events, or it failed; and was answered so. */
void board_note_answer(struct board *board, size_t source, unsigned status,
    const char *why, int64_t wall_ms);

/* Does Braze strand what is answered so? And it was, with or without a good
 * token. */
bool board_strands(unsigned status);
void board_note_refusal(struct board *board, size_t source, unsigned status,
    const char *why, int64_t wall_ms);

void board_read(struct board *board, size_t source,
    struct server_source_status *ret_status);

/* Append all of it, to be restored by a later process; false if nothing has
 * changed since the last time. */
enum { BOARD_CLOCKS_MAX = 1024 * 1024 };
bool board_write(struct board *board, struct buf *out);

/* Take what the queue has of it. That it cannot be read must not keep us
 * from serving: then the clocks begin anew. */
void board_restore(struct board *board, struct queue *queue);

#endif
