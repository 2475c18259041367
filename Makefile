# Two commands: `make demo` and `make test`. Each sets up what it needs and reuses what is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-deps --no-compile --require-hashes

# Bytecode is written at the first import, whatever the shell says: later starts are several seconds faster.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test install lint types contract unit lock bench bench-accuracy bench-peers clean

demo: $(VENV)/.runtime
	$(BIN)/overburden demo --out out/demo

test: $(VENV)/.dev lint types contract unit

install: $(VENV)/.runtime

$(VENV)/.python:
	@echo "[1/3] making the virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "overburden needs Python 3.11 or newer; $$($(PYTHON) --version) found. Name another one: make PYTHON=python3.12 demo"; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements/runtime.lock requirements/demo-data.lock pyproject.toml
	@echo "[2/3] installing the locked dependencies (about two minutes the first time)"
	@$(INSTALL) -r requirements/runtime.lock
	@$(INSTALL) -r requirements/demo-data.lock
	@echo "[3/3] installing overburden"
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock
	@echo "installing the locked test dependencies"
	@$(INSTALL) -r requirements/dev.lock
	@touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contract: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lock:
	uv pip compile pyproject.toml requirements/build.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/runtime.lock
	uv pip compile --group dev -c requirements/runtime.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/dev.lock
	uv pip compile requirements/demo-data.in --no-deps --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/demo-data.lock
	uv pip compile requirements/peers.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/peers.lock

# Speed and size beside their targets: minutes a script. Accuracy: `make bench-accuracy` (needs ../shared), `make bench-peers`.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench.py

bench-accuracy: $(VENV)/.runtime
	$(BIN)/python benchmarks/dark_check.py
	$(BIN)/python benchmarks/held_out_replay.py

bench-peers: $(VENV)/.runtime
	$(BIN)/python benchmarks/romania_peers.py

clean:
	rm -rf out build dist .mypy_cache .ruff_cache .pytest_cache
