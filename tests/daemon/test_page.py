"""The operator's page in a real browser, beside a running daemon: what it
shows in each state and view, at two widths, light and dark; that it asks only
its daemon; that what comes from outside stays text; and that a change is
confirmed, needs the token, and is logged.

Screenshots are written to build/screenshots: look at them."""

import base64
import contextlib
import json
import pathlib
import re
import time

import pytest

from braze import batch, event
from conftest import PATIENCE, REPO, TOKEN, ask, until
from names import Queue
from test_segments import API_KEY, SECRET, page as segment_page, send

selenium = pytest.importorskip(
    "selenium.webdriver", reason="the page is tested with selenium: "
    "deploy/packages.sh installs python3-selenium")
CHROMIUM = pathlib.Path("/usr/bin/chromium")
DRIVER = pathlib.Path("/usr/bin/chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM.exists() and DRIVER.exists()),
    reason="the page is tested in chromium: deploy/packages.sh installs it")

ADMIN, VIEW = "the-admin-token-of-the-tests", "the-view-token-of-the-tests"
LOOKS = [(width, scheme) for width in (1440, 390)
         for scheme in ("light", "dark")]
SHOTS = REPO / "build" / "screenshots"
HTML = "<img src=x onerror=document.title='owned'><script>hostile()</script>"
TURNED = "\u202egnp.exe\u2066"  # letters from right to left, unseen
VIEWS = ("campaigns", "segments", "dead", "drift", "access")


class Page:
    """The page in a browser."""

    def __init__(self, driver, daemon):
        self.driver = driver
        self.base = f"http://127.0.0.1:{daemon.admin_port}/"
        # the page before this one would go on asking its daemon
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get_log("browser")

    def script(self, text, *words):
        return self.driver.execute_script(text, *words)

    def open(self, view="", token=None):
        self.driver.get(self.base)
        if token:
            self.script("sessionStorage.setItem('token', arguments[0])", token)
        else:
            self.script("sessionStorage.clear()")
        self.driver.get("about:blank")
        self.driver.get(f"{self.base}#{view}")
        self.shows(r"\S")
        return self

    def go(self, view):
        self.script("location.hash = arguments[0]", view)

    def text(self, where="main"):
        return self.script("return document.querySelector(arguments[0])"
                           "?.innerText ?? ''", where)

    def shows(self, pattern, where="main"):
        try:
            return until(lambda: re.search(pattern, self.text(where)), "")
        except AssertionError:
            raise AssertionError(
                f"{pattern} is not in: {self.text(where)}") from None

    def click(self, text, where="main"):
        """Click on the button or link of this text."""
        def clicked():
            return self.script(
                "const found = [...document.querySelectorAll(arguments[0])]"
                ".find(one => one.innerText === arguments[1]);"
                "found?.click(); return Boolean(found)",
                f"{where} button, {where} a", text)
        until(clicked, f"there is a button {text} in {self.text(where)}")

    def answer(self, text):
        """In the dialog."""
        until(lambda: self.script("return document.querySelector("
                                  "'dialog').open"), "the dialog is open")
        said = self.text("dialog")
        self.click(text, "dialog")
        return said

    def fill(self, name, text):
        until(lambda: self.script(
            "const field = document.querySelector(`[name=\"${arguments[0]}\"]"
            ", #${arguments[0]}`); if (field) field.value = arguments[1];"
            "return Boolean(field)", name, text), f"there is a field {name}")

    def search(self, text):
        self.fill("wanted", text)
        self.script("document.querySelector('#search').requestSubmit()")

    def look(self, width, scheme):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1,
            "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        # two frames: what follows from the width is drawn
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() =>"
            "requestAnimationFrame(done))")

    def shoot(self, name):
        """At both widths, light and dark."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.script("document.querySelector('#toast').hidden = true")
        for width, scheme in LOOKS:
            self.look(width, scheme)
            shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
                "captureBeyondViewport": True, "format": "png"})
            (SHOTS / f"{name}-{width}-{scheme}.png").write_bytes(
                base64.b64decode(shot["data"]))
            assert self.script("return document.documentElement.scrollWidth"
                               ) <= width, (name, width)
        self.look(1440, "light")

    def unnamed(self):
        """What a screen reader would have no name for."""
        tree = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
        return [node["role"]["value"] for node in tree["nodes"]
                if node["role"]["value"] in (
                    "button", "link", "textbox", "searchbox", "combobox",
                    "img", "dialog", "navigation") and not node["ignored"]
                and not node.get("name", {}).get("value")]

    def asked(self):
        """The URLs that were asked for since the last time."""
        return [message["params"]["request"]["url"] for message in (
            json.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance"))
            if message["method"] == "Network.requestWillBeSent"]

    def is_clean(self, expected=()):
        """No error on the console but those expected, and no request but to
        the daemon."""
        errors = [entry["message"] for entry
                  in self.driver.get_log("browser")]
        assert [text for text in errors
                if not any(re.search(one, text) for one in expected)] == []
        strangers = [url for url in self.asked() if not url.startswith(
            (self.base, "data:", "about:"))]
        assert strangers == []


@pytest.fixture(scope="module")
def driver():
    options = selenium.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 "--hide-scrollbars", "--lang=en"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs",
                           {"browser": "ALL", "performance": "ALL"})
    made = selenium.Chrome(options=options, service=selenium.chrome.service
                           .Service(str(DRIVER)))
    made.set_script_timeout(PATIENCE)
    yield made
    made.quit()


CONFIG = """
source "shop" {{ kind = currents token = {{"{token}"}} destination = "heap" }}
source "app" {{ kind = currents token = {{"{token}-of-the-app"}}
    destination = "heap-eu" }}
source "segments" {{ kind = segments secret = {{"{secret}"}} }}
destination "heap" {{ kind = track app_id = "11" url = "{heap}"
    linger = 100ms defer = 100ms events_per_minute = {quota} }}
destination "heap-eu" {{ kind = track app_id = "12" url = "{eu}"
    linger = 100ms probe = 1m }}
destination "braze" {{ kind = attributes url = "{braze}"
    api_key = "{key}" linger = 10ms hold = 0ms }}
"""


class Scene:
    """Two destinations of events, one of segments, and traffic for them."""

    def __init__(self, daemon, heap, eu, braze):
        self.daemon, self.heap, self.eu, self.braze = daemon, heap, eu, braze

    def post(self, events, source="shop"):
        token = TOKEN if source == "shop" else f"{TOKEN}-of-the-app"
        for i in range(0, len(events), 500):
            answer = self.daemon.post(
                batch(*events[i:i + 500]), f"/currents/{source}", token)
            assert answer.status == 200, answer

    def page(self, *words, **more):
        assert send(self.daemon, segment_page(*words, **more)).status == 200

    def drain(self):
        until(lambda: self.daemon.queued() == 0, "nothing waits")


def mails(count, kinds=("Send", "Delivery", "Open", "Click")):
    """Of three campaigns, of the last hour."""
    names = ("Come back", "Trial, day 3", "Price drop")
    made = []
    for i in range(count):
        mail = event(f"users.messages.email.{kinds[i % len(kinds)]}",
                     time=int(time.time()) - i % 3000)
        mail["user"]["external_user_id"] = f"customer-{i % 701}"
        mail["properties"].update(campaign_id=f"c{i % 5 % 3}",
                                  campaign_name=names[i % 5 % 3])
        made.append(mail)
    return made


@pytest.fixture
def start(start_daemon, start_heapsim, start_audiencesim, tmp_path):
    """A function that starts a scene."""
    def start_(quota=0):
        heap, eu = start_heapsim("--no-quota"), start_heapsim("--no-quota")
        braze = start_audiencesim("--api-key", API_KEY)
        config = tmp_path / "currentsd.conf"
        config.write_text(CONFIG.format(
            token=TOKEN, secret=SECRET, key=API_KEY, quota=quota,
            heap=heap.url, eu=eu.url, braze=braze.url))
        config.chmod(0o600)
        daemon = start_daemon(
            token=None, heap_app_id=None, heap_url=None, view_token=VIEW,
            admin_token=ADMIN, env={"CURRENTSD_CONFIG": str(config)})
        return Scene(daemon, heap, eu, braze)
    return start_


@pytest.fixture
def scene(start):
    return start()


# ---- as it is served

def test_the_files(daemon, figure):
    """Small, compressed, strict, and of nobody else's."""
    total = sent = 0
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"),
                       ("/page.js", "text/javascript")):
        answer = daemon.admin(path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "default-src 'none'" in answer.headers[
            "Content-Security-Policy"]
        total += len(answer.text.encode())
        sent += int(answer.headers["Content-Length"])
        assert set(re.findall(r"https?://[\w.-]+", answer.text)) <= {
            "http://www.w3.org", "https://YOUR-HOST"}
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval\(|"
                             r"document\.write|srcdoc", answer.text)
    assert total < 64 * 1024
    figure(f"the page has {total} bytes, and {sent} on the way")


def test_access(start_daemon):
    daemon = start_daemon(view_token=VIEW, admin_token=ADMIN)
    for token, caller in ((VIEW, "view_token"), (ADMIN, "admin_token")):
        answer = ask(daemon.admin_port, "GET", "/access", headers={
            "Authorization": f"Bearer {token}"})
        assert answer.json == {"caller": caller}
    assert daemon.admin("/access").json == {"caller": "-"}
    assert ask(daemon.admin_port, "GET", "/access", headers={
        "Authorization": "Bearer another"}).status == 401


# ---- its states

def test_new(driver, scene, figure):
    page = Page(driver, scene.daemon).open()
    page.shows(r"^Ready\. No event has come yet\.")
    assert "https://YOUR-HOST/currents" in page.text()
    paint = page.script("return performance.getEntriesByType('paint')"
                        ".find(one => one.name === 'first-contentful-paint')"
                        "?.startTime")
    figure(f"first paint after {paint:.0f} ms")
    assert page.unnamed() == []
    page.shoot("new")
    page.is_clean()


def test_all_well_under_load(driver, scene):
    scene.page([f"person-{i}" for i in range(40)], name="Power users")
    for i in range(6):
        scene.post(mails(2000))
        scene.post(mails(300), "app")
        if i == 0:
            scene.drain()
            page = Page(driver, scene.daemon).open()
    scene.drain()
    page.shows(r"^All is well: everything is accepted and delivered\.\n+"
               r"All 13,840 events are accounted for")
    page.shows(r"13,840 received\s+13,840 delivered")
    assert re.search(r"200: \d+", page.text())
    assert "Power users" in page.text()
    page.shows(r"Campaigns[^\0]*Come back[^\0]*Price drop")
    # what is drawn is in the drawing's name, too
    assert page.script("return document.querySelector('[aria-label=Flow] svg')"
                       ".getAttribute('aria-label')") == \
        "Of 13,840 events received: 13,840 delivered"
    page.click("Today (UTC)")
    page.shows(r"received", "[aria-label=Flow]")
    page.click("All time")
    page.shoot("load")
    assert page.unnamed() == []
    page.is_clean()


def test_halted(driver, scene):
    scene.eu.control(refuse_all=403)
    scene.post(mails(600))
    scene.post(mails(700), "app")
    until(lambda: scene.daemon.destination("heap-eu")["state"] == "halted",
          "it is halted")
    page = Page(driver, scene.daemon).open(token=ADMIN)
    page.shows(r"^Everything is accepted\. Delivery to heap-eu is halted\.")
    page.shows(r"403")
    assert driver.title.startswith("(1)")
    page.shoot("halted")
    # with its button it is tried at once: a minute before the next probe
    scene.eu.control(refuse_all=0)
    page.click("Try now", ".todo")
    assert "written to the daemon's log" in page.answer("Try now")
    scene.drain()
    page.shows(r"^All is well")
    scene.daemon.run.wait_line(r"retry destination=heap-eu caller=admin_token")
    page.is_clean()


def test_draining(driver, start):
    scene = start(quota=6000)
    scene.daemon.command("destinations", "pause", "heap")
    scene.post(mails(9000))
    page = Page(driver, scene.daemon).open(token=ADMIN)
    page.shows(r"^Everything is accepted\. Delivery to heap is paused\.")
    page.shows(r"9,000")
    page.click("Resume", ".todo")
    page.answer("Resume")
    page.shows(r"^Everything is accepted\. Delivery to heap catches up in "
               r"1 min\.")
    page.shows(r"[\d,]+ of 5,700 events a minute\s+"
               r"Empty\s+in \d min, about \d\d:\d\d")
    page.shows(r"9,000 accepted\s+[1-9][\d,]* delivered\s+[78],\d\d\d waiting")
    page.shoot("draining")
    page.is_clean()


def test_dead_letters(driver, scene):
    """With content that is hostile to a page, on all views."""
    scene.post([
        event("users.messages.email.Send", id=HTML, time="soon"),
        event("users.messages.email.Send", id=TURNED, time="soon"),
        event(HTML, id="new-type", user={"external_user_id": HTML},
              time=int(time.time()),
              properties={"a_comment": HTML, "campaign_id": "c9",
                          "campaign_name": HTML + TURNED}),
        event("users.messages.email.Click", id="large", properties={
            "app_group_id": 5, "url": "u"})])
    scene.page(["ann", HTML], segment=9, name=HTML + TURNED)
    scene.post(mails(50))
    until(lambda: scene.daemon.queue()[Queue.DEAD] == 3 and
          scene.daemon.queued() == 0, "three are dead")
    page = Page(driver, scene.daemon).open(token=ADMIN)
    page.shows("3 dead letters|dead letters: ")
    page.shoot("dead")
    for view in VIEWS:
        page.go(view)
        page.shows({"dead": r"no usable time", "access": r"admin token is set",
                    "segments": r"ann|<img src=x"}.get(view, r"<img src=x"))
        page.shoot(f"view-{view}")
        assert page.unnamed() == []
    letters = [json.loads(line)["row"]["id"] for line in ask(
        scene.daemon.admin_port, "GET", "/dead", headers={
            "Authorization": f"Bearer {ADMIN}"}).text.splitlines()
        if line.startswith('{"row"')]
    for letter in letters:
        page.go(f"dead/{letter}")
        page.shows(rf"Dead letter {letter}\n[^\0]*The event as it came")
    page.shoot("view-letter")
    page.go("segments")
    page.click(HTML + "\\u202egnp.exe\\u2066")
    page.shows(r"Last whole sync[^\0]*Syncs")
    page.shoot("view-segment")
    page.search("new-type")
    page.shows(r"What Heap got[^\0]*<img src=x")
    page.shoot("view-event")
    page.search("customer-7")
    page.shows(r"Timeline[^\0]*users\.messages\.email")
    page.shoot("view-person")
    # nothing of it became a part of the page, or stays unseen
    assert "owned" not in driver.title
    assert page.script("return document.querySelectorAll("
                       "'img, iframe, main script').length") == 0
    assert "\u202e" not in page.script("return document.body.textContent")
    page.is_clean()


# ---- what it does

def test_edit_and_requeue(driver, scene):
    """A number with more digits than JavaScript has survives it."""
    scene.post([event("users.messages.email.Click", id="large", properties={
        "app_group_id": 5, "dispatch_id": "d",
        "n": 12345678901234567890123})])
    until(lambda: scene.daemon.queue()[Queue.DEAD] == 1, "it is dead")
    page = Page(driver, scene.daemon).open("dead", ADMIN)
    page.click("users.messages.email.Click")
    page.shows("The event as it came")
    text = page.script("return document.querySelector('#event').value")
    assert "12345678901234567890123" in text
    page.click("Requeue as edited")
    page.answer("Requeue")
    page.shows("It was not done: .*app_group_id", "#toast")
    page.fill("event", text.replace('"app_group_id": 5',
                                    '"app_group_id": "five"'))
    page.click("Requeue as edited")
    page.answer("Requeue")
    page.shows("1 requeued", "#toast")
    scene.drain()
    assert list(scene.heap.keys()) == ["users.messages.email.Click:large"]
    sent = ask(scene.heap.port, "GET",
               "/event?key=users.messages.email.Click:large").text
    assert "12345678901234567890123" in sent
    scene.daemon.run.wait_line(r"requeue dead=1 edited=yes.*admin_token")
    page.is_clean([r"/dead/1/requeue .* 400"])


def test_filters(driver, scene):
    scene.post([event("users.messages.email.Send", time="soon"),
                event("users.messages.email.Click",
                      properties={"app_group_id": 5})])
    until(lambda: scene.daemon.queue()[Queue.DEAD] == 2, "two are dead")
    page = Page(driver, scene.daemon).open("dead", ADMIN)
    page.shows(r"Send[^\0]*Click")
    page.fill("type", "*.Click")
    page.script("document.querySelector('main form').requestSubmit()")
    until(lambda: "Send" not in page.text("[aria-label=List] table") and
          "Click" in page.text("[aria-label=List] table"), "it is filtered")
    page.click("Drop these")
    assert "that match the filter" in page.answer("Drop")
    page.shows("1 dropped", "#toast")
    page.shows("None matches")
    assert scene.daemon.queue()[Queue.DEAD] == 1
    page.is_clean()


def test_rights(driver, scene):
    """Without a token the counts; with that to view no changes; a wrong one
    is forgotten."""
    scene.post([event("users.messages.email.Send", time="soon")])
    page = Page(driver, scene.daemon).open()
    page.click("Pause", "[aria-label='Destination heap']")
    assert "needs the admin token" in page.answer("Cancel")
    page.go("dead")
    page.shows("needs the view or admin token")
    page.search("customer-1")
    page.shows("needs the view or admin token")
    page.go("access")
    page.shows("No token is set")
    page.fill("token", "another-token-than-ours")
    page.script("document.querySelector('main form').requestSubmit()")
    page.shows("this needs|token")
    until(lambda: page.script("return sessionStorage.getItem('token')")
          is None, "it is forgotten")
    page.fill("token", VIEW)
    page.script("document.querySelector('main form').requestSubmit()")
    page.shows("The view token is set")
    page.go("dead")
    page.shows("no usable time[^\0]*users.messages.email.Send")
    page.click("Drop all")
    assert "needs the admin token" in page.answer("Cancel")
    assert scene.daemon.queue()[Queue.DEAD] == 1
    page.is_clean([r"/access .* 401"])


def test_keyboard(driver, scene):
    page = Page(driver, scene.daemon).open()
    page.shows("Ready")
    body = driver.find_element("css selector", "body")
    body.send_keys("/")
    active = "return document.activeElement"
    assert page.script(f"{active}.name") == "wanted"
    # the focus stays where it is although all is made anew each second
    page.script("document.querySelector('[aria-label=\"Destination heap\"]"
                " button').focus()")
    before = page.script("performance.clearResourceTimings();"
                         f"{active}.innerText")
    until(lambda: page.script("return performance.getEntriesByType('resource')"
                              ".length") > 2, "it was polled twice more")
    assert page.script(f"{active}.innerText") == before == "Pause"
    driver.switch_to.active_element.send_keys(selenium.Keys.ENTER)
    until(lambda: page.script("return document.querySelector('dialog').open"),
          "the dialog is open")
    assert page.script(f"{active}.closest('dialog') !== null")
    driver.switch_to.active_element.send_keys(selenium.Keys.ESCAPE)
    until(lambda: not page.script("return document.querySelector("
                                  "'dialog').open"), "it is closed")
    assert page.script(f"{active}.innerText") == "Pause"
    # the first stop of the tabulator leads past the head
    page.script("document.activeElement.blur(); document.querySelector("
                "'.skip').focus()")
    driver.switch_to.active_element.send_keys(selenium.Keys.ENTER)
    assert page.script(f"{active}.id") == "main"
    page.is_clean()


def test_no_answer(driver, scene):
    """What is shown is from before, and says so."""
    scene.post(mails(10))
    scene.drain()
    page = Page(driver, scene.daemon).open()
    page.shows("All is well")
    scene.daemon.stop()
    page.shows("No answer from currentsd since", "#stale")
    assert driver.title.startswith("no answer")
    assert "All 10 events" in page.text()


# ---- a day

HISTORY = """
const real = fetch, n = 1440, now = Math.floor(Date.now() / 1000);
const at = [], received = [], delivered = [];
const dropped = [], queued = [], dead = [];
let r = 0, d = 0;
for (let i = 0; i < n; i++) {
  r += Math.round(4000 + 2500 * Math.sin(i / 180));
  r += i > 900 && i < 960 ? 32000 : 0;
  d += Math.min(r - d, 14250);
  at.push(now - (n - i) * 60); received.push(r); delivered.push(d);
  dropped.push(0); queued.push(r - d); dead.push(0);
}
window.fetch = async (path, options) => {
  if (path === "/history")
    return new Response(JSON.stringify({step_s: 60, at, received, delivered,
      dropped, queued, dead, destinations: []}),
      {headers: {"Content-Type": "application/json"}});
  const answer = await real(path, options);
  if (path !== "/status")
    return answer;
  const status = await answer.json();
  Object.assign(status.queue, {received: r, delivered: d, queued: r - d});
  return new Response(JSON.stringify(status),
    {headers: {"Content-Type": "application/json"}});
};
"""


@contextlib.contextmanager
def at_start(driver, script):
    """Run it in each document before anything else."""
    added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                   {"source": script})
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument",
                               added)


def test_a_day_of_history(driver, scene):
    """Drawn from an answer that would take a day to come."""
    with at_start(driver, HISTORY):
        page = Page(driver, scene.daemon).open()
        for span in ("Hour", "Day"):
            page.click(span)
            page.shows(r",\d{3} accepted\s+[\d,]+,\d{3} delivered")
            lines = page.script(
                "return ['in', 'out', 'wait'].map(tone => document"
                ".querySelector(`path.stroke.${tone}:not(.ledger)`)"
                ".getAttribute('d'))")
            assert all(line.count("L") >= 55 for line in lines)
            page.shoot(f"history-{span.lower()}")
        page.is_clean()


# ---- what it costs

def cpu_s(daemon):
    with open(f"/proc/{daemon.run.process.pid}/stat",
              encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_polling(scene, figure):
    scene.post(mails(2000))
    scene.page([f"person-{i}" for i in range(100)])
    scene.drain()
    before = cpu_s(scene.daemon)
    for _ in range(300):
        assert scene.daemon.admin("/status").status == 200
    used = (cpu_s(scene.daemon) - before) / 300
    figure(f"a poll a second costs {used * 100:.2f} % of a core")
