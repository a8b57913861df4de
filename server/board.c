/*
 * What is kept over restarts is lines of text, in the words of
 * struct server_source_status, so that a person can read them in the file:
 *
 *	source REQUEST SUCCESS FAILING STATUS REFUSED SINCE LAST STATUS NAME
 *	failing NAME WHY
 *	refused NAME WHY
 *	token LAST HASH NAME
 *
 * A token is known by the beginning of its SHA-256: its number changes when
 * tokens are added or taken away. The row of no source has the name "/",
 * which no source can have.
 */

#include "server/board.h"

#include "base/digest.h"
#include "base/lock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BOARD_HASH = 6, /* bytes */
	BOARD_LINE = 512,
};

/* A refusal after so long is another story. */
static const int64_t board_spell_ms = (int64_t)24 * 3600 * 1000;

struct board_token {
	char hash[2 * BOARD_HASH + 1]; /* "" if there is none */
	int64_t used_ms;
};

struct board {
	size_t count;
	struct lock lock;
	/* guarded by lock */
	bool changed;				    /* since it was written */
	struct board_token (*tokens)[BOARD_TOKENS]; /* of each source */
	struct server_source_status rows[];
};

static void
board_hash(const char *token, char ret[2 * BOARD_HASH + 1])
{
	unsigned char digest[DIGEST_SHA256];

	digest_sha256(token, strlen(token), digest);
	for (size_t i = 0; i < BOARD_HASH; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

struct board *
board_new(const struct server_source *sources, size_t count)
{
	struct board *board =
	    calloc(1, sizeof(*board) + (count + 1) * sizeof(board->rows[0]));

	if (board == NULL)
		return NULL;
	board->tokens = calloc(count + 1, sizeof(*board->tokens));
	if (board->tokens == NULL) {
		free(board);
		return NULL;
	}
	lock_init(&board->lock);
	board->count = count;
	for (size_t i = 0; i < count; i++) {
		const char *const *list = sources[i].tokens;

		board->rows[i].name = sources[i].name;
		for (size_t t = 0;
		     list != NULL && t < BOARD_TOKENS && list[t] != NULL; t++)
			board_hash(list[t], board->tokens[i][t].hash);
	}
	board->rows[count].name = "/";
	return board;
}

void
board_free(struct board *board)
{
	if (board == NULL)
		return;
	lock_fini(&board->lock);
	free(board->tokens);
	free(board);
}

void
board_note_request(struct board *board, size_t source, int64_t wall_ms)
{
	CHECK(source < board->count);
	lock_hold(&board->lock);
	board->rows[source].last_request_ms = wall_ms;
	board->changed = true;
	lock_drop(&board->lock);
}

static int64_t *
board_token(struct board *board, size_t source, size_t token)
{
	CHECK(source < board->count);
	if (token >= BOARD_TOKENS)
		token = BOARD_TOKENS - 1;
	return &board->tokens[source][token].used_ms;
}

void
board_note_token(
    struct board *board, size_t source, size_t token, int64_t wall_ms)
{
	lock_hold(&board->lock);
	*board_token(board, source, token) = wall_ms;
	board->changed = true;
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

/* A reason, on one line. */
static void
board_why(char ret[SERVER_REASON], const char *why)
{
	(void)snprintf(ret, SERVER_REASON, "%s", why);
	for (char *at = ret; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ')
			*at = ' ';
	}
}

void
board_note_answer(struct board *board, size_t source, unsigned status,
    const char *why, int64_t wall_ms)
{
	struct server_source_status *row = &board->rows[source];

	CHECK(source < board->count);
	lock_hold(&board->lock);
	if (status / 100 == 2) {
		row->last_success_ms = wall_ms;
		row->failing_since_ms = 0;
		row->failing_status = 0;
		row->failing_why[0] = '\0';
	} else {
		if (row->failing_since_ms == 0)
			row->failing_since_ms = wall_ms;
		row->failing_status = status;
		board_why(row->failing_why, why);
	}
	board->changed = true;
	lock_drop(&board->lock);
}

bool
board_strands(unsigned status)
{
	return status == 401 || status == 403 || status == 404 ||
	       status == 405 || status == 415;
}

void
board_note_refusal(struct board *board, size_t source, unsigned status,
    const char *why, int64_t wall_ms)
{
	struct server_source_status *row = &board->rows[source];

	CHECK(source <= board->count);
	lock_hold(&board->lock);
	if (row->refused == 0 || wall_ms - row->refused_ms > board_spell_ms) {
		row->refused = 0;
		row->refused_since_ms = wall_ms;
	}
	row->refused++;
	row->refused_ms = wall_ms;
	row->refused_status = status;
	board_why(row->refused_why, why);
	board->changed = true;
	lock_drop(&board->lock);
}

void
board_read(
    struct board *board, size_t source, struct server_source_status *ret_status)
{
	CHECK(source <= board->count);
	lock_hold(&board->lock);
	*ret_status = board->rows[source];
	lock_drop(&board->lock);
}

/* ---- over restarts ---- */

static void
board_row_write(const struct server_source_status *row, struct buf *out)
{
	(void)buf_printf(out,
	    "source %" PRId64 " %" PRId64 " %" PRId64 " %u %" PRId64 " %" PRId64
	    " %" PRId64 " %u %s\n",
	    row->last_request_ms, row->last_success_ms, row->failing_since_ms,
	    row->failing_status, row->refused, row->refused_since_ms,
	    row->refused_ms, row->refused_status, row->name);
	if (row->failing_why[0] != '\0')
		(void)buf_printf(
		    out, "failing %s %s\n", row->name, row->failing_why);
	if (row->refused_why[0] != '\0')
		(void)buf_printf(
		    out, "refused %s %s\n", row->name, row->refused_why);
}

bool
board_write(struct board *board, struct buf *out)
{
	bool changed;

	lock_hold(&board->lock);
	changed = board->changed;
	board->changed = false;
	for (size_t i = 0; changed && i <= board->count; i++)
		board_row_write(&board->rows[i], out);
	for (size_t i = 0; changed && i < board->count; i++) {
		for (size_t t = 0; t < BOARD_TOKENS; t++) {
			const struct board_token *token = &board->tokens[i][t];

			if (token->used_ms != 0)
				(void)buf_printf(out,
				    "token %" PRId64 " %s %s\n", token->used_ms,
				    token->hash, board->rows[i].name);
		}
	}
	lock_drop(&board->lock);
	return changed;
}

/* The number of the row of that name; none: count + 1. */
static size_t
board_find(const struct board *board, const char *name)
{
	size_t i = 0;

	while (i <= board->count && strcmp(board->rows[i].name, name) != 0)
		i++;
	return i;
}

/* The next number of a line, and the blank behind it; *at moves on. */
static bool
board_number(const char **at, int64_t *ret_number)
{
	char *end;

	*ret_number = strtoll(*at, &end, 10);
	if (end == *at || *end != ' ')
		return false;
	*at = end + 1;
	return true;
}

static void
board_source_restore(struct board *board, const char *at)
{
	struct server_source_status row = {.name = NULL};
	int64_t failing_status, refused_status;
	size_t found;

	if (!board_number(&at, &row.last_request_ms) ||
	    !board_number(&at, &row.last_success_ms) ||
	    !board_number(&at, &row.failing_since_ms) ||
	    !board_number(&at, &failing_status) ||
	    !board_number(&at, &row.refused) ||
	    !board_number(&at, &row.refused_since_ms) ||
	    !board_number(&at, &row.refused_ms) ||
	    !board_number(&at, &refused_status))
		return;
	found = board_find(board, at);
	if (found > board->count)
		return;
	row.name = board->rows[found].name;
	row.failing_status = (unsigned)failing_status;
	row.refused_status = (unsigned)refused_status;
	board->rows[found] = row;
}

static void
board_why_restore(struct board *board, char *line)
{
	bool failing = *line == 'f';
	char *name = strchr(line, ' ') + 1, *why = strchr(name, ' ');
	size_t found;

	if (why == NULL)
		return;
	*why++ = '\0';
	found = board_find(board, name);
	if (found <= board->count)
		board_why(failing ? board->rows[found].failing_why
				  : board->rows[found].refused_why,
		    why);
}

static void
board_token_restore(struct board *board, const char *at)
{
	enum { HEX = 2 * BOARD_HASH };
	const char *hash;
	int64_t used_ms;
	size_t found;

	if (!board_number(&at, &used_ms) || strlen(at) <= HEX || at[HEX] != ' ')
		return;
	hash = at;
	found = board_find(board, at + HEX + 1);
	for (size_t t = 0; found < board->count && t < BOARD_TOKENS; t++) {
		if (strncmp(board->tokens[found][t].hash, hash, HEX) == 0)
			board->tokens[found][t].used_ms = used_ms;
	}
}

static void
board_line_restore(struct board *board, char *line)
{
	if (strncmp(line, "source ", 7) == 0)
		board_source_restore(board, line + 7);
	else if (strncmp(line, "failing ", 8) == 0 ||
		 strncmp(line, "refused ", 8) == 0)
		board_why_restore(board, line);
	else if (strncmp(line, "token ", 6) == 0)
		board_token_restore(board, line + 6);
}

void
board_restore(struct board *board, struct queue *queue)
{
	struct buf clocks;
	char line[BOARD_LINE];
	size_t at = 0;
	struct err err;

	buf_init(&clocks, BOARD_CLOCKS_MAX);
	if (!queue_clocks_read(queue, &clocks, &err)) {
		log_line(
		    LOG_WARN, "server", "clocks text=%s", LOG_QUOTE(err.text));
		goto out;
	}
	lock_hold(&board->lock);
	while (at < clocks.len) {
		const char *end =
		    memchr(clocks.data + at, '\n', clocks.len - at);
		size_t len = end != NULL ? (size_t)(end - clocks.data) - at
					 : clocks.len - at;

		if (len < sizeof(line)) {
			memcpy(line, clocks.data + at, len);
			line[len] = '\0';
			board_line_restore(board, line);
		}
		at += len + 1;
	}
	lock_drop(&board->lock);
out:
	buf_fini(&clocks);
}
