"""How cairn-serve gets along with collectors: metrics and logs in what they take, and no collector,
whatever it does, that keeps a request, a load or the end of the process waiting."""
import collections
import http.server
import os
import queue
import re
import signal
import socket
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collector import METRICS, SERVER, TRACES, Collector, attributes_of, require
import cairn


def points(metric):
    (_, data), = [(key, value) for key, value in metric.items()
                  if key in ("sum", "gauge", "histogram")]
    return data["dataPoints"]


def value_of(metric, **attributes):
    """The value of the one point that has these attributes."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    found = [point for point in points(metric) if named.items() <= attributes_of(point).items()]
    assert len(found) == 1, metric
    return int(found[0].get("asInt", 0))


class SlowCollector:
    """Takes requests, and answers each when it is told to, and how. What they hold is not looked at."""

    def __init__(self):
        outer = self
        self.arrived = queue.Queue()  # (path, time of the monotonic clock)
        self.answers = queue.Queue()  # (status, fields)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.arrived.put((self.path, time.monotonic()))
                answer = outer.answers.get()
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(8):  # whoever still waits for a word
            self.answers.put(None)
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def next(self):
        """The path of the next request, and when it came."""
        return self.arrived.get(timeout=cairn.PATIENCE_S)

    def answer(self, status=200, **fields):
        """Lets a request have its answer; returns a time before that."""
        now = time.monotonic()
        self.answers.put((status, {name.replace("_", "-"): value for name, value in fields.items()}))
        return now


class TestMetrics(cairn.TemporaryFolder):
    def test_what_was_asked_for_is_counted(self):
        with Collector() as receiver:
            env = receiver.env(OTEL_METRICS_EXPORTER="otlp", OTEL_TRACES_EXPORTER="none",
                               OTEL_METRIC_EXPORT_INTERVAL="50")
            index = self.pack_tree({"index.html": "hello"})
            began_s = time.time()
            with cairn.Server(index, env=env) as server:
                with server.client() as client:
                    for _ in range(7):
                        client.get("/")
                    for _ in range(3):
                        client.get("/missing")
                    client.get("/", method="HEAD")
                    client.get("/", method="POST")
                    client.get("/", method="FETCH")

                    def counted():
                        metric = receiver.metrics.get("http.server.request.duration")
                        count = sum(int(point["count"]) for point in points(metric)) if metric else 0
                        return metric if count == 13 else None

                    duration = receiver.until(counted, "thirteen requests")
                    first = receiver.metrics
            receiver.take_all()
        kinds = {(kind["http.request.method"], kind["http.response.status_code"]): int(point["count"])
                 for point in points(duration) for kind in [attributes_of(point)]}
        self.assertEqual(kinds, {("GET", 200): 7, ("GET", 404): 3, ("HEAD", 200): 1,
                                 ("POST", 405): 1, ("_OTHER", 501): 1})
        self.assertEqual({(kind["url.scheme"], kind.get("error.type")) for point in points(duration)
                          for kind in [attributes_of(point)]}, {("http", None), ("http", "501")})
        point = max(points(duration), key=lambda point: int(point["count"]))
        self.assertEqual(duration["unit"], "s")
        self.assertEqual(sum(map(int, point["bucketCounts"])), 7)
        self.assertEqual(len(point["bucketCounts"]), len(point["explicitBounds"]) + 1)
        self.assertEqual(point["explicitBounds"], sorted(point["explicitBounds"]))
        advised = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
        self.assertLessEqual(advised, set(point["explicitBounds"]))
        self.assertGreater(point["sum"], 0)
        self.assertTrue(began_s - 2 < int(point["startTimeUnixNano"]) / 1e9 < time.time())
        self.assertLessEqual(int(point["startTimeUnixNano"]), int(point["timeUnixNano"]))
        self.assertEqual(duration["histogram"]["aggregationTemporality"], 2)  # cumulative
        requests = first["cairn.http.requests"]
        self.assertEqual(value_of(requests, cairn__mount__host="*", cairn__http__status_class="2xx"), 8)
        self.assertEqual(value_of(requests, cairn__mount__host="*", cairn__http__status_class="4xx"), 3)
        self.assertIs(requests["sum"]["isMonotonic"], True)
        self.assertEqual(value_of(first["cairn.loads"], cairn__load__outcome="live"), 1)
        self.assertEqual(value_of(first["cairn.site.release"], cairn__mount__prefix="/"), 1)
        self.assertEqual(value_of(first["cairn.connections.accepted"]), 1)
        names = [item["name"] for item, _ in receiver.of(METRICS, "resourceMetrics", "scopeMetrics",
                                                         "metrics")]
        most = max(collections.Counter(names).values())
        self.assertEqual(most, len(receiver.requests))  # each once in a request, and in each

    def test_the_last_numbers_are_sent_at_the_end(self):
        with Collector() as receiver:
            env = receiver.env(OTEL_METRICS_EXPORTER="otlp", OTEL_TRACES_EXPORTER="none")
            with cairn.Server(self.pack_tree({"a": "a"}), env=env) as server:
                server.get("/a")
            receiver.take_all()
        self.assertEqual(len(receiver.requests), 1)
        self.assertEqual(points(receiver.metrics["http.server.request.duration"])[0]["count"], "1")

    def test_the_last_numbers_are_sent_behind_others_that_are_under_way(self):
        """Which has its time (TELEMETRY_FLUSH_MS); where this machine takes that, it is tried again."""
        def last_numbers():
            begun = time.monotonic()
            try:
                self.take_last_numbers()
            except (queue.Empty, FileNotFoundError):
                if time.monotonic() - begun < 3:
                    raise
                return False
            return True
        cairn.wait_until(last_numbers, "the last numbers")

    def take_last_numbers(self):
        with SlowCollector() as collector:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_EXPORTER": "none",
                   "OTEL_METRIC_EXPORT_INTERVAL": "50"}
            with cairn.Server(self.pack_tree({"a": "a"}), options=["--disk-readers", "0"],
                              env=env) as server:
                tasks = Path(f"/proc/{server.pid}/task")
                collector.next()
                server.signal(signal.SIGTERM)
                cairn.wait_until(lambda: len(list(tasks.iterdir())) == 2,
                                 "all have ended but the main thread and the one that sends")
                collector.answer()
                self.assertEqual(collector.next()[0], METRICS)
                collector.answer()
                server.wait()


class TestBatches(cairn.TemporaryFolder):
    """A batch goes when it is full, not when its time has come: that is never, here."""

    def check(self, requests, workers, batch):
        with Collector() as receiver:
            env = receiver.env(OTEL_BSP_SCHEDULE_DELAY="3600000", OTEL_BSP_MAX_QUEUE_SIZE="64",
                               OTEL_BSP_MAX_EXPORT_BATCH_SIZE=str(batch))
            index = self.pack_tree({"a": "a"})
            with cairn.Server(index, workers=workers, env=env) as server:
                receiver.until(lambda: receiver.named("load index"), "the first batch is due at once")
                with server.client() as client:  # one worker has all of them
                    client.send(cairn.request("/a") * requests)
                    fewest = requests - max(1, batch // workers) + 1  # the rest is no batch yet
                    receiver.until(lambda: len(receiver.named("GET")) >= fewest, "the spans")

    def test_of_one_busy_worker(self):
        self.check(requests=8, workers=4, batch=8)

    def test_smaller_than_there_are_workers(self):
        self.check(requests=5, workers=4, batch=2)


class TestLogs(cairn.TemporaryFolder):
    def test_a_record_for_each_request(self):
        with Collector() as receiver:
            env = receiver.env(OTEL_LOGS_EXPORTER="otlp", OTEL_BLRP_SCHEDULE_DELAY="20",
                               OTEL_TRACES_SAMPLER="parentbased_always_off")
            with cairn.Server(self.pack_tree({"a": "a"}), workers=1, env=env) as server:
                server.get("/a", fields="traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                                        "b7ad6b7169203331-01\r\n")
                server.get("/b")
                receiver.until(lambda: len(receiver.records) == 2 and receiver.named("GET"), "both")
            receiver.take_all()
        with_span, without = receiver.records
        span, = [span for span in receiver.spans if span.kind == SERVER]
        self.assertEqual((with_span["traceId"], with_span["spanId"]), (span.trace_id, span.span_id))
        self.assertEqual(with_span["body"]["stringValue"], "GET /a HTTP/1.1")
        self.assertEqual(with_span["eventName"], "cairn.http.access")
        self.assertEqual(with_span["severityNumber"], 9)
        self.assertEqual(attributes_of(with_span)["http.response.status_code"], 200)
        self.assertNotIn("traceId", without)
        self.assertEqual(attributes_of(without)["http.response.status_code"], 404)
        self.assertGreaterEqual(attributes_of(without)["cairn.duration_us"], 0)


class TestCollectors(cairn.TemporaryFolder):
    def listener(self):
        """One that takes connections and says nothing."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        return listener.getsockname()[1]

    def closed_port(self):
        """One that nobody else gets meanwhile: it is bound, and does not listen."""
        holder = socket.socket()
        self.addCleanup(holder.close)
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]

    def test_nobody_waits_for_one(self):
        """Requests, loads and the end go on; what does not fit is dropped. No time decides: what
        would be waited for without a bound never comes."""
        index = self.pack_tree({"a": "a"})
        endpoints = (f"http://127.0.0.1:{self.listener()}", "http://collector.invalid:4318",
                     f"http://127.0.0.1:{self.closed_port()}", "https://[::1]:1")

        def serve(endpoint):
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_MAX_QUEUE_SIZE": "10",
                   "OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_LOGS_EXPORTER": "otlp"}
            with cairn.Server(index, env=env) as server:
                with server.client() as client:
                    client.send(cairn.request("/a") * 300)
                    statuses = {client.read().status for _ in range(300)}
                server.load(index)
                server.stop()
                return statuses, server.log()

        with ThreadPoolExecutor() as pool:
            for statuses, log in pool.map(serve, endpoints):
                self.assertEqual(statuses, {200})
                self.assertEqual(log.count("spans are kept as long as there is room, then lost"), 1)

    def test_one_that_takes_and_says_nothing_is_asked_again(self):
        """Each request has its time, and the next follows it, though nothing else happens."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(cairn.PATIENCE_S)
            env = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT":
                       f"http://127.0.0.1:{listener.getsockname()[1]}/v1/metrics",
                   "OTEL_METRICS_EXPORTER": "otlp", "OTEL_TRACES_EXPORTER": "none",
                   "OTEL_METRIC_EXPORT_INTERVAL": "20", "OTEL_METRIC_EXPORT_TIMEOUT": "20"}
            with cairn.Server(self.pack_tree({"a": "a"}), env=env):
                taken = [listener.accept()[0] for _ in range(5)]
            for connection in taken:
                connection.close()

    def test_away_and_back(self):
        require()
        holder = socket.socket()  # of the port: node's own option lets it share that with who does not listen
        self.addCleanup(holder.close)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
               "OTEL_METRICS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "20",
               "OTEL_BSP_EXPORT_TIMEOUT": "1", "OTEL_BSP_MAX_QUEUE_SIZE": "8"}
        with cairn.Server(self.pack_tree({"a": "a"}), workers=1, env=env) as server:
            server.get("/a")
            cairn.wait_until(lambda: "then lost" in server.log(), "a word about it")
            for _ in range(50):
                server.get("/a")
            with Collector(port) as again:
                def is_back():
                    server.get("/a")
                    return "takes spans again" in server.log()
                cairn.wait_until(is_back, "a word about it")
                self.assertGreater(int(server.log().split("takes spans again; ")[1].split()[0]), 0)
                self.assertEqual(server.log().count("then lost"), 1)
                again.until(lambda: again.spans, "spans")

    def test_a_moment_that_the_collector_asks_for(self):
        with Collector() as receiver:
            receiver.answer(status=429, fields={"retry-after": "1"})
            receiver.answer(status=503)
            with cairn.Server(self.pack_tree({"a": "a"}), env=receiver.env()) as server:
                receiver.until(lambda: len(receiver.requests) == 3, "three tries")
                self.assertIsNotNone(server)
            receiver.take_all()
        first = receiver.requests[0]["message"]
        self.assertEqual([request["message"] for request in receiver.requests[:3]], [first] * 3)
        self.assertEqual({request["path"] for request in receiver.requests}, {TRACES})

    def test_a_moment_is_kept_although_the_request_is_given_up(self):
        """Its time is over when the answer comes; what is sent next waits all the same. An answer
        that came too late for that is no test of it, and is tried again."""
        for _ in range(10):
            with SlowCollector() as collector:
                env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                       "OTEL_METRICS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "20",
                       "OTEL_BSP_EXPORT_TIMEOUT": "1900"}
                with cairn.Server(self.pack_tree({"a": "a"}), env=env) as server:
                    came = collector.next()[1]
                    answered = collector.answer(503, retry_after="2")
                    is_in_time = time.monotonic() - came < 1.5
                    server.get("/a")
                    if is_in_time:
                        self.assertGreaterEqual(collector.next()[1] - answered, 2)
                        collector.answer()
                    server.stop()
            if is_in_time:
                return
        self.fail("no answer was in time")

    def test_one_that_refuses_is_asked_no_more_for_the_same(self):
        with Collector() as receiver:
            receiver.answer(status=400)
            with cairn.Server(self.pack_tree({"a": "a"}), env=receiver.env()) as server:
                receiver.until(lambda: len(receiver.requests) == 1, "the load's spans")
                server.get("/a")
                receiver.until(lambda: len(receiver.requests) == 2, "the answer's span")
                server.stop()
                self.assertEqual(server.log().count("answers 400; spans are lost"), 1)
            receiver.take_all()
        self.assertEqual(len(receiver.requests), 2)
        self.assertNotEqual(receiver.requests[0]["message"], receiver.requests[1]["message"])

    def test_answers_that_make_no_sense(self):
        with Collector() as receiver:
            receiver.answer(bytes="HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n\x01")
            with cairn.Server(self.pack_tree({"a": "a"}), env=receiver.env()) as server:
                self.assertEqual(server.get("/a").status, 200)
                receiver.until(lambda: len(receiver.requests) >= 2, "another try")

    def test_a_name_is_looked_up_inside_of_the_sandbox(self):
        """The names of this machine are in /etc/hosts, and nobody listens on port 1."""
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{socket.gethostname()}:1"}
        if not socket.gethostbyname(socket.gethostname()).startswith("127."):
            self.skipTest("this machine's name is no address of its own")
        with cairn.Server(self.pack_tree({"a": "a"}), env=env) as server:
            status = server.command("status")
            log = server.wait_log("telemetry: ")
        self.assertIn("seccomp", status)
        self.assertRegex(log, "(?i)connect")
        self.assertNotRegex(log, "(?i)resolve|permission|permitted")

    def test_without_libcurl(self):
        """Which is said, and keeps nobody from serving or packing."""
        (self.folder / "libcurl.so.4").write_text("this is no library")
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
               "LD_LIBRARY_PATH": str(self.folder)}
        index = self.pack_tree({"a": "a"}, env=env)
        with cairn.Server(index, env=env) as server:
            self.assertEqual(server.get("/a").status, 200)
            self.assertIn("telemetry is off: telemetry needs libcurl", server.log())

    def test_a_successor_goes_on(self):
        with Collector() as receiver:
            index = self.pack_tree({"a": "a"})
            with cairn.Server(index, env=receiver.env()) as server:
                first = receiver.one("load index")
                server.signal(signal.SIGUSR2)
                pid = int(re.search(r"handed over to process (\d+)",
                                    server.wait_log("handed over to process"))[1])
                try:
                    server.process.wait(cairn.PATIENCE_S)  # until then it may still accept
                    server.get("/a")
                    span, = receiver.until(
                        lambda: [span for span in receiver.spans if span.kind == SERVER], "a span")
                finally:
                    os.kill(pid, signal.SIGTERM)  # it holds the pipes that the test reads to the end
        self.assertEqual(span.resource["process.pid"], pid)
        self.assertNotEqual(span.resource["service.instance.id"],
                            first.resource["service.instance.id"])


if __name__ == "__main__":
    unittest.main()
