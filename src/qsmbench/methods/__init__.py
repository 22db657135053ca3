"""Reconstruction methods: one file a method, their common contract and the registry.

The package can also be called: `qsmbench.methods()` is `qsmbench.api.methods`, which a folder of that name would hide.
"""

import sys
from types import ModuleType


class _Callable(ModuleType):
    def __call__(self) -> dict[str, str]:
        from qsmbench.api import methods

        return methods()


sys.modules[__name__].__class__ = _Callable
