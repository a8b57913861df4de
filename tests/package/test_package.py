"""What is in the package, and what cmake --install installs."""

import os
import re
import subprocess

from conftest import BUILD, REPO, run

# mode, path; of everything but documents
FILES = {
    "/etc/currentsd/currentsd.env": "-rw-r-----",
    "/lib/systemd/system/currentsd.service": "-rw-r--r--",
    "/lib/systemd/system/currentsd.socket": "-rw-r--r--",
    "/usr/bin/currentsd": "-rwxr-xr-x",
    "/usr/share/bash-completion/completions/currentsd": "-rw-r--r--",
    "/usr/share/lintian/overrides/currentsd": "-rw-r--r--",
}
DOC = "/usr/share/doc/currentsd/"


def contents(deb):
    """{path: (mode, owner)} of the files."""
    rows = (line.split(None, 5) for line in
            run("dpkg-deb", "--contents", deb).splitlines())
    return {row[5][1:]: (row[0], row[1]) for row in rows if row[0][0] == "-"}


def test_lintian(deb):
    done = run("lintian", "--no-cfg", "--allow-root", "--fail-on",
               "error,warning", deb)
    assert not re.search("^[EW]: ", done, re.M), done


def test_files(deb):
    found = contents(deb)
    assert {owner for _, owner in found.values()} == {"root/root"}
    pages = {f"/usr/share/man/man{page.stem[-1]}/{page.stem}.gz"
             for page in (REPO / "deploy/man").glob("*.in")}
    assert len(pages) == 3 and pages <= found.keys()
    docs = {path for path in found if path.startswith(DOC)}
    assert docs >= {DOC + name for name in (
        "copyright", "changelog.Debian.gz", "README.md",
        "deploy/OPERATING.md", "openapi.json",
        "examples/currentsd.conf", "examples/nginx/currentsd.conf")}
    assert {path: mode for path, (mode, _) in found.items()
            if path not in pages | docs} == FILES


def test_dependencies(deb):
    """Those that the program is linked with, found by their packages."""
    depends = run("dpkg-deb", "--field", deb, "Depends")
    for library in ("libc6", "libconfuse", "libcurl4", "libjansson4",
                    "libmicrohttpd12", "libsqlite3-0", "libzstd1", "adduser"):
        assert library in depends


def test_the_change_log_knows_the_version(deb):
    version = run("dpkg-deb", "--field", deb, "Version").strip()
    first = (REPO / "deploy/debian/changelog").read_text("utf-8").partition(
        "\n")[0]
    assert first.startswith(f"currentsd ({version}) ")


def test_install(deb, tmp_path):  # `deb` has built it
    run("cmake", "--install", BUILD, "--prefix", tmp_path)
    program = tmp_path / "bin/currentsd"
    assert run(program, "version").startswith("currentsd ")
    assert program.stat().st_mode & 0o777 == 0o755
    unit = tmp_path / "lib/systemd/system/currentsd.service"
    assert f"\nExecStart={program} serve\n" in unit.read_text("utf-8")
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""
    completion = tmp_path / "share/bash-completion/completions/currentsd"
    run("bash", "-n", completion)
    installed = {str(path.relative_to(tmp_path))
                 for path in tmp_path.rglob("*") if path.is_file()}
    assert "share/doc/currentsd/examples/currentsd.env" in installed
    for page in (REPO / "deploy/man").glob("*.in"):
        assert f"share/man/man{page.stem[-1]}/{page.stem}" in installed


def test_what_the_scripts_are(deb, tmp_path):
    run("dpkg-deb", "--control", deb, tmp_path)
    for name in ("postinst", "prerm", "postrm"):
        assert os.access(tmp_path / name, os.X_OK)
        assert subprocess.run(["dash", "-n", tmp_path / name],
                              check=False).returncode == 0
    assert (tmp_path / "conffiles").read_text("utf-8") == \
        "/etc/currentsd/currentsd.env\n"
