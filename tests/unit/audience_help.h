/*
 * For the tests of the two outlets to Braze: contexts, prepared changes and
 * answers, and no memory on request. The outlet under test is OUTLET.
 */

#include "schema/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795471501123) /* 2026-11-23T22:05:01.123Z */

/* ---- no memory on request ---- */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void *__wrap_realloc(void *data, size_t size);

static bool starved;

void *
__wrap_calloc(size_t count, size_t size)
{
	return starved ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *data, size_t size)
{
	return starved ? NULL : __real_realloc(data, size);
}

/* ---- a context ---- */

static struct outlet_context *
context_make(const void *settings)
{
	struct outlet_context *context = NULL;
	struct err err = {.text = ""};

	if (!OUTLET.context_new(settings, &context, &err))
		fail_msg("%s", err.text);
	return context;
}

/* Such settings are refused, with a text that has that word and no secret. */
static void
assert_refused(const void *settings, const char *word)
{
	struct outlet_context *context = NULL;
	struct err err = {.text = ""};

	assert_false(OUTLET.context_new(settings, &context, &err));
	assert_null(context);
	assert_int_equal(err.code, ERR_CONFIG);
	if (strstr(err.text, word) == NULL)
		fail_msg("\"%s\" does not name %s", err.text, word);
	assert_null(strstr(err.text, "secret-"));
}

/* The bytes of a buffer, as a text that lives until the next call. */
static const char *
buf_string(struct buf *buf)
{
	static char *text;

	free(text);
	text = malloc(buf->len + 1);
	assert_non_null(text);
	if (buf->len > 0)
		memcpy(text, buf->data, buf->len);
	text[buf->len] = '\0';
	buf_fini(buf);
	return text;
}

static const char *
label_of(const struct outlet_context *context, const char *name, const char *id)
{
	const struct outlet_group group = {
	    .id = str_text(id), .name = str_text(name)};
	struct buf label;
	struct err err;

	buf_init(&label, 4096);
	assert_true(OUTLET.label(context, &group, &label, &err));
	return buf_string(&label);
}

/* What is sent of a change, or "". */
static const char *
prepare(const struct outlet_context *context, const struct outlet_group *group,
    struct str change, int64_t now_ms, struct outlet_prepared *ret_prepared)
{
	const struct item item = {.data = change};
	struct buf out;
	struct err err;

	buf_init(&out, 1 << 16);
	memset(ret_prepared, 0xff, sizeof(*ret_prepared));
	assert_true(OUTLET.prepare(context, str_text(NULL), group, &item,
	    now_ms, &out, ret_prepared, &err));
	assert_int_equal(ret_prepared->omission_count, 0);
	assert_int_equal(ret_prepared->omissions_lost, 0);
	assert_int_equal(ret_prepared->left_out_len, 0);
	assert_int_equal(ret_prepared->fate == OUTLET_SEND,
	    ret_prepared->reason == NULL && out.len > 0);
	return buf_string(&out);
}

static void
assert_sent(const struct outlet_context *context,
    const struct outlet_group *group, const char *change, const char *expected)
{
	struct outlet_prepared prepared;

	assert_string_equal(
	    prepare(context, group, str_text(change), NOW_MS, &prepared),
	    expected);
	assert_int_equal(prepared.fate, OUTLET_SEND);
}

static void
assert_dead(const struct outlet_context *context,
    const struct outlet_group *group, struct str change, const char *reason)
{
	struct outlet_prepared prepared;

	assert_string_equal(
	    prepare(context, group, change, NOW_MS, &prepared), "");
	assert_int_equal(prepared.fate, OUTLET_DEAD);
	assert_string_equal(prepared.reason, reason);
}

/* With no memory, and with no room whatever there is, a change is not sent in
 * part, and the buffer stays usable. */
static void
assert_whole_or_nothing(const struct outlet_context *context,
    const struct outlet_group *group, const char *change)
{
	const struct item item = {.data = str_text(change)};
	struct outlet_prepared prepared;
	struct err err = {.code = ERR_NONE};
	struct buf out;
	size_t room = 4;

	buf_init(&out, 1 << 16);
	starved = true;
	assert_false(OUTLET.prepare(context, str_text(NULL), group, &item,
	    NOW_MS, &out, &prepared, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);
	assert_false(out.failed);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
	for (bool sent = false; !sent; room++) {
		buf_init(&out, room);
		assert_true(buf_text(&out, "kept"));
		sent = OUTLET.prepare(context, str_text(NULL), group, &item,
		    NOW_MS, &out, &prepared, &err);
		assert_false(out.failed);
		assert_memory_equal(out.data, "kept", 4);
		if (!sent) {
			assert_int_equal(out.len, 4);
			assert_int_equal(err.code, ERR_LIMIT);
		}
		buf_fini(&out);
	}
	assert_true(room > 4 + strlen(change));
}

/* ---- an answer ---- */

/* "Name: value" texts, NULL-terminated. */
static const char *
answer_header(void *arg, const char *name)
{
	const char *const *headers = arg;
	size_t len = strlen(name);

	for (; headers != NULL && *headers != NULL; headers++) {
		if (strncmp(*headers, name, len) == 0 &&
		    strncmp(*headers + len, ": ", 2) == 0)
			return *headers + len + 2;
	}
	return NULL;
}

enum { JUDGED_MOST = 8 };

struct judged {
	struct outlet_verdict verdict;
	char items[JUDGED_MOST + 1]; /* a letter each: Accepted, Refused,
				      * Failed, Not taken */
};

static struct judged
judge_with(const struct outlet_context *context,
    enum outlet_transport transport, unsigned status, const char *body,
    size_t count, const char *const *headers)
{
	static const char letters[] = {
	    [OUTLET_ACCEPTED] = 'A',
	    [OUTLET_REFUSED] = 'R',
	    [OUTLET_FAILED] = 'F',
	    [OUTLET_NOT_TAKEN] = 'N',
	};
	const struct outlet_answer answer = {
	    .transport = transport,
	    .trouble = "",
	    .status = status,
	    .header = answer_header,
	    .arg = (void *)(uintptr_t)headers,
	    .body = str_text(body),
	    .now_ms = NOW_MS,
	};
	enum outlet_outcome outcomes[JUDGED_MOST];
	struct judged judged = {.items = ""};

	memset(outcomes, 0xff, sizeof(outcomes));
	OUTLET.judge(context, &answer, count, outcomes, &judged.verdict);
	for (size_t i = 0; i < count; i++)
		judged.items[i] = letters[outcomes[i]];
	return judged;
}

struct judge_case {
	enum outlet_transport transport;
	unsigned status;
	const char *body;
	const char *items; /* what becomes of them: see struct judged */
	enum outlet_verdict_kind kind;
	const char *flags;  /* of unknown, slower, smaller, fewer: "u", "sl",
			     * "sm", "fe" */
	const char *advice; /* has this; NULL: none */
};

static void
assert_judged(const struct outlet_context *context,
    const struct judge_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct judge_case *c = &cases[i];
		struct judged judged = judge_with(context, c->transport,
		    c->status, c->body, strlen(c->items), NULL);
		const struct outlet_verdict *verdict = &judged.verdict;
		char flags[8];

		(void)snprintf(flags, sizeof(flags), "%s%s%s%s",
		    verdict->unknown ? "u" : "", verdict->slower ? "sl" : "",
		    verdict->smaller ? "sm" : "", verdict->fewer ? "fe" : "");
		if (strcmp(judged.items, c->items) != 0 ||
		    verdict->kind != c->kind || strcmp(flags, c->flags) != 0)
			fail_msg("case %zu, %u %s: %s, %d, \"%s\"", i,
			    c->status, c->body, judged.items, verdict->kind,
			    flags);
		if ((verdict->advice != NULL) != (c->advice != NULL) ||
		    (c->advice != NULL &&
			strstr(verdict->advice, c->advice) == NULL))
			fail_msg("case %zu: %s", i,
			    verdict->advice != NULL ? verdict->advice : "-");
	}
}

/* How long an answer with these headers asks to wait. */
static int64_t
waits(const struct outlet_context *context, unsigned status, const char *first,
    const char *second)
{
	const char *headers[] = {first, second, NULL};

	return judge_with(context, OUTLET_WHOLE, status, "{}", 1, headers)
	    .verdict.wait_ms;
}

static void
assert_waits(const struct outlet_context *context, int64_t most_ms)
{
#define RETRY "x-ratelimit-retry-after: "
#define RESET "x-ratelimit-reset: "
	assert_int_equal(waits(context, 429, NULL, NULL), 0);
	assert_int_equal(waits(context, 429, RETRY "7", NULL), 7000);
	assert_int_equal(waits(context, 429, "Retry-After: 8", NULL), 8000);
	assert_int_equal(
	    waits(context, 429, "Retry-After: 8", RETRY "7"), 7000);
	assert_int_equal(waits(context, 429, RETRY "7", RESET "9"), 7000);
	assert_int_equal(
	    waits(context, 429, "Retry-After: 8", RESET "9"), 8000);
	/* both meanings of the reset: seconds that are left, and a time */
	assert_int_equal(waits(context, 429, RESET "9", NULL), 9000);
	assert_int_equal(waits(context, 429, RESET "0", NULL), 0);
	assert_int_equal(waits(context, 429, RESET "1795471511", NULL), 9877);
	assert_int_equal(waits(context, 429, RESET "1795471501", NULL), 0);
	assert_int_equal(
	    waits(context, 429, RESET "1795479999", NULL), most_ms);
	assert_int_equal(waits(context, 429, RESET "999999999", NULL), most_ms);
	assert_int_equal(
	    waits(context, 429, RESET "99999999999999999999999", NULL),
	    most_ms);
	assert_int_equal(waits(context, 429, RETRY "99999999", NULL), most_ms);
	/* what is not legible says nothing */
	assert_int_equal(waits(context, 429, RETRY "soon", RESET "9"), 9000);
	assert_int_equal(waits(context, 429, RESET "-1", NULL), 0);
	/* every answer has a reset; only 429 says that it must be awaited */
	assert_int_equal(waits(context, 503, RESET "9", NULL), 0);
	assert_int_equal(waits(context, 201, RESET "9", NULL), 0);
	assert_int_equal(waits(context, 503, "Retry-After: 8", NULL), 8000);
}
