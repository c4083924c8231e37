"""Which lines of a scrape body are what they were in the body before, but for their numbers.

In:  bodies of one target.
Out: the numbers of the lines that are, in one text; the places of those that are not.
Pure. What stands before the number is fetched in words of many bytes and compared for all lines at once: no
object is made for a line, and memory is walked in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from backbeat.model.arrays import Bools, Int32s, Int64s

_WORD_BYTES = (32, 8, 1)
"""a line is compared in the longest words that it is as long as; its last word overlaps the one before"""
_NEWLINE, _COMMA, _SPACE = b"\n, "

Words = NDArray[np.generic]


class Body(Struct, frozen=True):
    """A body cut into lines; starts, ends: (lines,) where each begins, and where its newline is."""

    content: bytes | bytearray
    starts: Int64s
    ends: Int64s

    @classmethod
    def of(cls, content: bytes | bytearray) -> Body:
        if content and not content.endswith(b"\n"):
            content = content + b"\n"
        ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE)
        starts = np.zeros_like(ends)
        np.add(ends[:-1], 1, out=starts[1:])
        return cls(content, starts, ends)

    def line(self, at: int) -> bytes:
        return bytes(self.content[self.starts[at] : self.ends[at]])


class Shape(Struct, frozen=True):
    """What is known of the lines of a body.

    fixed:    (lines,) bytes before the number; the whole line where there is none
    numbered: (lines,) whether a number ends the line
    odd:      (lines,) whether it has to be read anew each time: it has a timestamp, an exemplar, other blanks
    """

    fixed: Int64s
    numbered: Bools
    odd: Bools


class Seen(Struct, frozen=True):
    """A body beside the last one.

    again: (changes,) lines to be read, sorted; all others are as they were but for their numbers
    plain: (numbers,) lines of the others with a number, in order
    text:  their numbers, separated by commas
    words: for `Layout.adopt`
    """

    again: Int64s
    plain: Int64s
    text: bytes
    words: tuple[Words, ...]


class Layout:
    """The fixed parts of a body's lines."""

    def __init__(self, body: Body, shape: Shape) -> None:
        self.shape = shape
        self._plain: Int64s = np.flatnonzero(shape.numbered & ~shape.odd)
        self._has_odd = bool(shape.odd.any())
        self._groups: list[_Group] = []
        longest = np.iinfo(np.int64).max
        for size in _WORD_BYTES:
            members = np.flatnonzero((shape.fixed >= size) & (shape.fixed < longest) & ~shape.odd)
            if len(members):
                self._groups.append(_Group(size, members, shape.fixed[members]))
            longest = size
        self._words = tuple(group.words(body) for group in self._groups)

    def read(self, body: Body) -> Seen | None:
        """Compare a body; None where it has another number of lines."""
        shape = self.shape
        if len(body.ends) != len(shape.fixed) or any(len(body.content) < each.size for each in self._groups):
            return None
        rest = body.ends - body.starts
        rest -= shape.fixed
        # One byte at least where a number has to be, none where there is no number.
        wrong = np.where(shape.numbered, rest < 1, rest != 0)
        words = tuple(group.words(body) for group in self._groups)
        for group, own, known in zip(self._groups, words, self._words, strict=True):
            differing = own != known
            if differing.any():
                differs = np.flatnonzero(differing)
                wrong[group.lines(differs * min(group.size, 8) // group.size)] = True
        if self._has_odd:
            wrong |= shape.odd
        plain = self._plain[~wrong[self._plain]] if wrong.any() else self._plain
        text, blank = self._numbers(body, plain)
        if len(blank):
            # More than a number ends these lines.
            wrong[blank] = True
            plain = plain[~wrong[plain]]
            text, _ = self._numbers(body, plain)
        return Seen(np.flatnonzero(wrong), plain, text, words)

    def adopt(self, seen: Seen) -> None:
        """Let the body that was just compared be the last one; the shape of its lines is as it was."""
        self._words = seen.words

    def known_lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not odd and end in a number, and what stands before the blank and the number."""
        numbered = self.shape.numbered
        for group, words in zip(self._groups, self._words, strict=True):
            yield from ((line, fixed[:-1]) for line, fixed in group.texts(words) if numbered[line])

    def _numbers(self, body: Body, lines: Int64s) -> tuple[bytes, Int64s]:
        """The numbers of these lines, and which lines have a blank or control character in theirs."""
        if not len(lines):
            return b"", lines
        begins = body.starts[lines]
        begins += self.shape.fixed[lines]
        sizes = body.ends[lines]
        sizes -= begins
        sizes += 1
        stops = sizes.cumsum()
        begins -= stops
        begins += sizes
        places = np.repeat(begins, sizes)
        places += np.arange(len(places))
        text = np.frombuffer(body.content, np.uint8)[places]
        text[stops - 1] = _COMMA
        blank = text <= _SPACE
        if blank.any():
            return b"", lines[np.unique(np.searchsorted(stops, np.flatnonzero(blank), side="right"))]
        return text[:-1].tobytes(), lines[:0]


class _Group:
    """Lines that are compared in words of one size."""

    def __init__(self, size: int, members: Int64s, fixed: Int64s) -> None:
        self.size = size
        counts = -(-fixed // size)
        firsts = np.cumsum(counts) - counts
        within = (np.arange(counts.sum()) - np.repeat(firsts, counts)) * size
        self._members, self._counts = members, counts
        self._offsets: Int32s = np.minimum(within, np.repeat(fixed, counts) - size).astype(np.int32)

    def lines(self, words: Int64s) -> Int64s:
        """The lines that these words are of."""
        return self._members[np.searchsorted(np.cumsum(self._counts), words, side="right")]

    def texts(self, words: Words) -> Iterator[tuple[int, bytes]]:
        """The lines, and their fixed parts put together from the words."""
        size, content, end = self.size, words.tobytes(), 0
        lasts = self._offsets[self._counts.cumsum() - 1].tolist()
        for line, count, last in zip(self._members.tolist(), self._counts.tolist(), lasts, strict=True):
            begin, end = end, end + count * size
            # The last word overlaps the one before.
            overlap = (count - 1) * size - last
            yield line, content[begin : end - size] + content[end - size + overlap : end]

    def words(self, body: Body) -> Words:
        size, content = self.size, body.content
        places = np.repeat(body.starts[self._members], self._counts)
        places += self._offsets
        # A line that became shorter leads past the end.
        np.minimum(places, len(content) - size, out=places)
        # Void, because its items need not be aligned.
        every: Words = np.ndarray((len(content) - size + 1,), f"V{size}", content, 0, (1,))
        return every[places].view(np.uint64 if size >= 8 else np.uint8)
