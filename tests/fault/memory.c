#include "memory.h"

#include "base/err.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

static struct {
	pthread_mutex_t mutex;
	enum memory_user user; /* whose allocations are counted */
	long left;	       /* of them until one fails; 0 = none is set */
	bool lasting, struck;
} memory = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static sqlite3_mem_methods memory_sqlite;

void
memory_fail(enum memory_user user, long nth, bool lasting)
{
	CHECK(pthread_mutex_lock(&memory.mutex) == 0);
	memory.user = user;
	memory.left = nth;
	memory.lasting = lasting;
	memory.struck = false;
	CHECK(pthread_mutex_unlock(&memory.mutex) == 0);
}

bool
memory_disarm(void)
{
	bool struck;

	CHECK(pthread_mutex_lock(&memory.mutex) == 0);
	memory.left = 0;
	struck = memory.struck;
	CHECK(pthread_mutex_unlock(&memory.mutex) == 0);
	return struck;
}

static bool
memory_fails(enum memory_user user)
{
	bool fails;

	CHECK(pthread_mutex_lock(&memory.mutex) == 0);
	fails = memory.left == 1 && (user == memory.user || memory.struck);
	if (user == memory.user &&
	    (memory.left > 1 || (fails && !memory.lasting)))
		memory.left--;
	memory.struck = memory.struck || fails;
	CHECK(pthread_mutex_unlock(&memory.mutex) == 0);
	return fails;
}

static void *
memory_sqlite_malloc(int size)
{
	return memory_fails(MEMORY_SQLITE) ? NULL : memory_sqlite.xMalloc(size);
}

static void *
memory_sqlite_realloc(void *old, int size)
{
	return memory_fails(MEMORY_SQLITE) ? NULL
					   : memory_sqlite.xRealloc(old, size);
}

void
memory_init(void)
{
	sqlite3_mem_methods methods;

	CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &methods) == SQLITE_OK);
	memory_sqlite = methods;
	methods.xMalloc = memory_sqlite_malloc;
	methods.xRealloc = memory_sqlite_realloc;
	CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
	CHECK(sqlite3_initialize() == SQLITE_OK);
}

/* ---- the linker's --wrap leads our modules here ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
ZSTD_CCtx *__real_ZSTD_createCCtx(void);
size_t __real_ZSTD_compress2(
    ZSTD_CCtx *zstd, void *to, size_t cap, const void *from, size_t len);
size_t
__real_ZSTD_decompress(void *to, size_t cap, const void *from, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
int __wrap_asprintf(char **ret, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
size_t __wrap_ZSTD_compress2(
    ZSTD_CCtx *zstd, void *to, size_t cap, const void *from, size_t len);
size_t
__wrap_ZSTD_decompress(void *to, size_t cap, const void *from, size_t len);

void *
memory_plain_malloc(size_t size)
{
	return __real_malloc(size);
}

void *
memory_plain_realloc(void *old, size_t size)
{
	return __real_realloc(old, size);
}

void *
__wrap_malloc(size_t size)
{
	return memory_fails(MEMORY_OWN) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return memory_fails(MEMORY_OWN) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return memory_fails(MEMORY_OWN) ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *text)
{
	return memory_fails(MEMORY_OWN) ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t len)
{
	return memory_fails(MEMORY_OWN) ? NULL : __real_strndup(text, len);
}

int
__wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int len;

	if (memory_fails(MEMORY_OWN))
		return -1;
	va_start(args, format);
	len = vasprintf(ret, format, args);
	va_end(args);
	return len;
}

ZSTD_CCtx *
__wrap_ZSTD_createCCtx(void)
{
	return memory_fails(MEMORY_OWN) ? NULL : __real_ZSTD_createCCtx();
}

/* The codes of zstd are errors as negated sizes (zstd_errors.h). */
size_t
__wrap_ZSTD_compress2(
    ZSTD_CCtx *zstd, void *to, size_t cap, const void *from, size_t len)
{
	if (memory_fails(MEMORY_OWN))
		return (size_t)-ZSTD_error_memory_allocation;
	return __real_ZSTD_compress2(zstd, to, cap, from, len);
}

size_t
__wrap_ZSTD_decompress(void *to, size_t cap, const void *from, size_t len)
{
	if (memory_fails(MEMORY_OWN))
		return (size_t)-ZSTD_error_memory_allocation;
	return __real_ZSTD_decompress(to, cap, from, len);
}
