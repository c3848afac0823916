"""A table of raw requests and what a server has to answer to them, for test_raw_requests.py and
differential.py. Each row is a name, the bytes, and the statuses that come back, in order; after the
last one the connection is closed or can be used again."""
import email.utils
import random
from collections import namedtuple

MODIFIED_S = 1_600_000_000
PROSE = "".join(f"<p>Line {number} of a page that compresses well.\n" for number in range(400))
SITE = {
    "index.html": "<!doctype html><title>home</title>\n",
    "404.html": "<!doctype html><title>not here</title>\n",
    "page.html": "<!doctype html><title>page</title>\n" + PROSE,
    "data.bin": random.Random("raw").randbytes(5000),
    "empty.txt": "",
    "guide/index.html": "<title>guide</title>\n",
    "a b.txt": "a space\n",
    "sentinel.txt": "the sentinel answers\n",
}

# statuses: what Cairn answers; closes: and whether the connection ends; also: what the RFCs allow
# besides (differential.py); fields: of the last answer, a value, or None for absent;
# sends_behind_close: the client asks for the end and sends more, which it must not (RFC 9112 9.6).
Row = namedtuple("Row", "name data statuses closes also fields sends_behind_close")
ROWS = []
HOST = "Host: a.example\r\n"


def row(name, data, *statuses, closes=None, also=(), fields=None, sends_behind_close=False):
    """A refusal of what cannot be understood closes, unless said otherwise."""
    if isinstance(data, str):
        data = data.encode("latin-1")
    closes = statuses[-1] in (400, 413, 414, 431, 505) if closes is None else closes
    if any(other.name == name for other in ROWS):
        raise ValueError(f"{name} comes twice")
    ROWS.append(Row(name, data, statuses, closes, set(also), fields or {}, sends_behind_close))


def get(target="/page.html", fields="", method="GET", version="1.1", host=HOST):
    return f"{method} {target} HTTP/{version}\r\n{host}{fields}\r\n"


def line(text, *statuses, **keywords):
    """A request line by itself, before a Host field."""
    row(f"line {text!r}", f"{text}\r\n{HOST}\r\n", *statuses, **keywords)


def field(text, *statuses, **keywords):
    """A field line by itself."""
    row(f"field {text!r}", f"GET /page.html HTTP/1.1\r\n{HOST}{text}\r\n\r\n", *statuses, **keywords)


def chunked(body, *statuses, method="POST", **keywords):
    name = f"chunked {body[:50]!r}" + ("" if method == "POST" else f" {method}")
    row(name, get("/page.html", "Transfer-Encoding: chunked\r\n", method) + body, *statuses, **keywords)


def precondition(text, status, **keywords):
    """Also for HEAD; and without effect where the plain answer would not be a 200."""
    row(f"if {text!r}", get(fields=text), status, closes=False, **keywords)
    row(f"if {text!r} HEAD", get(fields=text, method="HEAD"), status, closes=False, **keywords)
    row(f"if {text!r} missing", get("/missing", text), 404, closes=False)
    row(f"if {text!r} redirect", get("/guide", text), 301, closes=False, also=(302, 307, 308))
    row(f"if {text!r} POST", get(fields=text, method="POST"), 405, closes=False)


# ---- request lines (RFC 9112 3) ----

line("GET /page.html HTTP/1.1", 200)
line("HEAD /page.html HTTP/1.1", 200)
line("GET  /page.html HTTP/1.1", 400)
line("GET /page.html  HTTP/1.1", 400)
line("GET /page.html HTTP/1.1 ", 400)
line(" GET /page.html HTTP/1.1", 400)
line("GET\t/page.html\tHTTP/1.1", 400)
line("GET /page.html\tHTTP/1.1", 400)
line("GET /page.html", 400, also=(200,))
line("GET", 400)
line("GET /page.html HTTP", 400)
line("GET /page.html HTTP/", 400)
line("GET /page.html HTTP/1", 400)
line("GET /page.html HTTP/1.", 400)
line("GET /page.html HTTP/11", 400)
line("GET /page.html HTTP/1.10", 400)
line("GET /page.html HTTP/01.1", 400)
line("GET /page.html HTTP/1.1x", 400)
line("GET /page.html HTTP/x.1", 400)
line("GET /page.html HTTP /1.1", 400)
line("GET /page.html http/1.1", 400)
line("GET /page.html HTTPS/1.1", 400)
line("GET /page.html HTTP/1.2", 200, also=(505,))
line("GET /page.html HTTP/0.9", 505, also=(400,))
line("GET /page.html HTTP/2.0", 505, also=(400,))
line("GET /page.html HTTP/3.0", 505, also=(400,))
line("GET /page page.html HTTP/1.1", 400)
line("GET /page.html\x00 HTTP/1.1", 400)
line("GET /page.html\x7f HTTP/1.1", 400)
line("GET /page\x01.html HTTP/1.1", 400)
line("GET /page.html#part HTTP/1.1", 400, also=(200, 404))
line("GET page.html HTTP/1.1", 400)
line("GET \\page.html HTTP/1.1", 400)
line("GET ?a HTTP/1.1", 400)
line("GET * HTTP/1.1", 400, also=(404,))
line("G(T /page.html HTTP/1.1", 400)
line("GET: /page.html HTTP/1.1", 400)
line("GET /page.html HTTP/1.1\r", 400)
row("bare line feed after the request line", f"GET /page.html HTTP/1.1\n{HOST}\r\n", 400, also=(200,))
row("bare line feeds everywhere", "GET /page.html HTTP/1.1\nHost: a.example\n\n", 400, also=(200,))
row("bare carriage return ends no line", f"GET /page.html HTTP/1.1\r{HOST}\r\n", 400)
row("empty lines before", "\r\n\r\n" + get(), 200)
row("a bare line feed before", "\n" + get(), 400, also=(200,))
row("8000 bytes of target", get("/" + "x" * 7900), 404)
row("9000 bytes of target", get("/" + "x" * 9000), 414, also=(404,))
row("60000 bytes of target", get("/" + "x" * 60000), 414)
row("TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)) + b"\r\n", 400)
row("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, also=(400,))
row("noise", b"\x00\x01\x02\x03\r\n\r\n", 400)
row("HTTP/0.9", "GET /page.html\r\n", 400, also=(200,))

# ---- targets (RFC 9112 3.2, RFC 3986) ----

for target, status in (
        ("/", 200), ("/?", 200), ("/?a=b", 200), ("/page.html?x#".rstrip("#"), 200), ("//page.html", 200),
        ("/./page.html", 200), ("/x/../page.html", 200), ("/../page.html", 200), ("/%2e/page.html", 200),
        ("/x/%2E%2e/page.html", 200), ("/%70age.html", 200), ("/page%2ehtml", 200), ("/a%20b.txt", 200),
        ("/a+b.txt", 404), ("/PAGE.html", 404), ("/page.html/", 404), ("/guide/", 200),
        ("/guide%2Findex.html", 404), ("/guide%2findex.html", 404), ("/..%2fpage.html", 404),
        ("/%252e%252e/page.html", 404), ("/%c3%a9", 404), ("/%ff", 404), ("/page.html;x", 404),
        ("/page.html?%zz", 200), ("/page.html?\x80", 200)):
    also = {"//page.html": (404, 301), "/../page.html": (400, 404), "/./page.html": (301, 404),
            "/x/../page.html": (301, 404), "/%2e/page.html": (301, 404, 400),
            "/x/%2E%2e/page.html": (301, 404, 400), "/guide%2Findex.html": (400, 200),
            "/guide%2findex.html": (400, 200), "/..%2fpage.html": (400, 200), "/%ff": (400,),
            "/page.html?\x80": (400,), "/page.html?%zz": (400,), "/page.html/": (301, 308)}
    row(f"target {target}", get(target), status, also=also.get(target, ()))
for target in ("/%", "/%4", "/%zz", "/a%2", "/%00", "/page.html%00", "/%%41", "/%u0041"):
    row(f"target {target}", get(target), 400, closes=False, also=(404,))
for target, status, also in (
        ("http://b.example/page.html", 200, ()), ("HTTP://b.example/page.html", 200, ()),
        ("http://b.example", 200, ()), ("http://b.example?x", 200, ()), ("http://b.example:80/", 200, ()),
        ("http://[::1]/page.html", 200, ()), ("https://b.example/page.html", 421, (200, 400)),
        ("ftp://b.example/page.html", 400, (200,)), ("http:///page.html", 400, ()),
        ("http://user@b.example/", 400, (200,)), ("http://b.example:x/", 400, (200,)),
        ("http://b.example/#x", 400, (200, 404)), ("http:/b.example/page.html", 400, (404,))):
    row(f"absolute {target}", get(target), status, also=also, closes=status == 400)
row("absolute without Host", get("http://b.example/page.html", host=""), 400, also=(200,))
row("301 keeps the query", get("/guide?a=b"), 301, also=(302, 307, 308), fields={"location": "/guide/?a=b"})

# ---- methods (RFC 9110 9) ----

for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
    row(f"method {method}", get(method=method), 405, also=(501,),
        fields={"allow": "GET, HEAD, OPTIONS", "cache-control": "no-store"})
for method in ("BREW", "get", "Get", "GETT", "PROPFIND", "M-SEARCH", "X" * 30):
    row(f"method {method}", get(method=method), 501, also=(400, 405))
row("method OPTIONS", get(method="OPTIONS"), 204, also=(200, 405),
    fields={"allow": "GET, HEAD, OPTIONS", "content-length": None})
row("method OPTIONS *", get("*", method="OPTIONS"), 204, also=(200, 400, 405))
row("method OPTIONS missing", get("/missing", method="OPTIONS"), 404, also=(200, 204, 405))
row("method CONNECT", get("a.example:443", method="CONNECT"), 405, also=(400, 501))
row("method CONNECT with a path", get("/", method="CONNECT"), 400, also=(405, 501))
row("method POST *", get("*", method="POST"), 400, also=(404, 405))

# ---- Host (RFC 9112 3.2) ----

for host, status in (("", 400), ("Host: a\r\nHost: a\r\n", 400), ("Host: a\r\nHost: b\r\n", 400),
                     ("Host:\r\n", 200), ("Host: a:80\r\n", 200), ("Host: a:\r\n", 200),
                     ("HOST: a.example\r\n", 200), ("Host:a.example\t \r\n", 200), ("Host: [::1]\r\n", 200),
                     ("Host: [::1]:8080\r\n", 200), ("Host: a.example.\r\n", 200), ("Host: a b\r\n", 400),
                     ("Host: a/b\r\n", 400), ("Host: u@a\r\n", 400), ("Host: a?b\r\n", 400),
                     ("Host: a#b\r\n", 400), ("Host: a\\b\r\n", 400), ("Host: a:b\r\n", 400),
                     ("Host: a:1:2\r\n", 400), ("Host: a:99999\r\n", 400), ("Host: [::1\r\n", 400),
                     ("Host: ::1\r\n", 400), ("Host: \xe9\r\n", 400), ("Host: a%zz\r\n", 400),
                     ("Host: a\"b\r\n", 400), ("Host: <a>\r\n", 400)):
    row(f"host {host!r}", get(host=host), status, also=(400,) if host == "Host:\r\n" else ())
row("HTTP/1.0 without Host", get(host="", version="1.0"), 200, closes=True)
row("HTTP/1.0 with two Hosts", get(host=HOST * 2, version="1.0"), 400)

# ---- fields (RFC 9112 5) ----

for text, status in (
        ("X: y", 200), ("X:y", 200), ("X:", 200), ("X: \t ", 200), ("X: a\tb", 200), ("X: \x80\xff", 200),
        ("!#$%&'*+-.^_`|~: y", 200), ("X : y", 400), ("X\t: y", 400), (" X: y", 400), ("\tX: y", 400),
        ("X", 400), (": y", 400), ("X Y: z", 400), ("X(: y", 400), ("X\x00: y", 400), ("X\x80: y", 400),
        ("X: a\x00b", 400), ("X: a\rb", 400), ("X: a\x01b", 400), ("X: a\x7fb", 400), ("X: a\r\n b", 400),
        ("X: a\r\n\tb", 400), ("X: a\r\n Content-Length: 5", 400), ("X: a\nY: b", 400), ("X: a\r", 400),
        ("X=y", 400), ("{X}: y", 400), ("\"X\": y", 400)):
    also = (200,) if text in ("X: a\nY: b", "X: a\r\n b", "X: a\r\n\tb") else ()
    field(text, status, also=also)
row("a line feed ends the head", f"GET /page.html HTTP/1.1\r\n{HOST}\n", 400, also=(200,))
row("white space before the first field", f"GET /page.html HTTP/1.1\r\n {HOST}\r\n", 400)
row("99 fields", get(fields="X: y\r\n" * 99), 200)
row("101 fields", get(fields="X: y\r\n" * 100), 431, also=(200, 400))
row("a field of 12000 bytes", get(fields="X: " + "y" * 12000 + "\r\n"), 200, also=(400, 431))
row("a field of 70000 bytes", get(fields="X: " + "y" * 70000 + "\r\n"), 431, also=(400,))
row("a name of 70000 bytes", get(fields="X" * 70000 + ": y\r\n"), 431, also=(400,))

# ---- framing (RFC 9112 6, 7) ----

for text, status in (
        ("Content-Length: 0", 200), ("Content-Length: 000", 200), ("Content-Length:", 400),
        ("Content-Length: -1", 400), ("Content-Length: +1", 400), ("Content-Length: 0x1", 400),
        ("Content-Length: 1 1", 400), ("Content-Length: 1,1", 400), ("Content-Length: 1, 2", 400),
        ("Content-Length: 1.0", 400), ("Content-Length: a", 400), ("Content-Length: 0\r\nContent-Length: 0", 400),
        ("Content-Length: 0\r\ncontent-length: 1", 400), ("Content-Length: 18446744073709551616", 400),
        ("Content-Length: 99999999999999999999999", 400), ("Content-Length: 5000000", 413),
        ("Content-Length : 0", 400), ("Transfer-Encoding: gzip", 400), ("Transfer-Encoding: identity", 400),
        ("Transfer-Encoding: xchunked", 400), ("Transfer-Encoding:", 400), ("Transfer-Encoding: chunked;a=b", 400),
        ("Transfer-Encoding: \"chunked\"", 400), ("Transfer-Encoding: chunked, gzip", 400),
        ("Transfer-Encoding: chunked, chunked", 400), ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", 400),
        ("Transfer-Encoding : chunked", 400), ("Transfer-Encoding: \x0bchunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400), ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 0\r\nTransfer-Encoding: gzip", 400)):
    field(text, status, also=(400, 501) if "Transfer" in text else ())
field("Transfer-Encoding: gzip, chunked", 501, closes=True, also=(400,))
row("chunked in HTTP/1.0", get(fields="Transfer-Encoding: chunked\r\n", version="1.0") + "0\r\n\r\n", 400)
HIDDEN = get("/guide/")
row("a body is no request", get(fields=f"Content-Length: {len(HIDDEN)}\r\n") + HIDDEN, 200)
row("a body of POST is no request", get(method="POST", fields=f"Content-Length: {len(HIDDEN)}\r\n") + HIDDEN, 405)
row("a body and then a request", get(fields="Content-Length: 3\r\n") + "abc" + get("/missing"), 200, 404)
row("a long body", get(method="PUT", fields="Content-Length: 300000\r\n") + "x" * 300000, 405)
chunked("0\r\n\r\n", 405)
chunked("0\r\n\r\n", 200, method="GET")
chunked("5\r\nabcde\r\n0\r\n\r\n", 405)
chunked("5\r\nabcde\r\n0\r\n\r\n" + get("/missing"), 405, 404)
chunked("000005\r\nabcde\r\n00\r\n\r\n", 405)
chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 405)
chunked("5;a\r\nabcde\r\n0\r\n\r\n", 405)
chunked("5;a=b;c=\"d \\\" e\"\r\nabcde\r\n0;x\r\n\r\n", 405)
chunked("5 ; a = b\r\nabcde\r\n0\r\n\r\n", 405, also=(400,))
chunked("0\r\nX: y\r\nZ: \r\n\r\n", 405)
chunked(f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n", 405)
for body in ("\r\n", "x\r\n", "-1\r\n", "+5\r\nabcde\r\n0\r\n\r\n", "0x5\r\nabcde\r\n0\r\n\r\n", " 5\r\nabcde\r\n0\r\n\r\n",
             "5 \r\nabcde\r\n0\r\n\r\n", "5\nabcde\n0\n\n", "5\r\nabcdef\r\n0\r\n\r\n", "5\r\nabcde0\r\n\r\n",
             "5\r\nabcde\n0\r\n\r\n", "5\r\nabcd\r\n0\r\n\r\n", "5;\r\nabcde\r\n0\r\n\r\n", "5;=b\r\nabcde\r\n0\r\n\r\n",
             "5;a=\r\nabcde\r\n0\r\n\r\n", "5;a=\"b\r\nabcde\r\n0\r\n\r\n", "5;a\nabcde\r\n0\r\n\r\n", "5;a\x00\r\nabcde\r\n0\r\n\r\n",
             "5;a\rb\r\nabcde\r\n0\r\n\r\n", "10000000000000000\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5\r\nabcde\r\n0\r\nX y\r\n\r\n",
             "0\r\n X: y\r\n\r\n", "0\r\nX: \x00\r\n\r\n", "0\r\nX: y\n\r\n", "0\n\r\n", "5,\r\nabcde\r\n0\r\n\r\n"):
    chunked(body, 400, also=(405, 413))
chunked("fffffff\r\n", 413, also=(400, 405))
row("Expect: 100-continue without a body", get(fields="Expect: 100-continue\r\n"), 200)
row("Expect: 100-continue with a body", get(method="POST", fields="Expect: 100-continue\r\nContent-Length: 3\r\n"),
    405, closes=True)
row("Expect: something", get(fields="Expect: something\r\n"), 417, also=(200,))

# ---- persistence (RFC 9112 9) ----

row("Connection: close", get(fields="Connection: close\r\n"), 200, closes=True)
row("Connection: Close, x", get(fields="Connection: x , Close\r\n"), 200, closes=True)
row("Connection: closed", get(fields="Connection: closed\r\n"), 200)
row("HTTP/1.0", get(version="1.0"), 200, closes=True)
row("HTTP/1.0 keep-alive", get(version="1.0", fields="Connection: Keep-Alive\r\n"), 200,
    fields={"connection": "keep-alive"})
row("HTTP/1.0 HEAD", get(version="1.0", method="HEAD"), 200, closes=True)
row("nothing after close", get(fields="Connection: close\r\n") + get("/guide/"), 200, closes=True,
    sends_behind_close=True)
row("a pipeline", get() + get("/missing") + get("/guide/", method="HEAD") + get("/data.bin"), 200, 404, 200, 200)
row("a pipeline that ends badly", get() + "BAD\r\n\r\n" + get(), 200, 400)
row("Upgrade: h2c", get(fields="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), 200)
row("Upgrade: websocket", get(fields="Connection: Upgrade\r\nUpgrade: websocket\r\n"), 200)
row("TE and Trailer", get(fields="TE: trailers\r\nTrailer: X\r\n"), 200)

# ---- preconditions (RFC 9110 13); {...} is filled in by the runner ----

DATE = email.utils.formatdate(MODIFIED_S, usegmt=True)
EARLIER = email.utils.formatdate(MODIFIED_S - 1, usegmt=True)
LATER = email.utils.formatdate(MODIFIED_S + 1, usegmt=True)
for text, status in (
        ("If-None-Match: {etag}", 304), ("If-None-Match: W/{etag}", 304), ("If-None-Match: \"x\", {etag}", 304),
        ("If-None-Match: \"x\",{etag},\"y\"", 304), ("If-None-Match: \"a,b\", {etag}", 304),
        ("If-None-Match: *", 304), ("If-None-Match: \"x\"\r\nIf-None-Match: {etag}", 304),
        ("If-None-Match: \"x\"", 200), ("If-None-Match:", 200), ("If-None-Match: {gzip_etag}", 200),
        ("If-Match: {etag}", 200), ("If-Match: W/{etag}", 412), ("If-Match: \"x\"", 412), ("If-Match: *", 200),
        ("If-Match: \"x\", {etag}", 200), ("If-Match: \"x\"\r\nIf-None-Match: {etag}", 412),
        ("If-Match: {etag}\r\nIf-None-Match: {etag}", 304),
        (f"If-Modified-Since: {DATE}", 304), (f"If-Modified-Since: {LATER}", 304),
        (f"If-Modified-Since: {EARLIER}", 200), ("If-Modified-Since: Sunday, 13-Sep-20 12:26:40 GMT", 304),
        ("If-Modified-Since: Sun Sep 13 12:26:40 2020", 304), ("If-Modified-Since: Sun Sep 13 12:26:39 2020", 200),
        ("If-Modified-Since: 13 Sep 2020", 200), ("If-Modified-Since: 0", 200),
        (f"If-None-Match: \"x\"\r\nIf-Modified-Since: {DATE}", 200),
        (f"If-None-Match: {{etag}}\r\nIf-Modified-Since: {EARLIER}", 304),
        (f"If-Unmodified-Since: {DATE}", 200), (f"If-Unmodified-Since: {EARLIER}", 412),
        ("If-Unmodified-Since: Sunday, 13-Sep-20 12:26:39 GMT", 412), ("If-Unmodified-Since: x", 200),
        (f"If-Match: {{etag}}\r\nIf-Unmodified-Since: {EARLIER}", 200),
        (f"If-Unmodified-Since: {EARLIER}\r\nIf-None-Match: {{etag}}", 412)):
    precondition(text + "\r\n", status)

# ---- ranges (RFC 9110 14) of /data.bin, 5000 bytes ----


def ranged(text, status, content_range=None, more="", target="/data.bin", method="GET", also=()):
    row(f"range {text} {more.strip()} {target} {method}", get(target, f"Range: {text}\r\n{more}", method), status,
        closes=False, also=also, fields={"content-range": content_range})


for text, first, last in (("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=4990-", 4990, 4999),
                          ("bytes=-10", 4990, 4999), ("bytes=-9999", 0, 4999), ("bytes=4990-9999", 4990, 4999),
                          ("bytes=0-4999", 0, 4999), ("BYTES=1-2", 1, 2), ("bytes=9999-,1-2", 1, 2),
                          ("bytes=0-10,5-20", 0, 20), ("bytes=0-99999999999999999999", 0, 4999)):
    ranged(text, 206, f"bytes {first}-{last}/5000", also=(200,))
for text in ("bytes=5000-", "bytes=5000-6000", "bytes=-0", "bytes=9999-,8888-"):
    ranged(text, 416, "bytes */5000")
for text in ("bytes=5-2", "bytes=abc", "bytes=", "bytes=-", "bytes=1-2-3", "bytes", "items=0-1", "bytes=1-2,x"):
    ranged(text, 200, also=(400, 416))
ranged("bytes=0-99", 200, method="HEAD", also=(206,))
ranged("bytes=0-99", 200, more="Range: bytes=0-9\r\n", also=(206, 400))
ranged("bytes=0-9", 200, target="/empty.txt", also=(416,))
ranged("bytes=0-99", 206, "bytes 0-99/5000", more="If-Range: {data_etag}\r\n")
ranged("bytes=0-99", 200, more="If-Range: W/{data_etag}\r\n")
ranged("bytes=0-99", 200, more="If-Range: \"x\"\r\n")
ranged("bytes=0-99", 206, "bytes 0-99/5000", more=f"If-Range: {DATE}\r\n", also=(200,))
ranged("bytes=0-99", 200, more=f"If-Range: {LATER}\r\n")
ranged("bytes=0-99", 200, more=f"If-Range: {EARLIER}\r\n")
ranged("bytes=9999-", 200, more="If-Range: \"x\"\r\n")
ranged("bytes=0-99", 304, more="If-None-Match: {data_etag}\r\n")
ranged("bytes=0-99", 412, more="If-Match: \"x\"\r\n")
ranged("bytes=0-9,1000-1009", 206, None, also=(200,))
ranged("bytes=1000-1009,0-9,-5", 206, None, also=(200,))
ranged("bytes=0-99", 404, target="/missing")
ranged("bytes=0-99", 405, method="POST")

# ---- negotiation (RFC 9110 12.5.3) of /page.html, which has gzip, br and zstd ----

for text, coding in (("", None), ("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("x-gzip", "gzip"), ("GZIP", "gzip"),
                     ("gzip;q=0", None), ("gzip;q=0, br;q=0.001", "br"), ("gzip;q=1.0, br;q=0.5", "gzip"),
                     ("identity", None), ("identity;q=1, gzip;q=0.5", None), ("gzip;q=0.5, identity;q=0.1", "gzip"),
                     ("deflate", None), ("gzip ; q=0.5", "gzip"), ("gzip;q=2", None), ("gzip;q=x", None),
                     ("identity;q=0, gzip", "gzip"), ("*;q=0", None), ("identity;q=0", None), ("gzip;q=0, *;q=0", None)):
    row(f"accept {text!r}", get(fields=f"Accept-Encoding: {text}\r\n"), 200, also=(406,) if "q=0" in text else (),
        fields={"content-encoding": coding, "vary": "Accept-Encoding"})
row("accept nothing said", get(), 200, fields={"content-encoding": None, "vary": "Accept-Encoding"})
row("accept where there is one form", get("/data.bin", "Accept-Encoding: gzip\r\n"), 200,
    fields={"content-encoding": None, "vary": None})
