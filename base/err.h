#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Errors: a function that can fail returns a must-use bool, and on failure,
 * only then, writes why into the caller's struct err. A broken invariant is
 * not an error: CHECK() aborts, in release builds too.
 */

#include <stdbool.h>

#define MUST_USE	  __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum err_code {
	ERR_NONE = 0,
	ERR_NOMEM,     /* no memory */
	ERR_LIMIT,     /* a limit that the caller named was met */
	ERR_INPUT,     /* what came in is malformed */
	ERR_CONFIG,    /* the settings or the place are wrong: a person acts */
	ERR_BUSY,      /* somebody else has it, for a while */
	ERR_IO,	       /* the disk or the network failed */
	ERR_FULL,      /* no room: the bound, or the disk */
	ERR_DAMAGED,   /* what was stored reads back wrong */
	ERR_NOT_FOUND, /* there is no such thing */
	ERR_STOPPING,  /* we are shutting down */
};

struct err {
	enum err_code code;
	char text[480]; /* one sentence that says what to do, NUL-ended */
};

/* Fill *reterr (if any) and be false, for "return err_set(...)". A macro, so
 * that compilers and analyzers see that it is false. */
#define err_set(...) (err_fill(__VA_ARGS__), false)

/* The shortest form, for memory. Always false. */
#define err_set_nomem(reterr) err_set(reterr, ERR_NOMEM, "out of memory")

void err_fill(struct err *reterr, enum err_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Abort unless the invariant holds; in release builds too. */
#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			check_failed(__FILE__, __LINE__, #cond);               \
	} while (0)

/* For a place that the code never comes to. */
#define NEVER(why) check_failed(__FILE__, __LINE__, why)

_Noreturn void check_failed(const char *file, int line, const char *cond);

#endif
