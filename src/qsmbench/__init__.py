"""qsmbench: a reproducible benchmark platform for Quantitative Susceptibility Mapping."""
