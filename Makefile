# cc-auth-tools: build, test, install. `make help` lists the targets.

CARGO  ?= cargo
PREFIX ?= /usr
DESTDIR ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Which build to install: release or debug.
BUILD ?= release

# The versions of the tools. MAINTAINER='Name <address>' names the maintainer of a site's own package.
CARGO_DEB := 3.8.0
CARGO_DENY := 0.20.2
MAINTAINER ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

PROGRAMS := gen-keypair convert-pem-pubkey cc-user cc-jwt cc-login

BINDIR  := $(DESTDIR)$(PREFIX)/bin
MANDIR  := $(DESTDIR)$(PREFIX)/share/man
BASHDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  := $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
FISHDIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.PHONY: help build demo test operator-test operator-image operator-docs fault-injection large-table predictions mutants lint deny docs messages bench fuzz install uninstall deb static dist reproducible licenses clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the programs for a release (target/release)
	contrib/build-release

demo: ## Build the programs and show them in an empty directory
	$(CARGO) build --locked
	PATH="$(abspath $(TARGET))/debug:$$PATH" contrib/demo.sh

test: ## Run all tests; with CI set, a skipped check fails
	@rm -f $(TARGET)/tmp/fault-injection.txt
	$(CARGO) test --locked
	@sort $(TARGET)/tmp/fault-injection.txt

# The long form: 1,000 resources, 100 kills, an installation by Helm.
operator-test: ## Lint and test the Kubernetes operator (OPERATOR_TEST=long for more)
	$(CARGO) fmt --check -p cc-jwt-operator
	$(CARGO) clippy --locked -p cc-jwt-operator --all-targets -- -D warnings
ifeq ($(OPERATOR_TEST),long)
	HELM="$$(operator/kubetest/build --helm)/helm" $(CARGO) test --locked -p cc-jwt-operator
	CARGO_TARGET_DIR="$(abspath $(TARGET))/static" contrib/build-release --static -p cc-jwt-operator
	.ci/check-image $(TARGET)/static/*/release/cc-jwt-operator
else
	operator/kubetest/build
	$(CARGO) test --locked -p cc-jwt-operator
endif

# The program is static, so that the image contains nothing else.
operator-image: ## Build the container image of the operator (IMAGE=name)
	CARGO_TARGET_DIR="$(abspath $(TARGET))/static" contrib/build-release --static -p cc-jwt-operator
	CARGO_TARGET_DIR="$(abspath $(TARGET))" contrib/operator-image $(TARGET)/static/*/release/cc-jwt-operator

operator-docs: ## Generate the man page and completions of the operator
	$(CARGO) test --locked -p cc-jwt-operator --bins manual::write_generated_files -- --exact --ignored

fault-injection: ## Run the fault tests in their long form (FAULT_SEED=N)
	@rm -f $(TARGET)/tmp/fault-injection.txt
	FAULT_INJECTION=long $(CARGO) test --locked --test suite fault_injection::
	@sort $(TARGET)/tmp/fault-injection.txt

large-table: ## Undo wrong filters over 100,000 users, and compare every row
	LARGE_TABLE=long $(CARGO) test --locked --test suite large_table::

predictions: ## Compare 1,000 random logins with OpenBao (BAO_SEED=N)
	BAO_PREDICTIONS=long $(CARGO) test --locked --test suite openbao_predictions:: -- --nocapture

# The tests of each module's mutants: those whose names contain one of these words, without tests that need a server.
# `make mutants MODULE=token SHARD=0/10` tests a tenth of a module. Builds of changed code have a separate directory, so
# that they are not used as builds of the real code.
CARGO_MUTANTS := 27.1.0
MODULE ?= policy
SHARD  ?= 0/20
MUTANT_TESTS_policy := policy:: openbao::decisions_equal_those_recorded osdf::a_scope roles:: token:: attacks:: cc-jwt/
MUTANT_TESTS_token  := token:: jws:: attacks:: cc_jwt:: cc-jwt/
MUTANT_TESTS_key    := key:: jws:: attacks:: gen_keypair:: cc-jwt/ gen-keypair/ convert-pem-pubkey/
MUTANT_TESTS_user   := user:: cc_user:: user_db:: cc-user/
MUTANT_TESTS_sync   := sync::plan sync::limit cc-user/sync
MUTANT_TESTS_config := config:: examples:: cc-user/ gen-keypair/
mutants: $(TARGET)/tools/bin/cargo-mutants-$(CARGO_MUTANTS) ## Change the code and find changes that no test detects
	CARGO_TARGET_DIR="$(abspath $(TARGET))/mutants" \
	$(abspath $(TARGET))/tools/bin/cargo-mutants-$(CARGO_MUTANTS) mutants --file 'src/$(MODULE)/**' \
		--shard $(SHARD) --sharding round-robin --output $(TARGET) $(MUTANT_FLAGS) \
		-- --locked --lib --test suite --test cases -- $(MUTANT_TESTS_$(MODULE))

# The version is pinned, because another version creates other mutants.
$(TARGET)/tools/bin/cargo-mutants-$(CARGO_MUTANTS):
	CARGO_TARGET_DIR="$(abspath $(TARGET))/tools/build" \
		$(CARGO) install cargo-mutants --version $(CARGO_MUTANTS) --locked --root $(TARGET)/tools
	mv $(TARGET)/tools/bin/cargo-mutants $@
	rm -rf $(TARGET)/tools/build

lint: ## Check formatting, lints and documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

deny: $(TARGET)/tools/bin/cargo-deny-$(CARGO_DENY) ## Check the dependencies: licenses, bans, sources
	CARGO_DENY="$(abspath $(TARGET))/tools/bin/cargo-deny-$(CARGO_DENY)" .ci/check-dependencies

# Built without optimization: a check takes a second, and an optimized build takes more than twice as long.
$(TARGET)/tools/bin/cargo-deny-$(CARGO_DENY):
	CARGO_TARGET_DIR="$(abspath $(TARGET))/tools/deny" CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
		CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		$(CARGO) install cargo-deny --version $(CARGO_DENY) --locked \
		--root "$(abspath $(TARGET))/tools"
	mv $(TARGET)/tools/bin/cargo-deny $@
	rm -rf $(TARGET)/tools/deny

docs: ## Generate man pages, completions, schemas, docs/errors.md
	$(CARGO) test --locked --lib cli::schema::write_report_schemas -- --exact --ignored
	$(CARGO) test --locked --test suite generated::write_generated_files -- --exact --ignored

messages: ## Print all messages of the programs, to read them in one list
	@$(CARGO) test --quiet --locked --test suite words::print_messages -- --exact --ignored --nocapture | grep '^src/'

bench: build ## Compare the speed with other programs (BENCH="short ...")
	CARGO_TARGET_DIR="$(abspath $(TARGET))" contrib/build-release --manifest-path benches/bare/Cargo.toml
	BENCH_BARE="$(abspath $(TARGET))/release/bare" PATH="$(abspath $(TARGET))/release:$$PATH" \
		python3 benches/run.py $(BENCH)

# The sanitizer of the fuzzer: "address" also detects memory errors in C code, "none" works without a sanitizer in the
# toolchain. With RUSTC_BOOTSTRAP a stable compiler accepts both. SQLite's C code is linked twice, which the sanitizer
# would report as an error.
FUZZ_SANITIZER ?= address
FUZZ_SECONDS ?= 60
fuzz: ## Fuzz every reader (FUZZ_SECONDS=60, FUZZ_READERS=...)
	@set -e; export RUSTC_BOOTSTRAP=1 ASAN_OPTIONS=detect_odr_violation=0; cd fuzz; mkdir -p target; \
	cargo fuzz build --sanitizer $(FUZZ_SANITIZER); \
	readers="$${FUZZ_READERS:-$$(cargo fuzz list)}"; : > target/fuzzed.txt; \
	for reader in $$readers; do \
		mkdir -p corpus/$$reader; log=target/fuzz-$$reader.log; \
		cargo fuzz run --sanitizer $(FUZZ_SANITIZER) $$reader corpus/$$reader seeds/$$reader -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=20000 -timeout=10 -malloc_limit_mb=512 -detect_leaks=0 \
			-print_final_stats=1 > $$log 2>&1 || { tail -n 40 $$log; echo "$$reader: crashed, see $$log"; exit 1; }; \
		awk -v reader=$$reader '/number_of_executed_units/ {runs = $$2} /peak_rss_mb/ {memory = $$2} \
			/ cov: / {for (at = 1; at < NF; at++) if ($$at == "cov:") edges = $$(at + 1)} \
			END {printf "%-10s %10d runs %6d edges %5d MiB\n", reader, runs, edges, memory}' $$log | tee -a target/fuzzed.txt; \
	done; \
	awk '{runs += $$2} END {printf "%d readers, %d runs, no crash\n", NR, runs}' target/fuzzed.txt

install: ## Install below DESTDIR and PREFIX (default /usr)
	install -d "$(BINDIR)" "$(MANDIR)/man1" "$(MANDIR)/man5" "$(MANDIR)/man7" "$(BASHDIR)" "$(ZSHDIR)" "$(FISHDIR)"
	for program in $(PROGRAMS); do \
		install -m 755 $(TARGET)/$(BUILD)/$$program "$(BINDIR)/$$program" || exit 1; \
		install -m 644 completions/bash/$$program "$(BASHDIR)/$$program" || exit 1; \
		install -m 644 completions/zsh/_$$program "$(ZSHDIR)/_$$program" || exit 1; \
		install -m 644 completions/fish/$$program.fish "$(FISHDIR)/$$program.fish" || exit 1; \
	done
	for section in 1 5 7; do install -m 644 man/*.$$section "$(MANDIR)/man$$section/" || exit 1; done

uninstall: ## Remove the installed files
	for program in $(PROGRAMS); do \
		rm -f "$(BINDIR)/$$program" "$(BASHDIR)/$$program" "$(ZSHDIR)/_$$program" "$(FISHDIR)/$$program.fish"; \
	done
	for page in man/*; do rm -f "$(MANDIR)/man$${page##*.}/$${page##*/}"; done

deb: build licenses $(TARGET)/tools/bin/cargo-deb-$(CARGO_DEB) ## Create a Debian package (dist/)
	SOURCE_DATE_EPOCH=$$(contrib/commit | cut -d' ' -f2) $(TARGET)/tools/bin/cargo-deb-$(CARGO_DEB) \
		--no-build --locked --output dist/ $(if $(MAINTAINER),--maintainer "$(MAINTAINER)")

# The version is pinned, so that packages are reproducible.
$(TARGET)/tools/bin/cargo-deb-$(CARGO_DEB):
	CARGO_TARGET_DIR="$(abspath $(TARGET))/tools/build" \
		$(CARGO) install cargo-deb --version $(CARGO_DEB) --locked --root $(TARGET)/tools
	mv $(TARGET)/tools/bin/cargo-deb $@
	rm -rf $(TARGET)/tools/build

static: licenses ## Create an archive of static programs (dist/)
	CARGO_TARGET_DIR="$(abspath $(TARGET))/static" contrib/build-release --static
	.ci/check-static $(TARGET)/static/*/release
	contrib/pack-static $(TARGET)/static/*/release

dist: ## Create a source archive that builds without a network
	contrib/pack-source

reproducible: deb dist ## Build the source archive elsewhere and compare the bytes
	.ci/check-reproducible

licenses: # The licenses and notices of the crates, for every copy of the programs
	@mkdir -p dist
	contrib/third-party-licenses > dist/third-party-licenses
	gzip -9nf dist/third-party-licenses

clean: ## Remove what was built
	$(CARGO) clean
