/*
 * debug_assert_test.c - debug_test.c with assertions: red zones and poison.
 */
#define USE_ASSERT_CHECKING 1
#include "debug_test.c"
