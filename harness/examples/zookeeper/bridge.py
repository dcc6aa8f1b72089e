"""Speaks for the clients of ZooKeeper, by kazoo. Words: 1=127.0.0.1:4001 ... for each node.

Each client asks the node that its operation names, or else one that is always the same. Reads are
answered by that node alone, without a `sync` before them: ZooKeeper says that they may be old.
"""

import logging
import socket
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError
from line_json import Refused, serve

NODES = {int(node): at for node, at in (word.split("=") for word in sys.argv[1:])}
logging.disable(logging.CRITICAL)
CLIENTS = {node: KazooClient(at, timeout=6, connection_retry={"max_tries": -1, "max_delay": 0.5})
           for node, at in NODES.items()}
for each in CLIENTS.values():
    each.start_async()


def operate(client, node, f, key, value, seconds):
    zookeeper = CLIENTS[node or 1 + client % len(NODES)]
    begun = time.monotonic()
    while not zookeeper.connected:
        # A session takes a moment to be made, and an operation may wait for half of its time.
        if time.monotonic() - begun > seconds / 2:
            raise Refused("not sent: there is no session")
        time.sleep(0.01)
    seconds -= time.monotonic() - begun
    path = "/" + key

    def get():
        try:
            data, stat = zookeeper.get_async(path).get(timeout=seconds)
            return data.decode(), stat.version
        except NoNodeError:
            return None, None

    def put(new):
        """Sets it, or makes it, in whichever order others let it."""
        while True:
            try:
                zookeeper.set_async(path, new.encode()).get(timeout=seconds)
                return
            except NoNodeError:
                pass
            try:
                zookeeper.create_async(path, new.encode()).get(timeout=seconds)
                return
            except NodeExistsError:
                pass

    match f:
        case "read":
            return get()[0]
        case "write":
            return put(value)
        case "delete":
            try:
                zookeeper.delete_async(path).get(timeout=seconds)
            except NoNodeError:
                pass
            return None
        case "cas":
            return compare_and_set(zookeeper, path, get(), value, seconds)
        case other:
            raise Refused(f"there is no {other}")


def compare_and_set(zookeeper, path, found, value, seconds):
    """Sets the version that was found; whoever was quicker has left another one."""
    (there, version), (expected, new) = found, value
    if there != expected:
        return False
    try:
        if expected is None:
            zookeeper.create_async(path, new.encode()).get(timeout=seconds)
        else:
            zookeeper.set_async(path, new.encode(), version).get(timeout=seconds)
        return True
    except (NodeExistsError, NoNodeError, BadVersionError):
        return False


def status(node, seconds):
    """Tells what a node has applied. It offers no digest, and one made of the same number would agree
    with itself, so none is told."""
    host, port = NODES[node].split(":")
    with socket.create_connection((host, int(port)), seconds) as connection:
        connection.settimeout(seconds)
        connection.sendall(b"srvr")
        said = b""
        while more := connection.recv(4096):
            said += more
    fields = dict(line.split(": ", 1) for line in said.decode().splitlines() if ": " in line)
    if "Zxid" not in fields:
        raise OSError(f"it does not serve: {said[:80]!r}")
    zxid = int(fields["Zxid"], 16)
    answer = {"node": node, "applied": zxid, "digest": "untold"}
    if fields["Mode"] == "leader":
        answer["leads"] = f"{zxid >> 32}.{node}"
    return answer


serve(operate, status)
