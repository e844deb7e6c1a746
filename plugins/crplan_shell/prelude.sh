# What follows up to the last line is the same in every script: the machinery.
#
#     step N SENTENCE DEED TASK WORDS... rule RULE          carries out one step, through the agent, or ends everything
#     check N TASK PIDS PARENT SESSION GROUP STATE SIGNAL WORDS... compares a process with /proc, and is a step, too
#     need WHAT TASK                                        refuses what this machine's agent cannot do, before the first step
#     ready after N root TASK                               checks that nothing is missing, prints "ready PID", and holds
#
# Numbers are those that the outermost level of the new pid namespace knows. "as 30/5" is a process that is 30 there and 5 one
# level below. Task 0 is the agent: it stands outside, creates the first process, and checks every one against /proc.

set -u
LC_ALL=C
export LC_ALL
agent=''
stage=before
stopped=''
dry_run=${CRPLAN_DRY_RUN:-}
case $dry_run in 0) dry_run='' ;; esac

# Only complaints go to standard error: what a shell adds by itself about an agent that was killed, at any moment, is noise.
command exec 8>&2 || exec 8</dev/null
exec 2>/dev/null
# In the place of a closed stream comes one that cannot be used either, before another file takes it.
command : 9<&0 || exec 0</dev/null
command : 9>&1 || exec 1</dev/null

# finish CODE [WORDS]: closes the pipe, which ends the agent, and with it every process that it made, says what is to be said, and
# exits. The agent says it, if it can: unlike a shell it does not wait for ever where a pipe is full. With 7 it has.
finish() {
    trap '' TERM INT HUP QUIT
    trap - EXIT
    code=$1
    told=0
    if [ -n "$agent" ]; then
        [ -z "${2:-}" ] || printf 'say %s\n' "$2" >&3
        exec 3>&- 4<&-
        wait "$agent"
        told=$?
    fi
    case $told in
    7) [ -n "${2:-}" ] || code=1 ;;
    *) [ -z "${2:-}" ] || printf 'crplan: %s\n' "$2" >&8 ;;
    esac
    exit "$code"
}

interrupted() {
    case $stage in
    ready) finish 0 ;;
    saying)
        # The agent may be waiting for a reader of the ready line, or have written it.
        stopped=$1
        exec 3>&-
        return
        ;;
    esac
    finish 1 "step 0 (executor): task 0: interrupted: SIG$1"
}

left_early() {
    [ -z "$dry_run" ] || exit "$1"
    finish 1 'the script ended before it was ready'
}

# hear: waits for the agent's answer.
hear() {
    answer=''
    IFS= read -r answer <&4 || { [ -n "$stopped" ] && IFS= read -r answer <&4; } || answer='no task 0: the agent was killed: ESRCH'
    case $answer in
    no\ *) return 1 ;;
    esac
}

# ask WORDS...: sends a line to the agent and waits for the answer.
ask() {
    printf '%s\n' "$*" >&3
    hear
}

step() {
    place=$1
    sentence=$2
    shift 2
    for rule; do :; done
    if [ -n "$dry_run" ]; then
        tell && return
        finish 1 'the steps cannot be written to standard output'
    fi
    ask step "$place" "$@" || fail
}

# tell: prints a step's sentence, with its number and its rule.
tell() {
    printf '%5s  %s  [%s]\n' "$place" "$sentence" "$rule"
}

fail() {
    finish 1 "step $place ($rule): ${answer#no }"
}

# check N TASK PIDS PARENT SESSION GROUP STATE SIGNAL WORDS...: compares a process with /proc.
check() {
    place=$1
    task=$2
    pids=$3
    parent=$4
    session=$5
    group=$6
    state=$7
    shift 7
    case $1 in
    any) shift ;;
    *)
        signal=$1
        shift
        set -- signal "$signal" "$@"
        ;;
    esac
    rule=verify
    if [ -n "$dry_run" ]; then
        say_check "$@"
        tell && return
        finish 1 'the steps cannot be written to standard output'
    fi
    ask step "$place" verify "$task" as "$pids" parent "$parent" group "$group" session "$session" state "$state" "$@" || fail
}

# say_check WORDS...: says in $sentence what a check compares.
say_check() {
    outside "$parent" && parent=$word
    outside "$session" && session=$word
    outside "$group" && group=$word
    sentence="verify $task: parent $parent, session $session, group $group,"
    status=0
    rest=''
    while [ "$#" -gt 1 ]; do
        case $1 in
        status) status=$2 ;;
        threads) say_threads "$2" ;;
        subreaper) rest="$rest subreaper," ;;
        signal) say_signal "$2" ;;
        namespaces) say_namespaces "$2" ;;
        esac
        shift 2
    done
    [ "$state" = alive ] || say_status
    sentence="$sentence$rest"
    sentence=${sentence%,}
}

# outside NUMBER: says 0 as what it is, in $word.
outside() {
    word=$1
    [ "$word" != 0 ] || word=outside
}

say_status() {
    signal=$((status & 127))
    core=''
    [ $((status & 128)) -eq 0 ] || core=' with core'
    case $signal in
    0) sentence="$sentence zombie (exit $((status >> 8 & 255)))," ;;
    *) sentence="$sentence zombie (signal $signal$core)," ;;
    esac
}

say_threads() {
    rest="$rest threads"
    list=$1,
    while [ -n "$list" ]; do
        one=${list%%,*}
        list=${list#*,}
        rest="$rest ${one%%/*}"
    done
    rest="$rest,"
}

say_signal() {
    case $1 in
    17) ;;
    0) rest="$rest no exit signal," ;;
    *) rest="$rest exit signal $1," ;;
    esac
}

say_namespaces() {
    list=$1,
    while [ -n "$list" ]; do
        one=${list%%,*}
        list=${list#*,}
        case ${one#*:} in
        "$task") rest="$rest ${one%%:*} namespace of its own," ;;
        0) rest="$rest ${one%%:*} namespace of executor," ;;
        *) rest="$rest ${one%%:*} namespace of ${one#*:}," ;;
        esac
    done
}

need() {
    [ -z "$dry_run" ] || return 0
    ask need "$@" && return
    finish 3 "${answer#no }"
}

ready() {
    [ -z "$dry_run" ] || finish 0
    place=$2
    rule=verify
    ask ready "$@" || fail
    stage=saying
    if ! ask announce; then
        [ -z "$stopped" ] || answer="no task $4: interrupted: SIG$stopped"
        place=0
        rule=executor
        fail
    fi
    stage=ready
    [ -z "$stopped" ] || finish 0
    wait "$agent"
    code=$?
    trap '' TERM INT HUP QUIT
    agent=''
    case $code in
    0) finish 0 ;;
    7) finish 1 ;;
    esac
    finish 1 'step 0 (executor): task 0: the agent was killed: ESRCH'
}

# open_pipe: opens a new pipe for both sides as descriptor 5, and says in $pipe how else it can be opened.
#
# Most shells make a pipe without a name for a short here-document, and /proc opens its other side.
open_pipe() {
    pipe=/proc/self/fd/5
    command exec 5<<'WORD'
word
WORD
    if [ -p "$pipe" ] && IFS= read -r pipe_word <&5 && [ "$pipe_word" = word ] && command exec 5<>"$pipe"; then
        return
    fi
    for tool in mktemp mkfifo rm; do
        command -v "$tool" >/dev/null || finish 1 "this machine has no $tool"
    done
    if ! { folder=$(mktemp -d) && pipe=$folder/pipe && mkfifo "$pipe"; }; then
        finish 1 "two pipes cannot be made in ${TMPDIR:-/tmp}: mktemp -d and mkfifo must work there"
    fi
    # Open for both, a pipe does not wait for the other side.
    exec 5<>"$pipe"
}

# close_pipe: now that each side is open, the name can go.
close_pipe() {
    exec 5>&-
    case $pipe in
    /proc/*) ;;
    *) rm -rf "${pipe%/pipe}" ;;
    esac
}

# first_answer: waits for what an agent says before anything else. In the place of an interpreter may be a script that never comes to
# it, so there is a limit where this machine has the tools for one.
first_answer() {
    answer=''
    case ${CRPLAN_TIMEOUT:-30} in
    *[!0-9.]* | *.*.* | .) ;;
    *)
        if command -v timeout >/dev/null && command -v head >/dev/null; then
            answer=$(timeout "${CRPLAN_TIMEOUT:-30}" head -n 1 <&4 3>&- 8>&-)
            if [ $? -eq 124 ]; then
                kill -KILL "$agent"
                finish 1 'step 0 (executor): task 0: the agent does not answer: ETIMEDOUT'
            fi
            [ -z "$answer" ] || return 0
        fi
        ;;
    esac
    IFS= read -r answer <&4
}

# begin FUNCTION PROGRAM: starts an agent on two pipes.
begin() {
    command -v "$2" >/dev/null || return 1
    open_pipe
    exec 3>"$pipe"
    exec 6<"$pipe"
    close_pipe
    open_pipe
    exec 4<"$pipe"
    exec 7>"$pipe"
    close_pipe
    "$1" 3<&6 4>&7 6<&- 7>&- &
    agent=$!
    exec 6<&- 7>&-
    if first_answer; then
        case $answer in
        ok) return 0 ;;
        esac
        finish 1 "${answer#no }"
    fi
    exec 3>&- 4<&-
    wait "$agent"
    code=$?
    agent=''
    [ "$code" -lt 128 ] && return 1
    finish 1 'step 0 (executor): task 0: the agent was killed: ESRCH'
}

# deaf_to_term: tells whether SIGTERM was ignored or blocked when this shell started, neither of which it can change. Sets $again
# where beginning again would help it, or one of the other signals that a caller has blocked.
deaf_to_term() {
    deaf=1
    again=''
    while read -r name value; do
        case $name$value in
        SigIgn:*[4567cdef]??? | SigBlk:*[4567cdef]???) deaf=0 again=1 ;;
        SigBlk:*[!08]) again=1 ;;
        esac
    done </proc/self/status
    return "$deaf"
}

# heed_signals: SIGTERM ends the rebuild always. Where it would not, the script begins again in a shell that hears it.
heed_signals() {
    again=''
    deaf_to_term && deaf=1 || deaf=''
    [ -n "$again" ] || return 0
    if [ -z "${CRPLAN_AGAIN:-}" ] && [ -f "$0" ] && [ -r "$0" ]; then
        CRPLAN_AGAIN=1
        export CRPLAN_AGAIN
        command -v perl >/dev/null &&
            exec perl -e 'use POSIX; sigprocmask(SIG_SETMASK, POSIX::SigSet->new); $SIG{TERM} = "DEFAULT"; exec @ARGV' \
                "${BASH:-/bin/sh}" "$0" 2>&8 8>&-
        command -v python3 >/dev/null &&
            exec python3 -I -S -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, [])
signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "${BASH:-/bin/sh}" "$0" 2>&8 8>&-
    fi
    [ -z "$deaf" ] || finish 1 'SIGTERM is ignored or blocked here, and would not end the rebuild'
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

@AGENTS@
# rebuild DIGEST: carries out the plan, which was written for this agent and no other.
rebuild() {
    case $1 in
    "$machinery") ;;
    *) finish 1 "this script belongs to the agent $1, and the file beside it is the agent $machinery" ;;
    esac
    if [ -n "$dry_run" ]; then
        plan
        finish 1 'the script ended before it was ready'
    fi
    heed_signals
    # Signals other than SIGTERM stay ignored where they were from the start: a shell leaves those alone.
    trap '' PIPE
    trap 'interrupted TERM' TERM
    trap 'interrupted INT' INT
    trap 'interrupted HUP' HUP
    trap 'interrupted QUIT' QUIT
    trap 'left_early $?' EXIT
    @BEGIN@
        finish 1 'this machine has @LACKING@'
    plan
}
