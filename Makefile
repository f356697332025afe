# Each target makes what it needs in .venv; `make PYTHON=python3.12 test` chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
NODE := .venv/node
SITE := site
SCHEMA = $(BIN)/check-jsonschema --quiet --builtin-schema vendor.

.PHONY: demo test test-all floors pythons lint release-check bench paper evaluate runtimes mcu clients pictures wheels guide site site-pictures site-test

demo: $(INSTALLED)
	rm -rf build/demo
	$(BIN)/diracnet info diracnet16_cifar:cifar10
	$(BIN)/diracnet export diracnet16_cifar:cifar10 --out build/demo
	cd build/demo && sha256sum -c SHA256SUMS
	$(BIN)/diracnet predict build/demo docs/cat.jpg

# File by file as they stand, so that long files with few tests are not left for the end.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: $(INSTALLED)
	$(PYTEST)

# With the tests that are marked slow.
test-all: $(INSTALLED)
	$(PYTEST) -m ''

# The suite with the lowest versions that setup.py allows, and on every Python with the newest: docs/versions.md.
# make floors TESTS="--tests tests/zoo/nets" runs a part.
floors: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[versions]'
	$(BIN)/python -m benchmarks.versions run floors $(TESTS)

pythons: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[versions]'
	$(BIN)/python -m benchmarks.versions run 3.10 3.11 3.12 3.13 $(TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/diracnet model-card --check
	$(BIN)/zizmor --offline --quiet --no-progress --persona pedantic .github
	$(SCHEMA)github-workflows .github/workflows/*.yml
	$(SCHEMA)github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(SCHEMA)github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA)dependabot .github/dependabot.yml
	$(SCHEMA)citation-file-format CITATION.cff

# Everything of a release that needs no network: lint, wheels, a verified bundle of each net, notes and sums, in build/release.
# make release-check NAMESPACE=ORG lets the bundles' cards name the account that they will be published under.
release-check: lint
	rm -rf build/release dist
	$(MAKE) wheels
	$(BIN)/python -m export.release dist build/release --namespace "$(NAMESPACE)"
	cd build/release/assets && sha256sum --check --quiet SHA256SUMS

# Both distributions, apart: what is released.
wheels: $(INSTALLED)
	rm -rf build/lib distributions/runtime/build
	$(BIN)/python -m build --wheel --no-isolation --outdir dist distributions/runtime
	DIRACNET_APART=1 $(BIN)/python -m build --wheel --no-isolation --outdir dist .

# Without the packages' scripts, as for the runtimes below.
clients: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[clients]'
	mkdir -p build/clients
	cp tests/clients/package.json build/clients
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --prefix build/clients --ignore-scripts --no-package-lock --no-audit --no-fund
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/clients

# make bench PARTS="bars training"; without PARTS all, which takes about half an hour
bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks $(PARTS)

# Draws the README's picture, and the clothes among the site's samples.
pictures: $(INSTALLED)
	$(BIN)/python docs/pictures/draw.py
	$(BIN)/python docs/pictures/clothes.py

# Takes the pictures of docs/site.md, in Debian's chromium.
site-pictures: site
	CHROMIUM=$(CHROMIUM) $(BIN)/python docs/pictures/site.py

# Writes docs/paper.md from the kept logs and the shipped checkpoints.
paper: $(INSTALLED)
	$(BIN)/python -m benchmarks.paper page

# make evaluate DATA="FOLDER fashion-mnist:FOLDER …"
evaluate: $(INSTALLED)
	$(BIN)/python -m benchmarks.checkpoints $(DATA)

# make runtimes DATA=FOLDER compares on the test pictures of a data set, for CIFAR-10's classes.
runtimes: $(NODE)/installed
	rm -rf build/runtimes
	$(BIN)/diracnet export diracnet16_cifar:cifar10 --formats all --out build/runtimes
	$(BIN)/python -m runtimes build/runtimes $(if $(DATA),--data "$(DATA)")

# The nets on microcontrollers in QEMU, for Debian and Ubuntu; make mcu DATA="FOLDER" measures accuracy too, and
# make mcu NETS=NAME:TAG DATA="FOLDER" only one of them.
ARM := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
mcu: $(INSTALLED)
	dpkg --status $(ARM) > /dev/null 2>&1 || { apt-get update && apt-get install --yes --no-install-recommends $(ARM); }
	$(BIN)/python -m runtimes.mcu nets $(NETS) $(foreach folder,$(DATA),--data $(folder))

# A static site in build/site: pages of the nets, which run and prove them in the visitor's browser. Bundles are kept in
# build/site-bundles; remove it after a change of the export. make site CODE=URL links to the code.
site: $(SITE)/node_modules/installed guide
	$(BIN)/python -m export.site build/site --runtime $(SITE)/node_modules/onnxruntime-web --guide build/guide $(if $(CODE),--code "$(CODE)")

# The guides, the reference and the reports, which the site takes along; needs Python 3.11.
guide: $(SITE)/node_modules/installed
	$(BIN)/python -m export.site.guide build/guide $(if $(CODE),--code "$(CODE)")

# In Debian's chromium; make site-test CHROMIUM=PATH in another.
CHROMIUM ?= /usr/bin/chromium
site-test: site
	test -x $(CHROMIUM) || { apt-get update && apt-get install --yes --no-install-recommends chromium; }
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(SITE) run check
	CHROMIUM=$(CHROMIUM) DIRACNET_SITE=build/site $(BIN)/python -m pytest tests/site

# As the lock file has it, and without the packages' scripts.
$(SITE)/node_modules/installed: $(INSTALLED) $(SITE)/package.json $(SITE)/package-lock.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[site]'
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(SITE) ci --ignore-scripts --no-audit --no-fund
	touch $@

# Without the packages' scripts: onnxruntime-node's fetches what graphics cards need from elsewhere.
$(NODE)/installed: $(INSTALLED) runtimes/package.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[runtimes]'
	mkdir -p $(NODE)
	cp runtimes/package.json $(NODE)/package.json
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --prefix $(NODE) --ignore-scripts --no-package-lock --no-audit --no-fund
	touch $@

# Not compiled at once: few of the modules are ever imported, and those are compiled then.
$(INSTALLED): setup.py pyproject.toml distributions/parts.py
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[all]'
	touch $@
