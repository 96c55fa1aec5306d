# tenk's commands. Each one sets up what it needs; scripts/setup.sh says what that is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The libtorch that set-up puts into the cache, unless the user names another one.
ifneq ($(LIBTORCH_USE_PYTORCH),1)
export LIBTORCH ?= $(shell scripts/setup.sh paths | sed -n 's/^LIBTORCH=//p')
endif
ifeq ($(TENK_OFFLINE),1)
export CARGO_NET_OFFLINE := true
endif
TEST_LOG := target/test.log
TEST_SKIPS := $(CURDIR)/target/test.skips
GPU_BRANCH_SKIPS := $(CURDIR)/target/test.gpu-branch.skips
LONG_LOG := target/test-long.log
LONG_SKIPS := $(CURDIR)/target/test-long.skips
TEST_PACKAGES := --workspace --features tests/libtorch
# What is done in two ways by device, done the GPU's way on the CPU.
GPU_BRANCH := -p model -p trainer --lib --features trainer/gpu-branch

.PHONY: help setup peers build dist demo test test-long test-binaries lint bench fuzz mutants gpu-check audit

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## system packages and libtorch 2.11.0 (into the cache)
	@scripts/setup.sh build

peers: setup
	@scripts/setup.sh peers

build: setup ## the three programs, in target/release/
	cargo build --locked --release --bins -p corpus-tools -p trainer -p embed-cli

dist: setup ## a tarball for clusters, which runs from any folder without root or network, in target/dist/
	@scripts/dist.sh

demo: build ## from filings and a dump to a model and a query answered; FILINGS=DIR WIKI=FILE
	@scripts/demo.sh --bin target/release $(if $(FILINGS),--filings "$(FILINGS)") $(if $(WIKI),--wiki "$(WIKI)")

test-binaries: setup
	cargo build --locked $(TEST_PACKAGES) --bins

test: peers test-binaries ## what CI runs: every test but the long ones
	@mkdir -p target && rm -f $(TEST_SKIPS) $(GPU_BRANCH_SKIPS)
	@status=0; export TENK_BIN_DIR="$(CURDIR)/target/debug" TENK_PEERS="$$(scripts/setup.sh paths | sed -n 's/^PEERS=//p')"; \
	TENK_SKIPS="$(TEST_SKIPS)" cargo test --locked $(TEST_PACKAGES) --no-fail-fast 2>&1 | tee $(TEST_LOG) || status=$$?; \
	TENK_SKIPS="$(GPU_BRANCH_SKIPS)" cargo test --locked $(GPU_BRANCH) --no-fail-fast 2>&1 | tee -a $(TEST_LOG) || status=$$?; \
	[ ! -e $(GPU_BRANCH_SKIPS) ] || sed 's/^/gpu-branch: /' $(GPU_BRANCH_SKIPS) >> $(TEST_SKIPS); \
	scripts/count_tests.sh $(TEST_LOG) $(TEST_SKIPS) && exit $$status

lint: setup ## formatting, lints, docs and the repository's own rules
	cargo fmt --all --check
	cargo clippy --locked $(TEST_PACKAGES) --all-targets -- -D warnings
	cargo clippy --locked -p trainer --no-default-features -- -D warnings
	cargo clippy --locked $(GPU_BRANCH) --tests -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked $(TEST_PACKAGES) --no-deps --quiet
	cargo run --locked --quiet -p xtask -- layout
	cargo run --locked --quiet -p xtask -- docs-check
	cargo run --locked --quiet -p xtask -- promises
	cargo run --locked --quiet -p xtask -- supply

audit: ## known faults of the packages that tenk is built of; needs cargo-deny and the network
	@scripts/audit.sh

fuzz: ## the readers on random input, a few seconds each; FUZZ_SECONDS=600 for longer, it goes on from the last run
	@scripts/fuzz.sh $(if $(FUZZ_SECONDS),$(FUZZ_SECONDS),6)

mutants: setup ## small faults in the data path that the tests must catch: hours, goes on where it was stopped; PARTS=8
	@scripts/mutants.sh $(PARTS)

test-long: test ## make test, every filing beside a browser, every text beside tokenizers, the tarball, Slurm, a bare Debian, long fuzzing, all mutants
	@# The labels that are kept apart are scored once, by hand (docs/corpus.md): a run each time would spend them.
	TENK_DATA_REQUIRED=1 cargo test --locked -p edgar --lib -- --ignored --skip closed --skip kept_apart
	cargo test --locked -p corpus-tools -- --ignored
	@rm -f $(LONG_SKIPS)
	@dist="$$(scripts/dist.sh | tail -n 1)"; status=0; \
	TENK_DATA_REQUIRED=1 TENK_BIN_DIR="$(CURDIR)/target/debug" TENK_PEERS="$$(scripts/setup.sh paths | sed -n 's/^PEERS=//p')" \
		TENK_DIST="$(CURDIR)/$$dist" TENK_SKIPS="$(LONG_SKIPS)" \
		cargo test --locked -p tests --test without_libtorch -- --ignored 2>&1 | tee $(LONG_LOG) || status=$$?; \
	scripts/count_tests.sh $(LONG_LOG) $(LONG_SKIPS) && exit $$status
	@scripts/fuzz.sh 600
	@scripts/mutants.sh

gpu-check: setup ## whether a GPU computes what the CPU does, and how fast; says so where there is none
	@scripts/gpu_check.sh

bench: peers build ## every figure beside its peer; GROUP=corpus,training,collectives or between-hosts; BEFORE=REV: beside an earlier commit
	cargo run --locked --release --quiet -p benches -- --bin target/release \
		--peers "$$(scripts/setup.sh paths | sed -n 's/^PEERS=//p')" $(if $(GROUP),--group "$(GROUP)") $(if $(RUNS),--runs $(RUNS)) \
		$(if $(AT_MOST),--at-most $(AT_MOST)) $(if $(BEFORE),--before $(BEFORE))
