# SPDX-License-Identifier: Apache-2.0
# A small front for Meson and the scripts.
SHELL := /bin/bash

.PHONY: all help setup demo check check-unit check-kvm check-linux check-fuzz bench lint clean \
	tests images

all: build/release/build.ninja
	@ninja -C build/release --quiet
	@ln -sf release/src/volt-vmm build/volt-vmm
	@ln -sf release/src/init/volt-init build/volt-init

help:
	@echo 'make              build the programs: build/volt-vmm, build/volt-init'
	@echo 'make setup        install what building and testing need (apt)'
	@echo 'make demo         boot a Linux guest'
	@echo 'make check        all tests; check-unit, check-kvm, check-linux, check-fuzz: one layer'
	@echo 'make bench        measure; writes build/bench.json'
	@echo 'make lint         clang-tidy, cppcheck, shellcheck'
	@echo 'make clean        remove build/'

setup:
	@tools/setup

demo:
	@tools/demo

build/release/build.ninja:
	@CC=musl-gcc meson setup build/release --buildtype=release >/dev/null

SANITIZED := --buildtype=debugoptimized -Dproduct=false -Dunit=true -Db_lundef=false

build/asan/build.ninja:
	@CC=gcc meson setup build/asan $(SANITIZED) -Db_sanitize=address,undefined >/dev/null

build/tsan/build.ninja:
	@CC=gcc meson setup build/tsan $(SANITIZED) -Db_sanitize=thread >/dev/null

build/clang/build.ninja:
	@CC=clang meson setup build/clang $(SANITIZED) -Db_sanitize=address,undefined -Dfuzz=true \
		>/dev/null

# What the tests need: packages, all builds, guest kernels and images.
tests: setup
	@$(MAKE) --no-print-directory all build/asan/build.ninja build/tsan/build.ninja \
		build/clang/build.ninja
	@for build in asan tsan clang; do ninja -C build/$$build --quiet || exit 1; done

images: tests
	@tools/demo --prepare

check: images
	@tests/check

check-unit: tests
	@tests/check unit docs

check-fuzz: tests
	@tests/check fuzz

check-kvm: tests
	@tests/check kvm audit

check-linux: images
	@tests/check testbed linux

bench: images
	@bench/run

lint: setup
	@tools/lint

clean:
	@rm -rf build
