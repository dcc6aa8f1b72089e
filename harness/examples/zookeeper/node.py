"""One ZooKeeper: writes its configuration and becomes the server.

Words: the node, its folder, where it listens to peers, for elections and to clients, and for each
node 1=127.0.0.1:4001=127.0.0.1:4002, where everybody reaches its ports for peers and for elections.
A node listens where its own line says, so that line has where it really does.
"""

import os
import sys

node, data, peer, election, client = sys.argv[1:6]
os.makedirs(data, exist_ok=True)
lines = [
    "tickTime=500", "initLimit=10", "syncLimit=6", "admin.enableServer=false",
    "4lw.commands.whitelist=srvr", "maxClientCnxns=0", f"dataDir={data}",
    f"clientPortAddress={client.split(':')[0]}", f"clientPort={client.split(':')[1]}",
]
for word in sys.argv[6:]:
    other, other_peer, other_election = word.split("=")
    if other == node:
        other_peer, other_election = peer, election
    lines.append(f"server.{other}={other_peer}:{other_election.split(':')[1]}")
for name, text in [("myid", node), ("zoo.cfg", "\n".join(lines))]:
    with open(f"{data}/{name}", "w") as file:
        file.write(text + "\n")
classes = "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar"
server = ["java", "-Xmx256m", "-cp", classes, "-Dzookeeper.root.logger=INFO,CONSOLE"]
server += ["org.apache.zookeeper.server.quorum.QuorumPeerMain", f"{data}/zoo.cfg"]
os.execvp(server[0], server)
