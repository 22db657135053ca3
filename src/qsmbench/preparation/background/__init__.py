"""Background removal: what the sources outside the mask add to the field, taken away.

One file a method, one contract (`contract`), one entry point: :func:`qsmbench.preparation.background.remove.remove`.
"""
