# `make study` and `make test` set everything up on a fresh machine.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin

.PHONY: study test report clean

study: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES)

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto --dist loadgroup tests

report: study
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --report report.html

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[study,test]'
	touch $@

clean:
	rm -rf results figures/smoke figures/real figures/paper report.html .snakemake
