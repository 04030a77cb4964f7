# Two commands do everything on a machine that has make and Python 3.11 or newer:
#
#   make serve     set up, train the music model from the shipped data, serve it (PORT=8000)
#   make test      set up, check style and types, run the tests
#
# and for those who change the code:
#
#   make test-all      the slow tests, too
#   make bench         measure against other frameworks (about 15 minutes, needs wrk)
#   make constraints   pin the newest versions of everything in constraints.txt
#   make clean         remove what was built; `make distclean` removes the environments, too

PORT ?= 8000
VENV ?= .venv

MODEL := build/genre.joblib
MUSIC := examples/music
# These files say that an installation is complete, so that a second run installs nothing.
SERVE_READY := $(VENV)/.ready-to-serve
DEV_READY := $(VENV)/.ready-to-develop
# Wanted by nobody's pip: the project itself is built by hatchling, pinned like the rest.
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TOOLS := pip hatchling editables

.DEFAULT_GOAL := help
.PHONY: help serve setup test check test-fast test-slow test-all bench constraints clean distclean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \{0,1\}//; 1,12p' Makefile

serve: $(MODEL)
	$(VENV)/bin/modelport serve $(MODEL) --data $(MUSIC)/music.csv --target genre --port $(PORT)

$(MODEL): $(MUSIC)/train.py $(MUSIC)/music.csv $(SERVE_READY)
	$(VENV)/bin/python $(MUSIC)/train.py --out build

setup: $(DEV_READY)

test: check test-fast

check: $(DEV_READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test-fast: $(DEV_READY)
	$(VENV)/bin/pytest -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(DEV_READY)
	$(VENV)/bin/pytest -m slow --numprocesses auto --maxprocesses 2 --dist loadfile

test-all: test test-slow

bench: $(DEV_READY)
	$(VENV)/bin/python -m bench.serve_saved_model

# -- the environment ---------------------------------------------------------------------------------------------------

$(SERVE_READY): $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Modelport and scikit-learn into $(VENV); this takes a minute once."
	$(PIP) $(TOOLS)
	$(PIP) --no-build-isolation --editable '.[sklearn]'
	@touch $@

$(DEV_READY): $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Modelport and everything its tests need into $(VENV); this takes a few minutes once."
	$(PIP) $(TOOLS)
	$(PIP) --no-build-isolation --editable '.[all]' --group dev
	@touch $@ $(SERVE_READY)

$(VENV)/bin/python:
	@python=; for name in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python; do \
	    if "$$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "make: Modelport needs Python 3.11 or newer with its venv module, and found none on PATH." >&2; \
	    echo "      Debian and Ubuntu: apt install python3-venv. Elsewhere: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	fi; \
	"$$python" -m venv $(VENV)

# Everything is resolved in a fresh environment, with the benchmark's peers, so that one file pins it all.
constraints: $(VENV)/bin/python
	rm -rf build/constraints
	$(VENV)/bin/python -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --upgrade $(TOOLS) setuptools
	build/constraints/bin/python -m pip install --quiet --no-build-isolation '.[all]' --group dev -r bench/requirements.txt
	{ echo "# Every version that Modelport is developed, tested and measured with. Written by: make constraints"; \
	  build/constraints/bin/python -m pip freeze --all --exclude modelport | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$' | sort -f; \
	} > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/constraints

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) .venv-bench
