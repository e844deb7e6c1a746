#!/bin/sh
# shellcheck disable=SC2317,SC2329
#
# Rebuilds 12 processes in 35 steps (plan 7c2d5c25fa30278f).
#
# It makes a new pid namespace, creates every process in it with its numbers, checks each against /proc,
# prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it ends everything.
# The processes wait and run nothing. Needs Linux 5.8 or later, python3 (3.8 or later), and root
# or user namespaces. CRPLAN_DRY_RUN=1 prints the steps and does nothing, for which a shell is enough;
# CRPLAN_TIMEOUT is how many seconds a step may take (30).

# The plan: one step a line, in order. Each says what happens, and then the same to the agent.
plan() {
    step 1  'executor creates 1 in a new pid namespace'          0 create 1 new_namespace as=1 named=task1 rule=birth
    step 2  '1 calls setsid'                                     1 setsid rule=session
    step 3  '1 creates 10/1 in a new pid namespace'              1 create 10 new_namespace as=10/1 named=task10 rule=birth
    step 4  '1 creates 2 sharing fs, files with exit signal 10'  1 create 2 signal=10 files fs as=2 named=task2 rule=birth
    step 5  '2 creates 3 as its sibling'                         2 create 3 sibling signal=0 as=3 named=task3 rule=birth
    step 6  '2 creates thread 100'                               2 thread 100 as=100 rule=thread
    step 7  '2 enters the pid namespace of 10 for its next children' 2 enter 10 rule=entry
    step 8  '2 creates 11/5'                                     2 create 11 as=11/5 named=task11 rule=birth
    step 9  '11 creates thread 12/9'                             11 thread 12 as=12/9 rule=thread
    step 10 '2 goes back to its own pid namespace'               2 enter 1 rule=entry
    step 11 'executor enters the pid namespace of 1 for its next children' 0 enter 1 rule=entry
    step 12 'executor creates 30'                                0 create 30 as=30 named=task30 rule=birth
    step 13 'executor goes back to its own pid namespace'        0 enter 0 rule=entry
    step 14 '1 becomes a subreaper'                              1 subreaper on rule=adoption
    step 15 '3 puts itself into a group of its own'              3 setpgid 3 3 rule=group
    step 16 '1 creates helper 40'                                1 create 40 as=40 named=helper40 rule=birth
    step 17 '40 ends (exit 0)'                                   40 exit 0 rule=end
    step 18 '1 reaps 40'                                         1 reap 40 rule=reap
    step 19 '1 stops being a subreaper'                          1 subreaper off rule=adoption
    step 20 '1 creates 50'                                       1 create 50 as=50 named=task50 rule=birth
    step 21 '50 creates thread 51'                               50 thread 51 as=51 rule=thread
    step 22 '50 ends its leading thread (exit 0)'                50 exit 0 thread_only rule=end
    step 23 '3 ends (exit 7)'                                    3 exit 1792 rule=end
    step 24 '30 ends (signal 6 with core)'                       30 exit 134 rule=end
    step 25 '1 creates 20/1 in a new pid namespace'              1 create 20 new_namespace as=20/1 named=task20 rule=birth
    step 26 '1 kills 20 with signal 9'                           1 kill 20 9 rule=end
    step 27 '2 becomes a subreaper'                              2 subreaper on rule=adoption
    # Every process is compared with /proc. Outside is 0.
    #        process parent session group state       signal more
    check 28 1       0      1       1     alive       any
    check 29 10      1      1       1     alive       any
    check 30 2       1      1       1     alive       any    threads=100 subreaper
    check 31 3       1      1       3     zombie=1792 any
    check 32 11      2      1       1     alive       any    threads=12
    check 33 30      0      0       0     zombie=134  any
    check 34 50      1      1       1     zombie=0    any    threads=51
    check 35 20      1      1       1     zombie=9    any
    ready after 35 root 1
}

