#ifndef CLI_FILE_H
#define CLI_FILE_H

/* The one file that a command reads as a whole. */

#include "base/buf.h"
#include "cli/options.h"

enum { FILE_READ_MAX = 256 * 1024 * 1024 };

/* Read the file that the command's words name; none, and "-", are the
 * standard input. */
MUST_USE bool file_read(
    const struct options *options, struct buf *ret_text, struct err *reterr);

#endif
