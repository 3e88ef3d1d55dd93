# The commands of this house. Python 3.11 or newer and make are enough; uv is used where it is there.
# The first Python here for which every library comes ready-made (3.11 to 3.13); else python3, which may need a compiler.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && exit; \
  done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(shell command -v uv >/dev/null 2>&1 && echo "uv pip install --python $(BIN)/python" || echo "$(BIN)/python -m pip install --disable-pip-version-check")
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev

.PHONY: run test check lock bench e2e fuzz clean

run: $(RUN_READY)
	@exec $(BIN)/earshot serve

# Four processes that may not keep what they compile would each compile it all.
# As nice as inference processes are: else those that wait for words would wait behind tests that compute.
test: export PYTHONDONTWRITEBYTECODE =
test: $(DEV_READY)
	nice -n 5 $(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

e2e: $(DEV_READY)
	$(BIN)/python -m pytest tests/e2e

fuzz: $(DEV_READY)
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=long

bench: $(DEV_READY)
	$(BIN)/python -m tests.bench

bench-%: $(DEV_READY)
	$(BIN)/python -m tests.bench $*

# Names, versions and hashes only. Run twice, so that the development lock agrees with the other.
lock:
	uv pip compile pyproject.toml --extra vad --extra speakers --extra source --universal \
	  --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --quiet \
	  --output-file requirements.lock
	uv pip compile pyproject.toml --extra vad --extra speakers --extra source --group dev --constraint requirements.lock \
	  --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --quiet \
	  --output-file requirements-dev.lock
	uv pip compile tests/clients/plugins/requirements.in --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --no-emit-index-url --quiet --output-file tests/clients/plugins/requirements.lock

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Earshot needs Python 3.11 or newer. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(RUN_READY): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what Earshot needs (once, about a minute)..."
	@$(PIP) --quiet --no-deps --require-hashes -r requirements.lock
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what Earshot and its tests need (once, about a minute)..."
	@$(PIP) --quiet --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(RUN_READY)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
