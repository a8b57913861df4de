"""/metrics, as Prometheus reads it; and what deploy/ has for Prometheus and
Grafana, against the real Prometheus: the scrape settings, the alerts and the
dashboard are used as they are, only ports and paths are put in."""

import json
import re
import subprocess
import time
import urllib.parse

import pytest
import yaml

from braze import batch, event
from conftest import REPO, Daemon, Process, ask, until
from names import Metric
from proxies import hold_port, put_in
from test_segments import API_KEY, SECRET, page, send

PROMETHEUS = REPO / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "alerts.yml"
DASHBOARD = REPO / "deploy" / "grafana" / "dashboard.json"
OPERATING = REPO / "deploy" / "OPERATING.md"
CASES = sorted((REPO / "tests" / "prometheus").glob("*_test.yml"))

RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"]
         for rule in group["rules"]]
TARGETS = [(panel["title"], target["expr"])
           for panel in json.loads(DASHBOARD.read_text())["panels"]
           for target in panel.get("targets", ())]

EXCLUDED = "excluded: users.messages.email.Send"

# Both halves.
SETTINGS = """
source "main" {{
    token = {{"the-token"}}
    destination = "heap"
    exclude = {{"users.messages.email.Send"}}
}}
source "segments" {{
    kind = segments
    secret = {{"{secret}"}}
    destination = "braze"
}}
destination "heap" {{
    app_id = "11"
    url = "{heap}"
    linger = 10ms
}}
destination "braze" {{
    kind = attributes
    url = "{braze}"
    api_key = "{key}"
    linger = 10ms
    hold = 0
}}
"""
# Nothing has it in these tests, since that takes a restart, after which a quota
# of Heap's would be waited for; test_operator.py tests it.
ABSENT = {"currentsd_stranded_queued"}


# ---- a daemon that has done everything ----

@pytest.fixture
def daemon(tmp_path, heapsim, start_audiencesim):
    braze = start_audiencesim("--api-key", API_KEY)
    path = tmp_path / "currentsd.conf"
    path.write_text(SETTINGS.format(secret=SECRET, heap=heapsim.url,
                                    braze=braze.url, key=API_KEY))
    daemon_ = Daemon(tmp_path / "state", "", {"config": path})
    daemon_.change(token=None, heap_app_id=None, heap_url=None)
    daemon_.start()
    use(daemon_)
    yield daemon_
    daemon_.stop()


def use(daemon):
    click = event()
    click["properties"].update(to_phone_number="+1", brand_new="x")
    for sent, status in (
            (batch(click), 200), (batch(click), 200),
            (batch(event("users.messages.email.Send")), 200),
            (batch(event("users.messages.email.Open", time="never")), 200),
            (batch(event("users.messages.odd.New")), 200), ("{", 400)):
        answer = daemon.post(sent, path="/currents/main", token="the-token")
        assert answer.status == status, answer
    assert daemon.post("", path="/currents/main").status == 401
    assert daemon.post("", path="/currents/none").status == 404
    assert send(daemon, page(["ann", "bob"], ["cid"])).status == 200
    until(lambda: daemon.queued() == 0, "all is sent")


def test_promtool_has_nothing_to_say(daemon):
    done = subprocess.run(["promtool", "check", "metrics"], text=True,
                          input=daemon.admin("/metrics").text, timeout=60,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_counted(daemon):
    """By whom, of what, why, how long and when."""
    email = ("main", "users.messages.email")
    assert daemon.metric(Metric.SOURCE_RECEIVED % email) == 4
    assert daemon.metric(Metric.SOURCE_RECEIVED % ("main", "(other)")) == 1
    assert daemon.metric(Metric.SOURCE_RECEIVED % ("segments", "(other)")) == 3
    text = daemon.admin("/metrics").text
    assert re.findall(r"^currentsd_dropped_total.*", text, re.M) == [
        Metric.DROPPED_BY % EXCLUDED + " 1"]
    for code, count in ((200, 5), (400, 1), (401, 1), (503, 0)):
        assert daemon.metric(Metric.SOURCE_ANSWERS % ("main", code)) == count
    assert daemon.metric(Metric.SOURCE_TIMES % "main") == 6  # authorised
    assert daemon.metric(Metric.COMMITS) >= 5
    posts = daemon.destination("heap")["posts"]
    assert daemon.metric(Metric.REQUESTS % ("heap", "accepted")) == posts
    assert daemon.metric(Metric.REQUEST_TIMES % "heap") == posts
    # Each event once, however many went in a request.
    assert daemon.metric(Metric.DELAYS % ("count", "heap")) == 2
    assert 0 < daemon.metric(Metric.DELAYS % ("sum", "heap")) < 60
    assert daemon.metric(Metric.DELAYS % ("count", "braze")) == 3
    now = time.time()
    for metric in (Metric.TIME, Metric.STARTED, Metric.LAST_SUCCESS % "main",
                   Metric.LAST_ACCEPTED % "heap",
                   Metric.TOKEN_LAST_USED % ("main", 1)):
        assert now - 600 < daemon.metric(metric) < now + 600, metric
    assert daemon.metric(Metric.LAST_SUCCESS % "main") \
        >= daemon.metric(Metric.STARTED)


@pytest.mark.file
def test_what_is_kept_over_a_restart(daemon):
    """The ledger's counts are, and those of requests begin anew."""
    kept = [Metric.SOURCE_RECEIVED % ("main", "users.messages.email"),
            Metric.DROPPED_BY % EXCLUDED]
    before = [daemon.metric(metric) for metric in kept]
    started = daemon.metric(Metric.STARTED)
    daemon.stop()
    daemon.start()
    assert [daemon.metric(metric) for metric in kept] == before
    assert daemon.metric(Metric.SOURCE_ANSWERS % ("main", 200)) == 0
    assert daemon.metric(Metric.STARTED) > started


def test_the_process(daemon):
    """As the kernel says."""
    pid = daemon.run.process.pid
    def status(name):
        with open(f"/proc/{pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines
                        if line.startswith(name + ":"))
    assert daemon.metric(Metric.MEMORY) == pytest.approx(
        status("VmRSS") * 1024, rel=0.2)
    assert daemon.metric("process_virtual_memory_bytes") == pytest.approx(
        status("VmSize") * 1024, rel=0.2)
    assert daemon.metric("process_threads") == pytest.approx(
        status("Threads"), abs=2)  # a call has a thread of its own
    assert 10 < daemon.metric(Metric.FILES) \
        < daemon.metric("process_max_fds")
    assert 0 < daemon.metric("process_cpu_seconds_total") < 600


def test_stores(daemon):
    queue = daemon.queue()
    for store, used, bound in (("dead", "dead_bytes", "dead_max_bytes"),
                               ("queue", "live_bytes", "max_bytes")):
        assert daemon.metric(Metric.STORE % store) == queue[used] > 0
        assert daemon.metric(Metric.STORE_MAX % store) == queue[bound]
    assert daemon.metric(Metric.STORE % "unreadable") \
        == queue["unreadable_bytes"] > 0
    assert daemon.metric(Metric.STORE % "archive") == queue["archive_bytes"] > 0


# ---- Prometheus itself ----

class Prometheus(Process):
    def __init__(self, directory, daemon_port):
        self.holder = hold_port()
        self.port = self.holder.getsockname()[1]
        config = directory / "prometheus.yml"
        config.write_text(put_in(
            (PROMETHEUS / "prometheus.yml").read_text(),
            ("127.0.0.1:8081", f"127.0.0.1:{daemon_port}"),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("alerts.yml\n\n", f"{ALERTS}\n\n")))
        super().__init__([
            "prometheus", f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}"])
        self.wait_line("Server is ready to receive web requests")

    def get(self, path, **query):
        answer = ask(self.port, "GET",
                     f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
        assert answer.status == 200, answer
        assert answer.json["status"] == "success", answer
        return answer.json["data"]

    def query(self, expr):
        return self.get("query", query=expr)["result"]

    def value(self, expr):
        one, = self.query(expr)
        return float(one["value"][1])


@pytest.fixture
def prometheus(tmp_path, daemon):
    started = Prometheus(tmp_path, daemon.admin_port)
    until(lambda: started.query("up"), "the first scrape")
    yield started
    assert started.end() == 0


def names_in(expr):
    return set(re.findall(r"\b(?:currentsd|process)_[a-z_]+", expr))


def test_prometheus_scrapes(daemon, prometheus):
    """The metrics of each alert are there, and each panel shows something."""
    assert prometheus.value('up{job="currentsd"}') == 1
    assert prometheus.value("sum(currentsd_events_received_total)") \
        == daemon.queue()["received"]
    # A rate needs two scrapes.
    until(lambda: prometheus.value("count_over_time(currentsd_alive[1m])") > 1,
          "a second scrape")
    there = set(prometheus.get("label/__name__/values")) | ABSENT
    for rule in RULES:
        assert names_in(rule["expr"]) <= there, rule["alert"]
    for title, expr in TARGETS:
        assert names_in(expr) <= there, title
        shown = prometheus.query(expr.replace("$instance", ".*")
                                 .replace("$__rate_interval", "1m"))
        assert shown or names_in(expr) <= ABSENT, expr
    loaded = {rule["name"]
              for group in prometheus.get("rules")["groups"]
              for rule in group["rules"]}
    assert loaded == {rule["alert"] for rule in RULES}


# ---- what stands in deploy/ ----

def test_each_alert_fires_and_does_not():
    done = subprocess.run(["promtool", "test", "rules", *map(str, CASES)],
                          capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = [test for case in CASES
             for test in yaml.safe_load(case.read_text())["tests"]]
    assert {test["name"] for test in tests} == {rule["alert"] for rule in RULES}
    for test in tests:
        series = " ".join(one["series"] for one in test["input_series"])
        assert 'instance="bad"' in series and 'instance="good"' in series
        fired, = test["promql_expr_test"]
        assert test["name"] in fired["expr"]
        one, = fired["exp_samples"]
        assert test["name"] in one["labels"] and 'bad"' in one["labels"]


def test_each_alert_says_what_to_do():
    operating = OPERATING.read_text()
    for rule in RULES:
        name, annotations = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(annotations) == {"summary", "description", "runbook"}
        assert annotations["runbook"] == \
            f"deploy/OPERATING.md#{name.lower()}"
        assert re.search(rf"^#+ {name}$", operating, re.M), name


def test_the_dashboard():
    """What Grafana needs to import it."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["schemaVersion"] >= 36
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert set(variables) == {"datasource", "instance"}
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"])
                 for y in range(grid["y"], grid["y"] + grid["h"])}
        assert not cells & places and grid["x"] + grid["w"] <= 24
        places |= cells
        for target in panel.get("targets", ()):
            assert "instance=~\"$instance\"" in target["expr"]
            assert target["datasource"]["uid"] == "${datasource}"
