"""Memory that runs out, told from every other failure."""

from __future__ import annotations


def out_of_memory(error: BaseException) -> bool:
    """Of a GPU, or of the processor, whose allocator raises a plain RuntimeError."""
    signs = "out of memory", "can't allocate memory", "not enough memory"
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)
