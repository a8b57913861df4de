/* currentsd on the engine in memory: this takes the place of
 * queue/sqlite/default.c. */

#include "queue/memory/memory.h"

const struct engine *const engine_default = &memory_engine;
