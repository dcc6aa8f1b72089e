"""A replica of a small key-value store: registers by majorities (Attiya, Bar-Noy, Dolev, 1995).

Each key holds a value under a stamp. A write asks a majority for the newest stamp and stores the
value under a higher one at a majority. A read asks a majority for the newest value and stores
that at a majority before it answers, so that no later read finds an older one. Nothing elects
anybody; the lowest node that hears a majority spreads what some replicas lack, and is called the
leader in `status`. What is stored is in a file, and synced, before it is acknowledged.

`--bug` breaks a promise on purpose:
  ack-alone      a write is acknowledged when the node's own replica has it
  no-write-back  a read answers with the newest value that it found, and does not store it
  late-sync      what is stored is acknowledged at once, and synced once a second
  other-log      what an older build has stored is not looked for
"""

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time

from wire import Caller, NoAnswer, NotSent, addresses, serve

CALL_S = 0.8
BEAT_S = 0.1
FRESH_S = 0.5
SPREAD_S = 1.0
LATE_S = 1.0
BUGS = ["none", "ack-alone", "no-write-back", "late-sync", "other-log"]
NOTHING = [[0, 0, 0], None]


class Replica:
    """What is stored here: for each key a stamp and a value."""

    def __init__(self, folder, bug):
        os.makedirs(folder, exist_ok=True)
        self.entries, self.digest = {}, 0
        self.syncs_late = bug == "late-sync"
        name = "log-2.jsonl" if bug == "other-log" else "log.jsonl"
        self.log = os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o600)
        with open(self.log, "rb", closefd=False) as log:
            whole = sum(map(len, self.load(log)))
        # What follows was never synced, and so never acknowledged: a power loss tore it.
        os.ftruncate(self.log, whole)
        os.lseek(self.log, whole, os.SEEK_SET)
        os.fsync(self.log)

    def load(self, log):
        for line in log:
            try:
                key, stamp, value = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n"):
                return
            self.keep(key, stamp, value)
            yield line

    def keep(self, key, stamp, value):
        held, _ = self.entries.get(key, NOTHING)
        if stamp <= held:
            return False
        self.digest ^= fingerprint(key, held) ^ fingerprint(key, stamp)
        self.entries[key] = [stamp, value]
        return True

    def store(self, *entries):
        kept = [entry for entry in entries if self.keep(*entry)]
        if not kept:
            return
        left = memoryview("".join(json.dumps(entry) + "\n" for entry in kept).encode())
        try:
            while left:
                left = left[os.write(self.log, left) :]
            # A killed process leaves what the kernel has; a machine without power does not.
            if not self.syncs_late:
                os.fsync(self.log)
        except OSError as error:
            # What the disk refused once, it may have forgotten: nobody knows what is stored.
            print(f"the disk fails: {error}", file=sys.stderr, flush=True)
            os._exit(74)


def fingerprint(key, stamp):
    if stamp == NOTHING[0]:
        return 0
    text = json.dumps([key, stamp]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")


class Node:
    def __init__(self, options):
        self.number, self.bug = options.id, options.bug
        self.replica = Replica(options.data, self.bug)
        self.peers = {number: Caller(a) for number, a in addresses(options.peer).items()}
        self.heard = dict.fromkeys(self.peers, 0.0)
        self.spread_at = dict.fromkeys(self.peers, 0.0)
        # Stamps of another life of this node never repeat.
        self.life, self.last = time.time_ns(), 0
        self.leads = None

    # What replicas ask each other.

    async def on_peer(self, message):
        match message["op"]:
            case "query":
                stamp, value = self.replica.entries.get(message["key"], NOTHING)
                return {"stamp": stamp, "value": value}
            case "store":
                self.replica.store((message["key"], message["stamp"], message["value"]))
                return {}
            case "ping":
                return {"digest": self.replica.digest}
            case "dump":
                return {"entries": self.replica.entries}
            case other:
                return {"error": f"there is no {other}"}

    async def majority(self, message):
        """Asks all, itself first. Returns the answers of the first majority."""
        answers = [await self.on_peer(message)]
        asked = [asyncio.create_task(peer.call(message, CALL_S)) for peer in self.peers.values()]
        needed = (len(self.peers) + 1) // 2 + 1
        pending = set(asked)
        while pending and len(answers) < needed:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            answers += [task.result() for task in done if not task.exception()]
        for task in pending:
            # The others go on: their replicas may be late, but they get what is stored.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return answers if len(answers) >= needed else None

    # What clients ask.

    async def on_client(self, message):
        match message["op"]:
            case "read":
                return await self.read(message["key"])
            case "write":
                return await self.write(message["key"], message["value"])
            case "status":
                return self.status()
            case other:
                return {"type": "fail", "error": f"there is no {other}"}

    async def read(self, key):
        answers = await self.majority({"op": "query", "key": key})
        if not answers:
            return {"type": "fail", "error": "no majority answers"}
        newest = max(answers, key=lambda answer: answer["stamp"])
        if self.bug != "no-write-back" and newest["stamp"] != NOTHING[0]:
            store = {"op": "store", "key": key, "stamp": newest["stamp"], "value": newest["value"]}
            if not await self.majority(store):
                return {"type": "fail", "error": "no majority stores what was read"}
        return {"type": "ok", "value": newest["value"]}

    async def write(self, key, value):
        query = {"op": "query", "key": key}
        answers = [await self.on_peer(query)] if self.bug == "ack-alone" else await self.majority(query)
        if not answers:
            return {"type": "fail", "error": "no majority answers"}
        newest = max(answer["stamp"][0] for answer in answers)
        self.last = max(self.last, newest) + 1
        stamp = [self.last, self.number, self.life]
        storing = self.majority({"op": "store", "key": key, "stamp": stamp, "value": value})
        if self.bug == "ack-alone":
            asyncio.create_task(storing)
            await asyncio.sleep(0)
        elif not await storing:
            return {"type": "info", "error": "no majority stores it in time"}
        return {"type": "ok", "value": None}

    def status(self):
        # There is no log: equal states have equal numbers, and others do not.
        return {
            "node": self.number,
            "leads": self.leads,
            "applied": self.replica.digest,
            "digest": f"{self.replica.digest:012x}",
        }

    # Who is there, and what they lack.

    async def beat(self, number, peer):
        while True:
            try:
                answer = await peer.call({"op": "ping"}, CALL_S)
                self.heard[number] = time.monotonic()
                if self.leads and answer["digest"] != self.replica.digest:
                    await self.spread(number, peer)
            except (NoAnswer, NotSent):
                pass
            self.elect()
            await asyncio.sleep(BEAT_S)

    def elect(self):
        fresh = [n for n, at in self.heard.items() if time.monotonic() - at < FRESH_S]
        lowest = all(self.number < n for n in fresh)
        if not lowest or (len(fresh) + 1) * 2 <= len(self.peers) + 1:
            self.leads = None
        elif not self.leads:
            self.leads = f"{time.time_ns() // 1_000_000}.{self.number}"

    async def spread(self, number, peer):
        if time.monotonic() - self.spread_at[number] < SPREAD_S:
            return
        self.spread_at[number] = time.monotonic()
        theirs = (await peer.call({"op": "dump"}, CALL_S))["entries"]
        self.replica.store(*((key, stamp, value) for key, (stamp, value) in theirs.items()))
        for key, (stamp, value) in list(self.replica.entries.items()):
            if stamp > theirs.get(key, NOTHING)[0]:
                await peer.call({"op": "store", "key": key, "stamp": stamp, "value": value}, CALL_S)


async def sync_late(replica):
    while replica.syncs_late:
        await asyncio.sleep(LATE_S)
        os.fsync(replica.log)


async def main():
    words = argparse.ArgumentParser()
    words.add_argument("--id", type=int, required=True)
    words.add_argument("--data", required=True)
    words.add_argument("--peer-listen", required=True)
    words.add_argument("--client-listen", required=True)
    words.add_argument("--peer", action="append", default=[], metavar="N=ADDRESS")
    words.add_argument("--bug", choices=BUGS, default="none")
    options = words.parse_args()
    if options.id in addresses(options.peer):
        words.error(f"--peer names node {options.id}, which is this one")
    node = Node(options)
    servers = [
        await serve(options.peer_listen, node.on_peer),
        await serve(options.client_listen, node.on_client),
    ]
    callers = [peer.run() for peer in node.peers.values()]
    beats = [node.beat(number, peer) for number, peer in node.peers.items()]
    late = sync_late(node.replica)
    await asyncio.gather(late, *callers, *beats, *(server.serve_forever() for server in servers))


asyncio.run(main())
