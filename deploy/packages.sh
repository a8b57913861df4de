# shellcheck shell=bash
# shellcheck disable=SC2034
#
# What currentsd needs from the system, and how to get it on Debian 12.
#
# deploy/quickstart.sh and tests/run.sh source this file, so that the names are
# in one place:
#
#	packages_need build              to build and run currentsd
#	packages_need build package      to make a Debian package of it
#	packages_need build tests        to run the tests as well
#	packages_need build tests long   to run tests/run.sh --long, too
#
# On Debian 12, missing packages are listed and then installed with apt. On any
# other system nothing is installed; missing things are only listed, in terms
# that apply everywhere (commands, pkg-config modules). If nothing is missing,
# nothing happens.

# ca-certificates is for the daemon, which checks Heap's certificate, and tzdata
# for its report_timezone. libcmocka-dev is here because one build makes
# everything.
PACKAGES_build=(gcc libc6-dev cmake ninja-build pkg-config curl
    ca-certificates tzdata libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev
    libgnutls28-dev libsqlite3-dev libzstd-dev zlib1g-dev libconfuse-dev nettle-dev
    libsmartcols-dev libcmocka-dev)
COMMANDS_build=(gcc cmake ninja pkg-config curl)
MODULES_build=('libmicrohttpd >= 0.9.75' 'jansson >= 2.14'
    'libcurl >= 7.88' 'sqlite3 >= 3.40' 'libzstd >= 1.5' zlib
    'gnutls >= 3.7' 'libconfuse >= 3.3' 'nettle >= 3.8' 'smartcols >= 2.38' cmocka)

PACKAGES_package=(dpkg-dev file)
COMMANDS_package=(dpkg-shlibdeps file)

PACKAGES_tests=(clang-format git python3 python3-pytest python3-pytest-xdist
    python3-jsonschema python3-yaml nginx-light caddy haproxy apache2-bin
    prometheus openssl cppcheck valgrind chromium chromium-driver
    python3-selenium mandoc systemd lintian)
COMMANDS_tests=(clang-format git nginx caddy haproxy apache2 prometheus
    promtool openssl cppcheck valgrind mandoc systemd-analyze lintian)
PYTHON_tests=(pytest xdist jsonschema yaml)

PACKAGES_long=(clang clang-tidy buildah debootstrap)
COMMANDS_long=(clang clang-tidy buildah debootstrap)

# The tests use the system's Python: a different one that comes first in PATH
# may lack the modules that apt installs.
PYTHON=/usr/bin/python3

packages_on_debian_12()
{
    # In a subshell, since the file sets variables of its own.
    (
        # shellcheck source=/dev/null
        . /etc/os-release 2>/dev/null || exit 1
        [ "${ID:-}-${VERSION_ID:-}" = debian-12 ]
    )
}

# As root: install packages without starting their services. Debian starts a
# server that it installs, and those of the tests would all want port 80; Debian
# asks this file before it does, and most machines have none.
# shellcheck disable=SC2016
packages_install='
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap "rm -f $policy" EXIT
        printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy || exit
    fi
    apt-get -q update &&
        apt-get -q -y install --no-install-recommends "$@"
'

# packages_apt NAME...: install those that dpkg does not have.
packages_apt()
{
    local name missing=() root=()
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" \
            2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0

    echo "Installing with apt: ${missing[*]}"
    case " ${missing[*]} " in
    *' nginx'* | *' caddy '* | *' haproxy '* | *' prometheus '*)
        echo "(The tests run servers of their own. Those of Debian are not"
        echo "started now, but at the next boot, unless you run"
        echo "systemctl disable nginx caddy haproxy prometheus.)"
        ;;
    esac
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "This needs root, and there is no sudo. As root, run:"
            echo "    apt-get install --no-install-recommends ${missing[*]}"
            return 1
        fi >&2
        root=(sudo)
    fi
    root+=(env DEBIAN_FRONTEND=noninteractive)
    "${root[@]}" bash -c "$packages_install" packages "${missing[@]}"
}

# packages_name_missing LIST...: print a line for each missing thing.
packages_name_missing()
{
    local list name names
    for list in "$@"; do
        # Servers live in /usr/sbin, which is not in every user's PATH.
        declare -n names=COMMANDS_$list
        for name in "${names[@]}"; do
            (PATH=$PATH:/usr/sbin; command -v "$name") >/dev/null ||
                echo "    command            $name"
        done
        declare -n names=MODULES_$list
        for name in "${names[@]}"; do
            pkg-config --exists "$name" 2>/dev/null ||
                echo "    pkg-config module  $name"
        done
        declare -n names=PYTHON_$list
        for name in "${names[@]}"; do
            "$PYTHON" -c "import $name" 2>/dev/null ||
                echo "    module of $PYTHON  $name"
        done
    done
}

# packages_need LIST...: install what is missing, or say what to do and fail.
packages_need()
{
    local list names wanted=() missing
    if packages_on_debian_12; then
        for list in "$@"; do
            declare -n names=PACKAGES_$list
            wanted+=("${names[@]}")
        done
        packages_apt "${wanted[@]}"
        return
    fi
    missing=$(packages_name_missing "$@")
    [ -z "$missing" ] && return 0
    {
        echo "This is not Debian 12, so nothing is installed for you."
        echo "What is missing:"
        echo "$missing"
        echo "Install these, then run this again."
    } >&2
    return 1
}
