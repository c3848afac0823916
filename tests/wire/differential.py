#!/usr/bin/env python3
"""Sends the rows of raw_requests.py to Cairn and to nginx, h2o, lighttpd and Caddy (those that are
installed, Debian packages nginx-light h2o lighttpd caddy), and prints where they differ.

    CAIRN_BIN=build/release/bin python3 tests/wire/differential.py [--all]

A cell is what came: statuses in order, `x` if the connection was closed afterwards, `-` if nothing
came. `!` marks what is outside of what the RFCs allow, as the table has it. Rows on which all agree
are left out, unless --all is given. docs/http.md explains the differences.
"""
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent / folder) for folder in (".", "../bench")]
import cairn
import peers
import raw_requests

QUIET_S = 0.4  # an answer that has not begun after this is none

NGINX = """daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 512; }}
http {{ access_log off; types {{ text/html html; text/plain txt; }} gzip_static on;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {tree}; error_page 404 /404.html; }} }}
"""
H2O = """listen:
  host: 127.0.0.1
  port: {port}
hosts:
  default:
    paths:
      /:
        file.dir: {tree}
        file.send-compressed: ON
user: {user}
"""
LIGHTTPD = """server.document-root = "{tree}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorfile-prefix = "{tree}/"
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html", ".txt" => "text/plain")
"""
CADDY = """{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  root * {tree}
  file_server {{
    precompressed br gzip zstd
  }}
}}
"""


PEERS = {
    "nginx": (["nginx", "-c", "{config}"], NGINX),
    "h2o": (["h2o", "-c", "{config}"], H2O),
    "lighttpd": (["lighttpd", "-D", "-f", "{config}"], LIGHTTPD),
    "caddy": (["caddy", "run", "--adapter", "caddyfile", "--config", "{config}"], CADDY),
}

STATUS = re.compile(rb"HTTP/1\.[01] (\d\d\d)[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


def head_of(data):
    return STATUS.match(data)


def count_answers(data, methods):
    """Statuses of the whole answers in the data, by their framing; what is left."""
    statuses = []
    while match := head_of(data):
        fields = match.group(2).lower()
        length = re.search(rb"content-length: *(\d+)", fields)
        method = methods[len(statuses)] if len(statuses) < len(methods) else "GET"
        status = int(match.group(1))
        data = data[match.end():]
        statuses.append(status)
        if method == "HEAD" or status in (204, 304) or 100 <= status < 200:
            continue
        if b"transfer-encoding: chunked" in fields:
            end = data.find(b"\r\n0\r\n\r\n")
            data = data[end + 7:] if end >= 0 else b""
        elif length:
            data = data[int(length.group(1)):]
        else:
            data = b""
    return statuses


def ask(address, data, methods):
    """(statuses, was it closed) for raw bytes."""
    got = b""
    closed = False
    with socket.create_connection(address) as client:
        client.settimeout(5)
        try:
            client.sendall(data)
        except OSError:
            pass
        while True:
            ready, _, _ = select.select([client], [], [], QUIET_S)
            if not ready:
                break
            try:
                piece = client.recv(1 << 20)
            except OSError:
                closed = True
                break
            if not piece:
                closed = True
                break
            got += piece
    return count_answers(got, methods), closed


def fill(row, address):
    """The row's bytes with this server's own tags."""
    data = row.data
    for name, target, fields in (("etag", "/page.html", ""), ("data_etag", "/data.bin", ""),
                                 ("gzip_etag", "/page.html", "Accept-Encoding: gzip\r\n")):
        mark = b"{" + name.encode() + b"}"
        if mark in data:
            request = raw_requests.get(target, fields + "Connection: close\r\n", "HEAD").encode()
            with socket.create_connection(address) as client:
                client.sendall(request)
                head = b""
                while piece := client.recv(65536):
                    head += piece
            tag = re.search(rb"(?i)\r\netag: *([^\r\n]+)", head)
            data = data.replace(mark, tag.group(1) if tag else b'"none"')
    return data


def cell(row, address):
    methods = [name.decode() for name in re.findall(rb"(?:^|\n)([A-Za-z]+) [^\r\n]* HTTP/1", row.data)]
    statuses, closed = ask(address, fill(row, address), methods)
    allowed = {row.statuses[-1]} | row.also
    bad = not statuses or len(statuses) > len(row.statuses) or \
        statuses[:-1] != list(row.statuses[:len(statuses) - 1]) or statuses[-1] not in allowed
    if not statuses and closed and row.statuses[-1] >= 400:
        bad = False  # to close without a word is a refusal too
    if row.statuses[-1] in (405, 501) and statuses and statuses[-1] in (200, 403, 405, 411, 501):
        bad = False  # what other methods do with a file is a server's own affair
    return " ".join(map(str, statuses)) or "-", closed, bad


def shown(statuses, closed, bad):
    return statuses + ("x" if closed else "") + ("!" if bad else "")


def main():
    show_all = "--all" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="cairn-differential-") as holder:
        folder = Path(holder)
        folder.chmod(0o755)
        tree = cairn.write_tree(folder / "tree", raw_requests.SITE, raw_requests.MODIFIED_S)
        index = cairn.pack(tree, folder / "site.cairn")
        for coding, command in (("gz", ["gzip", "-k"]), ("br", ["brotli", "-k"]), ("zst", ["zstd", "-qk"])):
            if shutil.which(command[0]):
                subprocess.run([*command, tree / "page.html"], check=True)
                os.utime(tree / f"page.html.{coding}", (raw_requests.MODIFIED_S,) * 2)
        others = []
        try:
            for name in PEERS:
                other = peers.start_peer(name, tree, folder, table=PEERS)
                if other is not None:
                    others.append(other)
                else:
                    print(f"{name} is not installed: left out")
            with cairn.Server(index) as server:
                compare(server.address, others, show_all)
        finally:
            for other in others:
                other.stop()


def compare(address, others, show_all):
    columns = [("cairn", address)] + [(each.name, ("127.0.0.1", each.port)) for each in others]
    with ThreadPoolExecutor(8) as pool:
        table = list(pool.map(lambda row: [cell(row, where) for _, where in columns],
                              raw_requests.ROWS))
    print(f"{'':50} " + " ".join(f"{name:>12}" for name, _ in columns))
    for row, cells in zip(raw_requests.ROWS, table):
        if show_all or len({(statuses, closed) for statuses, closed, _ in cells}) > 1:
            print(f"{row.name[:50]:50} " + " ".join(f"{shown(*each):>12}" for each in cells))
    print(f"\n{len(raw_requests.ROWS)} rows; outside of what the RFCs allow: " + ", ".join(
        f"{name} {sum(cells[i][2] for cells in table)}" for i, (name, _) in enumerate(columns)))


if __name__ == "__main__":
    main()
