#!/bin/bash
# Installing in a box: what install.sh does where PID 1 is not systemd; sourced by it.

box() {
    PYTHONPATH=$SOURCE PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m hostd.box \
        --name "$box_name" --directory "$(box_directory)" "$@"
}

install_in_box() {
    local passed=(--inside --yes --ssh-port "$(setting ssh_port 2222)") name
    for name in domain http_port https_port api_port rendezvous_port admin; do
        [[ -z ${!name} ]] || passed+=("--${name//_/-}" "${!name}")
    done
    case $router_compiled in
        true) passed+=(--compile) ;;
        false) passed+=(--no-compile) ;;
    esac
    # Some of a small disk stays for the rest of the box and of the machine.
    local free size=50
    free=$(df --output=avail -B1G "$(existing_parent "$(box_directory)")" | tail -n 1)
    ((free * 3 / 4 >= size)) || size=$((free * 3 / 4))
    step "Starting the box in $(box_directory)" box start --pool-size "${pool_size:-$(pool_size_kept "${size}G")}"
    passed+=(--network-name "$(box status | sed -n 's/^Network: *//p')")
    step "Copying the program into the box" copy_into_box
    caller_environment
    box shell -- env "${environment[@]}" /bin/bash $OPT/src.new/install.sh "${passed[@]}" || exit 1
    step "Installing hostctl on the machine" install_wrapper
}

existing_parent() {
    local place=$1
    while [[ ! -d $place ]]; do place=$(dirname "$place"); done
    echo "$place"
}

# An upgrade never changes the size of the pool by itself.
pool_size_kept() {
    local image
    image=$(box_directory)/pool.img
    if [[ -e $image ]]; then stat --format=%s "$image"; else echo "$1"; fi
}

copy_into_box() {
    box shell -- rm -rf $OPT/src.new
    box shell -- mkdir -p $OPT/src.new
    pack_source | box shell -- tar -x -C $OPT/src.new
}

# How this machine reaches Python's packages, for pip inside the box; and who asked for all this.
caller_environment() {
    environment=(${SUDO_USER:+"SUDO_USER=$SUDO_USER"})
    local name
    for name in $(compgen -e | grep -Ex 'PIP_.*|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|SSL_CERT_(FILE|DIR)'); do
        environment+=("$name=${!name}")
    done
    if [[ -z ${PIP_CONFIG_FILE:-} && -r ${HOME:-/root}/.config/pip/pip.conf ]]; then
        environment+=("PIP_CONFIG_FILE=${HOME:-/root}/.config/pip/pip.conf")
    fi
}

# hostctl outside: its own small copy of the box's code, and the program from the box's virtual environment.
install_wrapper() {
    local library program directory
    directory=$(box_directory)
    library=$(wrapper_library) program=$(wrapper_program)
    rm -rf "$library.new"
    mkdir -p "$library.new" "$(dirname "$program")"
    tar -c -C "$SOURCE" --exclude=__pycache__ hostd/__init__.py hostd/box | tar -x -C "$library.new"
    rm -rf "$library"
    mv "$library.new" "$library"
    sed -e "s|@NAME@|$box_name|g; s|@DIRECTORY@|$directory|g; s|@LIBRARY@|$library|g" \
        "$SOURCE/hostd/box/files/hostctl" >"$program.new"
    chmod 755 "$program.new"
    mv "$program.new" "$program"
}

wrapper_library() { if [[ $box_name == hostd ]]; then echo /usr/local/lib/hostd; else echo "$(named_box)/lib"; fi; }
wrapper_program() {
    if [[ $box_name == hostd ]]; then echo /usr/local/bin/hostctl; else echo "$(named_box)/hostctl"; fi
}
named_box() { echo "${box_dir:-${data_dir:-/var/lib/hostd-box/$box_name}}"; }
