"""Speaks for the clients of a system under test: questions come as lines of JSON on standard input,
answers go as lines to standard output, in any order.

Write the class `System`: one method for each operation. As it stands it keeps all values here and asks
no server, which is enough to be tried. An operation returns its value if it took effect. It raises
`Refused` only if it certainly did not and never will; whatever else it raises means that nobody knows,
such as a connection that was lost or a time that ran out.
"""

import json
import sys
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Lock


class Refused(Exception):
    """It certainly did not happen: the request was never sent, or the system refused it."""


class System:
    def __init__(self, nodes):
        # Where each node serves clients, such as {1: "127.0.0.1:40001"}.
        self.nodes = nodes
        self.values = {}
        self.changes = 0
        self.lock = Lock()

    # A method gets the client that asks, the key, the value, and for how many seconds it may take.
    # Delete those that your system does not have.

    def read(self, client, key, value, seconds):
        with self.lock:
            return self.values.get(key)

    def write(self, client, key, value, seconds):
        with self.lock:
            self.set(key, value)

    def delete(self, client, key, value, seconds):
        with self.lock:
            self.set(key, None)

    def cas(self, client, key, value, seconds):
        """Sets the value if the expected one is there, None for nothing; says whether it did."""
        expected, new = value
        with self.lock:
            is_there = self.values.get(key) == expected
            if is_there:
                self.set(key, new)
            return is_there

    def append(self, client, key, value, seconds):
        with self.lock:
            self.set(key, (self.values.get(key) or "") + value)

    def add(self, client, key, value, seconds):
        """Adds a number; answers with the sum."""
        with self.lock:
            self.set(key, str(int(self.values.get(key) or "0") + int(value)))
            return int(self.values[key])

    def status(self, node, seconds):
        """What a node says of itself, as far as the description has it in `status`; delete this if that
        is []. A run begins when all nodes answer and one has `leads`, a text that changes with each
        leader. In the end all must come to an equal `applied` with an equal
        `digest`: how many changes a node has applied, and a digest of its values."""
        with self.lock:
            status = {"node": node, "applied": self.changes, "digest": digest(self.values)}
        if node == min(self.nodes):
            status["leads"] = f"1.{node}"
        return status

    def set(self, key, value):
        self.values[key] = value
        self.changes += 1


def digest(values):
    return f"{zlib.crc32(json.dumps(values, sort_keys=True).encode()):08x}"


OPERATIONS = {"read", "write", "delete", "cas", "append", "add"}


def answer(system, ask):
    """What is answered to a question."""
    f, seconds = ask["f"], ask["timeout_ms"] / 1000
    try:
        if f == "status" and hasattr(system, f):
            return {"type": "ok", "value": system.status(ask["node"], seconds)}
        if f not in OPERATIONS or not hasattr(system, f):
            raise Refused(f"there is no {f}")
        operation = getattr(system, f)
        value = operation(ask["client"], ask["key"], ask.get("value"), seconds)
        return {"type": "ok", "value": value}
    except Refused as error:
        return {"type": "fail", "error": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"type": "info", "error": f"{type(error).__name__}: {error}"}


def main():
    nodes = dict(word.split("=") for word in sys.argv[1:])
    system = System({int(node): address for node, address in nodes.items()})
    speaking = Lock()

    def serve(ask):
        line = json.dumps({"id": ask["id"], **answer(system, ask)})
        with speaking:
            print(line, flush=True)

    # As many at once as there may be clients: one that waits for a node holds up no other.
    with ThreadPoolExecutor(max_workers=64) as threads:
        for line in sys.stdin:
            try:
                ask = json.loads(line)
            except ValueError as error:
                print(f"no JSON ({error}): {line!r}", file=sys.stderr)
                continue
            threads.submit(serve, ask)


if __name__ == "__main__":
    main()
