/*
 * simd.h - the setting strata.simd.
 *
 * Included by: api/init.c.  Memory: one int a process.  Locking: none.
 * Not here: the kernels and what the CPU can run (simd/).
 */
#ifndef STRATA_API_SIMD_H
#define STRATA_API_SIMD_H

#include "base/module.h"

extern const StrataModule strata_simd_module;

#endif
