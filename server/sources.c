/*
 * The queue keeps the status as lines of text, so that an operator can read
 * them in the file:
 *
 *	source REQUEST SUCCESS FAILING STATUS REFUSED SINCE LAST STATUS NAME
 *	failing NAME WHY
 *	refused NAME WHY
 *	token LAST HASH NAME
 *	answer DAY STATUS COUNT NAME
 *
 * The fields are those of struct server_source_status. A token is known by its
 * hash because its number changes when tokens are added or removed. The rows
 * that stand for no source have names that no source can have.
 */

#include "server/sources.h"

#include "base/lock.h"
#include "base/log.h"
#include "server/tokens.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SOURCES_TEXT_MAX = 1024 * 1024,
	SOURCES_LINE_MAX = 512,
	SOURCES_DAY_MS = 24 * 3600 * 1000,
};

/* Refusals that are so far apart are not counted together. */
static const int64_t sources_apart_ms = (int64_t)24 * 3600 * 1000;

/* The status of a name. */
struct source_row {
	struct source_row *next;
	struct server_source_status status;
	/* any thread */
	struct histogram times;
	struct source_load load;

	char name[];
};

/* What those share that came of one another. All of it is guarded by lock. */
struct sources_shared {
	struct lock lock;
	size_t holders;
	bool changed; /* since the status was saved */
	struct source_row *rows;
};

struct source {
	/* constant; the first two are NULL in the rows of no source */
	const struct server_source *settings; /* lent */
	struct tokens *tokens;
	struct source_row *row;

	int64_t *used_ms; /* of each token, in those of sources */
};

struct sources {
	/* constant */
	struct server_settings settings;
	size_t count; /* of the rows without the last two */
	struct tokens *view, *admin;
	struct sources_shared *shared;
	struct lock *lock; /* theirs */
	int64_t *used_ms;  /* of all tokens; guarded by lock */

	atomic_size_t holders;
	struct source rows[];
};

size_t
sources_find(const struct server_source *list, size_t count,
    const struct intake *intake, struct str name)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].intake == intake &&
		    (name.len == 0 || str_equal_text(name, list[i].name)))
			return i;
	}
	return count;
}

static struct str
source_unquote(struct str text)
{
	if (text.len >= 2 && text.data[0] == '"' &&
	    text.data[text.len - 1] == '"')
		return str_bytes(text.data + 1, text.len - 2);
	return text;
}

bool
source_chosen(
    const struct server_source *source, const char *key, const char *value)
{
	const char *parameter = source->parameter;
	size_t len = strlen(key);

	return parameter != NULL && strncmp(parameter, key, len) == 0 &&
	       parameter[len] == '=' &&
	       str_equal(source_unquote(str_text(value)),
		   source_unquote(str_text(parameter + len + 1)));
}

/* Count answers, of that day; of an earlier day they count for nothing. */
static void
source_count(struct server_source_status *row, unsigned status, int64_t day,
    int64_t count, int64_t total)
{
	bool same = row->answers_day == day;
	size_t i = 0;

	for (size_t k = 0; !same && k < row->answer_count; k++)
		row->answers[k].count = 0;
	row->answers_day = day;
	while (i < row->answer_count && row->answers[i].status != status)
		i++;
	if (i == SERVER_ANSWERS)
		return;
	if (i == row->answer_count)
		row->answers[row->answer_count++] =
		    (struct server_answer){.status = status};
	row->answers[i].count += count;
	row->answers[i].total += total;
}

/* Answers that never came stand at 0. */
static void
source_expect(struct source *source)
{
	const struct intake *intake = source->settings->intake;
	struct server_source_status *row = &source->row->status;

	for (int cause = 0; intake != NULL && cause < INTAKE_CAUSES; cause++)
		source_count(
		    row, intake->status[cause], row->answers_day, 0, 0);
}

/* The row of that name, made if need be. NULL: no memory. */
static struct source_row *
shared_row(struct sources_shared *shared, const char *name)
{
	struct source_row *row;
	size_t size = strlen(name) + 1;

	lock_assert_held(&shared->lock);
	for (row = shared->rows; row != NULL; row = row->next) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	row = calloc(1, sizeof(*row) + size);
	if (row == NULL)
		return NULL;
	memcpy(row->name, name, size);
	row->status.name = row->name;
	row->status.times = &row->times;
	row->next = shared->rows;
	shared->rows = row;
	return row;
}

static void
shared_drop(struct sources_shared *shared)
{
	struct source_row *row;
	size_t holders;

	lock_hold(&shared->lock);
	holders = --shared->holders;
	lock_drop(&shared->lock);
	if (holders > 0)
		return;
	while ((row = shared->rows) != NULL) {
		shared->rows = row->next;
		free(row);
	}
	lock_fini(&shared->lock);
	free(shared);
}

static struct sources_shared *
shared_hold(struct sources *before)
{
	struct sources_shared *shared =
	    before != NULL ? before->shared : calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	if (before == NULL)
		lock_init(&shared->lock);
	lock_hold(&shared->lock);
	shared->holders++;
	lock_drop(&shared->lock);
	return shared;
}

/* Without an intake only the status is read. */
static struct tokens *
source_tokens(const struct server_source *settings)
{
	bool bearer = settings->intake != NULL &&
		      settings->intake->proof == INTAKE_BEARER;

	return tokens_new(bearer ? settings->secrets : NULL);
}

static void
sources_free(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		tokens_free(sources->rows[i].tokens);
	free(sources->used_ms);
	tokens_free(sources->view);
	tokens_free(sources->admin);
	if (sources->shared != NULL)
		shared_drop(sources->shared);
	if (sources->settings.give_back != NULL)
		sources->settings.give_back(sources->settings.lender);
	free(sources);
}

struct sources *
sources_new(const struct server_settings *settings, struct sources *before)
{
	static const char *const more[SERVER_ROWS_MORE] = {
	    SERVER_NO_SOURCE, SERVER_STRANGERS};
	size_t count = settings->source_count, rows = count + SERVER_ROWS_MORE;
	size_t tokens = 0;
	struct sources *sources =
	    calloc(1, sizeof(*sources) + rows * sizeof(struct source));
	bool ok;

	if (sources == NULL)
		return NULL;
	atomic_store(&sources->holders, 1);
	sources->count = count;
	sources->shared = shared_hold(before);
	sources->view = tokens_new(settings->view_tokens);
	sources->admin = tokens_new(settings->admin_tokens);
	ok = sources->shared != NULL && sources->view != NULL &&
	     sources->admin != NULL;
	for (size_t i = 0; ok && i < count; i++) {
		struct source *source = &sources->rows[i];

		source->settings = &settings->sources[i];
		source->tokens = source_tokens(source->settings);
		ok = source->tokens != NULL;
		tokens += ok ? tokens_count(source->tokens) : 0;
	}
	sources->used_ms = calloc(tokens + 1, sizeof(*sources->used_ms));
	ok = ok && sources->used_ms != NULL;
	tokens = 0;
	for (size_t i = 0; ok && i < count; i++) {
		sources->rows[i].used_ms = sources->used_ms + tokens;
		tokens += tokens_count(sources->rows[i].tokens);
	}
	if (ok) {
		sources->lock = &sources->shared->lock;
		lock_hold(sources->lock);
		for (size_t i = 0; i < rows; i++) {
			sources->rows[i].row = shared_row(sources->shared,
			    i < count ? settings->sources[i].name
				      : more[i - count]);
			ok = ok && sources->rows[i].row != NULL;
			if (ok && i < count)
				source_expect(&sources->rows[i]);
		}
		lock_drop(sources->lock);
	}
	if (!ok) {
		sources_free(sources);
		return NULL;
	}
	sources->settings = *settings;
	return sources;
}

struct sources *
sources_hold(struct sources *sources)
{
	(void)atomic_fetch_add(&sources->holders, 1);
	return sources;
}

void
sources_drop(struct sources *sources)
{
	if (sources != NULL && atomic_fetch_sub(&sources->holders, 1) == 1)
		sources_free(sources);
}

const struct server_settings *
sources_settings(const struct sources *sources)
{
	return &sources->settings;
}

const struct tokens *
sources_tokens(const struct sources *sources, bool admin)
{
	return admin ? sources->admin : sources->view;
}

static void
source_used(struct source *source, struct str hash, int64_t used_ms)
{
	char name[TOKENS_NAME];

	for (size_t i = 0; i < tokens_count(source->tokens); i++) {
		tokens_name(source->tokens, i, name);
		if (str_equal_text(hash, name))
			source->used_ms[i] = used_ms;
	}
}

void
sources_succeed(struct sources *sources, const struct sources *before)
{
	char name[TOKENS_NAME];

	lock_hold(sources->lock);
	for (size_t i = 0; i < sources->count; i++) {
		for (size_t j = 0; j < before->count; j++) {
			const struct source *old = &before->rows[j];

			if (old->row != sources->rows[i].row)
				continue;
			for (size_t t = 0; t < tokens_count(old->tokens); t++) {
				tokens_name(old->tokens, t, name);
				source_used(&sources->rows[i], str_text(name),
				    old->used_ms[t]);
			}
		}
	}
	sources->shared->changed = true;
	lock_drop(sources->lock);
}

bool
sources_authorise(
    struct sources *sources, size_t source, const char *header, int64_t wall_ms)
{
	struct source *row = &sources->rows[source];
	size_t token = 0;
	bool known;

	CHECK(source < sources->count);
	known = tokens_find(row->tokens, header, &token);
	if (!known && !row->settings->open)
		return false;
	lock_hold(sources->lock);
	row->row->status.last_request_ms = wall_ms;
	if (known)
		row->used_ms[token] = wall_ms;
	sources->shared->changed = true;
	lock_drop(sources->lock);
	return true;
}

void
sources_prove(const struct sources *sources, size_t source, const char *header,
    const char *nonce, char ret_proof[SERVER_PROOF])
{
	const struct tokens *tokens = sources->rows[source].tokens;
	size_t token = 0;

	CHECK(source < sources->count);
	if (!tokens_find(tokens, header, &token))
		token = SIZE_MAX;
	tokens_prove(tokens, token, nonce, ret_proof);
}

void
sources_note_request(struct sources *sources, size_t source, int64_t wall_ms)
{
	CHECK(source < sources->count);
	lock_hold(sources->lock);
	sources->rows[source].row->status.last_request_ms = wall_ms;
	sources->shared->changed = true;
	lock_drop(sources->lock);
}

/* A reason, on one line. */
static void
source_why(char ret[SERVER_REASON], const char *why)
{
	(void)snprintf(ret, SERVER_REASON, "%s", why);
	for (char *at = ret; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ')
			*at = ' ';
	}
}

/* Does this status make the source strand its items? A request of no source may
 * have been meant for any of them; what was hung up on, or answered by the
 * library itself, will be sent again, but in vain until an operator acts. A
 * stranger has no source, but is counted. */
static bool
sources_strand(const struct sources *sources, size_t source, unsigned status)
{
	size_t first = source, end = source + 1;

	if (source > sources->count)
		return status / 100 != 2;
	if (source == sources->count) {
		if (server_unread(status))
			return true;
		first = 0;
		end = sources->count;
	}
	for (size_t i = first; i < end; i++) {
		if (sources->rows[i].settings->intake->strands(status))
			return true;
	}
	return false;
}

void
sources_note_answer(struct sources *sources, size_t source, unsigned status,
    const char *why, bool authorised, int64_t wall_ms)
{
	struct server_source_status *row = &sources->rows[source].row->status;
	bool strands;

	CHECK(source < sources->count + SERVER_ROWS_MORE);
	strands = sources_strand(sources, source, status);
	lock_hold(sources->lock);
	if (authorised && status / 100 == 2) {
		row->last_success_ms = wall_ms;
		row->failing_since_ms = 0;
		row->failing_status = 0;
		row->failing_why[0] = '\0';
	} else if (authorised && !strands) {
		if (row->failing_since_ms == 0)
			row->failing_since_ms = wall_ms;
		row->failing_status = status;
		source_why(row->failing_why, why);
	}
	if (strands) {
		if (row->refused == 0 ||
		    wall_ms - row->refused_ms > sources_apart_ms) {
			row->refused = 0;
			row->refused_since_ms = wall_ms;
		}
		row->refused++;
		row->refused_ms = wall_ms;
		row->refused_status = status;
		source_why(row->refused_why, why);
	}
	if (source < sources->count)
		source_count(row, status, wall_ms / SOURCES_DAY_MS, 1, 1);
	sources->shared->changed = true;
	lock_drop(sources->lock);
}

void
sources_note_items(
    struct sources *sources, size_t source, size_t items, int64_t mono_ms)
{
	CHECK(source < sources->count);
	lock_hold(sources->lock);
	rate_add(&sources->rows[source].row->status.rate, items, mono_ms);
	lock_drop(sources->lock);
}

static struct source *
sources_row(struct sources *sources, const char *name)
{
	for (size_t i = 0; i < sources->count + SERVER_ROWS_MORE; i++) {
		if (strcmp(sources->rows[i].row->name, name) == 0)
			return &sources->rows[i];
	}
	return NULL;
}

struct source_load *
sources_load(struct sources *sources, size_t source)
{
	CHECK(source < sources->count);
	return &sources->rows[source].row->load;
}

void
sources_note_time(struct sources *sources, size_t source, int64_t us)
{
	CHECK(source < sources->count);
	histogram_add(&sources->rows[source].row->times, us, 1);
}

void
sources_status(struct sources *sources, const char *name,
    struct server_source_status *ret_status)
{
	const struct source *source = sources_row(sources, name);

	*ret_status = (struct server_source_status){.name = NULL};
	if (source != NULL) {
		lock_hold(sources->lock);
		*ret_status = source->row->status;
		lock_drop(sources->lock);
	}
	ret_status->name = name;
}

size_t
sources_tokens_used(struct sources *sources, const char *name,
    int64_t *ret_used_ms, size_t most)
{
	const struct source *source = sources_row(sources, name);
	size_t count = source != NULL && source->tokens != NULL
			   ? tokens_count(source->tokens)
			   : 0;

	if (count > most)
		count = most;
	lock_hold(sources->lock);
	for (size_t i = 0; i < count; i++)
		ret_used_ms[i] = source->used_ms[i];
	lock_drop(sources->lock);
	return count;
}

/* ---- over restarts ---- */

static void
source_write(const struct source *source, struct buf *out)
{
	const struct server_source_status *row = &source->row->status;
	size_t tokens =
	    source->tokens != NULL ? tokens_count(source->tokens) : 0;
	char name[TOKENS_NAME];

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
	for (size_t i = 0; i < tokens; i++) {
		if (source->used_ms[i] == 0)
			continue;
		tokens_name(source->tokens, i, name);
		(void)buf_printf(out, "token %" PRId64 " %s %s\n",
		    source->used_ms[i], name, row->name);
	}
	for (size_t i = 0; i < row->answer_count; i++) {
		if (row->answers[i].count == 0)
			continue;
		(void)buf_printf(out, "answer %" PRId64 " %u %" PRId64 " %s\n",
		    row->answers_day, row->answers[i].status,
		    row->answers[i].count, row->name);
	}
}

void
sources_save(struct sources *sources, struct queue *queue)
{
	struct buf text;
	struct err err;
	bool changed;

	buf_init(&text, SOURCES_TEXT_MAX);
	lock_hold(sources->lock);
	changed = sources->shared->changed;
	sources->shared->changed = false;
	for (size_t i = 0; changed && i < sources->count + SERVER_ROWS_MORE;
	     i++)
		source_write(&sources->rows[i], &text);
	lock_drop(sources->lock);
	if (changed && (!buf_ok(&text, &err) ||
			   !queue_clocks_save(queue, QUEUE_CLOCKS_SOURCES,
			       text.data, text.len, &err)))
		log_line(
		    LOG_WARN, "server", "clocks why=%s", LOG_QUOTE(err.text));
	buf_fini(&text);
}

/* Read the next numbers of a line, each followed by a space; *at moves on. */
static bool
line_read_numbers(const char **at, int64_t *ret_numbers, size_t count)
{
	char *end;

	for (size_t i = 0; i < count; i++) {
		ret_numbers[i] = strtoll(*at, &end, 10);
		if (end == *at || *end != ' ')
			return false;
		*at = end + 1;
	}
	return true;
}

static void
sources_read_source(struct sources *sources, const char *line)
{
	int64_t numbers[8];
	struct source *source;

	if (!line_read_numbers(&line, numbers, 8))
		return;
	source = sources_row(sources, line);
	if (source == NULL)
		return;
	source->row->status.last_request_ms = numbers[0];
	source->row->status.last_success_ms = numbers[1];
	source->row->status.failing_since_ms = numbers[2];
	source->row->status.failing_status = (unsigned)numbers[3];
	source->row->status.refused = numbers[4];
	source->row->status.refused_since_ms = numbers[5];
	source->row->status.refused_ms = numbers[6];
	source->row->status.refused_status = (unsigned)numbers[7];
}

static void
sources_read_token(struct sources *sources, const char *line)
{
	struct source *source;
	struct str hash;
	int64_t used_ms;

	if (!line_read_numbers(&line, &used_ms, 1))
		return;
	hash = str_bytes(line, strcspn(line, " "));
	if (line[hash.len] != ' ')
		return;
	source = sources_row(sources, line + hash.len + 1);
	if (source != NULL && source->tokens != NULL)
		source_used(source, hash, used_ms);
}

static void
sources_read_answer(struct sources *sources, const char *line)
{
	int64_t numbers[3];
	struct source *source;

	if (!line_read_numbers(&line, numbers, 3))
		return;
	source = sources_row(sources, line);
	if (source != NULL)
		source_count(&source->row->status, (unsigned)numbers[1],
		    numbers[0], numbers[2], 0);
}

static void
sources_read_why(struct sources *sources, char *line, bool failing)
{
	char *why = strchr(line, ' ');
	struct source *source;

	if (why == NULL)
		return;
	*why++ = '\0';
	source = sources_row(sources, line);
	if (source != NULL)
		source_why(failing ? source->row->status.failing_why
				   : source->row->status.refused_why,
		    why);
}

/* A line that cannot be read, or is about a source that no longer exists, is
 * skipped. */
static void
sources_read_line(struct sources *sources, char *line)
{
	lock_assert_held(sources->lock);
	if (strncmp(line, "source ", 7) == 0)
		sources_read_source(sources, line + 7);
	else if (strncmp(line, "token ", 6) == 0)
		sources_read_token(sources, line + 6);
	else if (strncmp(line, "answer ", 7) == 0)
		sources_read_answer(sources, line + 7);
	else if (strncmp(line, "failing ", 8) == 0)
		sources_read_why(sources, line + 8, true);
	else if (strncmp(line, "refused ", 8) == 0)
		sources_read_why(sources, line + 8, false);
}

void
sources_restore(struct sources *sources, struct queue *queue)
{
	struct buf text;
	char line[SOURCES_LINE_MAX];
	size_t at = 0;
	struct err err;

	buf_init(&text, SOURCES_TEXT_MAX);
	if (!queue_clocks_read(queue, QUEUE_CLOCKS_SOURCES, &text, &err)) {
		log_line(
		    LOG_WARN, "server", "clocks why=%s", LOG_QUOTE(err.text));
		goto out;
	}
	lock_hold(sources->lock);
	while (at < text.len) {
		const char *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end != NULL ? (size_t)(end - text.data) - at
					 : text.len - at;

		if (len < sizeof(line)) {
			memcpy(line, text.data + at, len);
			line[len] = '\0';
			sources_read_line(sources, line);
		}
		at += len + 1;
	}
	lock_drop(sources->lock);
out:
	buf_fini(&text);
}
