"""Which lines of a scrape body are what they were in the body before, but for their numbers.

In:  bodies of one target.
Out: the numbers that are not written as they were, in one text; the places of all other changed lines.
Pure. What stands before the number is fetched in words of many bytes and compared for all lines at once: no
object is made for a line, and memory is walked in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from backbeat.model.arrays import Bools, Int32s, Int64s

_WORD_BYTES = (32, 8, 1)
"""a line is compared in the longest words that it is as long as; its last word overlaps the one before"""
_TAIL_BYTES = 16
"""most numbers are shorter, and one whose line ends as it did is not read again"""
_NEWLINE, _COMMA, _SPACE = b"\n, "

Words = NDArray[np.generic]
_NOWHERE: Int64s = np.empty(0, np.int64)


class Body(Struct, frozen=True):
    """A body cut into lines; starts, ends: (lines,) where each begins, and where its newline is."""

    content: bytes | bytearray
    starts: Int64s
    ends: Int64s

    @classmethod
    def of(cls, content: bytes | bytearray) -> Body:
        if content and not content.endswith(b"\n"):
            content = content + b"\n"
        ends = (np.frombuffer(content, np.uint8) == _NEWLINE).nonzero()[0]
        starts: Int64s = np.empty(len(ends), np.int64)
        starts[:1] = 0
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

    again:   (changes,) lines to be read, sorted; all others are as they were but for their numbers
    changed: (numbers,) lines of the others whose number is written otherwise than it was, in order
    text:    their numbers, separated by commas
    words:   where the words of a group differ, and how; for `Layout.adopt`, as are tails and sizes
    """

    again: Int64s
    changed: Int64s
    text: bytes
    words: Sequence[tuple[Int64s, Words]]
    tails: Words
    sizes: Int64s


class Layout:
    """The last body: the fixed parts of its lines, and the ends of its numbers."""

    def __init__(self, body: Body, shape: Shape) -> None:
        self.shape = shape
        self._plain: Int64s = np.flatnonzero(shape.numbered & ~shape.odd)
        self._has_odd = bool(shape.odd.any())
        self._groups: list[_Group] = []
        longest = np.iinfo(np.int64).max
        for size in _WORD_BYTES:
            members = np.flatnonzero((shape.fixed >= size) & (shape.fixed < longest) & ~shape.odd)
            if len(members):
                self._groups.append(_Group(size, members, shape.fixed[members], body))
            longest = size
        self._keep(*self._ends(body, body.ends - body.starts - shape.fixed))

    def read(self, body: Body) -> Seen | None:
        """Compare a body; None where it has another number of lines."""
        shape = self.shape
        if len(body.ends) != len(shape.fixed) or any(len(body.content) < each.size for each in self._groups):
            return None
        rest = body.ends - body.starts
        rest -= shape.fixed
        # One byte at least where a number has to be, none where there is no number.
        wrong = np.where(shape.numbered, rest < 1, rest != 0)
        is_alike = not wrong.any()
        if self._has_odd:
            wrong |= shape.odd
        words = [group.read(body, fits=is_alike) for group in self._groups]
        for group, (differing, _) in zip(self._groups, words, strict=True):
            if len(differing):
                wrong[group.lines(differing)] = True
                is_alike = False
        tails, sizes = self._ends(body, rest)
        # A size tells where in its tail a number begins.
        is_other = (tails != self._tails).view(np.uint16).astype(np.bool_)
        is_other |= sizes != self._sizes
        changed = self._plain[is_other]
        if not is_alike:
            changed = changed[~wrong[changed]]
        text, blank = self._numbers(body, changed)
        if len(blank):
            # More than a number ends these lines.
            wrong[blank] = True
            changed = changed[~wrong[changed]]
            text, _ = self._numbers(body, changed)
        return Seen(wrong.nonzero()[0], changed, text, words, tails, sizes)

    def adopt(self, seen: Seen) -> None:
        """Let the body that was just compared be the last one; the shape of its lines is as it was."""
        for group, words in zip(self._groups, seen.words, strict=True):
            group.adopt(*words)
        self._keep(seen.tails, seen.sizes)

    def known_lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not odd and end in a number, and what stands before the blank and the number."""
        numbered = self.shape.numbered
        for group in self._groups:
            yield from ((line, fixed[:-1]) for line, fixed in group.texts() if numbered[line])

    def _ends(self, body: Body, rest: Int64s) -> tuple[Words, Int64s]:
        """The last bytes of the plain lines, two words each, and the sizes of their numbers.

        rest: (lines,) bytes after the fixed part
        """
        content = body.content
        if len(content) < _TAIL_BYTES:
            content = bytes(_TAIL_BYTES - len(content)) + content
        places = body.ends[self._plain]
        places -= _TAIL_BYTES
        if len(places) and places[0] < 0:
            # Lines at the very beginning: what is compared holds the whole of them.
            np.maximum(places, 0, out=places)
        every: Words = np.ndarray((len(content) - _TAIL_BYTES + 1,), f"V{_TAIL_BYTES}", content, 0, (1,))
        return every[places].view(np.uint64), rest[self._plain]

    def _keep(self, tails: Words, sizes: Int64s) -> None:
        self._tails = tails
        # The tail does not hold all of a longer number, so that one is read each time.
        self._sizes: Int64s = np.where(sizes > _TAIL_BYTES, -1, sizes)

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
        places = begins.repeat(sizes)
        places += np.arange(len(places))
        text = np.frombuffer(body.content, np.uint8)[places]
        text[stops - 1] = _COMMA
        blank = text <= _SPACE
        if blank.any():
            return b"", lines[np.unique(np.searchsorted(stops, np.flatnonzero(blank), side="right"))]
        return text[:-1].tobytes(), lines[:0]


class _Group:
    """Lines that are compared in words of one size."""

    def __init__(self, size: int, members: Int64s, fixed: Int64s, body: Body) -> None:
        self.size = size
        counts = -(-fixed // size)
        firsts = np.cumsum(counts) - counts
        within = (np.arange(counts.sum()) - np.repeat(firsts, counts)) * size
        self._line_of: Int64s = np.repeat(members, counts)
        self._offsets: Int32s = np.minimum(within, np.repeat(fixed, counts) - size).astype(np.int32)
        # Comparing a bytearray is one pass; comparing arrays and asking whether any differ are three.
        self._known = bytearray(self._words(body, fits=True).data)

    def read(self, body: Body, *, fits: bool) -> tuple[Int64s, Words]:
        """Which words differ from the known ones, and what stands there. fits: no line is shorter."""
        words = self._words(body, fits=fits)
        if self._known == words.data:
            return _NOWHERE, words[:0]
        item = np.uint64 if self.size >= 8 else np.uint8
        differing = (words.view(item) != np.frombuffer(self._known, item)).nonzero()[0]
        # A word of several items may be there several times, which does no harm.
        places = differing * min(self.size, 8) // self.size
        return places, words[places]

    def adopt(self, differing: Int64s, words: Words) -> None:
        """Know what stands there from now on."""
        if len(differing):
            np.frombuffer(self._known, words.dtype)[differing] = words

    def lines(self, words: Int64s) -> Int64s:
        """The lines that these words are of."""
        return self._line_of[words]

    def texts(self) -> Iterator[tuple[int, bytes]]:
        """The lines, and their fixed parts put together from the words."""
        size, content, end = self.size, bytes(self._known), 0
        lines, counts = np.unique(self._line_of, return_counts=True)
        lasts = self._offsets[counts.cumsum() - 1].tolist()
        for line, count, last in zip(lines.tolist(), counts.tolist(), lasts, strict=True):
            begin, end = end, end + count * size
            # The last word overlaps the one before.
            overlap = (count - 1) * size - last
            yield line, content[begin : end - size] + content[end - size + overlap : end]

    def _words(self, body: Body, *, fits: bool) -> Words:
        size, content = self.size, body.content
        places = body.starts[self._line_of]
        places += self._offsets
        if not fits:
            # A line that became shorter leads past the end.
            np.minimum(places, len(content) - size, out=places)
        # Void, because its items need not be aligned.
        every: Words = np.ndarray((len(content) - size + 1,), f"V{size}", content, 0, (1,))
        return every[places]
