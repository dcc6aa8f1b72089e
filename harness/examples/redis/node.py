"""One node of the set: nodes 1 to 3 are Redis, nodes 4 to 6 are its Sentinels.

Writes the configuration before the first start alone, as both servers write their own into it
afterwards, and then becomes the server. The first master is node 1. Words: the node, its folder,
where it listens, where everybody reaches it, and 1=127.0.0.1:4001 for where everybody reaches each.
"""

import os
import sys

node, data, listen, announced = sys.argv[1:5]
nodes = dict(word.split("=") for word in sys.argv[5:])
os.makedirs(data, exist_ok=True)

port = listen.split(":")[1]
announced_ip, announced_port = announced.split(":")
master = nodes["1"].replace(":", " ")
REDIS = f"""
replica-announce-ip {announced_ip}
replica-announce-port {announced_port}
appendonly yes
appendfsync always
repl-timeout 5
repl-diskless-sync-delay 0
enable-debug-command local
"""
SENTINEL = f"""
sentinel announce-ip {announced_ip}
sentinel announce-port {announced_port}
sentinel monitor set {master} 2
sentinel down-after-milliseconds set 1000
sentinel failover-timeout set 3000
"""
is_sentinel = int(node) > 3
configuration = f"{data}/server.conf"
if not os.path.exists(configuration):
    with open(configuration, "w") as file:
        file.write(f"bind 127.0.0.1\nport {port}\ndir {data}\n")
        file.write(SENTINEL if is_sentinel else REDIS)
        if node in ("2", "3"):
            file.write(f"replicaof {master}\n")
server = ["redis-server", configuration] + ["--sentinel"] * is_sentinel
os.execvp(server[0], server)
