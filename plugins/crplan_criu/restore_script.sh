fail() {
    printf '%s\n' "restore: $*" >&2
    exit 1
}

put() { # NAME: writes a file of the private directory, with the places of this machine in it
    sed -e "s|@WORK@|$work|g" -e "s|@IMAGE@|$image|g" -e "s|@CGROUP@|$cgroup|g" -e "s|@OUTSIDE@|$outside|g" \
        -e "s|@FREEZE_FILE@|$freeze_file|g" -e "s|@FREEZE_WORD@|$freeze_word|g" -e "s|@CRIU@|$criu|g" >"$work/$1"
}

plainly_named() { # WORDS: refuses a path that a shell or sed would read otherwise
    case $1 in
    /*) ;;
    *) fail "$1 is no whole path" ;;
    esac
    case $1 in
    *[!A-Za-z0-9._/+:-]* | */../* | */..) fail "the path $1 has other than letters, digits and . _ / + : -" ;;
    esac
}

find_cgroup() { # sets outside, the cgroup of this shell, and how one is frozen; a freezer of version 1 goes first
    # shellcheck disable=SC2046
    set -- $(awk '
        { split(substr($0, index($0, " - ") + 3), behind, " ") }
        behind[1] == "cgroup" && ("," behind[3] ",") ~ /,freezer,/ { one = "1 " $4 " " $5 }
        behind[1] == "cgroup2" && two == "" { two = "2 " $4 " " $5 }
        END { print one != "" ? one : two }' /proc/self/mountinfo)
    [ $# = 3 ] || fail "no cgroup hierarchy that can freeze is mounted"
    path=$(awk -F: -v version="$1" '
        version == 2 && $2 == "" || version == 1 && ("," $2 ",") ~ /,freezer,/ { print $3; exit }' /proc/self/cgroup)
    [ "$2" = / ] || path=${path#"$2"}
    outside=$3${path%/}
    plainly_named "$outside"
    [ -d "$outside" ] || fail "the cgroup $outside of this shell is not there"
    case $1 in
    1) freeze_file=freezer.state freeze_word=FROZEN thaw_word=THAWED ;;
    *) freeze_file=cgroup.freeze freeze_word=1 thaw_word=0 ;;
    esac
}

cgroups() { # the cgroups of the tree, innermost directory first
    for part in $parts; do
        [ "$plain" = yes ] || echo "$cgroup/$part"
    done
    echo "$cgroup"
}

members() {
    for each in $(cgroups); do
        cat "$each/cgroup.procs" 2>/dev/null || :
    done
}

thaw() {
    for each in $(cgroups); do
        [ ! -e "$each/$freeze_file" ] || echo "$thaw_word" >"$each/$freeze_file"
    done
}

remove() {
    for each in $(cgroups); do
        tries=0
        while [ -d "$each" ] && ! rmdir "$each" 2>/dev/null && [ "$tries" -lt 100 ]; do
            tries=$((tries + 1))
            sleep 0.05
        done
    done
}

clean() { # on every way out: what does not stand as it was is ended
    code=$?
    trap '' HUP INT TERM
    set +e
    if [ "$stands" = no ]; then
        [ ! -s "$work/criu.pid" ] || [ -s "$work/code" ] || kill -KILL -- "-$(cat "$work/criu.pid")" 2>/dev/null
        tries=0
        while inside=$(members) && [ -n "$inside" ] && [ "$tries" -lt 200 ]; do
            # shellcheck disable=SC2086
            kill -KILL $inside 2>/dev/null
            thaw
            tries=$((tries + 1))
            sleep 0.05
        done
    fi
    [ -z "$sleeper" ] || kill -KILL "$sleeper" 2>/dev/null
    remove
    rm -rf "$work"
    exit "$code"
}

what_criu_said() { # FILES: the first error in logs of criu
    sed -n 's/.*Error ([^)]*): //p' "$@" 2>/dev/null | grep -v '^rlimit' | head -n 1
}

compile_library() {
    cc -O2 -shared -fPIC -o "$work/numbers.so" "$work/numbers.c" || fail "the library cannot be compiled here"
}

prove_reached() { # a throw-away process is restored under the library, which must meet criu's clone3
    mkdir "$work/proof"
    setsid sleep 600 </dev/null >/dev/null 2>&1 &
    sleeper=$!
    tries=0
    until grep -q sleep "/proc/$sleeper/comm" || [ "$tries" -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    "$criu" dump --tree "$sleeper" --images-dir "$work/proof" --log-file dump.log >/dev/null 2>&1 ||
        fail "$criu cannot dump a throw-away process here: $(what_criu_said "$work/proof/dump.log")"
    wait "$sleeper" 2>/dev/null || :
    sleeper=
    LD_PRELOAD=$work/numbers.so CRPLAN_SEEN=$work/seen "$criu" restore --images-dir "$work/proof" --restore-detached \
        --manage-cgroups=ignore --pidfile "$work/proof/pid" >/dev/null 2>&1 ||
        fail "$criu cannot restore a throw-away process here"
    sleeper=$(cat "$work/proof/pid")
    kill -KILL "$sleeper"
    sleeper=
    [ -s "$work/seen" ] || fail "the clone3 of $criu is not reached by a preloaded library (a static build?)"
}

hold() { # plain images: the action script waits until all but criu and its helpers stands still
    root=$(cat "$work/init")
    running=$(cat "$work/criu.pid")
    # shellcheck disable=SC2013
    for number in $(cat "$cgroup/cgroup.procs"); do
        parent=$(sed -n 's/^PPid:[[:blank:]]*//p' "/proc/$number/status")
        if [ "$number" = "$running" ] || { [ "$parent" = "$running" ] && [ "$number" != "$root" ]; }; then
            echo "$number" >"$outside/cgroup.procs"
        fi
    done
    echo "$freeze_word" >"$cgroup/$freeze_file"
    echo >"$work/go"
}

restore() { # runs criu to its end
    start=start
    set -- "$image"/mountpoints-*.img "$image"/part0/mountpoints-*.img
    for each; do
        [ ! -e "$each" ] || start='start-mounts'
    done
    (
        code=0
        setsid sh "$work/$start" </dev/null >/dev/null 2>&1 || code=$?
        echo "$code" >"$work/code.new"
        mv "$work/code.new" "$work/code"
    ) &
    tries=0
    held=no
    while [ ! -s "$work/code" ]; do
        if [ "$plain" = yes ] && [ "$held" = no ] && [ -s "$work/init" ]; then
            hold
            held=yes
        fi
        [ ! -e "$work/failed" ] || fail "criu restore failed: $(what_criu_said "$work"/part*.log)"
        [ "$tries" -lt 2400 ] || fail "criu did not restore the tree within 120 seconds"
        tries=$((tries + 1))
        sleep 0.05
    done
    [ "$(cat "$work/code")" = 0 ] || fail "criu restore failed: $(what_criu_said "$work"/part*.log)"
    root=$(cat "$work/root.pid")
}

describe() { # NUMBER: the lines of a process, in the form of those that are expected
    # shellcheck disable=SC2016
    awk -v number="$1" -v root="$root" -v skip="$skip" '
        function vector(text, at) { text = $(2 + skip); for (at = 3 + skip; at <= NF; at++) text = text "/" $at; return text }
        FNR == 1 { file++ }
        $1 == "NSpid:" && file == 1 { mine = vector() }
        $1 == "NSpid:" && file > 1 && vector() != mine { print "thread " vector() " of " mine }
        file > 1 { next }
        $1 == "State:" { state = $2 == "Z" ? "dead" : "alive" }
        $1 == "PPid:" { above = $2 }
        $1 == "NSpgid:" { group = $(2 + skip) }
        $1 == "NSsid:" { session = $(2 + skip) }
        END {
            parent = 0
            while (number != root && (getline < ("/proc/" above "/status")) > 0)
                if ($1 == "NSpid:") parent = $(2 + skip)
            status = 0
            if (state == "dead" && (getline line < ("/proc/" number "/stat")) > 0) {
                sub(/.*\) /, "", line)
                split(line, fields, " ")
                status = fields[50]
            }
            print "task " mine " parent " parent " group " group " session " session " " state " " status
        }' "/proc/$1/status" "/proc/$1/task"/*/status
}

standing() { # every process from the root downwards; a leader outside of the tree is 0
    skip=$(awk -v length_of_root="$length_of_root" '$1 == "NSpid:" { print NF - 1 - length_of_root }' "/proc/$root/status")
    now=$root
    while [ -n "$now" ]; do
        later=
        for number in $now; do
            describe "$number"
            later="$later $(cat "/proc/$number/task"/*/children)"
        done
        now=$(echo "$later" | tr -s ' ' '\n' | grep . || :)
    done | awk '
        { lines[NR] = $0 }
        $1 == "task" { split($2, numbers, "/"); there[numbers[1]] = 1; if (!leads) { leads = 1; group = $6; session = $8 } }
        END {
            for (at = 1; at <= NR; at++) {
                $0 = lines[at]
                if ($1 == "task") {
                    if (!($6 in there) && ($6 == group || $6 == session)) $6 = 0
                    if (!($8 in there) && ($8 == group || $8 == session)) $8 = 0
                }
                print
            }
        }' | sort
}

compare() {
    expected | sort >"$work/expected"
    standing >"$work/found"
    if ! cmp -s "$work/expected" "$work/found"; then
        diff "$work/expected" "$work/found" >&2 || :
        fail "what criu has restored differs from the image (<), and is ended"
    fi
}

let_run() { # the tree runs on in the cgroup of this shell
    stands=yes
    thaw
    tries=0
    while inside=$(members) && [ -n "$inside" ] && [ "$tries" -lt 200 ]; do
        for number in $inside; do
            echo "$number" >"$outside/cgroup.procs" || :
        done
        tries=$((tries + 1))
    done 2>/dev/null
}

main() {
    [ $# = 1 ] || fail "usage: $0 DIRECTORY: that with the images (CRPLAN_CRIU names the criu to run)"
    [ "$(id -u)" = 0 ] || fail "criu restore takes root"
    image=$(cd "$1" && pwd -P) || fail "$1 is no directory"
    plainly_named "$image"
    criu=$(command -v "${CRPLAN_CRIU:-criu}") || fail "there is no ${CRPLAN_CRIU:-criu}; CRPLAN_CRIU names another"
    plainly_named "$criu"
    for part in $parts; do
        [ "$plain" = yes ] && each=$image || each=$image/$part
        [ -e "$each/inventory.img" ] || fail "$each holds no images of criu"
    done
    find_cgroup
    cgroup=$outside/restore-$$
    umask 077
    work=$(mktemp -d /run/restore.XXXXXX)
    stands=no sleeper=
    trap clean EXIT
    trap 'exit 1' HUP INT TERM
    write_files
    mkdir "$work/root" "$cgroup"
    if [ "$plain" = yes ]; then
        mkfifo "$work/go"
    else
        for part in $parts; do
            mkdir "$cgroup/$part"
        done
        compile_library
        prove_reached
    fi
    chmod +x "$work"/*.action
    restore
    compare
    let_run
    echo "ready $root"
}

main "$@"
