# make demo: the whole way on the bundled songs.  make test: all tests but those of `make browser`.  Both make .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Not compiled beforehand: most of these packages is never imported.
INSTALL := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt
# Few workers, since each holds PyTorch; a file stays with one, which keeps what its tests share.
WORKERS := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test browser lint package clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(INSTALL) --editable '.[dev]'
	touch $@

demo: $(VENV)/installed
	rm -rf demo-output
	$(BIN)/acestep-core demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(WORKERS) -m "not slow and not network and not wheel and not browser"
	$(BIN)/python -m pytest $(WORKERS) -m "slow or network"

# The page in a browser, which has to be there: apt install chromium. Minutes; ACESTEP_SCREENSHOTS keeps pictures.
browser: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m browser tests/ui

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Build wheel and sdist, install the wheel into a fresh environment elsewhere, and use it there.
package:
	place=$$(mktemp -d) && trap 'rm -rf "$$place"' EXIT && export PYTHON=$(PYTHON) && \
	bash .ci/package install "$$place" && bash .ci/package use "$$place"

clean:
	rm -rf $(VENV) demo-output dist build
