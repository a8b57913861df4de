#include "queue/changes.h"

#include <stdlib.h>

enum {
	CHANGES_CHUNK = 64 * 1024,
	CHANGES_KEPT = 1024 * 1024, /* a larger chunk is given back */
};

struct changes_chunk {
	struct changes_chunk *next;
	size_t len, cap;
	_Alignas(max_align_t) char bytes[];
};

/* Keep one chunk, and give back the others. */
void
changes_reset(struct changes *changes)
{
	struct changes_chunk *chunk;

	changes->count = 0;
	changes->failed = false;
	while ((chunk = changes->chunks) != NULL &&
	       (chunk->next != NULL || chunk->cap > CHANGES_KEPT)) {
		changes->chunks = chunk->next;
		free(chunk);
	}
	if (chunk != NULL)
		chunk->len = 0;
}

void
changes_fini(struct changes *changes)
{
	struct changes_chunk *chunk;

	while ((chunk = changes->chunks) != NULL) {
		changes->chunks = chunk->next;
		free(chunk);
	}
	free(changes->list);
	*changes = (struct changes){.list = NULL};
}

struct engine_change *
changes_add(struct changes *changes, enum engine_op op)
{
	struct engine_change *change = &changes->spare;

	if (changes->count == changes->cap && !changes->failed) {
		size_t cap = changes->cap == 0 ? 64 : changes->cap * 2;
		struct engine_change *list =
		    realloc(changes->list, cap * sizeof(*list));

		if (list == NULL) {
			changes->failed = true;
		} else {
			changes->list = list;
			changes->cap = cap;
		}
	}
	if (!changes->failed)
		change = &changes->list[changes->count++];
	*change = (struct engine_change){.op = op};
	return change;
}

void *
changes_alloc(struct changes *changes, size_t len)
{
	struct changes_chunk *chunk = changes->chunks;
	size_t align = _Alignof(max_align_t), cap = CHANGES_CHUNK;
	void *bytes;

	len = (len + align - 1) / align * align;
	if (chunk == NULL || chunk->cap - chunk->len < len) {
		if (cap < len)
			cap = len;
		chunk = malloc(sizeof(*chunk) + cap);
		if (chunk == NULL) {
			changes->failed = true;
			return NULL;
		}
		*chunk =
		    (struct changes_chunk){.next = changes->chunks, .cap = cap};
		changes->chunks = chunk;
	}
	bytes = chunk->bytes + chunk->len;
	chunk->len += len;
	return bytes;
}

struct str
changes_copy(struct changes *changes, struct str bytes)
{
	char *copy;

	if (bytes.data == NULL)
		return bytes;
	copy = changes_alloc(changes, bytes.len);
	if (copy == NULL)
		return str_bytes(NULL, 0);
	memcpy(copy, bytes.data, bytes.len);
	return str_bytes(copy, bytes.len);
}

bool
changes_ok(const struct changes *changes, struct err *reterr)
{
	return !changes->failed || err_set_nomem(reterr);
}
