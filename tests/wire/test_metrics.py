"""What the server tells about itself at /metrics, as Debian's Prometheus reads it: the numbers are
those of what was asked for, over a reload and with several hosts, and docs/metrics.md lists all of
them."""
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import unittest
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
from cairn import Client, Server, wait_until

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
OPENMETRICS = "Accept: application/openmetrics-text; version=1.0.0\r\n"
SCRIPT = b"let number = 0;\n" * 400


def needs(program):
    path = shutil.which(program)
    if path is None:
        raise unittest.SkipTest(f"{program} is not installed")
    return path


def sample_line(line):
    """('name', {label: value}, number) of a line of either form."""
    match = re.fullmatch(r'([a-z_]+)(?:\{(.*)\})? ([0-9.]+)', line)
    if match is None:
        raise AssertionError(f"not a sample: {line}")
    labels = re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', match[2] or "")
    return match[1], dict(labels), float(match[3])


class Metrics(cairn.TemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.pack("main", "first\n")
        self.docs = self.pack("docs", "docs\n")

    def pack(self, name, text):
        return self.pack_tree({"index.html": text, "app.js": SCRIPT, "404.html": "nothing\n"}, name)

    def serve(self, *words, options=(), **keywords):
        server = Server(*words, options=["--admin", "127.0.0.1:0", *options], **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        log = server.wait_log("cairn-serve: admin ")
        server.admin = ("127.0.0.1", int(re.search(r"admin http://127.0.0.1:(\d+)/", log)[1]))
        return server

    def scrape(self, server, fields=""):
        with Client(server.admin) as client:
            client.send(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
            answer = client.read()
        self.assertEqual(answer.status, 200)
        return answer.body.decode()

    def value(self, server, name, **labels):
        """Of the one sample that has this name and these labels."""
        found = [number for line in self.scrape(server).splitlines() if not line.startswith("#")
                 for other, others, number in [sample_line(line)]
                 if other == name and labels.items() <= others.items()]
        self.assertEqual(len(found), 1, (name, labels))
        return found[0]

    def expect(self, server, wanted, name, **labels):
        """Answers are counted when their last byte is out: maybe after the client has it."""
        wait_until(lambda: self.value(server, name, **labels) == wanted,
                   f"{name} {labels} is {wanted}, not {self.value(server, name, **labels)}")

    def ask(self, server, host, target, fields="", method="GET"):
        with server.client() as client:
            client.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
            return client.read(method)


class TestNumbers(Metrics):
    def test_answers_by_host_status_and_coding(self):
        server = self.serve(self.index, self.docs, "host=docs.example,*.docs.example")
        requests = "cairn_http_requests_total"
        for host, target, fields, status in (
                ("docs.example", "/", "", 200), ("x.docs.example", "/missing", "", 404),
                ("client.example", "/app.js", "Accept-Encoding: br\r\n", 200),
                ("client.example", "/app.js", "Accept-Encoding: gzip\r\n", 200),
                ("client.example", "/", "If-None-Match: *\r\n", 304)):
            self.assertEqual(self.ask(server, host, target, fields).status, status)
        self.expect(server, 1, requests, host="docs.example", status="2xx")
        self.expect(server, 1, requests, host="*.docs.example", status="4xx")
        self.expect(server, 2, requests, host="*", status="2xx")
        self.expect(server, 1, requests, host="*", status="3xx")
        for coding, wanted in (("br", 1), ("gzip", 1), ("identity", 0), ("zstd", 0)):
            self.expect(server, wanted, "cairn_http_representations_total", host="*", coding=coding)
        self.expect(server, len("docs\n"), "cairn_http_response_body_bytes_total",
                    host="docs.example")
        self.assertNotIn("client.example", self.scrape(server))
        with server.client() as client:
            client.send("nonsense\r\n\r\n")
            self.assertEqual(client.read().status, 400)
        self.expect(server, 1, requests, host="", status="4xx")
        self.expect(server, 6, "cairn_http_request_duration_seconds_count")

    def test_a_reload_takes_nothing_back(self):
        server = self.serve(self.index, self.docs, "host=docs.example")
        for count in range(1, 4):
            self.assertEqual(self.ask(server, "docs.example", "/").status, 200)
            server.load(self.pack("docs", f"docs {count}\n"))
            self.expect(server, count, "cairn_http_requests_total", host="docs.example",
                        status="2xx")
            self.expect(server, count + 1, "cairn_site_release", host="docs.example", prefix="/")
        self.assertEqual(self.value(server, "cairn_loads_total", outcome="live"), 5)
        # a host that is unloaded is not told of any more; when it comes back, it begins anew
        server.send("list\n")
        for row in server.read_reply():
            if "host=docs.example" in row:
                server.command("unload " + re.search(r" id=(\d+) ", row)[1])
        self.assertNotIn("docs.example", self.scrape(server))
        server.command(f"load index {self.docs} host=docs.example")
        self.expect(server, 0, "cairn_http_requests_total", host="docs.example", status="2xx")

    def test_scrapes_and_requests_while_hosts_come_and_go(self):
        """What was asked of a host that stays is counted exactly, and never goes back."""
        server = self.serve(self.index)
        stop = threading.Event()
        asked, seen = [0, 0], []

        def ask(number):
            with server.client() as client:
                while not stop.is_set():
                    host = "docs.example" if number == 1 else "client.example"
                    client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
                    if client.read().status != 200:
                        raise AssertionError("not 200")
                    asked[number] += 1

        def scrape():
            while not stop.is_set():
                seen.append(self.value(server, "cairn_http_requests_total", host="*",
                                       status="2xx"))

        with ThreadPoolExecutor(3) as pool:
            jobs = [pool.submit(ask, 0), pool.submit(ask, 1), pool.submit(scrape)]
            try:
                for number in range(20):
                    done = server.load(f"{self.docs} host=docs.example,h{number}.example")
                    server.command(f"unload {done['id']}")
            finally:
                stop.set()
            for job in jobs:
                job.result()
        self.assertEqual(seen, sorted(seen))
        # those of docs.example were answered by either host: it is gone now, with its counters
        wait_until(lambda: asked[0] <= self.value(server, "cairn_http_requests_total", host="*",
                                                  status="2xx") <= sum(asked), "all are counted")
        self.expect(server, sum(asked), "cairn_http_request_duration_seconds_count")

    def test_a_download_that_is_broken_off(self):
        server = self.serve(self.pack_tree({"large": cairn.noise(8_000_000, 1)}))
        with Client(server.address, receive_buffer=4096) as client:
            client.send(cairn.request("/large"))
            client.socket.recv(1000)
            self.expect(server, 1, "cairn_connections", state="writing")
        self.expect(server, 1, "cairn_http_responses_aborted_total", host="*")
        self.expect(server, 0, "cairn_connections", state="writing")
        sent = self.value(server, "cairn_http_response_body_bytes_total", host="*")
        self.assertTrue(0 < sent < 8_000_000, sent)

    def test_connections_and_limits(self):
        server = self.serve(self.index, options=["--limit", "head-size=1k"])
        with server.client() as idle, server.client() as half:
            self.assertEqual(idle.get("/").status, 200)
            half.send("GET / HTTP/1.1\r\n")
            self.expect(server, 1, "cairn_connections", state="idle")
            self.expect(server, 1, "cairn_connections", state="reading_head")
            with server.client() as client:
                self.assertEqual(client.get("/", fields=f"X: {'y' * 2000}\r\n").status, 431)
            self.expect(server, 1, "cairn_limit_hits_total", limit="head-size")
            self.expect(server, 0, "cairn_limit_hits_total", limit="field-count")
            self.assertEqual(self.value(server, "cairn_connections_accepted_total"), 3)

    def test_loads_that_are_refused(self):
        server = self.serve(self.index)
        self.assertEqual(self.value(server, "cairn_last_load_successful"), 1)
        torn = self.pack("other", "other\n")
        torn.write_bytes(torn.read_bytes()[:-1])
        server.command(f"load index {torn}")
        server.command(f"load index {self.folder}/missing.idx")
        self.assertEqual(self.value(server, "cairn_loads_total", outcome="damaged"), 1)
        self.assertEqual(self.value(server, "cairn_loads_total", outcome="not_found"), 1)
        self.assertEqual(self.value(server, "cairn_last_load_successful"), 0)
        server.load(self.pack("main", "second\n"))
        self.assertEqual(self.value(server, "cairn_last_load_successful"), 1)

    def test_the_process(self):
        server = self.serve(self.index)
        self.assertGreater(self.value(server, "process_cpu_seconds_total"), 0)
        resident = self.value(server, "process_resident_memory_bytes")
        self.assertTrue(1e6 < resident <= self.value(server, "process_virtual_memory_bytes"))
        open_fds = self.value(server, "process_open_fds")
        with server.client() as client:
            client.get("/")
            self.assertEqual(self.value(server, "process_open_fds"), open_fds + 1)


class TestForms(Metrics):
    def test_promtool_finds_nothing(self):
        """It knows the older form alone; the other one is read by Prometheus itself below."""
        promtool = needs("promtool")
        server = self.serve(self.index, self.docs, "host=docs.example", "at=/a")
        done = subprocess.run([promtool, "check", "metrics"], input=self.scrape(server),
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_both_forms_tell_the_same(self):
        server = self.serve(self.index)
        samples = {}
        for fields in "", OPENMETRICS:
            text = self.scrape(server, fields)
            samples[fields] = [line.rsplit(" ", 1)[0] for line in text.splitlines()
                               if not line.startswith("#")]
            self.assertEqual(text.endswith("\n# EOF\n"), fields == OPENMETRICS)
        self.assertEqual(samples[""], samples[OPENMETRICS])

    def test_the_manual_lists_what_there_is(self):
        server = self.serve(self.index)
        text = self.scrape(server)
        told = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        labels = {name: set() for name in told}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, found, _ = sample_line(line)
                family = name if name in told else re.sub("_(bucket|count|sum)$", "", name)
                labels[family] |= found.keys() - {"le"}
        rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \|([^|]*)\|", DOCUMENT.read_text(),
                          re.MULTILINE)
        listed = {name: kind for name, kind, _ in rows}
        self.assertEqual(listed, told)
        self.assertEqual({name: set(re.findall("`([a-z]+)`", words)) for name, _, words in rows},
                         labels)


class Prometheus:
    """A Prometheus that scrapes the servers, on a port that was free a moment ago."""

    def __init__(self, folder, targets):
        program = needs("prometheus")
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
            "scrape_configs": [{"job_name": "cairn", "static_configs": [{"targets": targets}]}]}))
        self.log = open(folder / "prometheus.log", "wb")
        for _ in range(5):  # somebody else may be quicker at the port
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.address = "127.0.0.1:%d" % probe.getsockname()[1]
            self.process = subprocess.Popen(
                [program, f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self.address}",
                 "--log.level=warn"], stdout=self.log, stderr=self.log, cwd=folder)
            if wait_until(self.is_settled, "Prometheus listens or has ended") == "ready":
                return
        raise AssertionError("Prometheus does not start:\n" +
                             (folder / "prometheus.log").read_text())

    def is_settled(self):
        if self.process.poll() is not None:
            return "ended"
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return "ready" if answer.status == 200 else None
        except OSError:
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def api(self, path, **arguments):
        words = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{words}",
                                    timeout=30) as answer:
            return json.load(answer)["data"]

    def value(self, query):
        """The one number that the query gives; None: none yet."""
        result = self.api("query", query=query)["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None


class TestPrometheus(Metrics):
    def expect_value(self, query, wanted):
        wait_until(lambda: self.prometheus.value(query) == wanted,
                   f"{query} is {wanted}, not {self.prometheus.value(query)}")

    def test_it_reads_what_was_asked_for(self):
        needs("prometheus")
        server = self.serve(self.index, self.docs, "host=docs.example")
        self.prometheus = Prometheus(self.folder, ["127.0.0.1:%d" % server.admin[1]])
        self.addCleanup(self.prometheus.stop)
        self.expect_value("up", 1)
        for _ in range(7):
            self.assertEqual(self.ask(server, "docs.example", "/").status, 200)
        self.assertEqual(self.ask(server, "client.example", "/missing").status, 404)
        docs = 'cairn_http_requests_total{host="docs.example",status="2xx"}'
        self.expect_value(docs, 7)
        self.expect_value('sum(cairn_http_requests_total{status="4xx"})', 1)
        self.expect_value("cairn_http_request_duration_seconds_count", 8)
        self.expect_value('cairn_http_request_duration_seconds_bucket{le="+Inf"}', 8)
        self.expect_value('cairn_site_release{host="docs.example"}', 1)
        server.load(self.pack("docs", "docs again\n"))
        self.assertEqual(self.ask(server, "docs.example", "/").status, 200)
        self.expect_value('cairn_site_release{host="docs.example"}', 2)
        self.expect_value(docs, 8)
        self.expect_value(f"resets({docs}[1h])", 0)
        server.command(f"load index {self.folder}/missing.idx")
        self.expect_value('cairn_loads_total{outcome="not_found"}', 1)
        self.expect_value("cairn_last_load_successful", 0)
        self.expect_types(server)

    def expect_types(self, server):
        """All samples were taken, in OpenMetrics, and are what we say that they are."""
        text = self.scrape(server, OPENMETRICS)
        count = sum(not line.startswith("#") for line in text.splitlines())
        self.expect_value("scrape_samples_scraped", count)
        told = {name: kind for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text,
                                                        re.MULTILINE)}
        units = dict(re.findall(r"^# UNIT (\S+) (\S+)$", text, re.MULTILINE))
        known = {row["metric"]: row for row in self.prometheus.api("targets/metadata")}
        self.assertEqual({name: row["type"] for name, row in known.items()}, told)
        self.assertEqual({name: row["unit"] for name, row in known.items() if row["unit"]}, units)
        self.assertTrue(all(row["help"] for row in known.values()))


if __name__ == "__main__":
    unittest.main()
