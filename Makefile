# check: lint, types, layers and quick tests (under a minute). test: all that CI runs, on a bare machine.

VENV := .venv
BIN := $(VENV)/bin
# The system's own interpreter where it will do: distributions build theirs with profile-guided optimisation, pyenv does
# not, and the agent needs a tenth less of a core with it.
DOES := import ensurepip, os, sys, sysconfig as c; \
    sys.exit(sys.version_info < (3, 10) or not os.path.exists(c.get_path("include") + "/Python.h"))
PYTHON ?= $(shell /usr/bin/python3 -c '$(DOES)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VIEW := build/view/rli_agent
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: venv check lint types layers unit view test system docs demo demo-server bench torture fuzz clean

venv: $(VENV)/installed

$(VENV)/installed: pyproject.toml setup.py parsers/_cutting.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m compileall -q agent parsers rules server dashboards samples  # it starts faster
	touch $@

check: lint types layers unit

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

# mypy and import-linter read the file system: they get the package as it is when installed, made of links.
view:
	@rm -rf build/view && mkdir -p $(VIEW)
	@ln -s $(filter-out %__pycache__,$(wildcard $(CURDIR)/agent/*)) \
	    $(addprefix $(CURDIR)/,parsers rules server dashboards samples) $(VIEW)/

types: venv view
	cd build/view && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir ../mypy -p rli_agent
	MYPYPATH=build/view:tests $(BIN)/mypy --config-file tests/mypy.ini --cache-dir build/mypy-tests tests
	MYPYPATH=build/view:tests:benchmarks $(BIN)/mypy --config-file tests/mypy.ini --cache-dir build/mypy-tests benchmarks

layers: venv view
	PYTHONPATH=build/view $(BIN)/lint-imports --no-cache

unit: venv
	$(BIN)/python -m pytest -q -n 2 -m 'not real'

test: system lint types layers
	$(BIN)/python -m pytest -q

# What a bare Debian or Ubuntu lacks: a Prometheus and an Alertmanager to test against, Debian's Chromium for the page
# (Ubuntu has none: the tests of the page are left out there), and perhaps the module venv. A VictoriaMetrics and a SLURM
# are wanted by a few tests each, which are left out where they cannot be had.
system:
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y python3-venv; }
	command -v promtool >/dev/null || { $(SUDO) apt-get update && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus; }
	test -x /usr/bin/chromium || ! grep -qx 'ID=debian' /etc/os-release || { $(SUDO) apt-get update && $(SUDO) \
	    env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; }
	command -v prometheus-alertmanager >/dev/null || { $(SUDO) apt-get update && $(SUDO) \
	    env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus-alertmanager; }
	for need in victoria-metrics:victoria-metrics slurmctld:slurm-wlm; do \
	    command -v $${need%:*} >/dev/null || { $(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y --no-install-recommends $${need#*:}; } || true; done

# Reference pages that are made from the code.
docs: venv
	$(BIN)/python -m rli_agent.reference

demo: venv
	$(BIN)/rli-agent demo

demo-server: venv
	$(BIN)/rli-agent server demo

# Killed 500 times under rotation; about seven minutes.
torture: venv
	RLI_TORTURE_KILLS=500 $(BIN)/python -m pytest -q tests/test_torture.py

# A minute of atheris for each reader of what strangers write; nothing is installed for it unless it is asked for.
fuzz: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	for target in $$($(BIN)/python tests/fuzz_targets.py); do \
	    $(BIN)/python tests/fuzz.py $$target -max_total_time=60 || exit 1; done

# All but those that want packages or a Prometheus beside the agent.
bench: venv
	for file in $(filter-out $(addprefix benchmarks/,console_log.py chart_libraries.py push_load.py),$(wildcard benchmarks/*.py)); do \
	    echo "$$file"; $(BIN)/python $$file || exit 1; done

clean:
	rm -rf build dist $(VENV) *.egg-info parsers/*.so .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
