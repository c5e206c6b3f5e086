# pg_strata: the extension (PGXS) and, in sidecar/, the programs stratad and strata-tail.
# `make help` lists the targets.

STRATA_VERSION = 1.0

MODULE_big = pg_strata
EXTENSION = pg_strata
SQL_PARTS = $(sort $(wildcard sql/[0-9][0-9]_*.sql))
DATA_built = sql/pg_strata--$(STRATA_VERSION).sql
OBJS = $(patsubst %.c,%.o,$(filter-out src/ring/strata_tail.c,$(wildcard src/abi/*.c src/base/*.c src/simd/*.c src/alloc/*.c src/ring/*.c src/column/*.c src/exec/*.c src/api/*.c)))

PG_CPPFLAGS = -Isrc -DSTRATA_VERSION='"$(STRATA_VERSION)"'
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-declaration-after-statement -fvisibility=hidden -MMD -MP
SHLIB_LINK = -lrt
EXTRA_CLEAN = sql/pg_strata--$(STRATA_VERSION).sql $(wildcard src/*/*.d src/*/*.o)

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=. --expecteddir=. --temp-config=test/preload.conf
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=output_iso --expecteddir=.

PG_CONFIG ?= pg_config
# No LLVM bitcode: nothing here is worth inlining into JIT code, and clang need not be installed.
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/pg_strata--$(STRATA_VERSION).sql: $(SQL_PARTS)
	{ echo '\echo Use "CREATE EXTENSION pg_strata" to load this file. \quit'; cat $^; } > $@

-include $(OBJS:.o=.d)
