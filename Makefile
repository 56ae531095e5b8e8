# Two commands: `make ultimate` runs the main job, `make test` runs every check.
# Both create .venv on first use, need Python 3.11 to 3.13, and can be repeated at will.

PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(shell $(p) -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && command -v $(p))))
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=

.PHONY: ultimate test lint clean

ultimate: $(VENV)/.installed
	$(BIN)/python train_scripts/run_ultimate_deep.py --yes $(ARGS)

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --durations=15 $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 found on the PATH. Install one, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "== creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "The venv module does not work (on Debian and Ubuntu: apt install python3-venv)."; exit 1; }

$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	@echo "== installing requirements.txt (TensorFlow is about 600 MB; a few minutes on a slow line)"
	$(BIN)/python -m pip install -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "== installing the development extra"
	$(BIN)/python -m pip install -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
