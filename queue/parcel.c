#include "queue/parcel.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	PARCEL_FORMAT = 1,
	PARCEL_HASH_LOG = 12, /* its table, at home in a first level cache: an
			       * eighth quicker, and 3 bytes an event larger */
	PARCEL_LEVEL = 1,     /* of zstd: the fastest of the dense ones */
	PARCEL_KINDS_SEARCHED = 32, /* beyond it a kind may be listed twice */
	PARCEL_RAW_KEPT = 1 << 20,  /* a larger work buffer is given back */
};

/* More than the bodies that a server can be set to take. */
static const size_t parcel_raw_most = (size_t)2 << 30;

struct parcel_packer {
	ZSTD_CCtx *zstd;
	struct buf raw;
	struct buf table;
	struct item *kinds;
	size_t kind_count, kind_cap;
};

struct parcel_packer *
parcel_packer_new(void)
{
	struct parcel_packer *packer = calloc(1, sizeof(*packer));

	if (packer == NULL)
		return NULL;
	buf_init(&packer->raw, parcel_raw_most);
	buf_init(&packer->table, parcel_raw_most);
	packer->zstd = ZSTD_createCCtx();
	if (packer->zstd == NULL ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
		packer->zstd, ZSTD_c_compressionLevel, PARCEL_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
		packer->zstd, ZSTD_c_hashLog, PARCEL_HASH_LOG)) ||
	    ZSTD_isError(
		ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_checksumFlag, 1))) {
		parcel_packer_free(packer);
		return NULL;
	}
	return packer;
}

void
parcel_packer_free(struct parcel_packer *packer)
{
	if (packer == NULL)
		return;
	(void)ZSTD_freeCCtx(packer->zstd);
	buf_fini(&packer->raw);
	buf_fini(&packer->table);
	free(packer->kinds);
	free(packer);
}

static void
parcel_number_write(struct buf *buf, uint64_t number)
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

/* The position of a kind among those listed so far; lists it if need be. */
static bool
parcel_kind_find(
    struct parcel_packer *packer, const struct item *item, size_t *ret_kind)
{
	size_t from = 0;

	if (packer->kind_count > PARCEL_KINDS_SEARCHED)
		from = packer->kind_count - PARCEL_KINDS_SEARCHED;
	for (size_t i = packer->kind_count; i > from; i--) {
		const struct item *kind = &packer->kinds[i - 1];

		if (kind->type.len == item->type.len &&
		    (item->type.len == 0 ||
			memcmp(kind->type.data, item->type.data,
			    item->type.len) == 0)) {
			*ret_kind = i - 1;
			return true;
		}
	}
	if (packer->kind_count == packer->kind_cap) {
		size_t cap = packer->kind_cap == 0 ? 8 : packer->kind_cap * 2;
		struct item *kinds =
		    realloc(packer->kinds, cap * sizeof(*kinds));

		if (kinds == NULL)
			return false;
		packer->kinds = kinds;
		packer->kind_cap = cap;
	}
	packer->kinds[packer->kind_count] = *item;
	*ret_kind = packer->kind_count++;
	return true;
}

/* Lay out the uncompressed form in packer->raw. */
static bool
parcel_layout(struct parcel_packer *packer, parcel_item_fn *item,
    const void *arg, size_t count, struct err *reterr)
{
	struct buf *raw = &packer->raw, *table = &packer->table;
	struct item one;
	size_t kind;

	buf_reset(raw);
	buf_reset(table);
	packer->kind_count = 0;
	for (size_t i = 0; i < count; i++) {
		item(arg, i, &one);
		if (!parcel_kind_find(packer, &one, &kind))
			return err_set_nomem(reterr);
		parcel_number_write(table, kind);
		parcel_number_write(table, one.data.len);
	}
	parcel_number_write(raw, PARCEL_FORMAT);
	parcel_number_write(raw, packer->kind_count);
	for (size_t i = 0; i < packer->kind_count; i++) {
		parcel_number_write(raw, packer->kinds[i].type.len);
		(void)buf_append(
		    raw, packer->kinds[i].type.data, packer->kinds[i].type.len);
	}
	parcel_number_write(raw, count);
	(void)buf_append(raw, table->data, table->len);
	for (size_t i = 0; i < count; i++) {
		item(arg, i, &one);
		(void)buf_append(raw, one.data.data, one.data.len);
	}
	return buf_ok(table, reterr) && buf_ok(raw, reterr);
}

bool
parcel_pack_bytes(struct parcel_packer *packer, const char *data, size_t len,
    struct buf *out, struct err *reterr)
{
	size_t bound = ZSTD_compressBound(len), size;

	buf_reset(out);
	if (!buf_reserve(out, bound))
		return buf_ok(out, reterr);
	size = ZSTD_compress2(packer->zstd, out->data, out->cap, data, len);
	if (ZSTD_isError(size))
		return err_set(reterr, ERR_NOMEM, "compressing: %s",
		    ZSTD_getErrorName(size));
	out->len = size;
	return true;
}

bool
parcel_pack(struct parcel_packer *packer, parcel_item_fn *item, const void *arg,
    size_t count, struct buf *out, struct err *reterr)
{
	bool ok;

	ok = parcel_layout(packer, item, arg, count, reterr) &&
	     parcel_pack_bytes(
		 packer, packer->raw.data, packer->raw.len, out, reterr);
	if (packer->raw.cap > PARCEL_RAW_KEPT)
		buf_fini(&packer->raw);
	return ok;
}

struct parcel_reader {
	const unsigned char *at, *end;
};

static bool
parcel_number_read(
    struct parcel_reader *reader, uint64_t most, uint64_t *ret_number)
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

/* The bytes that follow, or NULL if there are not that many. */
static const char *
parcel_bytes_read(struct parcel_reader *reader, size_t len)
{
	const char *bytes = (const char *)reader->at;

	if (len > (size_t)(reader->end - reader->at))
		return NULL;
	reader->at += len;
	return bytes;
}

/* The readers say false for a wrong form and leave *reterr alone, which the
 * caller has filled; no memory is another matter: nothing is damaged. */
static bool
parcel_kinds_read(struct parcel_reader *reader, struct item **ret_kinds,
    size_t *ret_count, struct err *reterr)
{
	size_t left = (size_t)(reader->end - reader->at);
	uint64_t number, count;
	struct item *kinds;

	if (!parcel_number_read(reader, PARCEL_FORMAT, &number) ||
	    number != PARCEL_FORMAT ||
	    !parcel_number_read(reader, left, &count))
		return false;
	kinds = calloc(count + 1, sizeof(*kinds));
	if (kinds == NULL)
		return err_set_nomem(reterr);
	*ret_kinds = kinds;
	*ret_count = count;
	for (size_t i = 0; i < count; i++) {
		if (!parcel_number_read(reader, left, &number))
			return false;
		kinds[i].type.len = number;
		kinds[i].type.data = parcel_bytes_read(reader, number);
		if (kinds[i].type.data == NULL)
			return false;
	}
	return true;
}

static bool
parcel_items_read(struct parcel_reader *reader, const struct item *kinds,
    size_t kind_count, struct parcel *parcel, struct err *reterr)
{
	size_t left = (size_t)(reader->end - reader->at);
	uint64_t kind, len, count;

	if (!parcel_number_read(reader, left / 2, &count))
		return false;
	parcel->items = calloc(count + 1, sizeof(*parcel->items));
	if (parcel->items == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		if (!parcel_number_read(reader, left, &kind) ||
		    kind >= kind_count ||
		    !parcel_number_read(reader, left, &len))
			return false;
		parcel->items[i] = kinds[kind];
		parcel->items[i].data.len = len;
	}
	for (size_t i = 0; i < count; i++) {
		struct item *item = &parcel->items[i];

		item->data.data = parcel_bytes_read(reader, item->data.len);
		if (item->data.data == NULL)
			return false;
	}
	parcel->count = count;
	return reader->at == reader->end;
}

bool
parcel_unpack_bytes(const void *frame, size_t len, char **ret_bytes,
    size_t *ret_len, struct err *reterr)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame, len);
	size_t got;

	if (size == ZSTD_CONTENTSIZE_ERROR ||
	    size == ZSTD_CONTENTSIZE_UNKNOWN || size > parcel_raw_most)
		return err_set(reterr, ERR_DAMAGED, "not a compressed batch");
	*ret_bytes = malloc((size_t)size + 1);
	if (*ret_bytes == NULL)
		return err_set_nomem(reterr);
	got = ZSTD_decompress(*ret_bytes, (size_t)size, frame, len);
	if (ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
		return err_set_nomem(reterr);
	if (ZSTD_isError(got) || got != size)
		return err_set(
		    reterr, ERR_DAMAGED, "batch: %s", ZSTD_getErrorName(got));
	*ret_len = got;
	return true;
}

bool
parcel_unpack(const void *frame, size_t len, struct parcel *ret_parcel,
    struct err *reterr)
{
	struct parcel parcel = {.bytes = NULL};
	struct parcel_reader reader;
	struct item *kinds = NULL;
	size_t kind_count = 0, size = 0;
	struct err err;
	bool ok = false;

	if (!parcel_unpack_bytes(frame, len, &parcel.bytes, &size, reterr))
		goto out;
	reader.at = (const unsigned char *)parcel.bytes;
	reader.end = reader.at + size;
	(void)err_set(&err, ERR_DAMAGED, "batch of a wrong form");
	if (!parcel_kinds_read(&reader, &kinds, &kind_count, &err) ||
	    !parcel_items_read(&reader, kinds, kind_count, &parcel, &err)) {
		(void)err_set(reterr, err.code, "%s", err.text);
		goto out;
	}
	*ret_parcel = parcel;
	ok = true;
out:
	free(kinds);
	if (!ok)
		parcel_fini(&parcel);
	return ok;
}

void
parcel_fini(struct parcel *parcel)
{
	free(parcel->bytes);
	free(parcel->items);
	*parcel = (struct parcel){.bytes = NULL};
}
