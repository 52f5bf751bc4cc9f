# make demo   installs, synthesizes a small catalog, embeds it, asks for tracks like a new release,
#             writes a report on it: demo/report/report.html; then has made-up listeners, and shows
#             one of them what came out lately; says how to look around in it
# make test   installs everything the tests need, runs all checks
# make test-versions
#             the main job and the quick tests with the lowest versions that pyproject.toml declares
#             (on python3.11), and with the newest there are (on python3.13)
# make ready  installs what both need, at once
# make privacy   what commands, library and service ask of the system: no network, no file elsewhere
# make licenses  writes docs/licenses.md anew; make sbom  writes sbom.json (CycloneDX): all that is
#             installed with musicu, and under which licence
# make evaluate MUSICU_DATA=... TEACHERS=... DEBIAN=... MODELS='work/without-{collection} musicu-2'
#             how good encoders are on collections they never heard, see recipes/README.md
# make evaluate-folds MUSICU_DATA=... TEACHERS=... MODELS='work/fold{fold} musicu-2-free musicu-1'
#             the same on folds of one collection
# make coldstart MUSICU_DATA=...
#             how well new artists find their listeners, see docs/recommend.md
# make torture SEED=1 MINUTES=30
#             damaged files, killed processes, rot, full disks, hostile input; see docs/reliability.md
# make docs   writes the documentation, with the API reference, to build/docs
# make page   builds the service's page anew from page/ (needs Node 20; users do not)
PYTHON ?= python3
BIN := .venv/bin
DEMO := demo
# One version for all who develop. A local build of it goes before the registry's, if pip is told where
# to look: one for processors alone is a tenth of the size. TORCH= takes what pyproject.toml allows.
TORCH ?= torch==2.13.0

.PHONY: demo ready test types test-versions docs privacy licenses sbom bench evaluate \
	evaluate-folds coldstart torture page clean

# $(call job,VENV,FOLDER): what musicu is for, from the first file to a report.
define job
	$(1)/bin/musicu embed $(DEMO)/music --describe --catalog $(2)/catalog.db
	$(1)/bin/musicu similar $(DEMO)/new_release.flac -n 8 --catalog $(2)/catalog.db
	$(1)/bin/musicu release $(DEMO)/new_release.flac --catalog $(2)/catalog.db --out $(2)/report
endef

# A copy of the catalog learns of the releases: the report is on one that it does not know.
define radar
	cp $(DEMO)/catalog.db $(DEMO)/radar.db
	$(BIN)/musicu simulate $(DEMO)/plays.csv --users 60 --days 30 --catalog $(DEMO)/radar.db --force
	$(BIN)/musicu fit $(DEMO)/plays.csv --out $(DEMO)/recommender --catalog $(DEMO)/radar.db --force
	$(BIN)/musicu embed $(DEMO)/releases $(DEMO)/new_release.flac --quiet --catalog $(DEMO)/radar.db
	$(BIN)/musicu recommend --surface release-radar --at 2026-06-01 --recommender $(DEMO)/recommender \
	    --log $(DEMO)/plays.csv --user "listener 7" --catalog $(DEMO)/radar.db
endef

# The songs are the same whoever makes them, and made once.
$(DEMO)/new_release.flac: fixtures/make_demo.py | .venv/core
	$(BIN)/python fixtures/make_demo.py $(DEMO)

demo: .venv/core $(DEMO)/new_release.flac
	$(call job,.venv,$(DEMO))
	$(radar)
	@echo
	@echo "To look around and listen: $(BIN)/musicu serve --catalog $(DEMO)/catalog.db"

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory -j2 types docs
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

types: .venv/dev
	$(BIN)/mypy

QUICK := $(patsubst %,tests/%.py,audio/test_decode encoders/test_encoder catalog/test_index \
	catalog/test_catalog cli/test_cli service/test_service)
LOWEST ?= python3.11
NEWEST ?= python3.13
# $(call there,NAME,PYTHON): the name, if this Python is here.
there = $(if $(shell $(2) -c 'print(1)' 2>/dev/null),$(1),$(info no $(2) here: the $(1) versions are not tried))
at_once = $(if $(strip $(1)),$(MAKE) --no-print-directory -j3 $(1))
VERSIONS = $(call there,lowest,$(LOWEST)) $(call there,newest,$(NEWEST))
test-versions:
	+@$(call at_once,$(patsubst %,.venv-%/tested,$(VERSIONS)))

# While one environment is loaded, another is unpacked. In those of versions, only what is imported
# is compiled; in .venv/dev, where a warning of the compiler would be an error, pip compiles all.
ready:
	+@$(call at_once,.venv/dev $(patsubst %,.venv-%/ready,$(VERSIONS)))

.venv-lowest/ready: VERSION = $(LOWEST)
.venv-newest/ready: VERSION = $(NEWEST)
.venv-%/ready: pyproject.toml .ci/lowest.py
	$(VERSION) -m venv --clear .venv-$*
	$(VERSION) .ci/lowest.py > .venv-$*/lowest.txt
	.venv-$*/bin/pip install --quiet --no-compile $(if $(filter lowest,$*),--constraint .venv-$*/lowest.txt) \
	    --editable '.[evaluate,parquet,serve]' hypothesis httpx mutagen onnx pytest
	touch $@

# Deprecations are for the versions of `make test`; here, what is declared has to work.
.venv-%/tested: .venv-%/ready $(DEMO)/new_release.flac
	mkdir -p .venv-$*/demo
	$(call job,.venv-$*,.venv-$*/demo)
	.venv-$*/bin/pytest -m 'not slow' -o filterwarnings=default -p no:cacheprovider $(QUICK)

docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

privacy: .venv/dev
	$(BIN)/pytest -v tests/faults/test_privacy.py

licenses: .venv/dev
	$(BIN)/python .ci/closure.py licenses > docs/licenses.md

sbom: .venv/dev
	$(BIN)/python .ci/closure.py sbom > sbom.json

bench: .venv/dev
	$(BIN)/python bench/speed.py
	$(BIN)/python bench/describe.py

TAFFC = --labels $(MUSICU_DATA)/taffc/manifest.csv --labels $(MUSICU_DATA)/taffc/source_info.csv
LEFT_OUT = --collection taffc=$(MUSICU_DATA)/taffc/manifest.csv+$(MUSICU_DATA)/taffc/source_info.csv \
	--collection games=$(MUSICU_DATA)/game_music/manifest.csv$(if $(DEBIAN),+$(DEBIAN)/manifest.csv) \
	--collection free=$(MUSICU_DATA)/free_music/manifest.csv \
	$(if $(DEBIAN),--only kind=music --only duplicate_of=)
MODELS ?= musicu-3 musicu-3-free musicu-2 musicu-2-free musicu-1
VECTORS ?= build/vectors.db
# Models of one fold or one collection each are for one table each.
SHIPPED = $(foreach m,$(MODELS),$(if $(findstring {,$m),,$m))
SINGLE = msd-penultimate msd-pooled jamendo-penultimate mtt-penultimate mn04
# As they are, and standardized (+): the best of both is what has to be reached.
YARDSTICKS = $(if $(TEACHERS),$(foreach t,$(SINGLE),--model $t=$(TEACHERS)/$t --model $t+=$(TEACHERS)/$t+ \
	--against $t --against $t+) --ensemble ensemble \
	--model ensemble=$(TEACHERS)/msd-penultimate+$(TEACHERS)/jamendo-penultimate+$(TEACHERS)/mn04)
evaluate: .venv/dev
	mkdir -p build
	$(BIN)/musicu evaluate encoder $(LEFT_OUT) \
	    $(foreach m,$(MODELS),$(if $(findstring {fold},$m),,--model '$m')) $(YARDSTICKS) \
	    --baseline mfcc --baseline random --cache $(VECTORS) --figure left-out.svg
	$(BIN)/musicu evaluate encoder $(TAFFC) $(foreach m,$(SHIPPED),--model '$m') --robustness --cost

PENULTIMATE = $(TEACHERS)/msd-penultimate
POOLED = $(TEACHERS)/msd-pooled
SIAMESE = $(TEACHERS)/artist-siamese
OTHERS = $(if $(TEACHERS),--model penultimate=$(PENULTIMATE) --model pooled=$(POOLED) \
	--model siamese=$(SIAMESE) --model together=$(PENULTIMATE)+$(POOLED)+$(SIAMESE) \
	$(foreach one,penultimate pooled siamese together,--against $(one)))
evaluate-folds: .venv/dev
	$(BIN)/pip install --quiet bliss-audio
	$(BIN)/musicu evaluate encoder $(TAFFC) $(foreach m,$(MODELS),--model '$m') $(OTHERS) \
	    --baseline mfcc --baseline bliss --baseline random --by genres --figure evaluate.svg

WORK ?= work/coldstart
coldstart: .venv/dev
	$(BIN)/python recipes/coldstart.py $(MUSICU_DATA) $(WORK)
	$(BIN)/musicu evaluate recommend $(WORK)/plays.csv --items $(WORK)/artists.csv --unknown keep \
	    --audio $(WORK)/audio.npz --vectors mfcc=$(WORK)/mfcc.npz --report $(WORK)/artists.html
	$(BIN)/musicu evaluate recommend $(WORK)/tagged.csv --items $(WORK)/tagged_artists.csv \
	    --unknown keep --protocol time --since 2010-01-01 --seeds 1 --report $(WORK)/time.html

SEED ?= 1
MINUTES ?= 30
# ONLY=kills:3 repeats one round; PAGE=docs/reliability.md renews the figures there.
torture: .venv/dev
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m torture --seed $(SEED) --minutes $(MINUTES) \
	    --json build/torture.json $(if $(ONLY),--only $(ONLY)) $(if $(PAGE),--page $(PAGE))

page:
	cd page && npm ci --silent && npm run --silent build

clean:
	rm -rf .venv .venv-* build dist page/node_modules *.egg-info $(DEMO) .mypy_cache .pytest_cache .ruff_cache

# musicu needs Python 3.11 or later; PYTHON=python3.12 names another one than the default.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

.venv/core: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[serve]'
	touch $@

# What .venv/core is to have is in it, too.
.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[ab,dev,evaluate,parquet,serve,train,watch]' $(TORCH)
	touch .venv/core $@
