# What follows up to the first step is the same in every script.
#
#     step N DEED TASK WORDS... rule RULE     carries out one step, through the agent, or ends everything
#     need WHAT TASK                          refuses what this machine's agent cannot do, before the first step
#     ready after N root TASK                 checks that nothing is missing, prints "ready PID", and holds
#
# Numbers are those that the outermost level of the new pid namespace knows. "as 30/5" is a process that is 30 there and 5 one
# level below. Task 0 is the agent: it stands outside, creates the first process, and checks every one against /proc.

set -u
LC_ALL=C
export LC_ALL
agent=''
stage=before
dry_run=${CRPLAN_DRY_RUN:-}
case $dry_run in 0) dry_run='' ;; esac

# Only complaints go to standard error: what a shell adds by itself about an agent that was killed, at any moment, is noise.
command exec 8>&2 || exec 8>/dev/null
exec 2>/dev/null

complain() {
    printf 'crplan: %s\n' "$1" >&8
}

# Closing the pipe ends the agent, and with it every process that it made.
finish() {
    trap '' TERM INT HUP
    trap - EXIT
    exec 3>&- 4<&-
    [ -z "$agent" ] || wait "$agent" 2>/dev/null
    exit "$1"
}

interrupted() {
    case $stage in
    ready) finish 0 ;;
    esac
    complain "ended by SIG$1 before every process stood"
    finish 1
}

left_early() {
    [ -z "$dry_run" ] || exit "$1"
    complain 'the script ended before it was ready'
    finish 1
}

# ask WORDS...: sends a line to the agent and waits for the answer.
ask() {
    printf '%s\n' "$*" 2>/dev/null >&3
    answer=''
    IFS= read -r answer <&4 || answer='no task 0: the agent died: ESRCH'
    case $answer in
    no\ *) return 1 ;;
    esac
}

step() {
    if [ -n "$dry_run" ]; then
        printf 'step %s\n' "$*"
        return
    fi
    ask step "$@" || fail "$@"
}

fail() {
    place=$1
    for rule; do :; done
    complain "step $place ($rule): ${answer#no }"
    finish 1
}

need() {
    [ -z "$dry_run" ] || return 0
    ask need "$@" && return
    complain "${answer#no }"
    finish 3
}

ready() {
    [ -z "$dry_run" ] || finish 0
    ask ready "$@" || fail "$2" verify
    stage=ready
    if ! printf '%s\n' "$answer" 2>/dev/null; then
        complain 'the ready line cannot be written'
        finish 1
    fi
    wait "$agent" 2>/dev/null
    code=$?
    trap '' TERM INT HUP
    agent=''
    case $code in
    0) finish 0 ;;
    esac
    complain 'the agent was killed'
    finish 1
}

# begin FUNCTION PROGRAM: starts an agent on two pipes without names. From here on the shell runs no other program: one that
# waits for a program would also say that an agent was killed.
begin() {
    command -v "$2" >/dev/null 2>&1 || return 1
    if ! { pipes=$(mktemp -d) && mkfifo "$pipes/steps" "$pipes/answers"; } 2>/dev/null; then
        complain "two pipes cannot be made in ${TMPDIR:-/tmp}: mktemp -d and mkfifo must work there"
        finish 1
    fi
    # Open for both, a pipe does not wait for the other side; then each side is opened, and the names can go.
    exec 5<>"$pipes/steps"
    exec 3>"$pipes/steps"
    exec 6<"$pipes/steps"
    exec 5<>"$pipes/answers"
    exec 4<"$pipes/answers"
    exec 7>"$pipes/answers"
    exec 5>&-
    { rm -rf "$pipes"; } 2>/dev/null
    "$1" 3<&6 4>&7 6<&- 7>&- 8>&- &
    agent=$!
    exec 6<&- 7>&-
    answer=''
    if IFS= read -r answer <&4; then
        case $answer in
        ok) return 0 ;;
        esac
        complain "${answer#no }"
        finish 1
    fi
    exec 3>&- 4<&-
    wait "$agent" 2>/dev/null
    code=$?
    agent=''
    [ "$code" -lt 128 ] && return 1
    complain 'the agent was killed'
    finish 1
}

python_agent() {
    exec python3 -I -S - <<'PYTHON'
@PYTHON@
PYTHON
}

perl_agent() {
    exec perl - <<'PERL'
@PERL@
PERL
}

if [ -z "$dry_run" ]; then
    for tool in mktemp mkfifo rm; do
        command -v "$tool" >/dev/null 2>&1 || {
            complain "this machine has no $tool"
            exit 1
        }
    done
    trap '' PIPE
    trap 'interrupted TERM' TERM
    trap 'interrupted INT' INT
    trap 'interrupted HUP' HUP
    trap 'left_early $?' EXIT
    begin python_agent python3 || begin perl_agent perl || {
        complain 'this machine has neither a python3 (3.8 or later, with ctypes) nor a perl that could create processes'
        finish 1
    }
fi
