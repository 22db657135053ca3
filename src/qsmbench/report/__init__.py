"""Tables, statistics, figures and the page, made from stored scores and volumes; nothing is reconstructed here.

    scores.parquet, display.json  ->  statistics, comparisons  ->  tables (CSV, Markdown, LaTeX, HTML from one source)
    Zarr stores of the sets and of each method's chi           ->  figures (PNG)
    both                                                       ->  index.html, one file that asks nothing of a network

Everything below is a function of its inputs alone: no dates, no machine, no order of arrival of the rows.
"""

from qsmbench.report.build import build_report

__all__ = ["build_report"]
