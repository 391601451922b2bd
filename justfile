# Needs `just` (pip install rust-just), Python from 3.11 on, and nothing else: what a recipe uses is
# installed into .venv, by `setup`.

set positional-arguments

python := ".venv/bin/python"

# List the recipes
default:
    @'{{ just_executable() }}' --justfile '{{ justfile() }}' --list

# Create or update .venv (every recipe below does this first)
setup:
    @"${PYTHON:-python3}" tests/tools/setup.py

# Do the main job, from tracking to an offline read, in a folder that the tour names
demo *args: setup
    {{ python }} -m mlopus tour "$@"

# Run the tests, a real MLflow server included; arguments go to pytest, without any all tests run, two per core
test *args: setup
    @if [ $# -eq 0 ]; then \
        set -- --numprocesses "$({{ python }} -c 'import os; print(min(8, 2 * (os.cpu_count() or 1)))')" --dist worksteal; \
    fi; {{ python }} -m pytest "$@"

# Install the MLflow servers and clients that the tests talk to, which the tests do when they need them
servers: setup
    {{ python }} -m tests.servers.environment

# Check what CI checks besides the tests: format, lint, types, layers, generated code
check: setup
    {{ python }} -m ruff format --check
    {{ python }} -m ruff check
    {{ python }} -m mypy
    {{ python }} -m pyright
    .venv/bin/lint-imports --no-cache
    @! test -e tests/generate.py || {{ python }} -m tests.generate --check

# Run the long and the exotic: slow and server tests, and every property with many more examples
integration *args: setup
    HYPOTHESIS_PROFILE=nightly {{ python }} -m pytest -m "slow or server" "$@"
    HYPOTHESIS_PROFILE=nightly {{ python }} -m pytest tests/property "$@"

# Measure the speed bars; prints ratios, asserts nothing about time
bench *args: setup
    {{ python }} -m tests.benchmarks "$@"

# Format, fix what the linter can, and write the generated code anew
fix: setup
    {{ python }} -m ruff format
    {{ python }} -m ruff check --fix
    {{ python }} -m ruff format
    @! test -e tests/generate.py || {{ python }} -m tests.generate

# Build the wheel into dist/, and do the main job with it in a fresh environment
build: setup
    {{ python }} tests/tools/smoke.py
