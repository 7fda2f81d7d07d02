#!/bin/bash
# Making machine code of the router's hot path; sourced by install.sh. The platform goes without, if it cannot be made.

# mypy, whose part the compiler is, has a virtual environment of its own, of which nothing is in use afterwards.
readonly COMPILER=/opt/hostd/compiler COMPILED=/opt/hostd/compiled

# compile_router: sets `build`, the directory with what is made of the source that is about to be installed, if it is.
compile_router() {
    build=''
    if [[ $(setting router_compiled true) == false ]]; then
        rm -rf $COMPILED
        note "the router runs interpreted, at half its speed, as the setting router_compiled says"
        return
    fi
    build=$(compiling /usr/bin/python3 --find 2>/dev/null) && return
    if install_compiler; then
        attempt "Compiling the router" compiling nice $COMPILER/bin/python --python $VENV/bin/python || true
    fi
    # What another compiler has made is as good, if there is nothing newer.
    build=$(compiling /usr/bin/python3 --find-any) ||
        note "the router runs interpreted, at half its speed; the next ./install.sh tries again to compile it"
}

# compiling PROGRAM... OPTION...: `hostd.install.compiling`, of that source.
compiling() {
    local words=()
    while [[ $1 != --* ]]; do
        words+=("$1")
        shift
    done
    env PYTHONPATH=$OPT/src.new PYTHONDONTWRITEBYTECODE=1 "${words[@]}" -m hostd.install.compiling \
        --builds $COMPILED "$@"
}

install_compiler() {
    local wanted
    wanted=$(/usr/bin/python3 --version && pins dev | grep -E '^(mypy|setuptools)==')
    [[ $wanted != "$(cat $COMPILER/.requirements 2>/dev/null)" ]] || return 0
    attempt "Installing the compiler into $COMPILER" make_compiler "$wanted" || return 1
    printf '%s\n' "$wanted" >$COMPILER/.requirements
}

make_compiler() {
    /usr/bin/python3 -m venv --clear $COMPILER &&
        $COMPILER/bin/pip install --quiet --disable-pip-version-check -r <(tail -n +2 <<<"$1")
}

# Nothing runs those of before any more.
remove_other_builds() {
    [[ ! -d $COMPILED ]] || find $COMPILED -mindepth 1 -maxdepth 1 ! -name "${build##*/}" -exec rm -rf {} +
}
