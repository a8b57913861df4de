#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Errors: a function that can fail returns a must-use bool. On failure, and
 * only then, it writes the reason into the caller's struct err. A broken
 * invariant is not an error: CHECK() aborts, in release builds too.
 */

#include <stdbool.h>

#define MUST_USE	  __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum err_code {
	ERR_NONE = 0,
	ERR_NOMEM,     /* no memory */
	ERR_LIMIT,     /* a limit that the caller set was reached */
	ERR_INPUT,     /* the input is malformed */
	ERR_CONFIG,    /* wrong settings or environment: an operator must act */
	ERR_BUSY,      /* another process has it, for a while */
	ERR_IO,	       /* the disk or the network failed */
	ERR_FULL,      /* no room: the limit is reached, or the disk is full */
	ERR_DAMAGED,   /* stored data cannot be read back correctly */
	ERR_NOT_FOUND, /* there is no such thing */
	ERR_STOPPING,  /* we are shutting down */
	ERR_CONFLICT,  /* it was changed meanwhile: read it again */
	ERR_UNSUPPORTED, /* this kind of thing cannot do it */
};

struct err {
	enum err_code code;
	char text[480]; /* one sentence that says what to do */
};

/* Fill *reterr (unless it is NULL) and evaluate to false, for "return
 * err_set(...)". A macro, so that compilers and analyzers see that it is
 * false. */
#define err_set(...) (err_fill(__VA_ARGS__), false)

/* The short form for lack of memory. Always false. */
#define err_set_nomem(reterr) err_set(reterr, ERR_NOMEM, "out of memory")

void err_fill(struct err *reterr, enum err_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Abort unless the invariant holds; in release builds too. */
#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			check_failed(__FILE__, __LINE__, #cond);               \
	} while (0)

/* For code that is never reached. */
#define NEVER(why) check_failed(__FILE__, __LINE__, why)

_Noreturn void check_failed(const char *file, int line, const char *cond);

#endif
