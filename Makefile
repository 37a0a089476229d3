# make demo   a virtual environment, then one simulated case (47,XY,+21, five metaphases) from images to report
# make test   a virtual environment, then lint, types and tests
PYTHON ?= python3
VENV ?= .venv
IMAGE ?= tests/data/trisomy21/images
CASE ?= $(notdir $(patsubst %/images,%,$(basename $(IMAGE))))
BIN := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/karyonet run $(IMAGE) --case-id $(CASE) --out karyonet-out/demo

# Two workers of one thread each: with as many threads as cores in both, they wait for each other most of the time.
test: $(VENV)/.installed-dev lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist karyonet-out
