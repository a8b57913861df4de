"""deploy/docker and deploy/kubernetes: what they say is possible there, agrees
with itself, and is what the program has. Nothing is fetched: each object is
compared with a schema of its fields (container_schemas.py)."""

import contextlib
import copy
import http.client
import os
import re
import shlex
import subprocess

import jsonschema
import pytest
import yaml

from braze import batch, event
from commands import CONFIG, FINE, bare, run
from conftest import BUILD, NO_QUOTA, PATIENCE, PROGRAM, REPO, Answer, until
from container_schemas import COMPOSE, KUBERNETES, KUSTOMIZATION

DOCKER = REPO / "deploy" / "docker"
DIRECTORY = REPO / "deploy" / "kubernetes"
SECRETS = "/run/secrets/currentsd"
# Whose keys are the operator's own words.
FREE = {"labels", "annotations", "matchLabels", "selector", "stringData",
        "environment", "options", "services", "configs", "secrets", "volumes",
        "networks", "requests", "limits"}


class Loader(yaml.SafeLoader):
    """Refuses a key that comes twice, which YAML takes silently."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in {keys}"
        return super().construct_mapping(node, deep)


def load(path):
    text = path.read_text(encoding="utf-8")
    return list(yaml.load_all(text, Loader))


def objects():
    return [one for path in sorted(DIRECTORY.glob("*.yaml"))
            if path.name != "kustomization.yaml" for one in load(path)]


def the(kind, name="currentsd"):
    found, = [one for one in objects()
              if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def schema(one):
    if "services" in one:
        return COMPOSE
    if one["kind"] == "Kustomization":
        return KUSTOMIZATION
    return KUBERNETES[one["apiVersion"], one["kind"]]


def everything():
    return [*objects(), *load(DIRECTORY / "kustomization.yaml"),
            *load(DOCKER / "compose.yaml")]


def misspelt(value, free=False):
    """Copies of it, each with one key misspelt, beside what was."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not free:
                yield key, {("x" + k if k == key else k): v
                            for k, v in value.items()}
            for what, changed in misspelt(inner, key in FREE):
                yield f"{key}.{what}", {**value, key: changed}
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            for what, changed in misspelt(inner):
                yield f"{i}.{what}", [*value[:i], changed, *value[i + 1:]]


@pytest.mark.parametrize("one", everything(), ids=lambda one: one.get("kind"))
def test_fields(one):
    """All are known, and none that is misspelt would be."""
    jsonschema.validate(one, schema(one))
    count = 0
    for what, changed in misspelt(copy.deepcopy(one)):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(changed, schema(one))
            pytest.fail(f"{what} may be misspelt")
        count += 1
    assert count >= 5


def test_a_value_of_another_type_is_found():
    one = the("StatefulSet")
    one["spec"]["template"]["spec"]["enableServiceLinks"] = "no"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(one, schema(one))


# ---- the settings of the program

def variables():
    return set(re.findall(r"^ +(CURRENTSD_\w+)$",
                          run("help", "settings").stdout, re.M))


def default(key):
    """Of a duration, in seconds."""
    text = run("help", "settings").stdout
    found = re.search(rf"^  {key} = DURATION  \[(\d+)s\]", text, re.M)
    return int(found.group(1))


def instructions():
    """Of the Dockerfile: (instruction, the rest of it)."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", "")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def instruction(name):
    """The last one of that name."""
    return [rest for one, rest in instructions() if one == name][-1]


# ---- the image

def test_the_image_has_what_the_program_needs():
    """The packages whose libraries it is linked with, no fewer and no more,
    and two that have no libraries."""
    listed = re.search(r"--no-install-recommends ([^&]+)",
                       [rest for one, rest in instructions()
                        if one == "RUN" and "useradd" in rest][0])
    program = BUILD / "currentsd"
    dynamic = subprocess.run(["readelf", "-d", program], check=True,
                             capture_output=True, text=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(\S+)\]", dynamic))
    paths = dict(re.findall(r"(\S+) => (\S+) \(", subprocess.run(
        ["ldd", program], check=True, capture_output=True, text=True).stdout))
    owners = set()
    for library in needed & set(paths):
        # dpkg knows it in /lib or in /usr/lib, which are the same.
        path = paths[library].removeprefix("/usr")
        owners.add(subprocess.run(
            ["dpkg", "-S", path, "/usr" + path], check=False,
            capture_output=True, text=True).stdout.split(":")[0])
    runtime = {"libc6", "libgcc-s1", "libasan8", "libubsan1", "libtsan2"}
    assert set(listed.group(1).split()) == (owners - runtime) | {
        "ca-certificates", "tzdata"}


def test_the_image_runs_as_nobody_in_particular():
    user, group = instruction("USER").split(":")
    assert user == group and user.isdigit() and int(user) > 9999
    assert f"useradd --uid {user} --user-group " in str(instructions())
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert yaml.safe_load(instruction("ENTRYPOINT")) == ["currentsd"]


def test_the_image_is_built_from_what_is_there():
    presets = (REPO / "CMakePresets.json").read_text(encoding="utf-8")
    for one, rest in instructions():
        if one == "COPY" and not rest.startswith("--from"):
            assert (REPO / rest.split()[0]).exists()
        for preset in re.findall(r"--preset (\w+)", rest):
            assert f'"name": "{preset}"' in presets
    assert "COPY --from=build /src/build/release/currentsd " in "\n".join(
        map(" ".join, instructions()))
    for path in [DOCKER / "compose.yaml", *DIRECTORY.glob("*.yaml")]:
        assert "latest" not in path.read_text(encoding="utf-8")
    # Secrets beside compose.yaml are neither in the image nor in the tree.
    for ignored in (DOCKER / "Dockerfile.dockerignore", REPO / ".gitignore"):
        assert "deploy/docker/secrets" in ignored.read_text(encoding="utf-8")


def health(daemon):
    """What docker would ask: its exit code."""
    words = yaml.safe_load(
        instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert words[0] == "currentsd"
    return subprocess.run([PROGRAM, *words[1:]], env=daemon.env, timeout=PATIENCE,
                          stdout=subprocess.DEVNULL, check=False).returncode


@pytest.mark.file
def test_health(start_daemon, tmp_path):
    """Whether a thread has stalled, such as the one that waits for a disk;
    not whether anything is delivered."""
    hang = tmp_path / "hang"
    daemon = start_daemon(heap_url="http://127.0.0.1:9", env={
        "LD_PRELOAD": str(BUILD / "tests" / "libhang.so"), "HANG": str(hang),
        "ASAN_OPTIONS": "verify_asan_link_order=0"}, **NO_QUOTA)
    daemon.post(batch(event()))
    assert health(daemon) == 0
    hang.touch()
    with daemon.connect() as waiting:
        waiting.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: daemon.get("/healthz").status == 503, "it has stalled")
        assert health(daemon) == 1
        hang.unlink()
        until(lambda: health(daemon) == 0, "it goes on")
    daemon.stop()
    assert health(daemon) == 1


@pytest.mark.file
def test_the_root_may_be_read_only(daemon, tmp_path):
    """Every file that the daemon has open for writing is in its directory."""
    daemon.post(batch(event()))
    pid = daemon.run.process.pid
    written = []
    for number in map(int, os.listdir(f"/proc/{pid}/fd")):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            path = os.readlink(f"/proc/{pid}/fd/{number}")
            with open(f"/proc/{pid}/fdinfo/{number}",
                      encoding="utf-8") as info:
                flags = int(re.search(r"flags:\s+(\d+)", info.read())[1], 8)
            if (number > 2 and path.startswith("/") and
                    flags & os.O_ACCMODE != os.O_RDONLY):
                written.append(path)
    assert any(path.endswith("/queue.db") for path in written)
    assert [path for path in written
            if not path.startswith((str(tmp_path), "/dev/"))] == []


# ---- Compose

def compose():
    found, = load(DOCKER / "compose.yaml")
    return found


def test_compose_knows_the_settings():
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    names = set(re.findall(r"CURRENTSD_\w+", text))
    assert len(names) >= 8 and names <= variables()
    grace = compose()["services"]["currentsd"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > default("stop_timeout")


def test_compose_holds_together():
    whole = compose()
    for service in whole["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for kind in ("secrets", "networks"):
            assert set(service.get(kind, ())) <= {*whole[kind], "default"}
        for config in service.get("configs", ()):
            yaml.safe_load(whole["configs"][config["source"]]["content"])
        for volume in service["volumes"]:
            source, target, *_ = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (DOCKER / source).is_file(), source
            else:
                assert source in whole["volumes"]
        # Only this host comes in; not even it to the admin interface.
        for port in service.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:(8080|3000):\1", port)
    ours = whole["services"]["currentsd"]
    assert ours["read_only"] is True
    assert ours["volumes"] == [f"queue:{instruction('VOLUME')}"]
    used = ours["environment"]["CURRENTSD_TOKEN_FILE"]
    assert used.removeprefix("/run/secrets/") in ours["secrets"]
    assert whole["networks"]["monitoring"] == {"internal": True}
    # What is to be set by whoever starts it has no default.
    for name in ("HEAP_APP_ID", "HEAP_REGION"):
        assert ours["environment"][f"CURRENTSD_{name}"].startswith(
            "${%s:?" % name)


def metrics_as(daemon, host):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.admin_port,
                                            timeout=PATIENCE)
    connection.request("GET", "/metrics", headers={"Host": host})
    try:
        return Answer(connection.getresponse()).status
    finally:
        connection.close()


def test_the_prometheus_of_compose_may_come_in(start_daemon):
    whole = compose()
    ours = whole["services"]["currentsd"]["environment"]
    scrape = yaml.safe_load(whole["configs"]["prometheus"]["content"])
    job, = scrape["scrape_configs"]
    target, = job["static_configs"][0]["targets"]
    name, port = target.split(":")
    assert name in whole["services"]
    assert ours["CURRENTSD_ADMIN"] == f"0.0.0.0:{port}"
    mounted = [volume.split(":")[1] for volume in
               whole["services"]["prometheus"]["volumes"]]
    assert set(scrape["rule_files"]) <= set(mounted)
    daemon = start_daemon(admin_hosts=ours["CURRENTSD_ADMIN_HOSTS"])
    assert metrics_as(daemon, target) == 200
    assert metrics_as(daemon, "elsewhere:8081") != 200


# ---- Kubernetes

def pod():
    return the("StatefulSet")["spec"]["template"]


def container():
    found, = pod()["spec"]["containers"]
    return found


def test_kubernetes_holds_together():
    whole, labels = the("StatefulSet")["spec"], pod()["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"]
             for port in container()["ports"]}
    services = {one["metadata"]["name"]: one["spec"] for one in objects()
                if one["kind"] == "Service"}
    assert whole["replicas"] == 1
    assert services[whole["serviceName"]]["clusterIP"] == "None"
    policy = the("NetworkPolicy")["spec"]
    for selector in (whole["selector"]["matchLabels"],
                     the("PodDisruptionBudget")["spec"]["selector"][
                         "matchLabels"],
                     policy["podSelector"]["matchLabels"],
                     *(spec["selector"] for spec in services.values())):
        assert selector == labels
    for spec in services.values():
        for port in spec["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    for rule in policy["ingress"]:
        assert all(port["port"] in ports for port in rule["ports"])
    rule, = the("Ingress")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["name"] in [
        port["name"] for port in services[backend["name"]]["ports"]]
    assert pod()["metadata"]["annotations"]["prometheus.io/port"] == str(
        ports["admin"])


def test_kubernetes_mounts_what_there_is():
    files = load(DIRECTORY / "kustomization.yaml")[0]
    generated = {one["name"]: one["files"]
                 for one in files["configMapGenerator"]}
    volumes = {one["name"]: one for one in pod()["spec"]["volumes"]}
    claims = [one["metadata"]["name"] for one in
              the("StatefulSet")["spec"]["volumeClaimTemplates"]]
    mounts = {one["mountPath"]: one for one in container()["volumeMounts"]}
    assert mounts[instruction("VOLUME")]["name"] in claims
    assert {one["name"] for one in mounts.values()} == {*volumes, *claims}
    config = volumes[mounts["/etc/currentsd"]["name"]]
    assert generated[config["configMap"]["name"]] == ["currentsd.conf"]
    secret = volumes[mounts[SECRETS]["name"]]["secret"]
    assert the("Secret", secret["secretName"])
    assert secret["defaultMode"] == 0o440
    assert files["images"][0]["name"] == container()["image"]
    # Every file of the directory is part of it.
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "kustomization.yaml", *files["resources"],
        *(name for names in generated.values() for name in names)}


def test_kubernetes_lets_the_daemon_little():
    spec, own = pod()["spec"], container()["securityContext"]
    user, _ = instruction("USER").split(":")
    context = spec["securityContext"]
    assert {context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")
            } == {int(user)}
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {"allowPrivilegeEscalation": False,
                   "readOnlyRootFilesystem": True,
                   "capabilities": {"drop": ["ALL"]}}
    assert spec["terminationGracePeriodSeconds"] > default("stop_timeout")


def test_the_links_of_kubernetes_would_stop_it():
    """The variables that it would set after the Service, were it let."""
    assert pod()["spec"]["enableServiceLinks"] is False
    name = the("Service")["metadata"]["name"].upper()
    done = subprocess.run(
        [PROGRAM, "check", "--offline"], check=False, capture_output=True,
        text=True, timeout=PATIENCE,
        env={**bare(), f"{name}_PORT": "tcp://10.0.0.1:8080"})
    assert done.returncode == CONFIG and f"{name}_PORT" in done.stderr


def test_kubernetes_asks_what_the_daemon_answers(daemon):
    ports = {"http": daemon.get, "admin": daemon.admin}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container()[probe]["httpGet"]
        assert ports[asked["port"]](asked["path"]).status == 200
        # With one pod, unready means that a proxy answers in our place.
        assert asked["path"] != "/readyz"


class Settings:
    """currentsd.conf and the secret, with the paths of this machine."""

    def __init__(self, tmp_path):
        self.text = (DIRECTORY / "currentsd.conf").read_text(encoding="utf-8")
        self.secrets = dict(the("Secret")["stringData"])
        self.dir = tmp_path

    def check(self):
        secrets = self.dir / "secrets"
        secrets.mkdir(exist_ok=True)
        for key, value in self.secrets.items():
            (secrets / key).write_text(value, encoding="utf-8")
            (secrets / key).chmod(0o440)
        path = self.dir / "currentsd.conf"
        text = self.text.replace(SECRETS, str(secrets))
        text, count = re.subn(r'(state_dir = ")/var/lib/currentsd/',
                              rf"\g<1>{self.dir}/", text)
        assert count == 1
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return run("check", "--offline", config=path,
                   allow_volatile_state="yes", listen="127.0.0.1:0",
                   admin="127.0.0.1:0", queue_min_free=0, queue_reserve="1M")

    def fill(self):
        self.text = self.text.replace('"CHANGE-ME"', '"11"')
        self.secrets["currents_token"] = "0123456789abcdef" * 4


def test_nothing_starts_until_the_placeholders_are_changed(tmp_path):
    """Each of them is refused, with a sentence that names it."""
    settings = Settings(tmp_path)
    settings.fill()
    done = settings.check()
    assert done.returncode == FINE, done.stderr
    assert "warning" not in done.stdout.replace(
        "warning      the state directory is on", "")
    settings.secrets = dict(the("Secret")["stringData"])
    done = settings.check()
    assert done.returncode == CONFIG and "currents_token" in done.stderr
    settings.fill()
    settings.text = settings.text.replace('"11"', '"CHANGE-ME"')
    done = settings.check()
    assert done.returncode == CONFIG and "app_id" in done.stderr


def test_the_other_half_of_the_settings(tmp_path):
    """What is commented out is right, too."""
    settings = Settings(tmp_path)
    settings.fill()
    settings.text = re.sub(r"^(# )(?=(source|destination|trusted|}))|(?<=^    )# ", "",
                           settings.text, flags=re.M)
    text = (DIRECTORY / "secret.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"^  # (\w+): CHANGE-ME", text, re.M):
        assert f"{SECRETS}/{name}" in settings.text
        settings.secrets[name] = "another-secret-of-thirty-two-bytes"
    done = settings.check()
    assert done.returncode == FINE, done.stderr
    assert "/segments" in done.stdout and "rest.iad-01.braze.com" in done.stdout


def test_the_ports_of_the_settings():
    text = (DIRECTORY / "currentsd.conf").read_text(encoding="utf-8")
    ports = {port["name"]: port["containerPort"]
             for port in container()["ports"]}
    for key, name in (("listen", "http"), ("admin", "admin")):
        assert f'\n{key} = "0.0.0.0:{ports[name]}"\n' in text
    assert f"CURRENTSD_LISTEN=0.0.0.0:{ports['http']}" == instruction("ENV")
    assert instruction("EXPOSE") == str(ports["http"])


def test_the_commands_of_the_comments():
    """Those that are ours exist."""
    for path in (DOCKER / "Dockerfile", DOCKER / "compose.yaml",
                 DIRECTORY / "kustomization.yaml"):
        text = path.read_text(encoding="utf-8")
        for words in re.findall(r"currentsd(?:-0 --)? currentsd (\w+)", text):
            assert run("help", *shlex.split(words)).returncode == FINE
