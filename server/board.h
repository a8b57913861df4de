#ifndef SERVER_BOARD_H
#define SERVER_BOARD_H

/*
 * How each source fares, for people to see. Any thread.
 */

#include "server/server.h"

struct board;

/* NULL: no memory. */
MUST_USE struct board *
board_new(const struct server_source *sources, size_t count);
void board_free(struct board *board);

/* A request with a good token came; and was answered with this status. */
void board_note_request(struct board *board, size_t source, int64_t wall_ms);

/* It was this token, by its number; those from BOARD_TOKENS on share one. */
enum { BOARD_TOKENS = 16 };
void board_note_token(
    struct board *board, size_t source, size_t token, int64_t wall_ms);
int64_t board_token_ms(struct board *board, size_t source, size_t token);
void board_note_answer(
    struct board *board, size_t source, unsigned status, int64_t wall_ms);

void board_read(struct board *board, size_t source,
    struct server_source_status *ret_status);

#endif
