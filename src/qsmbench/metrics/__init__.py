"""One file a metric, and the registry.

All metrics share one contract, ``metric(estimate, reference, mask, *, voxel_size) -> float``:

- volumes are (x, y, z) in ppm; any real dtype comes in, all arithmetic is float64;
- both maps are zeroed outside the mask before anything else, so that nothing beyond the mask can enter a score;
- the mask is the reference's, the same for every method: voxels a method left at zero count as errors, and
  ``coverage`` says how many there are;
- filters are counted in voxels, as in the scripts that defined them; each docstring says what that means for
  anisotropic voxels.

Metrics that need tissue labels, the measured field or no truth at all take a `qsmbench.metrics.case.Case` instead and
return a number a region; `qsmbench.metrics.case_registry.score_case` applies both kinds.
"""
