# cc-auth-tools: build, test, install. `make help` lists the targets.

CARGO  ?= cargo
PREFIX ?= /usr
DESTDIR ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Which build to install: release or debug.
BUILD ?= release

# What packages are made with, and for whom: MAINTAINER='Name <address>' for a site's own.
CARGO_DEB := 3.8.0
MAINTAINER ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

PROGRAMS := gen-keypair convert-pem-pubkey cc-user cc-jwt cc-login

BINDIR  := $(DESTDIR)$(PREFIX)/bin
MANDIR  := $(DESTDIR)$(PREFIX)/share/man
BASHDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  := $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
FISHDIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.PHONY: help build demo test fault-injection mutants lint docs bench fuzz install uninstall deb static dist reproducible licenses clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the programs for use (target/release)
	contrib/build-release

demo: ## Build, then run the whole main job in an empty directory
	$(CARGO) build --locked
	PATH="$(abspath $(TARGET))/debug:$$PATH" contrib/demo.sh

test: ## Run all tests; skipped checks are listed at the end, and fail where CI is set
	@rm -f $(TARGET)/tmp/fault-injection.txt
	$(CARGO) test --locked
	@sort $(TARGET)/tmp/fault-injection.txt

fault-injection: ## The fault tests in their long form (FAULT_SEED=N repeats its moments)
	@rm -f $(TARGET)/tmp/fault-injection.txt
	FAULT_INJECTION=long $(CARGO) test --locked --test suite fault_injection::
	@sort $(TARGET)/tmp/fault-injection.txt

# What each module's mutants are tested with: the unit tests and the server-free tests whose names
# contain one of these words. `make mutants MODULE=token SHARD=0/10` tests a tenth of a module. What is
# built of changed code has a directory of its own: elsewhere it would pass for a build of the real code.
CARGO_MUTANTS := 27.1.0
MODULE ?= policy
SHARD  ?= 0/20
MUTANT_TESTS_policy := policy:: openbao::every osdf::a_scope roles:: token:: attacks:: cc-jwt/
MUTANT_TESTS_token  := token:: jws:: attacks:: cc_jwt:: cc-jwt/
MUTANT_TESTS_key    := key:: jws:: attacks:: gen_keypair:: cc-jwt/ gen-keypair/ convert-pem-pubkey/
MUTANT_TESTS_user   := user:: cc_user:: user_db:: cc-user/
MUTANT_TESTS_sync   := sync::plan sync::limit cc-user/sync
MUTANT_TESTS_config := config:: examples:: cc-user/ gen-keypair/
mutants: $(TARGET)/tools/bin/cargo-mutants-$(CARGO_MUTANTS) ## Break the code on purpose (MODULE=policy SHARD=0/20): which change does no test notice?
	CARGO_TARGET_DIR="$(abspath $(TARGET))/mutants" \
	$(abspath $(TARGET))/tools/bin/cargo-mutants-$(CARGO_MUTANTS) mutants --file 'src/$(MODULE)/**' \
		--shard $(SHARD) --sharding round-robin --output $(TARGET) $(MUTANT_FLAGS) \
		-- --locked --lib --test suite --test cases -- $(MUTANT_TESTS_$(MODULE))

# The tool, in the version whose lists of mutants are known.
$(TARGET)/tools/bin/cargo-mutants-$(CARGO_MUTANTS):
	CARGO_TARGET_DIR="$(abspath $(TARGET))/tools/build" \
		$(CARGO) install cargo-mutants --version $(CARGO_MUTANTS) --locked --root $(TARGET)/tools
	mv $(TARGET)/tools/bin/cargo-mutants $@
	rm -rf $(TARGET)/tools/build

lint: ## Check formatting and lints, as CI does
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

docs: ## Generate man pages, completions, schemas of reports and docs/errors.md
	$(CARGO) test --locked --lib cli::schema::write_report_schemas -- --exact --ignored
	$(CARGO) test --locked --test suite generated::write_generated_files -- --exact --ignored

bench: build ## Measure against peers, keep the tables in benches/RESULTS.md (BENCH="short ..." for parts)
	CARGO_TARGET_DIR="$(abspath $(TARGET))" contrib/build-release --manifest-path benches/bare/Cargo.toml
	BENCH_BARE="$(abspath $(TARGET))/release/bare" PATH="$(abspath $(TARGET))/release:$$PATH" \
		python3 benches/run.py $(BENCH)

# What the fuzzer is built with: "address" also sees wrong memory in the C libraries' callers, "none"
# builds where the toolchain has no sanitizer. RUSTC_BOOTSTRAP lets a stable compiler do either.
# SQLite's C code is linked in twice, which the sanitizer would take for a fault.
FUZZ_SANITIZER ?= address
FUZZ_SECONDS ?= 60
fuzz: ## Fuzz every reader, a minute each (FUZZ_SECONDS=60, FUZZ_READERS="token ..."); needs cargo-fuzz
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

install: ## Install below DESTDIR and PREFIX (default /usr), after make build
	install -d "$(BINDIR)" "$(MANDIR)/man1" "$(MANDIR)/man5" "$(MANDIR)/man7" "$(BASHDIR)" "$(ZSHDIR)" "$(FISHDIR)"
	for program in $(PROGRAMS); do \
		install -m 755 $(TARGET)/$(BUILD)/$$program "$(BINDIR)/$$program" || exit 1; \
		install -m 644 completions/bash/$$program "$(BASHDIR)/$$program" || exit 1; \
		install -m 644 completions/zsh/_$$program "$(ZSHDIR)/_$$program" || exit 1; \
		install -m 644 completions/fish/$$program.fish "$(FISHDIR)/$$program.fish" || exit 1; \
	done
	for section in 1 5 7; do install -m 644 man/*.$$section "$(MANDIR)/man$$section/" || exit 1; done

uninstall: ## Remove what install put there
	for program in $(PROGRAMS); do \
		rm -f "$(BINDIR)/$$program" "$(BASHDIR)/$$program" "$(ZSHDIR)/_$$program" "$(FISHDIR)/$$program.fish"; \
	done
	for page in man/*; do rm -f "$(MANDIR)/man$${page##*.}/$${page##*/}"; done

deb: build licenses $(TARGET)/tools/bin/cargo-deb-$(CARGO_DEB) ## Make a Debian package (dist/)
	SOURCE_DATE_EPOCH=$$(contrib/commit | cut -d' ' -f2) $(TARGET)/tools/bin/cargo-deb-$(CARGO_DEB) \
		--no-build --locked --output dist/ $(if $(MAINTAINER),--maintainer "$(MAINTAINER)")

# The tool that packs it, in the version that is known to do it well.
$(TARGET)/tools/bin/cargo-deb-$(CARGO_DEB):
	CARGO_TARGET_DIR="$(abspath $(TARGET))/tools/build" \
		$(CARGO) install cargo-deb --version $(CARGO_DEB) --locked --root $(TARGET)/tools
	mv $(TARGET)/tools/bin/cargo-deb $@
	rm -rf $(TARGET)/tools/build

static: licenses ## Build programs that need no library of the system, and pack them (dist/)
	CARGO_TARGET_DIR="$(abspath $(TARGET))/static" contrib/build-release --static
	.ci/check-static $(TARGET)/static/*/release
	contrib/pack-static $(TARGET)/static/*/release

dist: ## Make a source archive that builds without a network (dist/)
	contrib/pack-source

reproducible: deb dist ## Build the source archive elsewhere, without a network: the same bytes?
	.ci/check-reproducible

licenses: # What the crates want to go with every copy of the programs.
	@mkdir -p dist
	contrib/third-party-licenses > dist/third-party-licenses
	gzip -9nf dist/third-party-licenses

clean: ## Remove what was built
	$(CARGO) clean
