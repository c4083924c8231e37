"""How an answer leaves: what is written in one turn of the event loop is one write."""

from __future__ import annotations

import asyncio

from backbeat.web.one_write import GatheringTransport


class Socket(asyncio.Transport):
    """Keeps what is written, each system call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes | None] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.calls.append(None)

    def is_closing(self) -> bool:
        return None in self.calls


async def test_head_and_body_are_one_write_and_the_next_answer_another() -> None:
    socket = Socket()
    transport = GatheringTransport(socket, asyncio.get_running_loop())
    transport.write(b"head ")
    transport.write(b"body")
    assert socket.calls == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert socket.calls == [b"head body", b"next"]


async def test_much_is_written_at_once_so_that_a_slow_client_slows_who_writes() -> None:
    socket = Socket()
    transport = GatheringTransport(socket, asyncio.get_running_loop())
    transport.write(b"head")
    transport.write(bytes(100_000))
    assert [len(call or b"") for call in socket.calls] == [100_004]
    await asyncio.sleep(0)
    assert len(socket.calls) == 1


async def test_what_was_written_is_sent_before_the_end() -> None:
    socket = Socket()
    transport = GatheringTransport(socket, asyncio.get_running_loop())
    transport.write(b"last words")
    transport.close()
    assert transport.is_closing()
    assert socket.calls == [b"last words", None]
