"""Lines of JSON over TCP: calls with numbers, answers in any order.

A call that gets no answer in time, or whose connection ends, raises NoAnswer; whether it took
effect is then for the caller to judge. One that could not even be sent raises NotSent.
"""

import asyncio
import json
import sys

LINE_BYTES_MAX = 16 << 20
RECONNECT_S = 0.05
CONNECT_S = 1.0


def addresses(words):
    """Reads words such as 2=127.0.0.1:7002. A node that is named twice ends the program: the last
    word would win, and the majority be counted among fewer nodes than there are."""
    found = {}
    for word in words:
        number, address = word.split("=")
        if int(number) in found:
            sys.exit(f"{word}: node {int(number)} is named twice; name each node once")
        found[int(number)] = address
    return found


class NoAnswer(Exception):
    """The call was sent, and nobody knows what became of it."""


class NotSent(Exception):
    """The call was not sent."""


class Caller:
    """A connection to one address that is made again whenever it ends."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.host, self.port = host, int(port)
        self.writer = None
        self.waiting = {}
        self.calls = 0

    async def run(self):
        while True:
            try:
                connecting = asyncio.open_connection(self.host, self.port, limit=LINE_BYTES_MAX)
                reader, self.writer = await asyncio.wait_for(connecting, CONNECT_S)
                ends = [self.writer.get_extra_info(end) for end in ("sockname", "peername")]
                if ends[0] == ends[1]:
                    # Where nobody listens, the kernel may lead a dialer to its own port.
                    raise ConnectionError("it is connected to itself")
                while line := await reader.readline():
                    answer = json.loads(line)
                    future = self.waiting.pop(answer["id"], None)
                    # Whoever waited may have given up in this very turn.
                    if future and not future.done():
                        future.set_result(answer)
            except (OSError, asyncio.TimeoutError, ValueError):
                pass
            self.end()
            await asyncio.sleep(RECONNECT_S)

    def end(self):
        if self.writer:
            self.writer.close()
        self.writer = None
        waiting, self.waiting = self.waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(NoAnswer("the connection ended"))

    async def call(self, message, limit_s):
        if not self.writer:
            raise NotSent("there is no connection")
        self.calls += 1
        number = self.calls
        self.waiting[number] = future = asyncio.get_running_loop().create_future()
        self.writer.write(json.dumps({**message, "id": number}).encode() + b"\n")
        try:
            return await asyncio.wait_for(future, limit_s)
        except asyncio.TimeoutError:
            raise NoAnswer("no answer in time") from None
        finally:
            self.waiting.pop(number, None)


async def serve(address, handle):
    """Answers each line with what `handle` returns for it, many at a time."""

    async def answer(message, writer):
        result = await handle(message)
        if not writer.is_closing():
            writer.write(json.dumps({**result, "id": message["id"]}).encode() + b"\n")

    async def connection(reader, writer):
        try:
            while line := await reader.readline():
                # Whoever does not wait for others is answered in the order of the questions.
                task = asyncio.create_task(answer(json.loads(line), writer))
                TASKS.add(task)
                task.add_done_callback(TASKS.discard)
        except (OSError, ValueError):
            pass
        writer.close()

    host, port = address.rsplit(":", 1)
    return await asyncio.start_server(connection, host, int(port), limit=LINE_BYTES_MAX)


TASKS = set()
