"""Compiled kernels: machine code on first use, kept on disk where a folder can be written, and never needed for that.

Modules of kernels import numba; the detectors import those modules only when they score, so that nothing compiles at
import and the request path stays free of it. `prepare.py` compiles all of them ahead, when the package is installed.
"""

# mypy: disable-error-code="no-untyped-call, misc, no-any-return"
# numba's caches have no types.

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Given = ParamSpec("Given")
Result = TypeVar("Result")


def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Compile a kernel when it is first called; it releases the GIL, and divides as NumPy does.

    Machine code is kept in NUMBA_CACHE_DIR where that is set, else beside the source, else in the user's cache folder.
    Where none of them can be written, what an installation left beside the source is used, and what is not there is
    compiled anew in each process.
    """
    kernel: Any = njit(nogil=True, error_model="numpy")(function)
    try:
        kernel._cache = KernelCache(function)
    except RuntimeError:
        # numba's word for "no folder": the kernel works without one.
        return kernel
    return kernel


def was_kept(kernel: Any) -> bool:
    """Return whether machine code of a kernel is on disk, so that its first call need not compile it."""
    cache = kernel._cache
    return isinstance(cache, KernelCache) and bool(cache._cache_file._load_index())


class InstalledCacheLocator(InTreeCacheLocator):
    """Finds what an installation compiled beside the source, in a folder that cannot be written now."""

    def ensure_cache_path(self) -> None:
        """Raise OSError where nothing was compiled."""
        if not any(Path(self.get_cache_path()).glob("*.nbi")):
            raise FileNotFoundError(self.get_cache_path())


class KernelCacheImpl(CompileResultCacheImpl):
    """Where numba looks for the machine code of a kernel, in order."""

    _locator_classes: ClassVar[list[type[object]]] = [
        UserProvidedCacheLocator,
        InTreeCacheLocator,
        InstalledCacheLocator,
        UserWideCacheLocator,
    ]


class KernelCache(FunctionCache):
    """Machine code on disk, void when any module of kernels has changed: kernels of one contain those of another."""

    _impl_class = KernelCacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=stamp(Path(inspect.getfile(function)).parent),
        )

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, but where the folder cannot be written."""
        if not isinstance(self._impl.locator, InstalledCacheLocator):
            super().save_overload(sig, data)


def stamp(folder: Path) -> bytes:
    """Return a digest of all modules of kernels in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*_kernels.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()
