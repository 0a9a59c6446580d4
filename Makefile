# Everything runs in .venv, which `make` builds from the pinned requirements.txt: with uv where there is one,
# else with venv and pip.  Nothing but Python 3.11+, git and make is needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1

.PHONY: demo up down test check local lock clean

demo: $(VENV)/.ready
	@$(BIN)/python -m deployments.demo

up: $(VENV)/.ready
	@$(BIN)/personalize up

down: $(VENV)/.ready
	@$(BIN)/personalize down

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

local: $(VENV)/.ready
	$(BIN)/personalize local

# Pins carry neither an index nor a host, so they work with whichever index the machine is set up for.
lock:
	uv pip compile --quiet --universal --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.txt

clean:
	rm -rf $(VENV) .demo .stack

$(VENV)/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "personalize-flows needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	@if command -v uv >/dev/null 2>&1; then \
	    uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	    uv pip install --quiet --python $(BIN)/python -r requirements.txt && \
	    uv pip install --quiet --python $(BIN)/python --no-deps -e . ; \
	else \
	    $(PYTHON) -m venv $(VENV) && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . ; \
	fi
	@touch $@
