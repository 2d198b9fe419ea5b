# The commands of the README. Safe to repeat. `make help` lists them.

MODEL := build/demo/larql-demo.vindex
BIN   := build/release/bin

.PHONY: help deps programs build demo test check check-deep install package clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

deps: ## install what building needs (Debian 12 packages; root or sudo)
	@deploy/install-deps.sh build

programs: deps ## build larql and larql-node into build/release/bin
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target larql larql-node

build: deps ## build everything: programs, tests, manual pages
	@cmake --preset release >/dev/null
	@cmake --build --preset release

demo: programs ## two expert nodes on loopback and a prompt
	@deploy/local/demo.sh

test: build ## all tests
	@ctest --preset release

check: build ## what .ci/run checks beside the tests: lint, formatting
	@tests/check.sh

check-deep: ## sanitizers, clang, clang-tidy, fuzzing, Debian 13, ARM: hours (tests/check_deep.sh)
	@tests/check_deep.sh

PREFIX := /usr/local

install: build ## programs, manual pages, completions, systemd unit into PREFIX (/usr/local), below DESTDIR
	@cmake --install build/release --prefix $(PREFIX) --strip

package: build ## a .deb in build/release
	@cd build/release && cpack -G DEB

clean: ## remove everything built
	rm -rf build
