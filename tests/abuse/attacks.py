"""The attacks, as a table: what each does, what it may make the server keep, what it needs of it.

`perform(stage, result)` carries one out with stage.size connections at most, and puts into
`result.problems` what was not answered as docs/http.md says. `kept_bytes` is what a connection of it
may cost besides CONN_BYTES; `extra_bytes` what the attack may cost in all.
"""
import random
import re
import socket
import struct
import subprocess
from dataclasses import dataclass
from typing import Callable

import stage as stages
from stage import cairn
from stage import BUFFER_BYTES, FILES, INPUT_BYTES, PARTS_BYTES, SITE_HEAD_BYTES

ROUNDS = 5          # of what slow clients send, the bystander being served between two of them
BETWEEN = 10        # its answers then
SHORT_INPUT_BYTES = BUFFER_BYTES + 256  # a few lines, or requests behind the one that is answered
READER_BYTES = SHORT_INPUT_BYTES + BUFFER_BYTES + SITE_HEAD_BYTES
WRITING_BYTES = INPUT_BYTES + BUFFER_BYTES + SITE_HEAD_BYTES + PARTS_BYTES

ATTACKS = []


@dataclass
class Attack:
    name: str
    perform: Callable
    kept_bytes: int = 0
    extra_bytes: int = 0
    options: tuple = ()
    descriptors: int | None = None
    control: tuple = ()
    size: int = 400           # connections in a test
    full_size: int = 10_000   # in the long run


def attack(name, **keywords):
    def register(function):
        ATTACKS.append(Attack(name, function, **keywords))
        return function
    return register


def expect(result, is_so, text):
    if not is_so and len(result.problems) < 5:
        result.problems.append(text)


def open_crowd(stage, result, count=None, **keywords):
    """So many connections, all of them taken by the server."""
    before = stage.status("accepted")
    count = stage.size if count is None else count
    crowd = stage.crowd(**keywords).open(count)
    cairn.wait_until(lambda: stage.status("accepted") >= before + count, "all are accepted")
    result.connections = max(result.connections, stage.status("connections"))
    return crowd


def rounds(stage, result, crowd, send):
    for number in range(ROUNDS):
        send(number)
        stage.bystander.wait_answers(BETWEEN)
        result.connections = max(result.connections, stage.status("connections"))
    result.requests += len(crowd.sockets)


def head(target="/", method="GET", fields=""):
    return cairn.request(target, method, fields)


# ---- the four modes of slowhttptest, and silence ----


@attack("silent")
def silent(stage, result):
    crowd = open_crowd(stage, result)
    rounds(stage, result, crowd, lambda number: None)


@attack("slow heads", kept_bytes=SHORT_INPUT_BYTES)
def slow_heads(stage, result):
    crowd = open_crowd(stage, result)
    crowd.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n")
    rounds(stage, result, crowd, lambda number: crowd.send(b"X-%d: %d\r\n" % (number, number)))


@attack("heads of 16 KiB without an end", kept_bytes=BUFFER_BYTES + stages.HEAD_BYTES, full_size=8000)
def long_heads(stage, result):
    crowd = open_crowd(stage, result)
    data = b"GET / HTTP/1.1\r\nHost: a.example\r\nX: " + b"y" * 16_000
    crowd.send_whole(data)
    rounds(stage, result, crowd, lambda number: crowd.send(b"y"))


@attack("slow bodies", kept_bytes=SHORT_INPUT_BYTES)
def slow_bodies(stage, result):
    crowd = open_crowd(stage, result)
    half = len(crowd.sockets) // 2
    crowd.send(head(method="POST", fields="Content-Length: 1000000\r\n"), crowd.sockets[:half])
    crowd.send(head(method="POST", fields="Transfer-Encoding: chunked\r\n") + b"fffff\r\n",
               crowd.sockets[half:])
    rounds(stage, result, crowd, lambda number: crowd.send(b"x" * 10))


@attack("slow readers", kept_bytes=READER_BYTES)
def slow_readers(stage, result):
    crowd = open_crowd(stage, result, receive_buffer=2048)
    crowd.send(head("/big.bin") * 3)
    rounds(stage, result, crowd, lambda number: crowd.receive(8))


@attack("slow ranges", kept_bytes=READER_BYTES + PARTS_BYTES)
def slow_ranges(stage, result):
    """Ranges that overlap, of which servers have made as many copies of the file."""
    crowd = open_crowd(stage, result, receive_buffer=2048)
    ranges = ",".join(f"5-{number}" for number in range(5, 95))
    crowd.send(head("/big.bin", fields=f"Range: bytes=0-,{ranges}\r\n") * 2)
    rounds(stage, result, crowd, lambda number: crowd.receive(8))


BEYOND = {"descriptors": 120, "size": 180, "full_size": 400}


@attack("silent, more than there are descriptors", **BEYOND)
def silent_beyond(stage, result):
    crowd = stage.crowd().open(stage.size)
    rounds(stage, result, crowd, lambda number: None)


@attack("slow bodies, more than there are descriptors", kept_bytes=SHORT_INPUT_BYTES, **BEYOND)
def slow_bodies_beyond(stage, result):
    crowd = stage.crowd().open(stage.size)
    crowd.send(head(method="POST", fields="Content-Length: 1000000\r\n"))
    rounds(stage, result, crowd, lambda number: crowd.send(b"x" * 10))


@attack("slow readers, more than there are descriptors", kept_bytes=READER_BYTES, **BEYOND)
def slow_readers_beyond(stage, result):
    crowd = stage.crowd(receive_buffer=2048).open(stage.size)
    crowd.send(head("/big.bin") * 3)
    rounds(stage, result, crowd, lambda number: crowd.receive(8))


# ---- ranges ----


def parts_of(answer):
    """[(first, bytes)] of a multipart body."""
    boundary = re.search(r"boundary=\"?([^\";]+)", answer["Content-Type"]).group(1).encode()
    found = []
    for piece in answer.body.split(b"--" + boundary)[1:-1]:
        fields, _, body = piece.partition(b"\r\n\r\n")
        first = int(re.search(rb"bytes (\d+)-", fields).group(1))
        found.append((first, body[:-2]))
    return found


@attack("range bombs", kept_bytes=WRITING_BYTES, size=30, full_size=2000)
def range_bombs(stage, result):
    """Whatever is asked for, no more is sent than the file and the texts between its parts."""
    size = len(FILES["big.bin"])
    bombs = [
        ",".join(f"0-{size - number}" for number in range(1, 1001)),  # more than may be: 200
        ",".join(f"0-{size - number}" for number in range(1, 91)),    # one, joined
        ",".join("0-" for _ in range(100)),
        ",".join(f"{number}-{number}" for number in range(0, 500, 5)),
        ",".join(f"{number * 1000}-{number * 1000}" for number in range(100)),  # 100 parts
        ",".join(f"{size - 1 - number * 1000}-" for number in range(100)),
        "0-0" + "," * 15_000,
    ]
    for ranges in bombs:
        answer = stage.server.get("/big.bin", fields=f"Range: bytes={ranges}\r\n")
        result.requests += 1
        if answer.status == 206 and answer["Content-Type"].startswith("multipart/"):
            parts = parts_of(answer)
            expect(result, len(parts) <= stages.RANGES, f"{len(parts)} parts")
            expect(result, all(FILES["big.bin"].startswith(body, first) for first, body in parts),
                   "a part has other bytes")
            expect(result, sum(len(body) for _, body in parts) <= size, "more than the file")
        elif answer.status == 206:
            first = int(re.match(r"bytes (\d+)-", answer["Content-Range"]).group(1))
            expect(result, FILES["big.bin"].startswith(answer.body, first), "other bytes")
        else:
            expect(result, answer.status in (200, 431), f"{ranges[:40]}: {answer.status_line}")
        expect(result, len(answer.body) <= size + stages.RANGES * SITE_HEAD_BYTES,
               f"{len(answer.body)} bytes for {ranges[:40]}")
    crowd = open_crowd(stage, result, receive_buffer=2048)
    many = ",".join(f"{number * 80_000}-{number * 80_000 + 70_000}" for number in range(99))
    crowd.send(head("/big.bin", fields=f"Range: bytes={many}\r\n"))
    rounds(stage, result, crowd, lambda number: crowd.receive(100))


# ---- floods of fields, lists, bodies ----


def endless(start, piece, count):
    return start + piece * count


MEGABYTE = 1 << 20
FLOODS = [  # what is sent, and the status of its answer
    ("fields", endless(b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n", 100_000), 431),
    ("an endless field", endless(b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"y", MEGABYTE), 431),
    ("an endless name", endless(b"GET / HTTP/1.1\r\nHost: x\r\n", b"y", MEGABYTE), 431),
    ("an endless target", endless(b"GET /", b"y", MEGABYTE), 414),
    ("an endless method", endless(b"", b"Y", MEGABYTE), None),
    ("Accept-Encoding", head(fields="Accept-Encoding: " + "br;q=0.1, " * 110_000 + "gzip\r\n"), 431),
    ("If-None-Match", head(fields="If-None-Match: " + '"abcdefg", ' * 100_000 + '"x"\r\n'), 431),
    ("Cookie", head(fields="Cookie: a=" + "b" * MEGABYTE + "\r\n"), 431),
    ("trailers", endless(head(method="POST", fields="Transfer-Encoding: chunked\r\n") + b"0\r\n",
                         b"X-Trailer: abcdefgh\r\n", 100_000), 413),
    ("one trailer", endless(head(method="POST", fields="Transfer-Encoding: chunked\r\n") +
                            b"0\r\nX: ", b"y", 2 * MEGABYTE), 413),
    ("chunk extensions", endless(head(method="POST", fields="Transfer-Encoding: chunked\r\n") +
                                 b"5", b";name=value", 200_000), 413),
    ("a quoted extension", endless(head(method="POST", fields="Transfer-Encoding: chunked\r\n") +
                                   b'5;a="', b"y", 2 * MEGABYTE), 413),
    ("chunks of a byte", endless(head(method="POST", fields="Transfer-Encoding: chunked\r\n"),
                                 b"1\r\nx\r\n", 500_000), 413),
    ("a chunk without an end", endless(head(method="POST", fields="Transfer-Encoding: chunked\r\n") +
                                       b"ffffffffffffffff\r\n", b"y", MEGABYTE), 413),
    ("a body", endless(head(method="POST", fields="Content-Length: 1099511627776\r\n"), b"y",
                       MEGABYTE), 413),
    ("empty lines", endless(b"", b"\r\n", MEGABYTE), None),
]


def first_status(data):
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", data)
    return int(match.group(1)) if match else None


@attack("floods of fields, trailers, extensions", kept_bytes=INPUT_BYTES, size=8, full_size=200)
def floods(stage, result):
    for name, data, status in FLOODS:
        crowd = open_crowd(stage, result)
        crowd.send_whole(data)
        for each in crowd.sockets:
            try:
                each.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it was ended already
        for answer in crowd.answers():
            result.requests += 1
            got = first_status(answer)
            # a reset may have overtaken the answer: the server does not read for ever
            expect(result, status is None or got == status or answer == b"", f"{name}: {got}")
        crowd.close()
        stage.bystander.wait_answers(BETWEEN)


@attack("lists that just fit", kept_bytes=INPUT_BYTES, size=100, full_size=2000)
def lists(stage, result):
    """The longest lists that are read: right bytes, however many members they have."""
    tag = stage.server.get("/style.css")["ETag"]
    long = 15_900
    fields = [
        ("Accept-Encoding: " + ("br;q=0.001," * 2000)[:long - 20] + "gzip;q=0", 200),
        ("Accept-Encoding: " + "," * long, 200),
        ("If-None-Match: " + '"",' * (long // 3 - 20) + tag, 304),
        ("If-None-Match: " + '"a", W/"b", ' * (long // 12 - 20) + '"c"', 200),
        ("If-Match: " + '"a",' * (long // 4 - 20) + tag, 200),
        ("\r\n".join("If-None-Match: " + '"a",' * 30 + '"b"' for _ in range(90)), 200),
        ("\r\n".join("Accept-Encoding: " + "gzip;q=0.5, " * 10 + "br" for _ in range(90)), 200),
    ]
    crowd = open_crowd(stage, result)
    for text, status in fields:
        answer = stage.server.get("/style.css", fields=text + "\r\n")
        expect(result, answer.status == status and
               (status == 304 or answer.body == FILES["style.css"]),
               f"{text[:30]}: {answer.status_line}")
        result.requests += 1 + len(crowd.sockets)
        crowd.send_whole(head("/style.css", "HEAD", text + "\r\n"))
        crowd.receive(65536)
        stage.bystander.wait_answers(BETWEEN)


# ---- pipelining ----


@attack("pipelining without reading", kept_bytes=WRITING_BYTES, size=150, full_size=5000)
def pipelining(stage, result):
    crowd = open_crowd(stage, result, receive_buffer=2048)
    pages = head("/small.txt") * 200 + head("/image.png") * 20 + head("/nothing") * 100
    sent = 0

    def more(_):
        nonlocal sent
        sent += crowd.send(pages * 20)
    rounds(stage, result, crowd, more)
    result.requests = sent // len(head("/small.txt"))


@attack("pipelining large files, read at once", kept_bytes=WRITING_BYTES, size=4, full_size=16)
def greedy(stage, result):
    """As much as there is for one who takes it: the others get their turn all the same."""
    crowd = open_crowd(stage, result)
    data = head("/big.bin", fields="Range: bytes=0-3999999\r\n")

    def more(_):
        crowd.send(data * 100)
        for _ in range(50):
            crowd.receive(1 << 20)
    rounds(stage, result, crowd, more)


# ---- what is no HTTP, or ends in the middle ----


NOISES = [  # and the status of the answer; None: whatever, as long as it ends
    ("a TLS hello", bytes.fromhex("16030100f1010000ed0303") + bytes(range(230)), 400),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + b"\0\0\0\4\0\0\0\0\0" * 50, 505),
    ("zeros", bytes(20_000), 400),
    ("PROXY from somebody else", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + head(), 400),
    ("SMTP", b"EHLO x\r\nMAIL FROM:<a@example>\r\n", 400),
    ("RTSP", b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
    ("random bytes", None, None),
]


@attack("noise: TLS, SSH, HTTP/2, random bytes", kept_bytes=INPUT_BYTES, size=50, full_size=1000)
def noise(stage, result):
    for name, data, status in NOISES:
        crowd = open_crowd(stage, result)
        for number, each in enumerate(crowd.sockets):
            crowd.send(data or random.Random(number).randbytes(number * 97 % 20_000 + 1), [each])
        for each in crowd.sockets:
            try:
                each.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        for answer in crowd.answers():
            result.requests += 1
            got = first_status(answer)
            expect(result, status is None or got == status, f"{name}: {answer[:60]!r}")
        crowd.close()
        stage.bystander.wait_answers(BETWEEN)


STAGES_OF_A_CONNECTION = [
    b"",
    b"GET / HT",
    head("/"),
    head("/small.txt") * 50,
    head("/big.bin"),
    head("/big.bin", fields="Range: bytes=0-0,1000-2000,5000-9000000\r\n"),
    head(method="POST", fields="Content-Length: 500\r\n") + b"x" * 100,
    head(method="POST", fields="Content-Length: 5000000\r\n") + b"x" * 1000,
    head("/", fields="Connection: close\r\n"),
    b"\r\n",
]


@attack("resets at every stage", kept_bytes=WRITING_BYTES, size=100, full_size=5000)
def resets(stage, result):
    for data in STAGES_OF_A_CONNECTION:
        for is_reading in (False, True):
            crowd = open_crowd(stage, result, receive_buffer=4096)
            crowd.send(data)
            if is_reading:
                stage.bystander.wait_answers(2)
                crowd.receive(100)
            result.requests += len(crowd.sockets)
            crowd.reset()
            never_seen = stage.crowd().open(stage.size)  # maybe still in the backlog
            never_seen.reset()
    stage.bystander.wait_answers(BETWEEN)


# ---- who is who ----


@attack("one address with more than its share", options=("--limit", "address-connections=50"),
        size=500, full_size=10_000)
def share(stage, result):
    """From each address there are 50 connections at most; the others are closed at once."""
    crowds = [stage.crowd(first=place) for place in range(2, 12)]
    for crowd in crowds:
        crowd.open(stage.size // 10)
    for crowd in crowds:
        crowd.send(b"GET / HTTP/1.1\r\n")
    total = sum(len(crowd.sockets) for crowd in crowds)

    def is_settled():
        open_now = stage.status("connections")
        return open_now <= 10 * 50 + 1
    cairn.wait_until(is_settled, "no address has more than its share")
    result.connections = stage.status("connections")
    result.requests = total
    stage.bystander.wait_answers(BETWEEN)


def proxy_v2(address, extra=b""):
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x21" + struct.pack(">H", 36 + len(extra)) + address +
            bytes(16) + bytes(4) + extra)


@attack("PROXY headers", kept_bytes=BUFFER_BYTES + 2 * 65536, size=200, full_size=5000,
        options=("--proxy-protocol-from", "127.0.0.2,127.0.0.3,127.0.0.4",
                 "--limit", "address-connections=1000000"))
def proxy_headers(stage, result):
    """From peers whose word counts: without an end, of the greatest length, of ever new clients."""
    chosen = random.Random(3)
    shapes = [
        (lambda: b"PROXY TCP4 " + b"1" * 500, True),
        (lambda: b"PROXY " + b"U" * 50, False),
        (lambda: b"\r\n\r\n\0\r\nQUIT\n\x21\x21\xff\xff" + bytes(60_000), False),
        (lambda: b"\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff" + bytes(100), True),
        (lambda: proxy_v2(chosen.randbytes(16)) + b"GET / HTTP/1.1\r\n", False),
        (lambda: proxy_v2(b"\x20\x01\x0d\xb8" + chosen.randbytes(4) + bytes(8)), False),
        (lambda: head("/"), True),
    ]
    for make, is_ended in shapes:
        crowd = open_crowd(stage, result)
        for each in crowd.sockets:
            crowd.send(make(), [each])
        result.requests += len(crowd.sockets)
        stage.bystander.wait_answers(BETWEEN)
        if is_ended:
            expect(result, not any(crowd.answers()), "an answer to somebody who has no name")
        crowd.close()


# ---- keys that are chosen ----


@attack("paths and hosts without an end of names", kept_bytes=INPUT_BYTES, size=50, full_size=500)
def names(stage, result):
    """A look-up compares one key, wherever the path's hash leads; hosts are in order, not hashed.
    Paths that share all but a few bytes, that are as deep as can be, hosts of dots alone."""
    chosen = random.Random(11)
    crowd = open_crowd(stage, result)
    shapes = [
        lambda: head("/" + "a/" * 2000),
        lambda: head("/" + "%2e%2e/" * 1000),
        lambda: head("/" + "small.tx" + chr(chosen.randrange(97, 115))),
        lambda: head("/" + chosen.randbytes(2000).hex()),
        lambda: b"GET / HTTP/1.1\r\nHost: " + b"a." * 7000 + b"a\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\nHost: " + chosen.randbytes(60).hex().encode() + b"\r\n\r\n",
    ]
    for make in shapes:
        for _ in range(10):
            for each in crowd.sockets:
                crowd.send(make(), [each])
                result.requests += 1
            crowd.receive(1 << 20)
        stage.bystander.wait_answers(BETWEEN)


# ---- commands ----


CONTROL_CHANNEL_BYTES = 16_384 + 200 + 2 * 4096  # its line, what was read and not carried out
CONTROL_REPLIES_BYTES = 2 * (65_536 + 65_536)    # what waits, a reply more, and room to grow


def control_connect(stage):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(stage.controls[0]))
    return client


def flood_control(stage, result, data, count):
    """`count` clients that send the same as long as it is taken, and read nothing."""
    clients = [control_connect(stage) for _ in range(count)]
    for client in clients:
        client.setblocking(False)
    for _ in range(ROUNDS):
        for client in clients:
            try:
                for _ in range(20):
                    client.send(data)
                    result.requests += data.count(b"\n")
            except (BlockingIOError, ConnectionError):
                pass
        stage.bystander.wait_answers(BETWEEN)
    return clients


def ask_control(stage, result):
    """Somebody else asks, and is answered."""
    done = cairn.run("cairn-ctl", "--socket", stage.controls[0], "--timeout",
                     str(cairn.PATIENCE_S), "status", bin_folder=stage.binaries, expect=None)
    expect(result, done.returncode == 0, f"cairn-ctl beside: {done.err or done.out}")


@attack("control clients that flood, hang, or crowd", control=("control.sock",), size=300,
        full_size=1000, extra_bytes=64 * (CONTROL_CHANNEL_BYTES + CONTROL_REPLIES_BYTES))
def control_clients(stage, result):
    for data in (b"help\n" * 800, b"list\n" * 800, b"x" * 65536, b"\n" * 4096, b"\0\1\2\n" * 1000,
                 b"load index /nowhere\n" * 200):
        clients = flood_control(stage, result, data, 20)
        ask_control(stage, result)
        for client in clients:
            client.close()
    hanging = []
    for _ in range(stage.size):
        try:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect(str(stage.controls[0]))
        except BlockingIOError:
            client.close()
            stage.bystander.wait_answers(1)
            continue
        hanging.append(client)
    result.requests += len(hanging)
    ask_control(stage, result)
    for client in hanging:
        client.close()


@attack("a FIFO's writer that never ends a line", control=("control.fifo",), size=1, full_size=1,
        extra_bytes=CONTROL_CHANNEL_BYTES)
def fifo(stage, result):
    with open(stage.controls[0], "wb", buffering=0) as writer:
        for _ in range(200):
            result.requests += writer.write(b"x" * 65536) > 0
        stage.bystander.wait_answers(BETWEEN)
    stage.server.wait_log("error line: longer than")
    expect(result, stage.server.log().count("error line") == 1, "told more than once")
    stage.controls[0].write_bytes(b"\nstatus\n")
    stage.server.wait_log("ok status")


# ---- who listens for releases (docs/events.md) ----

EVENTS = ("--events", "/events")
LISTENER_BYTES = 2048  # its host, half a frame, first words and pongs that it does not take
PLACES = 50
PING = b"\x89\xfd\0\0\0\0" + b"p" * 125


def upgrade(host="a.example"):
    return (f"GET /events HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()


def await_listeners(stage, count):
    cairn.wait_until(lambda: stage.status("listeners") == count, f"{count} listen")


def announce(stage, number, count=4):
    """More than sockets of readers that stopped hold is said in all rounds together."""
    for each in range(count):
        stage.server.command(f"announce error {number} {each} {'x' * 8000}")


@attack("listeners that read nothing", kept_bytes=LISTENER_BYTES, extra_bytes=1 << 20,
        options=EVENTS, full_size=8000)
def deaf_listeners(stage, result):
    crowd = open_crowd(stage, result, receive_buffer=2048)
    half = len(crowd.sockets) // 2
    crowd.send(upgrade(), crowd.sockets[:half])
    crowd.send(head("/events", fields="Accept: text/event-stream\r\n"), crowd.sockets[half:])
    await_listeners(stage, len(crowd.sockets))
    rounds(stage, result, crowd, lambda number: announce(stage, number))


@attack("listeners that ping and read nothing", kept_bytes=LISTENER_BYTES, options=EVENTS,
        full_size=8000)
def pinging_listeners(stage, result):
    crowd = open_crowd(stage, result, receive_buffer=2048)
    crowd.send(upgrade())
    await_listeners(stage, len(crowd.sockets))
    rounds(stage, result, crowd, lambda number: crowd.send(PING * 100))


@attack("listeners with frames that do not end", kept_bytes=LISTENER_BYTES, options=EVENTS,
        full_size=8000)
def endless_frames(stage, result):
    """Half of them are told that it is too long, and go; what the others begin stays half a frame."""
    crowd = open_crowd(stage, result)
    half = len(crowd.sockets) // 2
    crowd.send(upgrade())
    await_listeners(stage, len(crowd.sockets))
    crowd.send(b"\x82\xff" + struct.pack("!Q", 1 << 62) + b"\0\0\0\0", crowd.sockets[:half])
    crowd.send(PING[:100], crowd.sockets[half:])
    rounds(stage, result, crowd, lambda number: crowd.send(b"x" * 1000, crowd.sockets[:half]))
    await_listeners(stage, len(crowd.sockets) - half)


@attack("listeners beyond their places", kept_bytes=LISTENER_BYTES + SHORT_INPUT_BYTES,
        options=(*EVENTS, "--limit", f"event-listeners={PLACES}"))
def listeners_beyond(stage, result):
    crowd = open_crowd(stage, result)
    crowd.send(upgrade())
    await_listeners(stage, PLACES)
    rounds(stage, result, crowd, lambda number: expect(
        result, stage.status("listeners") <= PLACES, "more than there are places"))


@attack("listeners of hosts of their own", kept_bytes=LISTENER_BYTES, extra_bytes=1 << 20,
        options=EVENTS, full_size=8000)
def listeners_of_hosts(stage, result):
    """Names as long as they may be, each with all its dots, of a site that answers for all hosts."""
    crowd = open_crowd(stage, result)
    for number, each in enumerate(crowd.sockets):
        crowd.send(upgrade(f"{number:04}." + "a." * 120 + "example"), [each])
    await_listeners(stage, len(crowd.sockets))
    rounds(stage, result, crowd, lambda number: announce(stage, number))


# ---- slowhttptest itself ----


def slowhttptest(mode, *options):
    def perform(stage, result):
        seconds, connections = stage.seconds, stage.size
        before = stage.status("accepted")
        url = f"http://127.0.0.1:{stage.server.ports[0]}/big.bin"
        process = subprocess.Popen(
            ["slowhttptest", mode, "-c", str(connections), "-r", str(max(connections // 4, 50)),
             "-l", str(seconds), "-i", "5", "-u", url, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        most = 0
        while True:
            try:
                output = process.communicate(timeout=0.5)[0]
                break
            except subprocess.TimeoutExpired:
                most = max(most, stage.status("connections"))
        result.connections = most
        result.requests = stage.status("accepted") - before
        if process.returncode != 0:
            result.problems.append(f"slowhttptest: {output[-300:]}")
    return perform


SLOWHTTPTEST = [
    Attack("slowhttptest -H: slow heads", slowhttptest("-H"), kept_bytes=BUFFER_BYTES + 2048),
    Attack("slowhttptest -B: slow bodies", slowhttptest("-B", "-s", "100000"),
           kept_bytes=BUFFER_BYTES + 2048),
    Attack("slowhttptest -R: ranges", slowhttptest("-R", "-t", "GET"), kept_bytes=WRITING_BYTES),
    Attack("slowhttptest -X: slow readers", slowhttptest("-X", "-k", "3", "-w", "512", "-y", "1024",
                                                         "-z", "32"), kept_bytes=WRITING_BYTES),
]
