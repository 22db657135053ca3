"""One file a metric, and the registry.

All metrics share one contract, ``metric(case) -> {region: score}`` with a `qsmbench.metrics.case.Case`:

- volumes are (x, y, z) in ppm; any real dtype comes in, all arithmetic is float64;
- maps are zeroed outside the mask before anything else, so that nothing beyond the mask can enter a score;
- the mask is the same for every method: voxels a method left at zero count as errors, and ``coverage`` says how many
  there are;
- the region of a score for all of the mask is "mask"; other regions bear their own names;
- what a metric needs beside estimate, mask and grid (a reference, the measured field, tissue labels) stands in its
  registry entry, and a case that lacks it is not given to it;
- filters are counted in voxels, as in the scripts that defined them; each docstring says what that means for
  anisotropic voxels.
"""
