"""Patterns for searching lines: PCRE2 (pcre2pattern(3)), with a limit on what one may cost.

By ctypes on Debian's library, which git and systemd need anyway. Python's own `re` cannot be stopped: one pattern and
one line would hold up every reader for ever.
"""

from __future__ import annotations

import ctypes
import functools
import time
import weakref

from hostd.errors import HostdError, Invalid, Unavailable

LIBRARY = "libpcre2-8.so.0"
LONGEST = 1000
"""Bytes of a pattern."""
MATCH_LIMIT = 100_000
"""Steps back that one line may cost: a few milliseconds."""
DEPTH_LIMIT = 20_000
HEAP_LIMIT = 4096
"""KiB."""

# pcre2.h
_CASELESS, _MULTILINE, _UTF = 0x00000008, 0x00000400, 0x00080000
_NEVER_BACKSLASH_C, _MATCH_INVALID_UTF = 0x00100000, 0x04000000
_NO_MATCH = -1
_LIMITS = frozenset({-47, -53, -63})


class TooCostly(HostdError):  # noqa: N818 - says what happened
    """A pattern went through so many possibilities on one line that the search was given up."""

    id = "invalid_params"
    status = 422


class Pattern:
    """A compiled pattern. `matches` is for one thread at a time; `again` gives another thread one of its own."""

    def __init__(self, library: ctypes.CDLL, code: _Code) -> None:
        self.spent = 0.0
        """Seconds that matching has taken."""
        self._library = library
        self._code = code
        self._data = ctypes.c_void_p(library.pcre2_match_data_create_8(1, None))
        weakref.finalize(self, library.pcre2_match_data_free_8, self._data)

    def matches(self, text: bytes) -> bool:
        """Whether the pattern is found in a text, of which bytes that are not UTF-8 match nothing. Raises TooCostly."""
        begun = time.perf_counter()
        result: int = self._library.pcre2_match_8(
            self._code.compiled, text, len(text), 0, 0, self._data, self._code.limits
        )
        self.spent += time.perf_counter() - begun
        if result >= 0:
            return True
        if result == _NO_MATCH:
            return False
        if result in _LIMITS:
            raise TooCostly(
                "The search was stopped: on one line the pattern went through too many possibilities "
                f"({_message(self._library, result)}). Make it simpler, as by leaving out one of several .* or +."
            )
        raise TooCostly(f"The search was stopped: {_message(self._library, result)}.")

    def again(self) -> Pattern:
        """The same pattern, for another thread."""
        return Pattern(self._library, self._code)


class _Code:
    """What is the same for all threads: the compiled pattern and its limits."""

    def __init__(self, library: ctypes.CDLL, compiled: int) -> None:
        self.compiled = ctypes.c_void_p(compiled)
        self.limits = ctypes.c_void_p(library.pcre2_match_context_create_8(None))
        library.pcre2_set_match_limit_8(self.limits, MATCH_LIMIT)
        library.pcre2_set_depth_limit_8(self.limits, DEPTH_LIMIT)
        library.pcre2_set_heap_limit_8(self.limits, HEAP_LIMIT)
        weakref.finalize(self, library.pcre2_code_free_8, self.compiled)
        weakref.finalize(self, library.pcre2_match_context_free_8, self.limits)


def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """Compile a pattern; `^` and `$` match at each row of an entry. Raises Invalid, which names the place of a mistake.

    Raises Unavailable if the library is not there.
    """
    pattern = text.encode(errors="surrogatepass")
    if not text:
        raise Invalid("The pattern to search for is empty.")
    if len(pattern) > LONGEST:
        raise Invalid(f"The pattern is longer than {LONGEST} bytes.")
    library = _library()
    options = _MULTILINE | _UTF | _NEVER_BACKSLASH_C | _MATCH_INVALID_UTF | (_CASELESS if ignore_case else 0)
    number, place = ctypes.c_int(), ctypes.c_size_t()
    compiled = library.pcre2_compile_8(
        pattern, len(pattern), options, ctypes.byref(number), ctypes.byref(place), None
    )
    if not compiled:
        raise Invalid(_mistake(text, pattern, place.value, _message(library, number.value)))
    return Pattern(library, _Code(library, compiled))


def _mistake(text: str, pattern: bytes, place: int, reason: str) -> str:
    characters = len(pattern[:place].decode(errors="replace"))
    before, after = text[max(0, characters - 30) : characters], text[characters : characters + 30]
    return f"The pattern cannot be read: {reason}, at character {characters}: {before}<here>{after}"


def _message(library: ctypes.CDLL, number: int) -> str:
    buffer = ctypes.create_string_buffer(256)
    library.pcre2_get_error_message_8(number, buffer, len(buffer))
    return buffer.value.decode(errors="replace")


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise Unavailable(f"Lines cannot be searched: {LIBRARY} is missing. apt install libpcre2-8-0") from error
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
    signatures: dict[str, tuple[object, list[object]]] = {
        "compile": (pointer, [ctypes.c_char_p, size, number, pointer, pointer, pointer]),
        "code_free": (None, [pointer]),
        "match_context_create": (pointer, [pointer]),
        "match_context_free": (None, [pointer]),
        "set_match_limit": (ctypes.c_int, [pointer, number]),
        "set_depth_limit": (ctypes.c_int, [pointer, number]),
        "set_heap_limit": (ctypes.c_int, [pointer, number]),
        "match_data_create": (pointer, [number, pointer]),
        "match_data_free": (None, [pointer]),
        "match": (ctypes.c_int, [pointer, ctypes.c_char_p, size, size, number, pointer, pointer]),
        "get_error_message": (ctypes.c_int, [ctypes.c_int, ctypes.c_char_p, size]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"pcre2_{name}_8")
        function.restype, function.argtypes = result, arguments
    return library
