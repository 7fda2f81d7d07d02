#!/bin/bash
# The checks that install.sh makes before it changes anything; sourced by it. Each refusal names the cause.
#
# Only bash, coreutils, awk, find and apt are needed: a fresh machine has neither Python nor curl.

preflight() {
    ((EUID == 0)) || refuse "hostd must be installed as root: sudo ./install.sh"
    check_system
    check_btrfs
    check_ports
    check_disk
    check_localhost
    check_network
}

check_system() {
    local ID='' VERSION_ID='' PRETTY_NAME='an unknown system'
    # shellcheck source=/dev/null
    [[ ! -r /etc/os-release ]] || . /etc/os-release
    case $ID:$VERSION_ID in
        debian:12 | debian:13) return ;;
        ubuntu:*) [[ $(printf '24.04\n%s\n' "$VERSION_ID" | sort -V | head -n 1) != 24.04 ]] || return 0 ;;
    esac
    refuse "hostd runs on Debian 12 and 13 and on Ubuntu 24.04 and later; this is $PRETTY_NAME"
}

check_btrfs() {
    grep -qw btrfs /proc/filesystems && return
    modprobe --dry-run --quiet btrfs 2>/dev/null && return
    refuse "this kernel has no btrfs (neither in /proc/filesystems nor as a module), and hostd keeps slugs in btrfs"
}

check_ports() {
    local name port holder seen=' '
    for name in http_port:80 https_port:443 ssh_port:$(default_ssh_port) api_port:7070 rendezvous_port:7071; do
        port=$(setting "${name%:*}" "${name#*:}")
        [[ $port != 0 ]] || continue
        [[ $seen != *" $port "* ]] || refuse "two of --http-port, --https-port, --ssh-port, --api-port and --rendezvous-port are $port"
        seen+="$port "
        holder=$(foreign_holder "$port" "${name%:*}")
        [[ -z $holder ]] || refuse "port $port is taken by $holder" \
            "stop it, or choose another port with --$(tr _ - <<<"${name%:*}")"
    done
}

default_ssh_port() { if in_box; then echo 2222; else echo 22; fi; }

# foreign_holder PORT SETTING: "name (pid 123)" of the process that listens on a port, unless it is ours.
foreign_holder() {
    local inode pid command
    for inode in $(awk -v port="$(printf ':%04X' "$1")" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
        pid=$(find /proc/[0-9]*/fd -lname "socket:\\[$inode\\]" -printf '%h\n' 2>/dev/null |
            cut -d/ -f3 | sort -n | head -n 1)
        [[ -n $pid ]] || { echo "a process that cannot be seen from here" && return; }
        command=$(tr -d '\0' <"/proc/$pid/comm")
        if in_box; then
            grep -q "/hostd-box-$box_name\(/\|$\)" "/proc/$pid/cgroup" && continue
        elif grep -q 'hostd-\(platform\|sshd\|router\)' "/proc/$pid/cgroup"; then
            continue
        elif ((pid == 1)) && systemctl --quiet is-active hostd-router@1.socket; then
            continue
        elif [[ $2 == ssh_port && $command == sshd || $2 == ssh_port && $pid == 1 ]]; then
            continue # hostd becomes a part of the system's ssh server
        fi
        echo "$command (pid $pid)"
        return
    done
}

check_disk() {
    local place free
    place=$(if in_box; then box_directory; else setting data_dir /var/lib/hostd; fi)
    [[ ! -e $place/pool.img && ! -d $place/pool/slugs ]] || return 0
    while [[ ! -d $place ]]; do place=$(dirname "$place"); done
    free=$(df --output=avail -B1 "$place" | tail -n 1)
    ((free >= 6 * GIB)) || refuse "too little disk: $place has $((free / GIB)) GiB free, and hostd needs 6 GiB" \
        "choose another place with --data-dir"
    [[ -z $pool_size ]] || ((pool_bytes <= free)) ||
        refuse "--pool-size $pool_size is more than the $((free / GIB)) GiB that are free at $place"
}

check_network() {
    local site
    if [[ -n $(missing_packages) ]]; then
        # A fresh machine has no release files yet, without which apt names no target by default.
        while read -r site; do
            reachable "$site" "$(apt-config dump --format '%v' "Acquire::${site%%:*}::Proxy" 2>/dev/null)" ||
                refuse "cannot reach $site, where Debian's packages come from (apt's sources)"
        done < <(apt-get --no-release-info indextargets --format '$(SITE)' 2>/dev/null | grep '^https\?://' | sort -u)
    fi
    if [[ ! -x $(venv_seen)/bin/hostd-install ]]; then
        site=${PIP_INDEX_URL:-https://pypi.org/simple}
        [[ $site != http* ]] || reachable "$site" "${https_proxy:-${HTTPS_PROXY:-}}" ||
            refuse "cannot reach $site, where Python's packages come from (pip's index)"
    fi
}

# A bare root, such as debootstrap makes, has no /etc/hosts.
check_localhost() {
    getent hosts localhost >/dev/null ||
        refuse "this machine does not know its own name localhost: add the line '127.0.0.1 localhost' to /etc/hosts"
}

venv_seen() { if in_box; then echo "$(box_directory)/upper$VENV"; else echo $VENV; fi; }

# reachable URL PROXY: whether the URL's host, or the proxy, accepts a connection within 10 s.
reachable() {
    local url=${2:-$1} host port
    [[ $url =~ ^(https?)://([^/@]*@)?([^/:]+)(:([0-9]+))? ]] || return 1
    host=${BASH_REMATCH[3]} port=${BASH_REMATCH[5]}
    [[ -n $port ]] || { [[ ${BASH_REMATCH[1]} == https ]] && port=443 || port=80; }
    timeout 10 bash -c 'exec 4<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null
}
