# What follows up to the last line is the same in every script: the machinery.
#
#     step N SENTENCE ACTOR OP WORDS... rule=RULE                tells the agent one step
#     check N TASK PARENT SESSION GROUP STATE SIGNAL WORDS...    tells it to compare a process with /proc, which is a step, too
#     ready after N root TASK    says that this was all: the agent carries it out, prints "ready PID", and holds
#
# Numbers are those that the outermost level of the new pid namespace knows. "as=30/5" is a process that is 30 there and 5 one
# level below. Actor 0 is the agent: it stands outside, creates the first process, and checks every one against /proc.

set -u
LC_ALL=C
export LC_ALL
dry_run=${CRPLAN_DRY_RUN:-}
case $dry_run in 0) dry_run='' ;; esac

# Only complaints go to standard error: what a shell adds by itself is noise.
command exec 8>&2 || exec 8</dev/null
exec 2>/dev/null
# In the place of a closed stream comes one that cannot be used either, before another file takes it.
command : 9<&0 || exec 0</dev/null
command : 9>&1 || exec 1</dev/null

# finish CODE [WORDS]: says what is to be said, and exits.
finish() {
    [ -z "${2:-}" ] || printf 'crplan: %s\n' "$2" >&8
    exit "$1"
}

step() {
    place=$1
    sentence=$2
    shift 2
    if [ -z "$dry_run" ]; then
        printf 'step %s %s\n' "$place" "$*"
    else
        for rule; do :; done
        tell "${rule#rule=}"
    fi
}

# tell RULE: prints a step's sentence, with its number and its rule.
tell() {
    printf '%5s  %s  [%s]\n' "$place" "$sentence" "$1" || finish 1 'the steps cannot be written to standard output'
}

check() {
    place=$1
    task=$2
    parent=$3
    session=$4
    group=$5
    state=$6
    signal=$7
    shift 7
    [ "$signal" = any ] || set -- "exit_signal=$signal" "$@"
    [ "$state" = alive ] || set -- zombie "status=${state#*=}" "$@"
    if [ -z "$dry_run" ]; then
        printf 'step %s 0 verify %s ' "$place" "$task"
        printf '%s ' "parent=$parent" "group=$group" "session=$session" "$@"
        printf 'rule=verify\n'
    else
        say_check "$@"
        tell verify
    fi
}

# say_check WORDS...: says in $sentence what a check compares.
say_check() {
    outside "$parent" && parent=$word
    outside "$session" && session=$word
    outside "$group" && group=$word
    sentence="verify $task: parent $parent, session $session, group $group,"
    for more; do
        case $more in
        zombie) ;;
        status=*) say_status "${more#*=}" ;;
        threads=*) say_threads "${more#*=}" ;;
        exit_signal=*) say_signal "${more#*=}" ;;
        subreaper) sentence="$sentence subreaper," ;;
        *) say_namespace "${more%%=*}" "${more#*=}" ;;
        esac
    done
    sentence=${sentence%,}
}

# outside NUMBER: says 0 as what it is, in $word.
outside() {
    word=$1
    [ "$word" != 0 ] || word=outside
}

say_status() {
    signal=$(($1 & 127))
    core=''
    [ $(($1 & 128)) -eq 0 ] || core=' with core'
    case $signal in
    0) sentence="$sentence zombie (exit $(($1 >> 8 & 255)))," ;;
    *) sentence="$sentence zombie (signal $signal$core)," ;;
    esac
}

say_threads() {
    sentence="$sentence threads"
    list=$1,
    while [ -n "$list" ]; do
        sentence="$sentence ${list%%,*}"
        list=${list#*,}
    done
    sentence="$sentence,"
}

say_signal() {
    case $1 in
    17) ;;
    0) sentence="$sentence no exit signal," ;;
    *) sentence="$sentence exit signal $1," ;;
    esac
}

say_namespace() {
    case $2 in
    "$task") sentence="$sentence $1 namespace of its own," ;;
    0) sentence="$sentence $1 namespace of executor," ;;
    *) sentence="$sentence $1 namespace of $2," ;;
    esac
}

ready() {
    [ -z "$dry_run" ] || finish 0
    printf 'ready %s\n' "$*"
}

# usage: says what the script does, for one who asks before running it.
usage() {
    printf '%s\n' \
        'usage: sh SCRIPT' \
        'Rebuilds the tree of processes that the head of the script describes, prints "ready PID", and holds it until' \
        'SIGTERM, SIGINT or the end of its root. It takes no arguments.' \
        'CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).' && exit 0
    finish 1 'the usage cannot be written to standard output'
}

if [ $# -gt 0 ]; then
    case $1 in
    -h | --help) usage ;;
    esac
    finish 2 'a rebuild takes no arguments; --help says what it does'
fi

# rebuild DIGEST: tells the plan to the agent, for which it was written and for no other. The agent takes this shell's place.
rebuild() {
    case $1 in
    "$machinery") ;;
    *) finish 1 "this script belongs to the agent $1, and the file beside it is the agent $machinery" ;;
    esac
    if [ -n "$dry_run" ]; then
        plan
        finish 1 'the script ended before it was ready'
    fi
    # In the place of an interpreter may be a script that never comes to it: a limit where this machine has the tool for one.
    within=''
    case ${CRPLAN_TIMEOUT:-30} in
    *[!0-9.]* | *.*.* | .) ;;
    *) command -v timeout >/dev/null && within="timeout ${CRPLAN_TIMEOUT:-30}" ;;
    esac
    $within python3 -I -S -c 'import ctypes, sys; sys.exit(sys.version_info < (3, 8))'
    case $? in
    0) ;;
    124) finish 1 'step 0 (executor): task 0: python3 does not answer: ETIMEDOUT' ;;
    *) finish 1 'this machine has no python3 (3.8 or later, with ctypes); crplan IMAGE --emit c writes a program that needs none' ;;
    esac
    told=$(plan)
    exec python3 -I -S - 3<<PLAN 2>&8 8>&- <<'PYTHON'
$told
PLAN
@AGENT@
PYTHON
}
