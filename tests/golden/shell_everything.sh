#!/bin/sh
# shellcheck disable=SC2317,SC2329
#
# Rebuilds 12 processes in 35 steps (plan 7c2d5c25fa30278f).
#
# It makes a new pid namespace, creates every process in it with its numbers, checks each against /proc,
# prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it ends everything.
# The processes wait and run nothing. Needs Linux 5.9 or later, python3 or perl, and root or user namespaces.
# CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).

# The plan: one step a line, in order. Each says what happens, and then the same to the agent.
plan() {
    need threads 100
    need cores 30
    step 1  'executor creates 1 in a new pid namespace'          create 1 as 1 by 0 flags newpid named task1 rule birth
    step 2  '1 calls setsid'                                     setsid 1 rule session
    step 3  '1 creates 10/1 in a new pid namespace'              create 10 as 10/1 by 1 flags newpid named task10 rule birth
    step 4  '1 creates 2 sharing fs, files with exit signal 10'  create 2 as 2 by 1 share files,fs signal 10 named task2 rule birth
    step 5  '2 creates 3 as its sibling'                         create 3 as 3 by 2 flags parent signal 0 named task3 rule birth
    step 6  '2 creates thread 100'                               thread 100 as 100 by 2 rule thread
    step 7  '2 enters the pid namespace of 10 for its next children' enter 2 namespace 10 rule entry
    step 8  '2 creates 11/5'                                     create 11 as 11/5 by 2 named task11 rule birth
    step 9  '11 creates thread 12/9'                             thread 12 as 12/9 by 11 rule thread
    step 10 '2 goes back to its own pid namespace'               enter 2 namespace own rule entry
    step 11 'executor enters the pid namespace of 1 for its next children' enter 0 namespace 1 rule entry
    step 12 'executor creates 30'                                create 30 as 30 by 0 named task30 rule birth
    step 13 'executor goes back to its own pid namespace'        enter 0 namespace own rule entry
    step 14 '1 becomes a subreaper'                              subreaper 1 turn on rule adoption
    step 15 '3 puts itself into a group of its own'              setpgid 3 to 3 by 3 rule group
    step 16 '1 creates helper 40'                                create 40 as 40 by 1 named helper40 rule birth
    step 17 '40 ends (exit 0)'                                   exit 40 status 0 rule end
    step 18 '1 reaps 40'                                         reap 40 by 1 rule reap
    step 19 '1 stops being a subreaper'                          subreaper 1 turn off rule adoption
    step 20 '1 creates 50'                                       create 50 as 50 by 1 named task50 rule birth
    step 21 '50 creates thread 51'                               thread 51 as 51 by 50 rule thread
    step 22 '50 ends its leading thread (exit 0)'                exit 50 status 0 only leader rule end
    step 23 '3 ends (exit 7)'                                    exit 3 status 1792 rule end
    step 24 '30 ends (signal 6 with core)'                       exit 30 status 134 rule end
    step 25 '1 creates 20/1 in a new pid namespace'              create 20 as 20/1 by 1 flags newpid named task20 rule birth
    step 26 '1 kills 20 with signal 9'                           kill 20 signal 9 by 1 rule end
    step 27 '2 becomes a subreaper'                              subreaper 2 turn on rule adoption
    # Every process is compared with /proc. Outside is 0.
    #        process pids parent session group state  signal more
    check 28 1       1    0      1       1     alive  any
    check 29 10      10/1 1      1       1     alive  any
    check 30 2       2    1      1       1     alive  any    threads 100 subreaper on
    check 31 3       3    1      1       3     zombie any    status 1792
    check 32 11      11/5 2      1       1     alive  any    threads 12/9
    check 33 30      30   0      0       0     zombie any    status 134
    check 34 50      50   1      1       1     zombie any    threads 51
    check 35 20      20/1 1      1       1     zombie any    status 9
    ready after 35 root 1
}

