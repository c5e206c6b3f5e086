# pg_strata: the extension (PGXS) and, in sidecar/, the programs stratad and strata-tail.
# `make help` lists the targets.

STRATA_VERSION = 1.0

MODULE_big = pg_strata
EXTENSION = pg_strata
SQL_PARTS = $(sort $(wildcard sql/[0-9][0-9]_*.sql))
DATA_built = sql/pg_strata--$(STRATA_VERSION).sql
OBJS = $(patsubst %.c,%.o,$(filter-out src/ring/strata_tail.c,$(wildcard src/abi/*.c src/base/*.c src/simd/*.c src/alloc/*.c src/ring/*.c src/pool/*.c src/column/*.c src/exec/*.c src/api/*.c)))

PG_CPPFLAGS = -Isrc -DSTRATA_VERSION='"$(STRATA_VERSION)"'
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-declaration-after-statement -fvisibility=hidden -MMD -MP $(CLANG_CFLAGS)
# PGXS hands over the flags of the compiler that built the server; clang does not know all of gcc's.
CLANG_CFLAGS = $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes)
SHLIB_LINK = -lrt -lm -llz4
EXTRA_CLEAN = sql/pg_strata--$(STRATA_VERSION).sql $(wildcard src/*/*.d src/*/*.o)

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=.
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.

PG_CONFIG ?= pg_config
# No LLVM bitcode: nothing here is worth inlining into JIT code, and clang need not be installed.
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/pg_strata--$(STRATA_VERSION).sql: $(SQL_PARTS) Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION pg_strata" to load this file. \quit'; cat $(SQL_PARTS); } > $@

-include $(OBJS:.o=.d)

# ---- the sidecar: its own makefile, for PGXS would share OBJS between library and programs ----

SIDECAR_HEADERS = libwebsockets.h json-c/json.h openssl/ssl.h
SIDECAR := $(if $(wildcard sidecar/Makefile),$(if $(shell \
	printf '$(foreach h,$(SIDECAR_HEADERS),\#include <$(h)>\n)' | $(CC) -E -x c - > /dev/null 2>&1 && echo yes),sidecar,no-sidecar))

all: $(SIDECAR)
install: $(addprefix install-,$(SIDECAR))
clean: $(if $(wildcard sidecar/Makefile),clean-sidecar)

sidecar:
	$(MAKE) -C sidecar PG_CONFIG='$(PG_CONFIG)'

install-sidecar: sidecar
	$(MAKE) -C sidecar install PG_CONFIG='$(PG_CONFIG)' DESTDIR='$(DESTDIR)'

clean-sidecar:
	$(MAKE) -C sidecar clean

no-sidecar:
	@echo 'The extension is built without stratad: install libwebsockets-dev, libjson-c-dev and libssl-dev for it.'

install-no-sidecar:

# ---- for those who work on the source; what each does is printed by `make help` ----

help: ## this list
	@echo 'make                 build the extension, and stratad where libwebsockets is installed'
	@echo 'make install         install both (PG_CONFIG says into which PostgreSQL)'
	@echo 'make installcheck    regression tests against a running server that preloads pg_strata'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r t d; do printf 'make %-15s %s\n' "$$t" "$$d"; done

dev: ## a build with assertions, debug information and warnings as errors
	$(MAKE) clean
	$(MAKE) all COPT='-Werror -DUSE_ASSERT_CHECKING -O1 -g -fno-omit-frame-pointer'

warnings: ## compile with gcc and clang, warnings as errors
	PG_CONFIG='$(PG_CONFIG)' test/lint/warnings.sh $(PG_CPPFLAGS) $(filter-out -MMD -MP,$(PG_CFLAGS))

lint: all ## the rules of the house (test/lint), and their self-test
	test/lint/run.sh . $(MODULE_big).so
	test/lint/selftest.sh

format: ## clang-format 14 over all C sources
	clang-format-14 -i $$(find src sidecar test -name '*.[ch]' -not -path '*/node_modules/*' -not -path '*/build/*')

test: ## everything, on throwaway clusters; the last line is "N passed, N failed"
	test/run

demo: ## three million flights, with and without the column store; then stratad (DEMO=once: and stop)
	@demo/demo.sh

soak: ## a store twenty times its memory; then sessions killed and memory resized at random (SOAK_SECONDS=600)
	test/soak/run.sh

bench: ## column store against sequential scan and DuckDB, what it costs writers, allocators, events; minutes long
	test/bench/columns/run.sh
	test/bench/columns/expressions.sh
	test/bench/tpch/run.sh
	test/bench/manners.sh
	$(MAKE) -C test/bench ../../build/bench/simd_bench && build/bench/simd_bench memory
	test/bench/tiers.sh
	test/bench/fresh.sh
	test/bench/alloc.sh
	test/bench/ring.sh
	PG_CONFIG='$(PG_CONFIG)' test/bench/pool.sh
	test/bench/writers.sh

fuzz: ## generated queries from a new seed (FUZZ_QUERIES=50000), then 5 minutes against writers; needs `make install`
	PG_CONFIG='$(PG_CONFIG)' test/diff/run.sh --queries $${FUZZ_QUERIES:-50000} --seed $$(date +%s)
	PG_CONFIG='$(PG_CONFIG)' test/diff/run.sh --concurrent 300 --seed $$(date +%s)

sqlsmith: ## sqlsmith's queries, each with the store off and on (SQLSMITH_SECONDS=600); needs `make install`
	PG_CONFIG='$(PG_CONFIG)' test/fuzz/sqlsmith.sh

pgregress: ## PostgreSQL's own regression tests: alone, preloaded, and with every table in the store; needs `make install`
	PG_CONFIG='$(PG_CONFIG)' test/fuzz/pgregress.sh

docs: ## write the generated pages of docs/ anew
	GENERATED=write test/run build docs

asan: ## unit tests, ring reader and stratad with its tests, under ASan and UBSan
	$(MAKE) -C test/unit check SANITIZE=1
	test/run sidecar-asan

valgrind: ## unit tests under valgrind
	$(MAKE) -C test/unit check VALGRIND=1

.PHONY: fuzz sqlsmith pgregress soak sidecar install-sidecar clean-sidecar no-sidecar install-no-sidecar help dev warnings lint format test demo bench docs asan valgrind
