"""The harness's side of a bridge: questions come as lines of JSON on standard input, answers go as
lines to standard output, in any order.

A bridge hands `serve` two functions. `operate(client, node, f, key, value, seconds)` answers with
what an operation came to; `status(node, seconds)` with what a node says of itself. What they raise
keeps the outcomes apart: `Refused` is `fail`, it certainly did not happen and never will; anything
else is `info`, nobody knows.
"""

import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Lock


class Refused(Exception):
    """It certainly did not happen: it was never sent, or the system refused it."""


def answer(ask, operate, status):
    seconds = ask["timeout_ms"] / 1000 - MARGIN_S
    try:
        if ask["f"] == "status":
            return {"type": "ok", "value": status(ask["node"], seconds)}
        place = (ask["client"], ask.get("node"))
        value = operate(*place, ask["f"], ask["key"], ask.get("value"), seconds)
        return {"type": "ok", "value": value}
    except Refused as error:
        return {"type": "fail", "error": str(error)}
    except Exception as error:
        if not isinstance(error, (OSError, EOFError)):
            traceback.print_exc()
        return {"type": "info", "error": f"{type(error).__name__}: {error}"}


def serve(operate, status):
    """Answers until the input ends, as many at once as there may be clients."""
    speaking = Lock()

    def reply(ask):
        line = json.dumps({"id": ask["id"], **answer(ask, operate, status)})
        with speaking:
            print(line, flush=True)

    with ThreadPoolExecutor(max_workers=64) as threads:
        for line in sys.stdin:
            try:
                ask = json.loads(line)
            except ValueError:
                print(f"no JSON: {line!r}", file=sys.stderr)
                continue
            threads.submit(reply, ask)


# What is left of the time for an answer on its way to the harness.
MARGIN_S = 0.1
