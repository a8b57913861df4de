#include "server/body.h"

#include "server/server.h"

#define ZLIB_CONST

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

/* ---- the budget, and buffers that are paid for ---- */

void
budget_init(struct budget *budget, size_t bytes, struct budget *of)
{
	atomic_init(&budget->left, bytes);
	budget->of = of;
}

void
budget_widen(struct budget *budget, size_t bytes)
{
	(void)atomic_fetch_add(&budget->left, bytes);
}

bool
budget_take(struct budget *budget, size_t bytes)
{
	size_t left = atomic_load(&budget->left);

	do {
		if (bytes > left)
			return false;
	} while (
	    !atomic_compare_exchange_weak(&budget->left, &left, left - bytes));
	if (budget->of == NULL || budget_take(budget->of, bytes))
		return true;
	atomic_fetch_add(&budget->left, bytes);
	return false;
}

void
budget_give(struct budget *budget, size_t bytes)
{
	atomic_fetch_add(&budget->left, bytes);
	if (budget->of != NULL)
		budget_give(budget->of, bytes);
}

static void
body_buf_init(struct body_buf *bytes, size_t limit, struct budget *budget)
{
	*bytes = (struct body_buf){.budget = budget};
	buf_init(&bytes->buf, limit);
}

static void
body_buf_fini(struct body_buf *bytes)
{
	buf_fini(&bytes->buf);
	budget_give(bytes->budget, bytes->paid);
	bytes->paid = 0;
}

/* Make room for `more` bytes, doubling, so that a body of unknown length is
 * not copied too often. The capacity chosen here is never less than what
 * buf_reserve() would choose: what is paid is what is held. */
static enum body_state
body_buf_reserve(struct body_buf *bytes, size_t more)
{
	struct buf *buf = &bytes->buf;
	size_t cap = buf->cap * 2, cost;

	if (more > buf->limit - buf->len)
		return BODY_TOO_LARGE;
	if (more <= buf->cap - buf->len)
		return BODY_GOOD;
	if (cap < BODY_FREE)
		cap = BODY_FREE;
	if (cap < buf->len + more)
		cap = buf->len + more;
	if (cap > buf->limit)
		cap = buf->limit;
	cost = cap > BODY_FREE ? cap - BODY_FREE : 0;
	if (!budget_take(bytes->budget, cost - bytes->paid))
		return BODY_NO_MEMORY;
	/* It stays paid if there is no memory: body_buf_fini() gives it back,
	 * and nothing is added until then. */
	bytes->paid = cost;
	return buf_reserve(buf, cap - buf->len) ? BODY_GOOD : BODY_NO_MEMORY;
}

/* ---- codings, undone as a body arrives ---- */

enum {
	INFLATER_STEP = 64 * 1024, /* output that is asked for at once */
	INFLATER_GZIP = 15 + 16,   /* zlib's windowBits for each format */
	INFLATER_ZLIB = 15,
	INFLATER_RAW = -15,
};

/* No JSON text begins so (RFC 1952, 2.3.1). */
static const char gzip_magic[] = {0x1f, '\x8b'};

/* "deflate" is the zlib format by the standard, but some clients take the
 * name literally and send bare deflate data: the first two bytes tell. */
struct inflater {
	z_stream zlib;
	enum coding coding;
	bool begun;	       /* zlib is initialised */
	bool ended;	       /* the last stream is complete */
	bool trailing;	       /* what follows is not part of the body */
	bool doubtful;	       /* it begins as a JSON text does */
	unsigned char head[2]; /* until begun */
	size_t head_len;
	uint64_t at; /* bytes read: where a corrupt stream broke */
};

bool
coding_read(const char *header, enum coding *ret_coding)
{
	static const struct {
		const char *name;
		enum coding coding;
	} codings[] = {
	    {"", CODING_IDENTITY},
	    {"identity", CODING_IDENTITY},
	    {"gzip", CODING_GZIP},
	    {"x-gzip", CODING_GZIP},
	    {"deflate", CODING_DEFLATE},
	};

	if (header == NULL)
		header = "";
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
		if (strcasecmp(header, codings[i].name) == 0) {
			*ret_coding = codings[i].coding;
			return true;
		}
	}
	return false;
}

const char *
coding_name(enum coding coding)
{
	switch (coding) {
	case CODING_IDENTITY:
		return "";
	case CODING_GZIP:
		return "gzip";
	case CODING_DEFLATE:
		return "deflate";
	}
	return "";
}

/* NULL: no memory. */
static struct inflater *
inflater_new(enum coding coding)
{
	struct inflater *inflater = calloc(1, sizeof(*inflater));

	CHECK(coding != CODING_IDENTITY);
	if (inflater != NULL)
		inflater->coding = coding;
	return inflater;
}

static void
inflater_free(struct inflater *inflater)
{
	if (inflater == NULL)
		return;
	if (inflater->begun)
		(void)inflateEnd(&inflater->zlib);
	free(inflater);
}

/* Has the body reached its end, as far as the coding tells? */
static bool
inflater_ended(const struct inflater *inflater)
{
	return inflater->ended || inflater->trailing;
}

/* Let zlib write into the room that there is, and make room if there is none.
 * At the limit zlib gets one byte beyond, so that a body of exactly the limit
 * still reaches its checksum. */
static enum body_state
inflater_step(struct inflater *inflater, struct body_buf *out)
{
	z_stream *zlib = &inflater->zlib;
	struct buf *buf = &out->buf;
	bool full = buf->len == buf->limit;
	unsigned char beyond = 0;
	size_t room = 1;
	int code;

	if (!full) {
		if (body_buf_reserve(out, 1) != BODY_GOOD)
			return BODY_NO_MEMORY;
		room = buf->cap - buf->len;
		room = room < INFLATER_STEP ? room : INFLATER_STEP;
	}
	zlib->next_out = full ? &beyond : (unsigned char *)buf->data + buf->len;
	zlib->avail_out = (uInt)room;
	code = inflate(zlib, Z_NO_FLUSH);
	if (full && zlib->avail_out == 0)
		return BODY_TOO_LARGE;
	if (!full)
		buf->len += room - zlib->avail_out;
	inflater->ended = code == Z_STREAM_END;
	if (code == Z_MEM_ERROR)
		return BODY_NO_MEMORY;
	/* Z_BUF_ERROR: zlib needs more input. */
	return code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR
		   ? BODY_GOOD
		   : BODY_CORRUPT;
}

/* Inflate bytes up to the end of zlib's stream, or all; *ret_used is how many
 * that were. */
static enum body_state
inflater_run(struct inflater *inflater, const unsigned char *data, size_t len,
    size_t *ret_used, struct body_buf *out)
{
	z_stream *zlib = &inflater->zlib;
	enum body_state state;

	CHECK(len <= UINT_MAX);
	zlib->next_in = data;
	zlib->avail_in = (uInt)len;
	/* Behind a filled output there may be more: ask until room is left. */
	do {
		state = inflater_step(inflater, out);
	} while (state == BODY_GOOD && !inflater->ended &&
		 (zlib->avail_in > 0 || zlib->avail_out == 0));
	*ret_used = len - zlib->avail_in;
	inflater->at += *ret_used;
	return state;
}

/* The first two bytes are here: start zlib, and give them to it. */
static enum body_state
inflater_begin(struct inflater *inflater, struct body_buf *out)
{
	unsigned first = inflater->head[0], second = inflater->head[1];
	int window_bits = INFLATER_RAW;
	size_t used;

	inflater->doubtful = memchr("{[\n", (int)first, 3) != NULL;
	if (inflater->coding == CODING_GZIP ||
	    memcmp(inflater->head, gzip_magic, 2) == 0)
		window_bits = INFLATER_GZIP;
	/* RFC 1950: method 8, and a header that is a multiple of 31. */
	else if ((first & 0x0f) == 8 && (first * 256 + second) % 31 == 0)
		window_bits = INFLATER_ZLIB;
	if (inflateInit2(&inflater->zlib, window_bits) != Z_OK)
		return BODY_NO_MEMORY;
	inflater->begun = true;
	return inflater_run(
	    inflater, inflater->head, inflater->head_len, &used, out);
}

/* Inflate the next bytes; not to be called again after a failure. Another
 * member of gzip may follow the end of a stream. Anything else there is
 * passed over: the stream's checksum says that the body is whole. Bare deflate
 * data has none, and an indented JSON text looks like some bytes of it, and
 * more behind their end. */
static enum body_state
inflater_add(struct inflater *inflater, const void *data, size_t len,
    struct body_buf *out)
{
	const unsigned char *bytes = data;
	enum body_state state = BODY_GOOD;
	size_t used;

	while (len > 0 && !inflater->begun) {
		inflater->head[inflater->head_len++] = *bytes++;
		len--;
		if (inflater->head_len == sizeof(inflater->head))
			state = inflater_begin(inflater, out);
	}
	while (state == BODY_GOOD && len > 0 && !inflater->trailing) {
		if (inflater->ended) {
			inflater->trailing =
			    inflater->coding != CODING_GZIP || *bytes != 0x1f;
			if (inflater->trailing)
				return inflater->doubtful ? BODY_CORRUPT
							  : BODY_GOOD;
			CHECK(inflateReset(&inflater->zlib) == Z_OK);
			inflater->ended = false;
		}
		state = inflater_run(inflater, bytes, len, &used, out);
		bytes += used;
		len -= used;
	}
	return state;
}

/* ---- bodies ---- */

void
body_init(struct body *body, size_t limit, struct budget *budget)
{
	*body = (struct body){.state = BODY_GOOD};
	body_buf_init(&body->raw, limit, budget);
	body_buf_init(&body->plain, limit, budget);
}

void
body_fini(struct body *body)
{
	inflater_free(body->inflater);
	body->inflater = NULL;
	body_buf_fini(&body->plain);
	body_buf_fini(&body->raw);
}

static void
body_fail(struct body *body, enum body_state state)
{
	body->state = state;
	inflater_free(body->inflater);
	body->inflater = NULL;
	body_buf_fini(&body->plain);
	if (state != BODY_CORRUPT)
		body_buf_fini(&body->raw);
}

/* From now on inflate what comes. */
static enum body_state
body_inflate(struct body *body, enum coding coding)
{
	body->coding = coding;
	body->inflater = inflater_new(coding);
	return body->inflater != NULL ? BODY_GOOD : BODY_NO_MEMORY;
}

void
body_begin(struct body *body, enum coding coding, uint64_t length)
{
	enum body_state state = BODY_TOO_LARGE;

	if (length <= body->raw.buf.limit)
		state = body_buf_reserve(&body->raw, (size_t)length);
	if (state == BODY_GOOD && coding != CODING_IDENTITY)
		state = body_inflate(body, coding);
	if (state != BODY_GOOD)
		body_fail(body, state);
}

void
body_add(struct body *body, const void *data, size_t len)
{
	enum body_state state;

	body->received += len;
	if (body->state != BODY_GOOD && body->state != BODY_CORRUPT)
		return;
	state = body_buf_reserve(&body->raw, len);
	if (state == BODY_GOOD && !buf_append(&body->raw.buf, data, len))
		state = BODY_NO_MEMORY;
	if (state == BODY_GOOD && body->coding == CODING_IDENTITY &&
	    body->raw.buf.len >= 2 &&
	    memcmp(body->raw.buf.data, gzip_magic, 2) == 0) {
		state = body_inflate(body, CODING_GZIP);
		data = body->raw.buf.data;
		len = body->raw.buf.len;
	}
	if (state == BODY_GOOD && body->inflater != NULL)
		state = inflater_add(body->inflater, data, len, &body->plain);
	if (state == BODY_CORRUPT)
		body->corrupt_at = body->inflater->at;
	if (state != BODY_GOOD)
		body_fail(body, state);
}

/* An empty body is a probe, whatever coding it claims. */
void
body_end(struct body *body)
{
	if (body->state != BODY_GOOD || body->inflater == NULL ||
	    body->raw.buf.len == 0 || inflater_ended(body->inflater))
		return;
	body->corrupt_at = body->received; /* it was cut short */
	body_fail(body, BODY_CORRUPT);
}

void
body_take_raw(struct body *body)
{
	CHECK(body->state == BODY_CORRUPT);
	body->state = BODY_GOOD;
	body->coding = CODING_IDENTITY;
}

const struct buf *
body_text(const struct body *body)
{
	return body->coding == CODING_IDENTITY ? &body->raw.buf
					       : &body->plain.buf;
}

bool
server_body_decode(const char *encoding, struct str body, struct buf *ret_text,
    bool *ret_whole, struct err *reterr)
{
	struct inflater *inflater;
	struct body_buf plain;
	struct budget budget;
	enum body_state state;
	enum coding coding;

	*ret_whole = coding_read(encoding, &coding);
	if (!*ret_whole || coding == CODING_IDENTITY)
		return buf_append(ret_text, body.data, body.len) ||
		       buf_ok(ret_text, reterr);
	inflater = inflater_new(coding);
	if (inflater == NULL)
		return err_set_nomem(reterr);
	budget_init(&budget, SIZE_MAX, NULL);
	body_buf_init(&plain, ret_text->limit - ret_text->len, &budget);
	state = inflater_add(inflater, body.data, body.len, &plain);
	*ret_whole = state == BODY_GOOD && inflater_ended(inflater);
	(void)buf_append(ret_text, plain.buf.data, plain.buf.len);
	body_buf_fini(&plain);
	inflater_free(inflater);
	if (state == BODY_NO_MEMORY)
		return err_set_nomem(reterr);
	return buf_ok(ret_text, reterr);
}
