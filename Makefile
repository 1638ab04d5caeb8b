# SPDX-License-Identifier: Apache-2.0
# A thin face over the CMake presets. On Debian each target first installs what it lacks.

PRESET ?= release
FUZZ_SECONDS ?= 60
CUTS ?= 1000
MINUTES ?= 60
MUTATIONS ?=

# It finds new source files each time, so the build itself need not look for them, and say so.
CONFIGURE = cmake --preset $(PRESET) -D STOCKD_WATCH_FOLDERS=OFF >/dev/null

.DEFAULT_GOAL := help
.PHONY: help build run test check crash soak mutation bench fuzz format install deb deb-test clean

help:
	@echo 'make build    build/$(PRESET)/bin: stockd, stockctl, stockbench, stock-journal, stock-gateway'
	@echo 'make run      start an engine with a demo catalogue, its console, and Redis that mirrors it'
	@echo 'make test     style, unit, property, race, recovery and integration tests, sanitizers'
	@echo 'make check    T=REGEX: only those tests, e.g. T=unit/wheel; PRESET=debug, asan or tsan'
	@echo 'make crash    CUTS=$(CUTS) crashes under load, on ext4 and XFS; a table of what was lost (root)'
	@echo 'make soak     random lives for MINUTES=$(MINUTES), each compared after its end'
	@echo 'make mutation put deliberate faults into copies; tests must notice; MUTATIONS="--only REGEX"'
	@echo 'make bench    measure beside echo servers, Redis and PostgreSQL; docs/BENCHMARKS.md'
	@echo 'make fuzz     each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make format   clang-format over the tree'
	@echo 'make install  to /usr/local, or DESTDIR'
	@echo 'make deb      Debian packages, in build/deb'
	@echo 'make deb-test builds them, and tries them in a bare Debian (root, network)'
	@echo 'make clean    remove build/'

build:
	@scripts/install-dependencies.sh build
	@$(CONFIGURE)
	@cmake --build --preset $(PRESET) --target programs

run:
	@scripts/install-dependencies.sh run
	@$(MAKE) --no-print-directory build
	@scripts/run-demo.sh

test:
	@scripts/install-dependencies.sh test
	@scripts/test.sh

# Unoptimised, unless PRESET says otherwise: it builds fastest.
check: PRESET := $(if $(filter file,$(origin PRESET)),debug,$(PRESET))
check:
	@[ -n '$(T)' ] || { echo 'make check: which tests? For instance: make check T=unit/wheel' >&2; exit 2; }
	@scripts/install-dependencies.sh test
	@$(CONFIGURE)
	@cmake --build --preset $(PRESET)
	@ctest --preset $(PRESET) -R '$(T)' --no-tests=error --output-on-failure

crash soak:
	@scripts/install-dependencies.sh test
	@$(CONFIGURE)
	@cmake --build --preset $(PRESET) --target programs crash_load
	@if [ $@ = crash ]; then set -- power.py --cuts $(CUTS); \
		else set -- soak.py --seconds $$(($(MINUTES) * 60)); fi; script=$$1; shift; \
		STOCKD_BIN_DIR=$(CURDIR)/build/$(PRESET)/bin /usr/bin/python3 tests/crash/$$script "$$@"

mutation:
	@scripts/install-dependencies.sh test
	@tests/mutation/mutate.py $(MUTATIONS)

bench:
	@scripts/install-dependencies.sh bench
	@$(MAKE) --no-print-directory build
	@bench/all.sh

fuzz:
	@scripts/install-dependencies.sh test
	@scripts/fuzz.sh $(FUZZ_SECONDS)

format:
	@scripts/install-dependencies.sh test
	@find access engine persistence protocol mirror cluster zones telemetry client include tools examples bench tests -name '*.[ch]' \
		-exec clang-format -i {} +

install: build
	@cmake --install build/$(PRESET)

deb:
	@scripts/install-dependencies.sh deb
	@scripts/make-deb.sh

deb-test: deb
	@tests/packaging/deb.sh build/deb

clean:
	@rm -rf build
