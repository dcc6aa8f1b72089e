"""The harness's way into the store: requests as lines of JSON on standard input, outcomes on
standard output.

A request has an id, a logical client, an operation `f` with its key and value, and a time limit.
Its outcome is `ok` if it took effect, `fail` if it certainly did not, and `info` if nobody knows.
Each client asks one node, always the same: so a node that is cut off from its peers is asked on.
"""

import asyncio
import json
import sys

from wire import Caller, NoAnswer, NotSent, addresses

MARGIN_S = 0.1


class Bridge:
    def __init__(self, nodes):
        self.nodes = {number: Caller(a) for number, a in addresses(nodes).items()}

    async def outcome(self, request):
        limit_s = request["timeout_ms"] / 1000 - MARGIN_S
        if request["f"] == "status":
            status = await self.ask(self.nodes[request["node"]], {"op": "status"}, limit_s)
            return status if "type" in status else {"type": "ok", "value": status}
        match request["f"]:
            case "read":
                message = {"op": "read", "key": request["key"]}
            case "write" | "delete":
                message = {"op": "write", "key": request["key"], "value": request.get("value")}
            case other:
                return {"type": "fail", "error": f"the store has no {other}"}
        nodes = list(self.nodes.values())
        return await self.ask(nodes[request["client"] % len(nodes)], message, limit_s)

    async def ask(self, node, message, limit_s):
        try:
            answer = await node.call(message, limit_s)
        except NotSent as error:
            return {"type": "fail", "error": str(error)}
        except NoAnswer as error:
            return {"type": "info", "error": str(error)}
        answer.pop("id")
        return answer

    async def serve(self, line):
        request = json.loads(line)
        print(json.dumps({**await self.outcome(request), "id": request["id"]}), flush=True)


async def main():
    bridge = Bridge(sys.argv[1:])
    callers = [asyncio.create_task(node.run()) for node in bridge.nodes.values()]
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(bridge.serve(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for caller in callers:
        caller.cancel()


asyncio.run(main())
