/*
 * slab_assert_test.c - slab_test.c with assertions: the second bitmap, which knows what is in use.  Without the debugger's
 * red zones, so that sizes are what they are.
 */
#define USE_ASSERT_CHECKING 1
#define STRATA_NO_RED_ZONES
#include "slab_test.c"
