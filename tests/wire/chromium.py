"""Drives a headless Chromium for a test: open a page, run script in it, see what it fetched and
what it complained about.

The browser is spoken to over --remote-debugging-pipe: it reads commands from file descriptor 3
and writes replies and events to 4, each a JSON text that ends with a NUL. No port, no WebSocket.
"""
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE_S = 60

# Descriptors 3 and 4 may be in use here, so a go-between in the new process moves the pipes there.
_GO_BETWEEN = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""

_FLAGS = ("--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage",
          "--no-first-run", "--no-default-browser-check", "--disable-sync", "--mute-audio",
          "--disable-background-networking", "--disable-component-update",
          "--disable-default-apps", "--disable-extensions", "--password-store=basic",
          "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


def find():
    """The path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _pipe():
    """The two ends of a pipe, both with numbers that are not 3 or 4."""
    ends = []
    for low in os.pipe():
        ends.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(low)
    return ends


class ChromiumError(AssertionError):
    pass


class Chromium:
    """A browser with a profile of its own, as a context manager."""

    def __init__(self, program=None, flags=(), patience_s=PATIENCE_S):
        self.patience_s = patience_s
        self._holder = tempfile.TemporaryDirectory(prefix="cairn-chromium-",
                                                   ignore_cleanup_errors=True)
        folder = Path(self._holder.name)
        self._log_path = folder / "stderr"
        command = [program or find(), "--headless=new", *_FLAGS, *flags,
                   f"--user-data-dir={folder / 'profile'}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        command.append("about:blank")
        their_read, self._write = _pipe()
        self._read, their_write = _pipe()
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _GO_BETWEEN, str(their_read), str(their_write), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=(their_read, their_write), env={**os.environ, "HOME": str(folder)})
        os.close(their_read)
        os.close(their_write)
        self._buffer = bytearray()
        self._last_id = 0
        self.events = []  # every event of every page, in order

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def log(self):
        return self._log_path.read_text(errors="replace")[-4000:]

    def close(self):
        """Asks the browser to end; what is left of its processes after that is ended by id."""
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # a session that this object began
        except ProcessLookupError:
            pass
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        self._holder.cleanup()

    # messages

    def _receive(self, deadline):
        """The next message."""
        while (end := self._buffer.find(b"\0")) < 0:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self._read], [], [], left_s)[0]:
                raise ChromiumError(f"nothing more came from Chromium in time; {self.log()}")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise ChromiumError(f"Chromium ended: {self.log()}")
            self._buffer += piece
        message = json.loads(self._buffer[:end])
        del self._buffer[:end + 1]
        return message

    def call(self, method, session=None, **parameters):
        """A command and its result; the events before its reply are kept."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        deadline = time.monotonic() + self.patience_s
        while True:
            reply = self._receive(deadline)
            if "method" in reply:
                self.events.append(reply)
            elif reply.get("id") == self._last_id:
                if "error" in reply:
                    raise ChromiumError(f"{method}: {reply['error']}")
                return reply["result"]

    def wait_until(self, condition):
        """Takes in events until condition() is true."""
        deadline = time.monotonic() + self.patience_s
        while not condition():
            message = self._receive(deadline)
            if "method" in message:
                self.events.append(message)

    def page(self):
        return Page(self)


class Page:
    """A tab. It watches the network, the console and exceptions from its beginning."""

    def __init__(self, browser):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target,
                                    flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self._seen = len(browser.events)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def open(self, url):
        """Goes there and waits until the page, with what it loads by itself, is there."""
        self._seen = len(self.browser.events)
        error = self.call("Page.navigate", url=url).get("errorText")
        if error:
            raise ChromiumError(f"{url}: {error}")
        self._wait_loaded()

    def reload(self):
        self._seen = len(self.browser.events)
        self.call("Page.reload")
        self._wait_loaded()

    def _wait_loaded(self):
        self.browser.wait_until(lambda: self.events("Page.loadEventFired"))

    def forget_cache(self):
        self.call("Network.clearBrowserCache")

    def run(self, expression):
        """The value of a script expression; of a promise, what it comes to."""
        reply = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                          returnByValue=True)
        if "exceptionDetails" in reply:
            raise ChromiumError(f"{expression}: {reply['exceptionDetails']}")
        return reply["result"].get("value")

    def events(self, *methods):
        """Parameters of the events of these kinds since the last open() or reload()."""
        return [event["params"] for event in self.browser.events[self._seen:]
                if event.get("sessionId") == self.session and event["method"] in methods]

    def complaints(self):
        """What a developer would see in red or yellow: errors and warnings on the console and of
        the browser itself, exceptions, requests that failed. A list of texts."""
        found = []
        for call in self.events("Runtime.consoleAPICalled"):
            if call["type"] in ("error", "warning", "assert"):
                found.append(f"console.{call['type']}: {call['args']}")
        for thrown in self.events("Runtime.exceptionThrown"):
            found.append(f"exception: {thrown['exceptionDetails']}")
        for added in self.events("Log.entryAdded"):
            entry = added["entry"]
            if entry["level"] in ("error", "warning"):
                found.append(f"log: {entry['level']}: {entry['text']} {entry.get('url', '')}")
        urls = {sent["requestId"]: sent["request"]["url"]
                for sent in self.events("Network.requestWillBeSent")}
        for failed in self.events("Network.loadingFailed"):
            url = urls.get(failed["requestId"], "?")
            # A player lets go of a download that it no longer needs, when it seeks.
            if not (failed.get("canceled") and failed.get("type") == "Media"):
                found.append(f"failed: {url}: {failed['errorText']}")
        return found

    def responses(self):
        """[{url, status, headers, cached}] in order: the status that the server sent, 304 too
        (which Network.responseReceived hides behind the 200 of the cache)."""
        received = self.events("Network.responseReceived")
        kept = {event["requestId"] for event in self.events("Network.requestServedFromCache")}
        # What came over the network is told of a second time, maybe a little later.
        announced = {event["requestId"] for event in received if event["hasExtraInfo"]} - kept

        def extras():
            return {extra["requestId"]: extra
                    for extra in self.events("Network.responseReceivedExtraInfo")}

        self.browser.wait_until(lambda: announced <= extras().keys())
        sent = extras()
        found = []
        for event in received:
            response = event["response"]
            extra = sent.get(event["requestId"])
            fields = extra["headers"] if extra else response["headers"]
            found.append({
                "url": response["url"],
                "status": extra["statusCode"] if extra else response["status"],
                "headers": {name.lower(): value for name, value in fields.items()},
                "cached": bool(response.get("fromDiskCache")) or event["requestId"] in kept})
        return found
