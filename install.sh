#!/bin/bash
# Installs hostd on this machine, or upgrades it: one Linux server becomes a Heroku.
#
# On a machine whose PID 1 is systemd it installs right there. Where PID 1 is something else (a container, a CI machine)
# it boots a box, a systemd of its own over the machine's root, and runs itself inside.
set -euo pipefail

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly SOURCE OPT=/opt/hostd VENV=/opt/hostd/venv
readonly GIB=$((1024 * 1024 * 1024))
readonly SERVER_PACKAGES=(btrfs-progs libbtrfsutil-dev libsystemd-dev pkg-config gcc python3 python3-venv python3-dev
    openssh-server openssh-client git curl ca-certificates tzdata nftables iproute2 mmdebstrap debian-archive-keyring
    g++ make patch tar gzip bzip2 xz-utils unzip) # the last line is for builds on the stack host
readonly TREE=(hostd slugs units buildpacks router examples pyproject.toml install.sh)

# shellcheck source=hostd/install/preflight.sh
. "$SOURCE/hostd/install/preflight.sh"
# shellcheck source=hostd/install/in_box.sh
. "$SOURCE/hostd/install/in_box.sh"
# shellcheck source=hostd/install/compile.sh
. "$SOURCE/hostd/install/compile.sh"

# shellcheck disable=SC2034 # options are read by name
domain='' http_port='' https_port='' ssh_port='' api_port='' rendezvous_port='' data_dir='' pool_size='' admin='' network_name=''
router_compiled='' box_name=hostd box_dir='' demo=yes assume_yes=no uninstall=no with_data=no inside=no

usage() {
    cat <<'TEXT'
Usage: ./install.sh [OPTION...]

Installs hostd, or upgrades it: run it again at any time, with or without options.
On a machine whose PID 1 is systemd it installs right there; elsewhere it boots a box, a systemd of its own over the
machine's root, and installs inside. Then it makes an admin user and an ssh key, and deploys an example app.

  --domain NAME       apps live at http://<app>.NAME/ (default: localhost)
  --http-port PORT    the router's port for http (default: 80)
  --https-port PORT   the router's port for https (default: 443)
  --ssh-port PORT     the port for git push (default: 22 on a server, 2222 in a box)
  --api-port PORT     the API's port on this machine, for it alone (default: 7070); 0 for none
  --rendezvous-port PORT
                      where clients of the API meet the dyno of their run (default: the API's port and one); 0 for none
  --data-dir DIR      where all data lies (default: /var/lib/hostd; of a box: /var/lib/hostd-box/hostd)
  --pool-size SIZE    size of the pool's sparse image where the disk is not btrfs, such as 20G
  --no-compile        run the router interpreted, at half its speed; --compile makes machine code of it again (default)
  --admin EMAIL       the first admin (default: <your user name>@localhost)
  --no-demo           do not deploy the example app
  --yes               do not ask
  --uninstall         remove everything this made, except the data and Debian's packages
  --data              with --uninstall: remove the data too
  --help              show this
TEXT
}

main() {
    parse_options "$@"
    log=$(mktemp "${TMPDIR:-/tmp}/hostd-install.XXXXXX")
    exec 3>&2
    trap finish EXIT
    if [[ $uninstall == yes ]]; then
        remove_everything
        return
    fi
    [[ $inside == yes ]] || preflight
    [[ $inside == yes ]] || confirm
    local began=$EPOCHREALTIME
    install_packages
    if in_box; then
        install_in_box
    else
        install_here
    fi
    [[ $inside == yes ]] && return
    show_admin
    if [[ $demo == yes ]]; then
        run_demo
    fi
    say "=====> hostd is installed ($(since "$began") s)"
}

# --- options -------------------------------------------------------------------------------------------------------

parse_options() {
    while (($#)); do
        case $1 in
            --domain | --http-port | --https-port | --ssh-port | --api-port | --rendezvous-port | --data-dir | --pool-size | \
                --admin | --box-name | --box-dir | --network-name)
                (($# >= 2)) || refuse "$1 needs a value; see ./install.sh --help"
                local name=${1#--}
                printf -v "${name//-/_}" '%s' "$2"
                shift
                ;;
            --no-demo) demo=no ;;
            --compile) router_compiled=true ;;
            --no-compile) router_compiled=false ;;
            --yes) assume_yes=yes ;;
            --uninstall) uninstall=yes ;;
            --data) with_data=yes ;;
            --inside) inside=yes ;;
            --help | -h) usage && exit 0 ;;
            *) refuse "there is no option $1; see ./install.sh --help" ;;
        esac
        shift
    done
    local each
    for each in http_port https_port ssh_port; do
        [[ -z ${!each} || ${!each} =~ ^[1-9][0-9]{0,4}$ && ${!each} -le 65535 ]] ||
            refuse "--${each//_/-} must be a port, not ${!each}"
    done
    for each in api_port rendezvous_port; do
        [[ -z ${!each} || ${!each} =~ ^(0|[1-9][0-9]{0,4})$ && ${!each} -le 65535 ]] ||
            refuse "--${each//_/-} must be a port, or 0 for none, not ${!each}"
    done
    # Beside the API's port, unless there is one already.
    local api
    api=$(setting api_port 7070)
    [[ $api =~ ^[0-9]+$ && $api != 0 ]] || api=7070
    [[ $uninstall == yes ]] || rendezvous_port=$(setting rendezvous_port $((api + 1)))
    [[ -z $domain || $domain =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] ||
        refuse "--domain must be a host name in lower case, such as apps.example.com, not $domain"
    [[ -z $admin || $admin =~ ^[^@[:space:]]+@[^@[:space:]]+$ ]] || refuse "--admin must be an e-mail address, not $admin"
    [[ -z $pool_size ]] || pool_bytes=$(bytes_of "$pool_size") || refuse "--pool-size must be a size such as 20G"
    [[ $with_data == no || $uninstall == yes ]] || refuse "--data goes with --uninstall only"
    [[ -z $data_dir || $data_dir == /* ]] || refuse "--data-dir must be an absolute path"
}

bytes_of() {
    [[ $1 =~ ^([1-9][0-9]*)([KMGT]?)B?$ ]] || return 1
    local -A factor=([K]=1024 [M]=1048576 [G]=$GIB [T]=$((GIB * 1024)))
    echo $((BASH_REMATCH[1] * ${factor[${BASH_REMATCH[2]}]:-1}))
}

# sd_booted(3): this directory exists exactly when systemd is PID 1.
in_box() { [[ ! -d /run/systemd/system ]]; }

# Where the box lies: as asked for, else as an earlier installation was, else the usual place.
box_directory() {
    local asked=${box_dir:-$data_dir}
    if [[ -z $asked && -r $(wrapper_program) ]]; then
        asked=$(sed -n "s/^directory='\(.*\)'$/\1/p" "$(wrapper_program)")
    fi
    echo "${asked:-/var/lib/hostd-box/$box_name}"
}

settings_file() {
    if in_box; then echo "$(box_directory)/upper/etc/hostd/hostd.toml"; else echo /etc/hostd/hostd.toml; fi
}

# setting NAME DEFAULT: the option given, else what an earlier installation has, else the default.
setting() {
    local given=${!1} file
    file=$(settings_file)
    if [[ -z $given && -r $file ]]; then
        given=$(sed -n "s/^$1 = \"\\{0,1\\}\\([^\"]*\\)\"\\{0,1\\}$/\\1/p" "$file")
    fi
    echo "${given:-$2}"
}

# --- progress ------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }
note() { printf '       %s\n' "$*" >&2; }
refuse() {
    printf ' !     %s\n' "$@" >&2
    exit 2
}
since() {
    local micros=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((micros / 1000000)) $((micros / 100000 % 10))
}

# step TEXT COMMAND...: runs a command, shows how long it took, and what it said only if it fails.
step() {
    current_step=$1
    local began=$EPOCHREALTIME
    shift
    printf -- '-----> %s... ' "$current_step" >&2
    "$@" >"$log" 2>&1 </dev/null
    printf 'done (%s s)\n' "$(since "$began")" >&2
    current_step=''
}

# attempt TEXT COMMAND...: a step that others can do without. Its status is the command's.
attempt() {
    local text=$1 began=$EPOCHREALTIME status=0
    shift
    printf -- '-----> %s... ' "$text" >&2
    "$@" >"$log" 2>&1 </dev/null || status=$?
    ((status)) || printf 'done (%s s)\n' "$(since "$began")" >&2
    ((!status)) || printf 'failed (%s s)\n%s\n' "$(since "$began")" "$(tail -n 8 "$log" | sed 's/^/       /')" >&2
    return "$status"
}

finish() {
    local status=$?
    trap - EXIT
    if [[ -n ${current_step:-} ]]; then
        printf 'failed\n' >&3
        tail -n 30 "$log" | sed 's/^/       /' >&3
        printf ' !     %s did not work; the last lines of its output are above.\n' "$current_step" >&3
        ((status)) || status=1
    fi
    restore_service_policy
    rm -f "$log"
    exit "$status"
}

confirm() {
    [[ $assume_yes == no && -t 0 ]] || return 0
    local where='on this machine'
    in_box && where="in a box at $(box_directory)"
    read -rp "Install hostd $where, with Debian packages it needs: $(missing_packages | tr '\n' ' ')? [Y/n] " answer
    [[ -z $answer || $answer == [Yy]* ]] || refuse "nothing was changed"
}

# --- packages ------------------------------------------------------------------------------------------------------

missing_packages() {
    local wanted=("${SERVER_PACKAGES[@]}") package
    if in_box; then wanted+=(systemd systemd-container dbus); fi
    for package in "${wanted[@]}"; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == 'install ok installed' ]] || echo "$package"
    done
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    step "Updating Debian's package lists" apt-get -q update
    if in_box && box status >/dev/null 2>&1; then
        # An overlay does not follow what is replaced below it.
        step "Stopping the box, as the machine gets new packages" box stop
    fi
    forbid_service_starts
    step "Installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qy --no-install-recommends install "${missing[@]}"
    restore_service_policy
    if ! in_box && [[ " ${missing[*]} " == *' openssh-server '* ]]; then
        # It came for our own server's sake; nobody asked for a login service.
        systemctl --quiet disable ssh.service ssh.socket 2>/dev/null || true
    fi
}

# invoke-rc.d(8) asks this file before it starts a service on behalf of a package.
readonly POLICY=/usr/sbin/policy-rc.d
forbid_service_starts() {
    [[ ! -e $POLICY ]] || mv "$POLICY" "$POLICY.before-hostd"
    printf '#!/bin/sh\nexit 101\n' >"$POLICY.hostd"
    chmod 755 "$POLICY.hostd"
    mv "$POLICY.hostd" "$POLICY"
    policy_changed=yes
}
restore_service_policy() {
    [[ ${policy_changed:-no} == yes ]] || return 0
    rm -f "$POLICY"
    [[ ! -e $POLICY.before-hostd ]] || mv "$POLICY.before-hostd" "$POLICY"
    policy_changed=no
}

# --- a server, or the inside of a box ------------------------------------------------------------------------------

install_here() {
    if [[ $inside == no ]]; then
        step "Copying the program to $OPT" copy_source
    fi
    local digest new_code=() build=''
    digest=$(cd $OPT/src.new && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
    if [[ $digest != "$(head -n 1 $OPT/installed 2>/dev/null)" || ! -x $VENV/bin/hostd-install ]]; then
        install_venv
        compile_router
        step "Installing hostd into $VENV" $VENV/bin/pip install --quiet --no-deps --no-build-isolation \
            --force-reinstall $OPT/src.new
        new_code=(--new-code)
    else
        compile_router
        [[ $build == "$(sed -n 2p $OPT/installed)" ]] || new_code=(--new-code)
    fi
    rm -rf $OPT/src
    mv $OPT/src.new $OPT/src
    platform_options
    $VENV/bin/hostd-install apply "${new_code[@]}" "${options[@]}" || exit 1
    $VENV/bin/hostd-install admin ${admin:+--email "$admin"} >$OPT/admin || exit 1
    printf '%s\n' "$digest" "$build" >$OPT/installed
    remove_other_builds
}

copy_source() {
    rm -rf $OPT/src.new
    mkdir -p $OPT/src.new
    pack_source | tar -x -C $OPT/src.new
}

pack_source() { tar -c -C "$SOURCE" --exclude=__pycache__ --exclude='*.egg-info' --owner=0 --group=0 "${TREE[@]}"; }

# The pinned dependencies are installed only when they, or the interpreter, have changed.
install_venv() {
    local wanted
    wanted=$(/usr/bin/python3 --version && pins)
    [[ $wanted != "$(cat $VENV/.requirements 2>/dev/null)" ]] || return 0
    if ! $VENV/bin/python --version 2>/dev/null | grep -qxF "$(head -n 1 <<<"$wanted")"; then
        step "Making the virtual environment $VENV" /usr/bin/python3 -m venv --clear $VENV
    fi
    tail -n +2 <<<"$wanted" >$OPT/requirements.txt
    step "Installing pinned Python packages" $VENV/bin/pip install --quiet --use-pep517 -r $OPT/requirements.txt
    printf '%s\n' "$wanted" >$VENV/.requirements
}

# pins [EXTRA]: the Python packages that pyproject.toml names: to build with, to run, and of an extra.
pins() {
    /usr/bin/python3 - $OPT/src.new/pyproject.toml "$@" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)
extras = [pin for extra in sys.argv[2:] for pin in project["project"]["optional-dependencies"][extra]]
print(*project["build-system"]["requires"], *project["project"]["dependencies"], *extras, sep="\n")
PYTHON
}

# The options of `hostd-install apply`: only what was asked for, so that an upgrade keeps the rest.
platform_options() {
    options=()
    local name
    for name in domain http_port https_port ssh_port api_port rendezvous_port network_name router_compiled; do
        [[ -z ${!name} ]] || options+=(--set "$name=${!name}")
    done
    [[ -z $data_dir ]] || options+=(--set "data_dir=$data_dir")
    [[ -z $pool_size ]] || options+=(--pool-size "$pool_bytes")
    [[ -e /etc/hostd/hostd.toml || -n $ssh_port ]] || options+=(--set "ssh_port=22")
}

# --- the last steps, on the caller's side --------------------------------------------------------------------------

# outside PROGRAM ARG...: a program of the virtual environment, on this side of the box.
outside() {
    local program=$1
    shift
    if in_box; then
        HOSTD_RUN_DIR=/run/hostd-box/$box_name HOSTD_CONFIG=$(settings_file) \
            "$(venv_seen)/bin/python" -I -B "$(venv_seen)/bin/$program" "$@"
    else
        "$VENV/bin/$program" "$@"
    fi
}

show_admin() {
    local file=$OPT/admin
    in_box && file=$(box_directory)/upper$file
    note "admin: $(cat "$file")"
}

# Once: after that, what the example app became is its owner's affair.
run_demo() {
    local hostctl=$VENV/bin/hostctl mark=$OPT/demo again=() on_platform=()
    if in_box; then hostctl=$(wrapper_program) mark=$(box_directory)/upper$mark on_platform=(box shell --); fi
    [[ ! -e $mark ]] || again=(--again)
    outside hostd-install demo --example "$SOURCE/examples/hello-python" --hostctl "$hostctl" \
        ${admin:+--email "$admin"} "${again[@]}" || exit 1
    "${on_platform[@]}" touch $OPT/demo
}

remove_everything() {
    ((EUID == 0)) || refuse "hostd must be removed as root: sudo ./install.sh --uninstall"
    local with=()
    [[ $with_data == no ]] || with=(--data)
    if ! in_box; then
        [[ -x $VENV/bin/hostd-install ]] || refuse "hostd is not installed on this machine"
        $VENV/bin/hostd-install uninstall "${with[@]}"
        rm -rf $OPT
        say "=====> hostd is removed; Debian's packages stay"
        return
    fi
    [[ -e $(box_directory)/box.json ]] || refuse "there is no box at $(box_directory)"
    if [[ $with_data == yes ]]; then
        step "Removing the box and its data" box remove --yes
    else
        step "Starting the box" box start
        if [[ -x $(venv_seen)/bin/hostd-install ]]; then
            box shell -- $VENV/bin/hostd-install uninstall
            box shell -- rm -rf $OPT
        fi
        step "Stopping the box" box stop
        note "the data stays in $(box_directory)"
    fi
    rm -rf "$(wrapper_library)" "$(wrapper_program)"
    rmdir --ignore-fail-on-non-empty /var/lib/hostd-box /run/hostd-box 2>/dev/null || true
    say "=====> hostd is removed; Debian's packages stay"
}

main "$@"
