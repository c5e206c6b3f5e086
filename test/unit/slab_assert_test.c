/*
 * slab_assert_test.c - slab_test.c with assertions: the second bitmap, which knows what is in use.
 */
#define USE_ASSERT_CHECKING 1
#include "slab_test.c"
