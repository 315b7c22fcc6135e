"""Compiled kernels: machine code on first use, kept on disk where a folder can be written, and never needed for that.

Modules of kernels import numba; the detectors import those modules only when they score, so that nothing compiles at
import and the request path stays free of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Given = ParamSpec("Given")
Result = TypeVar("Result")


def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Compile a kernel when it is first called; it releases the GIL, and divides as NumPy does.

    Machine code is kept beside the source, else in the user's cache folder (or NUMBA_CACHE_DIR); where none of them can
    be written it is compiled anew in each process.
    """
    try:
        kernel: Callable[Given, Result] = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel
