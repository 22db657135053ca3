"""Heavy libraries whose loading waits until something of them is used.

Importing torch costs seconds of CPU, which a command that lists, checks or moves files should not pay, though modules
that it imports name torch at their top. `load_lazily` puts a module of the library's name where `import` looks; the
first access to something of the library runs the real import. (The standard library's `LazyLoader` runs it at the
import statement already, which asks for ``__spec__``.) Commands alone do so: a program that imports qsmbench keeps its
imports as they are.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterable
from types import ModuleType
from typing import Any

# What plain commands do without; a test holds which of them load what.
HEAVY = ("torch", "numba", "pandas", "xarray", "zarr", "nibabel", "skimage", "scipy.fft", "scipy.ndimage")

_lock = threading.RLock()


class _Waiting(ModuleType):
    """Stands for a module that is not loaded yet; afterwards it has all that the module has."""

    def __getattr__(self, name: str) -> Any:
        # Only what a module lacks is asked for here; nothing else of the kind "__wrapped__" is worth loading it.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        module = self.__dict__.get("loaded_")
        if module is None:
            with _lock:
                if sys.modules.get(self.__name__) is self:
                    del sys.modules[self.__name__]
                module = importlib.import_module(self.__name__)
                self.__dict__.update({k: v for k, v in vars(module).items() if k not in self.__dict__})
                self.__dict__["loaded_"] = module
        return getattr(module, name)


def load_lazily(names: Iterable[str] = HEAVY) -> None:
    """Let each library wait for its first use; one that is loaded already, or not installed, stays as it is."""
    for name in names:
        if name in sys.modules:
            continue
        module = _Waiting(name)
        # A part of a package is looked for when it is used: to find it would load the package.
        if "." not in name:
            if (spec := importlib.util.find_spec(name)) is None:
                continue
            # Whoever goes through all modules (`inspect`) asks for these.
            module.__spec__, module.__file__, module.__loader__ = spec, spec.origin, spec.loader
        sys.modules[name] = module


def is_loaded(name: str) -> bool:
    """Whether a library has really been loaded."""
    return name in sys.modules and not isinstance(sys.modules[name], _Waiting)
