"""A client of WebSockets (RFC 6455) for the tests, on a raw socket: it sends what it is told, right
or wrong, and holds what the server sends against every rule that a server has to keep."""
import base64
import hashlib
import json
import os
import struct

import cairn

# First bytes of frames: an opcode, with its highest bit in the last frame of a message.
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
TEXT_ON, BINARY_ON, ON, END = 0x01, 0x02, 0x00, 0x80  # the first, middle and last of several

MASK = bytes([0x37, 0xFA, 0x21, 0x3D])  # of the example in RFC 6455 §5.7
NO_CODE = 1005


def header(first, length, length_bytes=None, is_masked=True):
    """A frame's header, without the mask; its length in as many bytes as it needs, or as said."""
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    second = length if length_bytes == 0 else 126 if length_bytes == 2 else 127
    start = bytes([first, second | (0x80 if is_masked else 0)])
    return start + (length.to_bytes(length_bytes, "big") if length_bytes > 0 else b"")


def masked(payload, mask=MASK):
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def frame(first, payload=b"", mask=MASK, **how):
    if isinstance(payload, str):
        payload = payload.encode()
    return header(first, len(payload), **how) + mask + masked(payload, mask)


def close_body(code, reason=""):
    reason = reason.encode() if isinstance(reason, str) else reason
    return struct.pack(">H", code) + reason


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key):
    text = key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(text).digest()).decode()


def upgrade(path, key=None, fields=""):
    """The fields of a request that opens a WebSocket."""
    return cairn.request(path, fields="Upgrade: websocket\r\nConnection: Upgrade\r\n"
                         f"Sec-WebSocket-Key: {key or new_key()}\r\n"
                         f"Sec-WebSocket-Version: 13\r\n{fields}")


class Closed(Exception):
    """The server's Close frame came instead of what was awaited."""

    def __init__(self, code, reason):
        super().__init__(f"close {code} {reason!r}")
        self.code = code
        self.reason = reason


class WebSocket(cairn.Client):
    """Connects and opens, which must succeed. `before` and `behind` go in the same packet as the
    request. The first message has been read: self.hello. Or, not waiting, it only asks."""

    def __init__(self, address, path="/events", fields="", before=b"", behind=b"", waits=True,
                 **keywords):
        super().__init__(address, **keywords)
        self.key = new_key()
        self.send(before + upgrade(path, self.key, fields) + behind)
        if waits:
            self.answers_before = [self.read() for _ in range(before.count(b"\r\n\r\n"))]
            self.await_open()

    def await_open(self):
        self._take_answer()
        self.hello = self.read_json()

    def _take_answer(self):
        head, _ = self.read_raw("HEAD")
        self.answer = cairn.Response(head, b"")
        found = (self.answer.status, (self.answer["Upgrade"] or "").lower(),
                 self.answer["Connection"].lower(), self.answer["Sec-WebSocket-Accept"])
        if found != (101, "websocket", "upgrade", accept_of(self.key)):
            raise AssertionError(f"no WebSocket: {head!r}")
        for name in ("Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Content-Length"):
            if self.answer[name] is not None:
                raise AssertionError(f"what nobody asked for: {head!r}")

    def _take(self, count):
        while len(self._buffer) < count:
            self._fill()
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        return piece

    def read_frame(self):
        """(first byte, payload) of the next frame: unmasked, in its shortest form."""
        first, second = self._take(2)
        length = second
        if second == 126:
            length = int.from_bytes(self._take(2), "big")
        elif second == 127:
            length = int.from_bytes(self._take(8), "big")
        if second >= 128:
            raise AssertionError(f"a server must not mask: {first:02x} {second:02x}")
        if first not in (TEXT, BINARY, TEXT_ON, BINARY_ON, ON, END, CLOSE, PING, PONG):
            raise AssertionError(f"no frame begins with {first:02x}")
        if (second == 126 and length < 126) or (second == 127 and length < 65536):
            raise AssertionError(f"a length that is longer than it has to be: {length}")
        if first >= CLOSE and second > 125:
            raise AssertionError(f"a control frame of {length}")
        return first, self._take(length)

    def read_text(self):
        """The next message, which has to be a text; the server's pings are answered."""
        text = b""
        awaited = (TEXT, TEXT_ON)
        while True:
            first, payload = self.read_frame()
            if first == PING:
                self.send(frame(PONG, payload))
            elif first == CLOSE:
                raise Closed(*self._code_and_reason(payload))
            elif first in awaited:
                text += payload
                awaited = (ON, END)
                if first & 0x80:
                    return text.decode()
            else:
                raise AssertionError(f"{first:02x} {payload!r} instead of a text")

    def read_json(self):
        return json.loads(self.read_text())

    @staticmethod
    def _code_and_reason(payload):
        if len(payload) == 1:
            raise AssertionError("half a close code")
        code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
        return code, payload[2:].decode()

    def read_close(self):
        """(code, reason) of the server's Close. What it had said before is passed over."""
        while True:
            first, payload = self.read_frame()
            if first == CLOSE:
                return self._code_and_reason(payload)

    def read_pong(self, payload):
        """Reads to the pong with this payload; returns those of the pongs before it. Of several
        pings a server may answer the last only (RFC 6455 §5.5.3)."""
        passed = []
        while True:
            first, found = self.read_frame()
            if first == CLOSE:
                raise Closed(*self._code_and_reason(found))
            if first == PONG:
                if found == payload:
                    return passed
                passed.append(found)

    def close_properly(self, code=1000):
        """The closing handshake, begun by the client; the server ends the connection (§7.1.1)."""
        self.send(frame(CLOSE, close_body(code)))
        found, _ = self.read_close()
        if found != code:
            raise AssertionError(f"closed with {code}, answered with {found}")
        self.is_closed()
        self.close()
