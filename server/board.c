#include "server/board.h"

#include "base/lock.h"

#include <stdlib.h>

struct board {
	size_t count;
	struct lock lock;
	/* guarded by lock */
	int64_t (*tokens_ms)[BOARD_TOKENS]; /* last used; of each source */
	struct server_source_status rows[];
};

struct board *
board_new(const struct server_source *sources, size_t count)
{
	struct board *board =
	    calloc(1, sizeof(*board) + count * sizeof(board->rows[0]));

	if (board == NULL)
		return NULL;
	board->tokens_ms = calloc(count + 1, sizeof(*board->tokens_ms));
	if (board->tokens_ms == NULL) {
		free(board);
		return NULL;
	}
	lock_init(&board->lock);
	board->count = count;
	for (size_t i = 0; i < count; i++)
		board->rows[i].name = sources[i].name;
	return board;
}

void
board_free(struct board *board)
{
	if (board == NULL)
		return;
	lock_fini(&board->lock);
	free(board->tokens_ms);
	free(board);
}

void
board_note_request(struct board *board, size_t source, int64_t wall_ms)
{
	CHECK(source < board->count);
	lock_hold(&board->lock);
	board->rows[source].last_request_ms = wall_ms;
	lock_drop(&board->lock);
}

static int64_t *
board_token(struct board *board, size_t source, size_t token)
{
	CHECK(source < board->count);
	if (token >= BOARD_TOKENS)
		token = BOARD_TOKENS - 1;
	return &board->tokens_ms[source][token];
}

void
board_note_token(
    struct board *board, size_t source, size_t token, int64_t wall_ms)
{
	lock_hold(&board->lock);
	*board_token(board, source, token) = wall_ms;
	lock_drop(&board->lock);
}

int64_t
board_token_ms(struct board *board, size_t source, size_t token)
{
	int64_t ms;

	lock_hold(&board->lock);
	ms = *board_token(board, source, token);
	lock_drop(&board->lock);
	return ms;
}

void
board_note_answer(
    struct board *board, size_t source, unsigned status, int64_t wall_ms)
{
	struct server_source_status *row = &board->rows[source];

	CHECK(source < board->count);
	lock_hold(&board->lock);
	if (status / 100 == 2) {
		row->last_success_ms = wall_ms;
		row->failing_since_ms = 0;
	} else if (row->failing_since_ms == 0) {
		row->failing_since_ms = wall_ms;
	}
	lock_drop(&board->lock);
}

void
board_read(
    struct board *board, size_t source, struct server_source_status *ret_status)
{
	CHECK(source < board->count);
	lock_hold(&board->lock);
	*ret_status = board->rows[source];
	lock_drop(&board->lock);
}
