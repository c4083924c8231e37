"""Audio made on the fly: a decaying tone per track, as 16-bit mono PCM in a WAV file."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator
from functools import lru_cache

SAMPLE_RATE = 22_050
_CHUNK_SAMPLES = 4_096
_PITCHES_HZ = (220.0, 246.9, 261.6, 293.7, 329.6, 349.2, 392.0, 440.0)


def wav_chunks(track_id: int, seconds: float) -> Iterator[bytes]:
    """The file in pieces: a header, then about 8 KiB at a time."""
    samples = int(seconds * SAMPLE_RATE)
    yield _header(samples)
    beat = _beat(_PITCHES_HZ[track_id % len(_PITCHES_HZ)])
    for start in range(0, samples, _CHUNK_SAMPLES):
        yield beat[: 2 * min(_CHUNK_SAMPLES, samples - start)]


def _header(samples: int) -> bytes:
    size_bytes = 2 * samples
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size_bytes, b"WAVE")
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return riff + layout + struct.pack("<4sI", b"data", size_bytes)


@lru_cache(maxsize=len(_PITCHES_HZ))
def _beat(pitch_hz: float) -> bytes:
    """One chunk that sounds the tone and lets it fade."""
    turn = 2 * math.pi * pitch_hz / SAMPLE_RATE
    tone = (math.sin(turn * i) * 12_000 * math.exp(-4 * i / _CHUNK_SAMPLES) for i in range(_CHUNK_SAMPLES))
    return array("h", (int(sample) for sample in tone)).tobytes()
