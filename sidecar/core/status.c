/* status.c - see status.h. */
#include "core/status.h"

const StatusInfo status_info[STATUS_COUNT] = {
#define STATUS(NAME, http, code, title) {http, code, title},
#include "core/status.def"
#undef STATUS
};
