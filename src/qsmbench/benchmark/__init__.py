"""The steps of the benchmark, one a file: what a Snakemake rule runs as one job."""
