"""What a client of Redis needs of its protocol: commands out, replies in."""

import socket


class Redis:
    """One connection. What is raised by making it was never sent."""

    def __init__(self, address, seconds):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), seconds)
        self.file = self.socket.makefile("rb")

    def call(self, *words, seconds):
        self.socket.settimeout(seconds)
        parts = [f"*{len(words)}\r\n"]
        parts += [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        self.socket.sendall("".join(parts).encode())
        reply = self.reply()
        if isinstance(reply, ErrorReply):
            raise reply
        return reply

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the connection ended")
        kind, rest = line[:1], line[1:-2].decode()
        match kind:
            case b"+":
                return rest
            case b"-":
                return ErrorReply(rest)
            case b":":
                return int(rest)
            case b"$":
                size = int(rest)
                if size < 0:
                    return None
                body = self.file.read(size + 2)
                if len(body) < size + 2:
                    raise EOFError("the connection ended")
                return body[:-2].decode()
            case b"*":
                return None if rest == "-1" else [self.reply() for _ in range(int(rest))]
        raise EOFError(f"no reply: {line!r}")

    def close(self):
        self.file.close()
        self.socket.close()


class ErrorReply(Exception):
    """Redis answered, and with an error."""
