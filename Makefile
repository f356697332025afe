# Each target makes what it needs in .venv; `make PYTHON=python3.12 test` chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint bench clients

demo: $(INSTALLED)
	rm -rf build/demo
	$(BIN)/diracnet info diracnet16_cifar:cifar10
	$(BIN)/diracnet export diracnet16_cifar:cifar10 --out build/demo
	cd build/demo && sha256sum -c SHA256SUMS
	$(BIN)/diracnet predict build/demo docs/cat.jpg

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/diracnet model-card --check

clients: $(INSTALLED)
	mkdir -p build/clients
	cp tests/clients/package.json build/clients
	npm install --prefix build/clients --ignore-scripts --no-audit --no-fund
	$(BIN)/python -m pytest tests/clients

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

$(INSTALLED): setup.py pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@
