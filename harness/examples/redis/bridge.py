"""Speaks for the clients of Redis, as its documentation tells a client to: it asks a Sentinel who
the master is, connects there, makes sure that it is one, and asks anew once the connection is lost
or the master refuses.

Words: 1=127.0.0.1:4001 ... for where everybody reaches each node; 4 to 6 are the Sentinels.
"""

import sys
import zlib
from collections import defaultdict

from line_json import Refused, serve
from resp import ErrorReply, Redis

ADDRESSES = {int(node): at for node, at in (word.split("=") for word in sys.argv[1:])}
SENTINELS = [node for node in ADDRESSES if node > 3]
# The connection of each client to the master that it was told. A client asks one thing at a time.
MASTERS = {}
# The connections over which nothing is asked at the moment, by address.
IDLE = defaultdict(list)

# Texts are told from nothing by a letter before them.
CAS = """
local there = redis.call('GET', KEYS[1])
if (there and 'v' .. there or 'n') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


def ask(address, *words, seconds):
    """Asks over a connection that is kept for the next question, as one takes long to make."""
    idle = IDLE[address]
    try:
        connection = idle.pop()
    except IndexError:
        connection = Redis(address, seconds)
    try:
        reply = connection.call(*words, seconds=seconds)
    except Exception:
        connection.close()
        raise
    idle.append(connection)
    return reply


def told_master(sentinel, seconds):
    """Returns where the master is by a Sentinel, with the epoch in which it became that."""
    said = ask(ADDRESSES[sentinel], "SENTINEL", "MASTER", "set", seconds=seconds)
    fields = dict(zip(said[::2], said[1::2]))
    return int(fields["config-epoch"]), f"{fields['ip']}:{fields['port']}"


def connect(client, seconds):
    """Asks one Sentinel after the other, and connects to whom it names."""
    for turn in range(len(SENTINELS)):
        try:
            sentinel = SENTINELS[(client + turn) % len(SENTINELS)]
            _, address = told_master(sentinel, seconds / 4)
            connection = Redis(address, seconds / 4)
        except (OSError, EOFError, ErrorReply):
            continue
        try:
            if connection.call("ROLE", seconds=seconds / 4)[0] == "master":
                return connection
        except (OSError, EOFError, ErrorReply):
            pass
        connection.close()
    raise Refused("no Sentinel knows a master that is one")


def operate(client, _node, f, key, value, seconds):
    match f:
        case "read":
            command = ("GET", key)
        case "write":
            command = ("SET", key, value)
        case "delete":
            command = ("DEL", key)
        case "cas":
            expected, new = value
            there = "n" if expected is None else f"v{expected}"
            command = ("EVAL", CAS, "1", key, there, new)
        case other:
            raise Refused(f"there is no {other}")
    connection = MASTERS.pop(client, None) or connect(client, seconds)
    try:
        reply = connection.call(*command, seconds=seconds / 2)
    except ErrorReply as error:
        # One command that is answered by an error has changed nothing.
        connection.close()
        raise Refused(str(error)) from error
    except Exception:
        connection.close()
        raise
    MASTERS[client] = connection
    match f:
        case "read":
            return reply
        case "cas":
            return reply == 1
    return None


def status(node, seconds):
    """A Redis tells of itself; a Sentinel, of the master that it knows."""
    seconds /= 3
    if node in SENTINELS:
        _, address = told_master(node, seconds)
        return {"node": node, **state(address, seconds)}
    answer = {"node": node, **state(ADDRESSES[node], seconds)}
    known = []
    for sentinel in SENTINELS:
        try:
            known.append(told_master(sentinel, seconds))
        except (OSError, EOFError, ErrorReply):
            continue
    if known and max(known)[1] == ADDRESSES[node]:
        answer["leads"] = f"{max(known)[0]}.{node}"
    return answer


def state(address, seconds):
    """A store without a log that all share: its content stands for how far it is. A digest beside
    that would be made of the same number and agree with itself, so none is told."""
    content = zlib.crc32(ask(address, "DEBUG", "DIGEST", seconds=seconds).encode())
    return {"applied": content, "digest": "untold"}


serve(operate, status)
