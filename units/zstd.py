"""Texts that journald has compressed, by the library with which it does (libzstd, which systemd needs too)."""

import ctypes
import functools

_LIBRARY = "libzstd.so.1"


class NotZstd(Exception):  # noqa: N818 - says what was found
    """This is no text of zstd's, or the library is not here."""


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("place", ctypes.c_size_t)]


def beginning(data: bytes, size: int) -> bytes:
    """At most `size` bytes from a text's beginning, however long it is. Raises NotZstd."""
    library = _library()
    stream = library.ZSTD_createDStream()
    try:
        source = ctypes.create_string_buffer(data, len(data))
        target = ctypes.create_string_buffer(size)
        taken = _Buffer(ctypes.cast(source, ctypes.c_void_p), len(data), 0)
        made = _Buffer(ctypes.cast(target, ctypes.c_void_p), size, 0)
        code = library.ZSTD_decompressStream(stream, ctypes.byref(made), ctypes.byref(taken))
        if library.ZSTD_isError(code):
            raise NotZstd
        return target.raw[: made.place]
    finally:
        library.ZSTD_freeDStream(stream)


def whole(data: bytes, most: int) -> bytes:
    """The text, of `most` bytes at most. Raises NotZstd, for a longer one too."""
    library = _library()
    size = library.ZSTD_getFrameContentSize(data, len(data))
    # Also what stands for "unknown" and "error" is more.
    if size > most:
        raise NotZstd
    target = ctypes.create_string_buffer(size)
    code = library.ZSTD_decompress(target, size, data, len(data))
    if library.ZSTD_isError(code):
        raise NotZstd
    return target.raw[:code]


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise NotZstd from error
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.ZSTD_createDStream.restype = pointer
    library.ZSTD_createDStream.argtypes = []
    library.ZSTD_freeDStream.argtypes = [pointer]
    library.ZSTD_decompressStream.restype = size
    library.ZSTD_decompressStream.argtypes = [pointer, pointer, pointer]
    library.ZSTD_isError.argtypes = [size]
    library.ZSTD_isError.restype = ctypes.c_uint
    library.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    library.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, size]
    library.ZSTD_decompress.restype = size
    library.ZSTD_decompress.argtypes = [pointer, size, ctypes.c_char_p, size]
    return library
