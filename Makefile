# Each target sets up .venv by itself; nothing else has to be typed first.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PACKAGES := schemas operators flows warroom loadgen dashboards
BYTECODE := $(VENV)/.bytecode
KERNELS := $(VENV)/.kernels
TEST_READY := $(VENV)/.ready-tests

.DEFAULT_GOAL := help
.PHONY: help demo test test-kafka lint soak fuzz bench bench-quick bench-hour pictures clean

help:
	@echo "make demo       the night of 12 December 2019 in a minute: real broker, Redis and dataflow"
	@echo "make test       ruff, mypy --strict and every test"
	@echo "make soak       nights with kills, cuts and stalls, compared with the oracle (DURATION=600 seconds; 900 for 100 faults)"
	@echo "make fuzz       a million damaged messages: none lost, no crash (MESSAGES=1000000)"
	@echo "make test-kafka the same night on Apache Kafka itself; needs java and mvn"
	@echo "make bench      how fast, how soon, how much memory; bench-quick, bench-hour"
	@echo "make pictures   the README's pictures, taken from the demo at the hours it is remembered for"
	@echo "make clean      remove the virtual environment, caches and build output"

demo: $(KERNELS)
	@$(VENV)/bin/warroom demo $(DEMO_FLAGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Three at a time: many tests wait for servers. What takes longest is in groups of one process each, and those
# begin first, so that no process works alone in the end. TEST_FLAGS="-n 0 -k windows" runs some of them one by one.
test: lint $(KERNELS) $(TEST_READY)
	$(PY) -m pytest -n 3 --dist loadgroup $(TEST_FLAGS)

DURATION ?= 600
soak: $(KERNELS) $(TEST_READY)
	$(PY) -m tests.faults.soak --seconds $(DURATION)
	WARROOM_OUTAGE_SECONDS=60 $(PY) -m pytest tests/faults/test_outages.py $(TEST_FLAGS)

MESSAGES ?= 1000000
fuzz: $(KERNELS)
	$(PY) -m tests.fuzz.messages --count $(MESSAGES)

test-kafka: $(KERNELS)
	$(PY) -m pytest tests/kafka $(TEST_FLAGS)

bench: $(KERNELS)
	$(PY) -m benchmarks $(BENCH_FLAGS)

bench-quick: $(KERNELS)
	$(PY) -m benchmarks quick $(BENCH_FLAGS)

bench-hour: $(KERNELS)
	$(PY) -m benchmarks hour $(BENCH_FLAGS)

pictures: $(KERNELS) $(TEST_READY)
	$(PY) -m tests.web.pictures $(PICTURES_FLAGS)

# The stamp is younger than pyproject.toml exactly when the environment holds what it asks for.
$(READY): pyproject.toml .ci/setup
	@.ci/setup $(VENV)
	@touch $@

# Many machines and images forbid Python to keep what it compiles (PYTHONDONTWRITEBYTECODE): every process of a run
# would compile a hundred modules again, a tenth of its start.
$(BYTECODE): $(READY) $(wildcard $(PACKAGES:=/*.py) $(PACKAGES:=/*/*.py))
	@$(PY) -m compileall -q $(PACKAGES)
	@touch $@

# Compiled before anything runs, also after an update of the sources: a demo gave up whose workers were compiling.
# The load generator and the hot path share no kernel, so that both can be compiled at once.
$(KERNELS): $(READY) $(wildcard operators/*.py schemas/*.py loadgen/*.py) | $(BYTECODE)
	@echo "setup: compiling the kernels, once"
	@$(PY) -m loadgen.warm & beside=$$!; $(PY) -m operators.warm && wait $$beside
	@touch $@

# What only tests need is not asked of whoever wants to see the demo.
$(TEST_READY): $(READY) .ci/setup-tests
	@.ci/setup-tests
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .warroom
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
