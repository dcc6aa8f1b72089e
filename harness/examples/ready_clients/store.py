"""A store of one node that speaks RESP or HTTP, for the ready clients of the harness.

Words: resp or http, and where to listen; then perhaps `--bug stale`, with which a read may answer what
was there a fifth of a second ago. The store keeps all values in memory.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Lock
from urllib.parse import parse_qs, unquote, urlsplit

LATE_S = 0.2


class Store:
    def __init__(self, bug):
        self.bug = bug
        self.lock = Lock()
        self.values = {}
        # What each key had before, and until when; kept for a read that is late.
        self.before = {}

    def get(self, key):
        with self.lock:
            value, until = self.before.get(key, (None, 0))
            if self.bug == "stale" and time.monotonic() < until:
                return value
            return self.values.get(key)

    def change(self, key, of):
        """Sets what `of` makes of the value, unless that is None; says what it made."""
        with self.lock:
            old = self.values.get(key)
            new = of(old)
            if new is not None:
                self.before[key] = (old, time.monotonic() + LATE_S)
                self.values[key] = new
            return new

    def delete(self, key):
        with self.lock:
            self.before[key] = (self.values.get(key), time.monotonic() + LATE_S)
            return self.values.pop(key, None)


class Resp(StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2].decode())
            self.wfile.write(self.reply(*words))

    def reply(self, f, key=None, value=None, other=None):
        store = self.server.store
        match f:
            case "PING":
                return b"+PONG\r\n"
            case "GET":
                return bulk(store.get(key))
            case "SET" if other == "NX":
                made = store.change(key, lambda old: value if old is None else None)
                return bulk(None) if made is None else b"+OK\r\n"
            case "SET":
                store.change(key, lambda _: value)
                return b"+OK\r\n"
            case "DEL":
                return b":%d\r\n" % (store.delete(key) is not None)
            case "CAS":
                made = store.change(key, lambda old: other if old == value else None)
                return b":%d\r\n" % (made is not None)
            case "APPEND":
                made = store.change(key, lambda old: (old or "") + value)
                return b":%d\r\n" % len(made.encode())
            case "INCRBY":
                made = store.change(key, lambda old: str(int(old or "0") + int(value)))
                return b":%s\r\n" % made.encode()
        return b"-ERR unknown command\r\n"


def bulk(text):
    if text is None:
        return b"$-1\r\n"
    return b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode())


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/health":
            return self.say(200, "well")
        value = self.server.store.get(self.key())
        return self.say(404) if value is None else self.say(200, value)

    def do_PUT(self):
        new = self.body()
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "if" in query:
            made = self.server.store.change(
                self.key(), lambda old: new if old == query["if"][0] else None
            )
        elif "new" in query:
            made = self.server.store.change(self.key(), lambda old: new if old is None else None)
        else:
            made = self.server.store.change(self.key(), lambda _: new)
        self.say(409 if made is None else 204)

    def do_POST(self):
        more = self.body()
        if self.path.startswith("/append/"):
            self.server.store.change(self.key(), lambda old: (old or "") + more)
            return self.say(204)
        made = self.server.store.change(
            self.key(), lambda old: str(int(old or "0") + int(more))
        )
        return self.say(200, f'{{"sum": {made}}}')

    def do_DELETE(self):
        self.say(404 if self.server.store.delete(self.key()) is None else 204)

    def key(self):
        return unquote(urlsplit(self.path).path.split("/", 2)[2])

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def say(self, status, text=None):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len((text or "").encode())))
        self.end_headers()
        if text:
            self.wfile.write(text.encode())


class Serving:
    """A server that takes the end of a connection for what it is: its traceback would look like a crash."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RespServer(Serving, ThreadingTCPServer):
    pass


class HttpServer(Serving, ThreadingHTTPServer):
    pass


protocol, listen = sys.argv[1:3]
host, port = listen.split(":")
server_class, handler = {"resp": (RespServer, Resp), "http": (HttpServer, Http)}[protocol]
with server_class((host, int(port)), handler) as server:
    server.store = Store("stale" if sys.argv[3:] == ["--bug", "stale"] else None)
    server.serve_forever()
