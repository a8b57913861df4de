#include "queue/batch.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	BATCH_FORMAT = 1,
	BATCH_TRACED,
	BATCH_HASH_LOG = 12, /* its table, at home in a first level cache: an
			      * eighth quicker, and 3 bytes an event larger */
	BATCH_LEVEL = 1,     /* of zstd: the fastest of the dense ones */
	BATCH_TYPES_SEARCHED = 32, /* beyond it a type may be listed twice */
	BATCH_RAW_KEPT = 1 << 20,  /* a larger work buffer is given back */
};

/* More than the bodies that a server can be set to take. */
static const size_t batch_raw_most = (size_t)2 << 30;

/* A block of a frame is at most this much unpacked (RFC 8878, 3.1.1.2.4). */
enum { BATCH_BLOCK = 128 * 1024 };

struct batch_packer {
	ZSTD_CCtx *zstd;
	struct buf raw;
	struct buf table;
	struct str *types;
	size_t type_count, type_cap;
};

struct batch_packer *
batch_packer_new(void)
{
	struct batch_packer *packer = calloc(1, sizeof(*packer));

	if (packer == NULL)
		return NULL;
	buf_init(&packer->raw, batch_raw_most);
	buf_init(&packer->table, batch_raw_most);
	packer->zstd = ZSTD_createCCtx();
	if (packer->zstd == NULL ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
		packer->zstd, ZSTD_c_compressionLevel, BATCH_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
		packer->zstd, ZSTD_c_hashLog, BATCH_HASH_LOG)) ||
	    ZSTD_isError(
		ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_checksumFlag, 1))) {
		batch_packer_free(packer);
		return NULL;
	}
	return packer;
}

void
batch_packer_free(struct batch_packer *packer)
{
	if (packer == NULL)
		return;
	(void)ZSTD_freeCCtx(packer->zstd);
	buf_fini(&packer->raw);
	buf_fini(&packer->table);
	free(packer->types);
	free(packer);
}

/* ---- packing ---- */

void
batch_number_write(struct buf *buf, uint64_t number)
{
	unsigned char bytes[10];
	size_t len = 0;

	do {
		bytes[len] = number & 0x7f;
		number >>= 7;
		if (number != 0)
			bytes[len] |= 0x80;
		len++;
	} while (number != 0);
	(void)buf_append(buf, bytes, len);
}

/* The position of a type among those listed so far; lists it if need be. */
static bool
batch_type_find(
    struct batch_packer *packer, struct str type, size_t *ret_position)
{
	size_t from = 0;

	if (packer->type_count > BATCH_TYPES_SEARCHED)
		from = packer->type_count - BATCH_TYPES_SEARCHED;
	for (size_t i = packer->type_count; i > from; i--) {
		if (str_equal(packer->types[i - 1], type)) {
			*ret_position = i - 1;
			return true;
		}
	}
	if (packer->type_count == packer->type_cap) {
		size_t cap = packer->type_cap == 0 ? 8 : packer->type_cap * 2;
		struct str *types =
		    realloc(packer->types, cap * sizeof(*types));

		if (types == NULL)
			return false;
		packer->types = types;
		packer->type_cap = cap;
	}
	packer->types[packer->type_count] = type;
	*ret_position = packer->type_count++;
	return true;
}

/* Lay out the uncompressed form in packer->raw. */
static bool
batch_layout(struct batch_packer *packer, const struct item *items,
    size_t count, struct str trace, struct err *reterr)
{
	struct buf *raw = &packer->raw, *table = &packer->table;
	size_t type;

	buf_reset(raw);
	buf_reset(table);
	packer->type_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!batch_type_find(packer, items[i].type, &type))
			return err_set_nomem(reterr);
		batch_number_write(table, type);
		batch_number_write(table, items[i].data.len);
	}
	batch_number_write(raw, trace.len > 0 ? BATCH_TRACED : BATCH_FORMAT);
	if (trace.len > 0) {
		batch_number_write(raw, trace.len);
		(void)buf_append(raw, trace.data, trace.len);
	}
	batch_number_write(raw, packer->type_count);
	for (size_t i = 0; i < packer->type_count; i++) {
		batch_number_write(raw, packer->types[i].len);
		(void)buf_append(
		    raw, packer->types[i].data, packer->types[i].len);
	}
	batch_number_write(raw, count);
	(void)buf_append(raw, table->data, table->len);
	for (size_t i = 0; i < count; i++)
		(void)buf_append(raw, items[i].data.data, items[i].data.len);
	return buf_ok(table, reterr) && buf_ok(raw, reterr);
}

bool
batch_pack_bytes(struct batch_packer *packer, struct str bytes, struct buf *out,
    struct err *reterr)
{
	size_t size;

	buf_reset(out);
	if (!buf_reserve(out, ZSTD_compressBound(bytes.len)))
		return buf_ok(out, reterr);
	size = ZSTD_compress2(
	    packer->zstd, out->data, out->cap, bytes.data, bytes.len);
	if (ZSTD_isError(size))
		return err_set(reterr, ERR_NOMEM, "cannot compress a batch: %s",
		    ZSTD_getErrorName(size));
	out->len = size;
	return true;
}

bool
batch_pack(struct batch_packer *packer, const struct item *items, size_t count,
    struct str trace, struct buf *out, struct err *reterr)
{
	bool ok;

	ok = batch_layout(packer, items, count, trace, reterr) &&
	     batch_pack_bytes(packer,
		 str_bytes(packer->raw.data, packer->raw.len), out, reterr);
	if (packer->raw.cap > BATCH_RAW_KEPT)
		buf_fini(&packer->raw);
	return ok;
}

/* ---- unpacking ---- */

bool
batch_number_read(
    struct batch_reader *reader, uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		unsigned char byte;

		if (reader->at == reader->end)
			return false;
		byte = *reader->at++;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			*ret_number = number;
			return number <= most;
		}
	}
	return false;
}

const char *
batch_bytes_read(struct batch_reader *reader, size_t len)
{
	const char *bytes = (const char *)reader->at;

	if (len > (size_t)(reader->end - reader->at))
		return NULL;
	reader->at += len;
	return bytes;
}

/* The readers are false for a wrong form and leave *reterr alone, which the
 * caller has filled; no memory is another matter: nothing is damaged. */
static bool
batch_trace_read(struct batch_reader *reader, struct str *ret_trace)
{
	uint64_t number;

	if (!batch_number_read(reader, BATCH_TRACED, &number) || number == 0)
		return false;
	if (number == BATCH_FORMAT)
		return true;
	if (!batch_number_read(reader, SIZE_MAX, &number))
		return false;
	*ret_trace = str_bytes(batch_bytes_read(reader, number), number);
	return ret_trace->data != NULL;
}

static bool
batch_types_read(struct batch_reader *reader, struct str **ret_types,
    size_t *ret_count, struct err *reterr)
{
	size_t left = (size_t)(reader->end - reader->at);
	uint64_t number, count;
	struct str *types;

	if (!batch_number_read(reader, left, &count))
		return false;
	types = calloc(count + 1, sizeof(*types));
	if (types == NULL)
		return err_set_nomem(reterr);
	*ret_types = types;
	*ret_count = count;
	for (size_t i = 0; i < count; i++) {
		if (!batch_number_read(reader, left, &number))
			return false;
		types[i] = str_bytes(batch_bytes_read(reader, number), number);
		if (types[i].data == NULL)
			return false;
	}
	return true;
}

static bool
batch_items_read(struct batch_reader *reader, const struct str *types,
    size_t type_count, struct batch *batch, struct err *reterr)
{
	size_t left = (size_t)(reader->end - reader->at);
	struct batch_reader ahead;
	uint64_t type, len, count;

	if (!batch_number_read(reader, left / 2, &count))
		return false;
	/* They are all there, before they get memory. */
	ahead = *reader;
	for (uint64_t i = 0; i < count; i++) {
		if (!batch_number_read(&ahead, type_count, &type) ||
		    !batch_number_read(&ahead, left, &len))
			return false;
	}
	batch->items = calloc(count + 1, sizeof(*batch->items));
	if (batch->items == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		if (!batch_number_read(reader, left, &type) ||
		    type >= type_count ||
		    !batch_number_read(reader, left, &len))
			return false;
		batch->items[i].type = types[type];
		batch->items[i].data.len = len;
	}
	for (size_t i = 0; i < count; i++) {
		struct str *data = &batch->items[i].data;

		data->data = batch_bytes_read(reader, data->len);
		if (data->data == NULL)
			return false;
	}
	batch->count = count;
	return reader->at == reader->end;
}

/* The most that the blocks of a frame can unpack to, by their headers (RFC
 * 8878, 3.1.1.2); a frame that claims more is damaged, and must not be given
 * memory for it. */
static size_t
batch_frame_most(struct str frame)
{
	static const size_t dictionary[] = {0, 1, 2, 4}, size[] = {0, 2, 4, 8};
	const unsigned char *bytes = (const unsigned char *)frame.data;
	unsigned descriptor = frame.len > 4 ? bytes[4] : 0;
	bool single = (descriptor >> 5 & 1) != 0, last = false;
	size_t at = (descriptor >> 6 == 0 || !single ? 6 : 5) +
		    dictionary[descriptor & 3] + size[descriptor >> 6];
	size_t most = 0;

	while (!last && at + 3 <= frame.len) {
		size_t head = (size_t)bytes[at] | (size_t)bytes[at + 1] << 8 |
			      (size_t)bytes[at + 2] << 16;
		bool repeated = (head >> 1 & 3) == 1;

		last = (head & 1) != 0;
		at += 3 + (repeated ? 1 : head >> 3);
		most += BATCH_BLOCK;
	}
	return most;
}

bool
batch_unpacked_size(struct str frame, size_t *ret_size)
{
	unsigned long long size =
	    ZSTD_getFrameContentSize(frame.data, frame.len);

	if (size == ZSTD_CONTENTSIZE_ERROR ||
	    size == ZSTD_CONTENTSIZE_UNKNOWN || size > batch_raw_most ||
	    size > batch_frame_most(frame))
		return false;
	*ret_size = (size_t)size;
	return true;
}

bool
batch_unpack_bytes(
    struct str frame, char **ret_bytes, size_t *ret_len, struct err *reterr)
{
	size_t size, got;

	if (!batch_unpacked_size(frame, &size))
		return err_set(reterr, ERR_DAMAGED, "not a compressed batch");
	*ret_bytes = malloc(size + 1);
	if (*ret_bytes == NULL)
		return err_set_nomem(reterr);
	got = ZSTD_decompress(*ret_bytes, size, frame.data, frame.len);
	if (ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
		return err_set_nomem(reterr);
	if (ZSTD_isError(got) || got != size)
		return err_set(reterr, ERR_DAMAGED,
		    "cannot decompress a batch: %s", ZSTD_getErrorName(got));
	*ret_len = got;
	return true;
}

bool
batch_unpack(struct str frame, struct batch *ret_batch, struct err *reterr)
{
	struct batch batch = {.bytes = NULL};
	struct batch_reader reader;
	struct str *types = NULL;
	size_t type_count = 0, size = 0;
	struct err err;
	bool ok = false;

	if (!batch_unpack_bytes(frame, &batch.bytes, &size, reterr))
		goto out;
	reader.at = (const unsigned char *)batch.bytes;
	reader.end = reader.at + size;
	(void)err_set(&err, ERR_DAMAGED, "the batch is malformed");
	if (!batch_trace_read(&reader, &batch.trace) ||
	    !batch_types_read(&reader, &types, &type_count, &err) ||
	    !batch_items_read(&reader, types, type_count, &batch, &err)) {
		(void)err_set(reterr, err.code, "%s", err.text);
		goto out;
	}
	*ret_batch = batch;
	ok = true;
out:
	free(types);
	if (!ok)
		batch_fini(&batch);
	return ok;
}

void
batch_fini(struct batch *batch)
{
	free(batch->bytes);
	free(batch->items);
	*batch = (struct batch){.bytes = NULL};
}
