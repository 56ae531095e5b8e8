# Two commands: `make ultimate` runs the main job, `make test` runs every check; while you work on
# one thing, `make check K=lstm` runs those of that thing in a minute. `make docs` builds the pages.
# All create .venv on first use, need Python 3.11 to 3.13, and can be repeated at will.

# The version that CI runs comes first. Each is tried: a pyenv shim may be there and not run.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell $(p) -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && command -v $(p))))
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=

# A name is handed on in the environment, as it was given: neither make nor a shell reads it.
override K := $(value K)
export K

.PHONY: ultimate test check named contracts kernels lint docs clean

ultimate: $(VENV)/.installed
	$(BIN)/python train_scripts/run_ultimate_deep.py --yes $(ARGS)

# Containers often forbid bytecode; then every worker and process compiles every module again.
test contracts: export PYTHONDONTWRITEBYTECODE :=

# Neither of the first two fills both cores.
test: $(VENV)/.installed-dev
	@$(MAKE) --no-print-directory -j2 lint kernels
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=15 $(ARGS)

# One process of tests beside the lint: most of either is spent on one core.
check: named $(VENV)/.installed-dev
	@$(MAKE) --no-print-directory --keep-going -j2 lint contracts

# Before anything is installed.
named:
	@test -n "$$K" || { echo "Say which model, trees, loss, feature, participant or searcher: make check K=lstm"; exit 2; }

# The test files that walk a registry, and of them the tests of K.
contracts: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --of "$$K" --quiet $(ARGS) \
		$$(grep -rl --include='test_*.py' 'pytest.mark.contract' tests)

# Once, before several workers would each compile them.
kernels: $(VENV)/.installed-dev
	$(BIN)/python -c "from ultimate_deep.features import compile_engine; compile_engine()"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Offline once installed; every warning is an error. Open docs/_build/html/index.html.
docs: $(VENV)/.installed-docs
	$(BIN)/python benchmarks/results_page.py --check
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

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

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "== installing the docs extra"
	$(BIN)/python -m pip install -e ".[docs]"
	@touch $@

clean:
	rm -rf $(VENV) build dist docs/_build docs/gallery docs/reference/*.rst *.egg-info
