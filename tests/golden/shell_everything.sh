#!/bin/sh
# shellcheck disable=SC2317,SC2329
#
# Rebuilds 12 processes in 35 steps (plan 7c2d5c25fa30278f).
#
# It makes a new pid namespace, creates every process in it with its numbers, checks each against /proc,
# prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it ends everything.
# The processes wait and run nothing. Needs Linux 5.9 or later, python3 or perl, and root or user namespaces.
# CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).
# The steps stand at the end of this file, one a line, in order. Each depends on those before it.

[prelude]

need threads 100
need cores 30
step 1  create 1 as 1 by 0 flags newpid rule birth                        # birth: [task1]
step 2  setsid 1 rule session                                             # session: [task1]
step 3  create 10 as 10/1 by 1 flags newpid rule birth                    # birth: [task10]
step 4  create 2 as 2 by 1 share files,fs signal 10 rule birth            # birth: [task2]
step 5  create 3 as 3 by 2 flags parent signal 0 rule birth               # birth: [task3]
step 6  thread 100 as 100 by 2 rule thread                                # thread: [thread100]
step 7  enter 2 namespace 10 rule entry                                   # entry: [task2]
step 8  create 11 as 11/5 by 2 rule birth                                 # birth: [task11]
step 9  thread 12 as 12/9 by 11 rule thread                               # thread: [thread12]
step 10 enter 2 namespace own rule entry                                  # entry: [task2]
step 11 enter 0 namespace 1 rule entry                                    # entry
step 12 create 30 as 30 by 0 rule birth                                   # birth: [task30]
step 13 enter 0 namespace own rule entry                                  # entry
step 14 subreaper 1 turn on rule adoption                                 # adoption: [task1]
step 15 setpgid 3 to 3 by 3 rule group                                    # group: [task3]
step 16 create 40 as 40 by 1 rule birth                                   # birth: [helper40]
step 17 exit 40 status 0 rule end                                         # end: [helper40]
step 18 reap 40 by 1 rule reap                                            # reap: [helper40]
step 19 subreaper 1 turn off rule adoption                                # adoption: [task1]
step 20 create 50 as 50 by 1 rule birth                                   # birth: [task50]
step 21 thread 51 as 51 by 50 rule thread                                 # thread: [thread51]
step 22 exit 50 status 0 only leader rule end                             # end: [task50]
step 23 exit 3 status 1792 rule end                                       # end: [task3]
step 24 exit 30 status 134 rule end                                       # end: [task30]
step 25 create 20 as 20/1 by 1 flags newpid rule birth                    # birth: [task20]
step 26 kill 20 signal 9 by 1 rule end                                    # end: [task20]
step 27 subreaper 2 turn on rule adoption                                 # adoption: [task2]
step 28 verify 1 as 1 parent 0 group 1 session 1 state alive rule verified  # verified: [task1]
step 29 verify 10 as 10/1 parent 1 group 1 session 1 state alive rule verified  # verified: [task10]
step 30 verify 2 as 2 parent 1 group 1 session 1 state alive subreaper on threads 100 rule verified  # verified: [task2]
step 31 verify 3 as 3 parent 1 group 3 session 1 state zombie status 1792 rule verified  # verified: [task3]
step 32 verify 11 as 11/5 parent 2 group 1 session 1 state alive threads 12/9 rule verified  # verified: [task11]
step 33 verify 30 as 30 parent 0 group 0 session 0 state zombie status 134 rule verified  # verified: [task30]
step 34 verify 50 as 50 parent 1 group 1 session 1 state zombie threads 51 rule verified  # verified: [task50]
step 35 verify 20 as 20/1 parent 1 group 1 session 1 state zombie status 9 rule verified  # verified: [task20]
ready after 35 root 1
