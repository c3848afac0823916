"""The servers of the comparison: started on one processor, tuned for files, without a log.
lighttpd serves no forms that lie beside a file: where one is asked for, it is left out."""
import http.client
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from shutil import which

NGINX = """daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 65536; use epoll; multi_accept on; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 600; reset_timedout_connection off;
  open_file_cache max={files} inactive=600s; open_file_cache_valid 600s; open_file_cache_errors on;
  gzip_static on; types {{ text/html html; application/octet-stream bin; }} {extra}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {tree}; }}
}}
"""
H2O = """num-threads: 1
max-connections: 65536
user: {user}
listen:
  host: 127.0.0.1
  port: {port}
hosts:
  default:
    paths:
      /:
        file.dir: {tree}
        file.send-compressed: ON
"""
LIGHTTPD = """server.document-root = "{tree}"
server.bind = "127.0.0.1"
server.port = {port}
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.stat-cache-engine = "inotify"
server.max-fds = 16384
server.max-connections = 8192
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 600
server.listen-backlog = 4096
mimetype.assign = (".html" => "text/html", ".bin" => "application/octet-stream")
"""
CADDY = """{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  root * {tree}
  file_server {{
    precompressed br gzip
  }}
}}
"""
PEERS = {
    "nginx": (["nginx", "-p", "{folder}", "-c", "{config}"], NGINX),
    "h2o": (["h2o", "-c", "{config}"], H2O),
    "lighttpd": (["lighttpd", "-D", "-f", "{config}"], LIGHTTPD),
    "caddy": (["caddy", "run", "--adapter", "caddyfile", "--config", "{config}"], CADDY),
}


def tasks_of(pid):
    """The threads of a process and of its children."""
    folder = Path(f"/proc/{pid}/task")
    for task in folder.iterdir():
        yield task
        for child in (task / "children").read_text().split():
            yield from tasks_of(int(child))


def cpu_us(pid):
    """User and system time so far, in microseconds: /proc/PID/task/TID/schedstat."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks_of(pid)) / 1000


class Server:
    """A child process that listens on self.port of the loopback address."""

    def __init__(self, name, command, port=None, environment=None, cpu=0):
        self.name = name
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *map(str, command)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if port is None else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
        if port is None:
            words = self.process.stdout.readline().decode().split()
            if len(words) < 2 or words[0] != "ready":
                raise SystemExit(f"{name} does not start")
            port = int(words[1].rstrip("/").rsplit(":", 1)[1])
        self.port = port
        self.pid = self.process.pid
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    raise SystemExit(f"{name} does not start") from None
                time.sleep(0.05)

    def ask(self, target, fields=None):
        """(status, fields, body, the bytes of the head) of one request."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            lines = "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items())
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n".encode())
            response = http.client.HTTPResponse(client)
            response.begin()
            body = response.read()
        return response.status, response.headers, body

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def start_cairn(binaries, archive, options=(), name="cairn"):
    return Server(name, [binaries / "cairn-serve", "--listen", "127.0.0.1:0", "--workers", "1",
                            "--defer-accept", *options, archive.with_suffix(".idx")])


def start_peer(name, tree, folder, extra="", table=None):
    """One of PEERS, or of another table like it; None if it is not installed."""
    command, config = (table or PEERS)[name]
    program = which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        return None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / f"{name}.conf"
    # a file that nginx keeps open takes a descriptor
    files = min(40000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)
    path.write_text(config.format(folder=folder, tree=tree, port=port, extra=extra, files=files,
                                  user=os.environ.get("USER", "root")))
    words = [word.format(config=path, folder=folder) for word in command[1:]]
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "GOMAXPROCS": "1"}
    return Server(name, [program, *words], port, home)
