#!/usr/bin/env bash
# Adds this checkout to the conda environment that Snakemake made from qsmbench-cpu.yaml (the Snakefile sets QSMBENCH_ROOT).
set -euo pipefail
python -m pip install --no-deps --editable "$QSMBENCH_ROOT"
