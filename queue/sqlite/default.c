/* By itself, so that a test's build can link another. */

#include "queue/sqlite/sqlite.h"

const struct engine *const engine_default = &sqlite_engine;
