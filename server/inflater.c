#include "server/inflater.h"

#define ZLIB_CONST

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum {
	INFLATER_STEP = 64 * 1024, /* output that is asked for at once */
	INFLATER_GZIP = 15 + 16,   /* zlib's windowBits for each format */
	INFLATER_ZLIB = 15,
	INFLATER_RAW = -15,
};

/* "deflate" is the zlib format by the standard, and bare deflate data from
 * senders who took the name at its word: the first two bytes tell. */
struct inflater {
	z_stream zlib;
	enum coding coding;
	bool begun;	       /* zlib is initialised */
	bool ended;	       /* the last stream is complete */
	bool trailing;	       /* what comes now is not ours */
	unsigned char head[2]; /* until begun */
	size_t head_len;
	uint64_t at; /* bytes read */
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

struct inflater *
inflater_new(enum coding coding)
{
	struct inflater *inflater = calloc(1, sizeof(*inflater));

	CHECK(coding != CODING_IDENTITY);
	if (inflater != NULL)
		inflater->coding = coding;
	return inflater;
}

void
inflater_free(struct inflater *inflater)
{
	if (inflater == NULL)
		return;
	if (inflater->begun)
		(void)inflateEnd(&inflater->zlib);
	free(inflater);
}

static int
inflater_window_bits(const struct inflater *inflater)
{
	unsigned first = inflater->head[0], second = inflater->head[1];

	if (inflater->coding == CODING_GZIP)
		return INFLATER_GZIP;
	/* RFC 1950: method 8, and a header that is a multiple of 31. */
	if ((first & 0x0f) == 8 && (first * 256 + second) % 31 == 0)
		return INFLATER_ZLIB;
	return INFLATER_RAW;
}

/* Let zlib write into what room there is, and grow the room if there is
 * none. At the limit it is lent one byte beyond, so that a body of exactly
 * the limit still reaches its checksum. */
static enum inflater_result
inflater_step(struct inflater *inflater, struct tray *out)
{
	z_stream *zlib = &inflater->zlib;
	struct buf *buf = &out->buf;
	bool full = buf->len == buf->limit;
	unsigned char beyond = 0;
	size_t room = 1;
	int code;

	if (!full) {
		if (tray_reserve(out, 1) != TRAY_OK)
			return INFLATER_SPENT;
		room = buf->cap - buf->len;
		room = room < INFLATER_STEP ? room : INFLATER_STEP;
	}
	zlib->next_out = full ? &beyond : (unsigned char *)buf->data + buf->len;
	zlib->avail_out = (uInt)room;
	code = inflate(zlib, Z_NO_FLUSH);
	if (full && zlib->avail_out == 0)
		return INFLATER_LIMIT;
	if (!full)
		buf->len += room - zlib->avail_out;
	inflater->ended = code == Z_STREAM_END;
	if (code == Z_MEM_ERROR)
		return INFLATER_SPENT;
	/* Z_BUF_ERROR: it needs more input to go on. */
	return code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR
		   ? INFLATER_OK
		   : INFLATER_CORRUPT;
}

/* Give zlib a run of bytes; *ret_used is where its stream ended. */
static enum inflater_result
inflater_run(struct inflater *inflater, const unsigned char *data, size_t len,
    size_t *ret_used, struct tray *out)
{
	z_stream *zlib = &inflater->zlib;
	enum inflater_result result;

	CHECK(len <= UINT_MAX);
	zlib->next_in = data;
	zlib->avail_in = (uInt)len;
	/* A filled output may hide more: ask until there is room left. */
	do {
		result = inflater_step(inflater, out);
	} while (result == INFLATER_OK && !inflater->ended &&
		 (zlib->avail_in > 0 || zlib->avail_out == 0));
	*ret_used = len - zlib->avail_in;
	inflater->at += *ret_used;
	return result;
}

static enum inflater_result
inflater_begin(struct inflater *inflater, struct tray *out)
{
	size_t used;

	if (inflateInit2(&inflater->zlib, inflater_window_bits(inflater)) !=
	    Z_OK)
		return INFLATER_SPENT;
	inflater->begun = true;
	return inflater_run(
	    inflater, inflater->head, inflater->head_len, &used, out);
}

/* After the end of a stream: another member of gzip, or nothing of ours. */
static void
inflater_go_on(struct inflater *inflater, unsigned char next)
{
	if (inflater->coding != CODING_GZIP || next != 0x1f) {
		inflater->trailing = true;
		return;
	}
	CHECK(inflateReset(&inflater->zlib) == Z_OK);
	inflater->ended = false;
}

enum inflater_result
inflater_add(
    struct inflater *inflater, const void *data, size_t len, struct tray *out)
{
	const unsigned char *bytes = data;
	enum inflater_result result = INFLATER_OK;
	size_t used;

	while (len > 0 && !inflater->begun) {
		inflater->head[inflater->head_len++] = *bytes++;
		len--;
		if (inflater->head_len == sizeof(inflater->head))
			result = inflater_begin(inflater, out);
	}
	while (result == INFLATER_OK && len > 0) {
		if (inflater->ended)
			inflater_go_on(inflater, *bytes);
		if (inflater->trailing)
			return INFLATER_OK;
		result = inflater_run(inflater, bytes, len, &used, out);
		bytes += used;
		len -= used;
	}
	return result;
}

bool
inflater_ended(const struct inflater *inflater)
{
	return inflater->ended || inflater->trailing;
}

uint64_t
inflater_at(const struct inflater *inflater)
{
	return inflater->at;
}
