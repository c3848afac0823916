"""The status page of the admin address in a real browser: it is readable, its numbers live, and the
buttons do what they say. Pictures of it are left in CAIRN_PICTURES, if that names a folder."""
import base64
import os
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import chromium
from cairn import Server
from test_admin import admin_address

TOKEN = "correct-horse-battery-staple"


class StatusPage(cairn.TemporaryFolder):
    @classmethod
    def setUpClass(cls):
        if chromium.find() is None:
            raise unittest.SkipTest("chromium is not installed")

    def setUp(self):
        super().setUp()
        self.tree = cairn.write_tree(self.folder / "tree", {"index.html": "good\n"})
        self.good = cairn.pack(self.tree, self.folder / "site.cairn")
        (self.tree / "index.html").write_text("broken\n")
        self.broken = cairn.pack(self.tree, self.folder / "site.cairn")
        self.token = self.folder / "token"
        self.token.write_text(TOKEN + "\n")
        self.token.chmod(0o600)

    def serve(self, *words, options=()):
        server = Server(*words, options=["--admin", "127.0.0.1:0", *options])
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        server.admin = admin_address(server)
        return server

    def browse(self, server, **keywords):
        browser = chromium.Chromium(**keywords)
        self.addCleanup(browser.close)
        page = browser.page()
        self.look(page)
        page.open("http://%s:%d/" % server.admin)
        self.wait(page, "document.querySelector('#site-list .site, #site-list .empty') !== null && "
                  "document.querySelector('#index-list table') !== null")
        return page

    def look(self, page, width=1280, height=1000, scheme="light"):
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme},
                            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def wait(self, page, condition, what=None):
        """Until a script expression is true; asked again by the page itself, at each of its frames
        or ten times a second, whichever is later."""
        done = page.run(f"""new Promise((resolve) => {{
            const end = Date.now() + {(cairn.PATIENCE_S - 15) * 1000};
            const look = () => {{
                let value = false;
                try {{ value = Boolean({condition}); }} catch (error) {{ value = false; }}
                value || Date.now() > end ? resolve(value) : setTimeout(look, 100);
            }};
            look();
        }})""")
        self.assertTrue(done, what or f"{condition}\n" + page.run("document.body.innerText"))

    def picture(self, page, name):
        folder = os.environ.get("CAIRN_PICTURES")
        if folder:
            size = page.run("[innerWidth, document.documentElement.scrollHeight]")
            data = page.call("Page.captureScreenshot", captureBeyondViewport=True,
                             clip={"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1})
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(data["data"]))

    def keep_asking(self, server):
        """Load, until the test ends: found and not found."""
        stop = threading.Event()

        def ask():
            with server.client() as client:
                while not stop.is_set():
                    client.get("/")
                    client.get("/missing")
                    stop.wait(0.005)
        thread = threading.Thread(target=ask)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)

    def click(self, page, selector):
        self.wait(page, f"document.querySelector({selector!r}) !== null && "
                  f"!document.querySelector({selector!r}).disabled")
        page.run(f"document.querySelector({selector!r}).click()")

    def no_overflow(self, page, name):
        wide = page.run("""[...document.querySelectorAll('body *')].filter((one) =>
            one.getBoundingClientRect().right > innerWidth + 1 &&
            one.getClientRects().length > 0 && getComputedStyle(one).position !== 'absolute' &&
            !one.closest('thead, svg')).map((one) => one.outerHTML.slice(0, 120))""")
        self.assertEqual(wide, [], name)


class TestPage(StatusPage):
    def test_a_bad_release_is_rolled_back(self):
        """The story that the page is for: a release turns out bad, and is taken back by hand."""
        server = self.serve(self.good, options=["--admin-token-file", self.token])
        self.keep_asking(server)
        page = self.browse(server)
        self.wait(page, "document.querySelector('#health').textContent === 'Serving'")
        self.wait(page, "view.samples.length > 2 && view.samples.at(-1)[2] > 1 && "
                  "view.samples.at(-1)[4] > 1", "requests move the charts")
        self.wait(page, "document.querySelector('#chart-requests path') !== null")
        # the load asks for the token first, then says what it is going to do
        self.click(page, f"[data-key='load-{self.broken}']")
        self.wait(page, "document.querySelector('#token').open")
        self.picture(page, "token")
        page.run(f"""document.querySelector('#token-text').value = '{TOKEN}';
                     document.querySelector('#token button.primary').click()""")
        self.wait(page, "document.querySelector('#confirm').open")
        said = page.run("document.querySelector('#confirm').innerText")
        self.assertIn("Release 2", said)
        self.assertIn(str(self.broken), said)
        self.assertEqual(server.get("/").body, b"good\n")
        self.click(page, "#confirm-yes")
        self.wait(page, "document.querySelector('tr.current .name').textContent === 'Release 2'")
        self.assertEqual(server.get("/").body, b"broken\n")
        # taken back; not before it is confirmed
        self.click(page, "[data-key='rollback-0']")
        self.wait(page, "document.querySelector('#confirm').open")
        self.picture(page, "confirm")
        # left, and opened again before the browser has told of that: one yes is one rollback
        page.run("document.querySelector('#confirm button[value=cancel]').click();"
                 "document.querySelector(\"[data-key='rollback-0']\").click()")
        self.wait(page, "document.querySelector('#confirm').open")
        self.assertEqual(server.get("/").body, b"broken\n")
        self.click(page, "#confirm-yes")
        self.wait(page, "document.querySelector('tr.current .name').textContent === 'Release 1'")
        self.assertEqual(server.get("/").body, b"good\n")
        self.wait(page, "document.querySelector('.state[data-state=retired]') !== null")
        for scheme in "light", "dark":
            for name, width in (("wide", 1280), ("phone", 360)):
                self.look(page, width, 800, scheme)
                self.wait(page, f"innerWidth === {width}")
                self.no_overflow(page, f"{scheme} {name}")
                self.picture(page, f"{scheme}-{name}")
        self.assertEqual(page.complaints(), [])

    def test_what_came_meanwhile_is_not_rolled_back(self):
        server = self.serve(self.good, self.broken, options=["--admin-token-file", self.token])
        page = self.browse(server)
        page.run(f"sessionStorage.setItem('token', '{TOKEN}')")
        self.click(page, "[data-key='rollback-0']")
        self.wait(page, "document.querySelector('#confirm').open")
        (self.tree / "index.html").write_text("mended\n")
        server.load(cairn.pack(self.tree, self.folder / "site.cairn"))  # by somebody else
        self.click(page, "#confirm-yes")
        self.wait(page, "document.querySelector('#notice').textContent.includes('release 3')")
        self.assertEqual(server.get("/").body, b"mended\n")

    def test_samples_are_taken_once(self):
        """Also when the page asks while an answer is under way: as its tab is shown again."""
        page = self.browse(self.serve(self.good))
        self.wait(page, "view.sampleCount > 1")
        page.run("view.samples = []; view.sampleCount = 0;"
                 "Promise.all([1, 2, 3].map(() => refresh())).then(() => true)")
        self.assertTrue(page.run("view.samples.length <= view.sampleCount"))

    def test_what_is_refused_is_said(self):
        server = self.serve(self.good, options=["--admin-token-file", self.token])
        page = self.browse(server)
        page.run("sessionStorage.setItem('token', 'this-is-not-the-right-one')")
        self.click(page, f"[data-key='load-{self.broken}']")
        self.click(page, "#confirm-yes")
        self.wait(page, "document.querySelector('#notice').textContent.includes('not the one')")
        self.assertIsNone(page.run("sessionStorage.getItem('token')"))
        self.assertEqual(server.get("/").body, b"good\n")
        page.run(f"sessionStorage.setItem('token', '{TOKEN}')")
        with open(self.broken, "r+b") as file:  # whole when it was listed, damaged when it is loaded
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        self.click(page, f"[data-key='load-{self.broken}']")
        self.click(page, "#confirm-yes")
        self.wait(page, "document.querySelector('#notice').textContent.includes('wrong checksum')")
        self.wait(page, "document.querySelector('#refused').textContent.includes('checksum')")
        self.picture(page, "refused")

    def test_read_only(self):
        server = self.serve(self.good)
        page = self.browse(server)
        self.assertTrue(page.run("document.querySelector('#token-button').hidden"))
        self.assertTrue(page.run("[...document.querySelectorAll('td button')].every((one) => one.disabled)"))
        self.assertIn("read-only", page.run("document.querySelector('#version').textContent"))
        self.assertEqual(page.complaints(), [])

    def test_nothing_loaded_then_gone(self):
        server = self.serve(options=["--archives", self.folder])
        page = self.browse(server)
        self.wait(page, "document.querySelector('#health').textContent === 'Nothing loaded'")
        self.picture(page, "empty")
        server.stop()
        self.wait(page, "document.querySelector('#health').textContent === 'Connection lost'")
        self.assertTrue(page.run("[...document.querySelectorAll('td button')].every((one) => one.disabled)"))
        self.picture(page, "lost")

    def test_keys_alone(self):
        """Tab reaches the button, Enter opens what confirms, Escape leaves it, and focus returns."""
        server = self.serve(self.good, options=["--admin-token-file", self.token])
        page = self.browse(server)
        page.run(f"sessionStorage.setItem('token', '{TOKEN}')")
        selector = f"[data-key='load-{self.broken}']"

        def press(key, code):
            for kind in "keyDown", "keyUp":
                page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                          windowsVirtualKeyCode=code,
                          **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}))
        for _ in range(30):
            if page.run(f"document.activeElement.matches({selector!r})"):
                break
            press("Tab", 9)
        self.assertTrue(page.run(f"document.activeElement.matches({selector!r})"))
        press("Enter", 13)
        self.wait(page, "document.querySelector('#confirm').open")
        press("Escape", 27)
        self.wait(page, "!document.querySelector('#confirm').open")
        self.assertTrue(page.run(f"document.activeElement.matches({selector!r})"))
        self.assertEqual(server.get("/").body, b"good\n")


if __name__ == "__main__":
    unittest.main()
