"""Speaks for the clients of etcd, through its JSON gateway over HTTP. Words: 1=127.0.0.1:4001 ...

Each client asks the node that its operation names, or else one that is always the same: so a node
that is cut off from its peers is asked on. SERIALIZABLE=1 lets a node answer reads by itself, which
etcd offers and does not call linearizable.
"""

import http.client
import json
import os
import sys
from base64 import b64decode, b64encode
from threading import local
from zlib import crc32

from line_json import Refused, serve

NODES = {int(node): at for node, at in (word.split("=") for word in sys.argv[1:])}
SERIALIZABLE = os.environ.get("SERIALIZABLE") == "1"
CONNECTIONS = local()


def call(node, path, body, seconds):
    """Posts a question to a node. What is raised before it is sent is `Refused`."""
    ours = vars(CONNECTIONS)
    connection = ours.pop(node, None)
    if connection is None:
        connection = http.client.HTTPConnection(NODES[node], timeout=seconds)
        try:
            connection.connect()
        except OSError as error:
            raise Refused(f"not sent: {error}") from error
    connection.sock.settimeout(seconds)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        said = response.read()
    except Exception:
        connection.close()
        raise
    if response.will_close:
        connection.close()
    else:
        ours[node] = connection
    if response.status != 200:
        # What etcd says of its leader or of time may come after the log has the request.
        raise OSError(f"{response.status}: {said[:200]!r}")
    return json.loads(said)


def code(text):
    return b64encode(text.encode()).decode()


def operate(client, node, f, key, value, seconds):
    node = node or 1 + client % len(NODES)
    match f:
        case "read":
            asked = {"key": code(key), "serializable": SERIALIZABLE}
            found = call(node, "/v3/kv/range", asked, seconds).get("kvs", [])
            # The gateway leaves out what is empty.
            return b64decode(found[0].get("value", "")).decode() if found else None
        case "write":
            call(node, "/v3/kv/put", {"key": code(key), "value": code(value)}, seconds)
            return None
        case "delete":
            call(node, "/v3/kv/deleterange", {"key": code(key)}, seconds)
            return None
        case "cas":
            expected, new = value
            compare = {"key": code(key), "result": "EQUAL"}
            if expected is None:
                compare |= {"target": "VERSION", "version": "0"}
            else:
                compare |= {"target": "VALUE", "value": code(expected)}
            if new is None:
                change = {"requestDeleteRange": {"key": code(key)}}
            else:
                change = {"requestPut": {"key": code(key), "value": code(new)}}
            body = {"compare": [compare], "success": [change]}
            return call(node, "/v3/kv/txn", body, seconds).get("succeeded", False)
        case other:
            raise Refused(f"there is no {other}")


def status(node, seconds):
    """Tells of all that the node holds at one revision, and who leads.

    The hash that etcd itself offers is taken at another moment than the revision beside it.
    """
    everything = {"key": code("\0"), "range_end": code("\0"), "serializable": True}
    found = call(node, "/v3/kv/range", everything, seconds)
    said = call(node, "/v3/maintenance/status", {}, seconds)
    held = [(kv["key"], kv.get("value", ""), kv["mod_revision"]) for kv in found.get("kvs", [])]
    answer = {
        "node": node,
        "applied": int(found["header"]["revision"]),
        "digest": f"{crc32(json.dumps(held).encode()):08x}",
    }
    if said.get("leader") == said["header"]["member_id"]:
        answer["leads"] = f"{said['raftTerm']}.{node}"
    return answer


serve(operate, status)
