#!/bin/sh
# Restores images of CRIU through criu, as root: sh SCRIPT DIRECTORY. Experimental. It needs no crplan.
#
# part0: 1 task, root 1
# part1: 2 tasks, root 2/1, a child of task 1 in part0
# part2: 1 task, root 6/5/1, a child of task 5 in part1
#
# All stands still until numbers, parents, groups, sessions, threads and dead tasks have been compared through /proc. On any
# difference, and where this script is interrupted, everything that it made is ended. Otherwise it prints `ready` and the number
# of the root; the tree runs on in the cgroup of this shell.
#
# It takes criu (CRPLAN_CRIU names another), a cgroup hierarchy that can freeze, util-linux, awk, diff,
# CRIU 3.14 or later in a dynamically linked build, and a C compiler (cc).
# Not handled: a root file system other than the host's, external mounts, user namespaces, cgroups of the image.
# `crplan restore DIRECTORY` does more: it judges the image for the machine, compares the digests of the parts, tries again where
# another process took a number, sees an init that cannot end, and undoes what a script leaves that is killed by SIGKILL
# (the cgroup restore-PID below that of the shell, and /run/restore.*).
# shellcheck disable=SC2317,SC2329
set -eu

parts='part0 part1 part2'
plain=no
length_of_root=1

write_files() {
put part0.table <<'END_OF_FILE'
threads 1 @WORK@/part1.threads @WORK@/part1.born 2 108
birth 1 @WORK@/part1.sh 107
END_OF_FILE
put part0.action <<'END_OF_FILE'
#!/bin/sh
case $CRTOOLS_SCRIPT_ACTION in
pre-resume)
    for number in $(cat @CGROUP@/part0/cgroup.procs); do
        parent=$(sed -n 's/^PPid:[[:blank:]]*//p' /proc/$number/status)
        if [ $number = $PPID ] || [ $number = $$ ] || { [ "$parent" = $PPID ] && [ $number != "$CRTOOLS_INIT_PID" ]; }; then
            echo $number > @OUTSIDE@/cgroup.procs
        fi
    done
    echo @FREEZE_WORD@ > @CGROUP@/part0/@FREEZE_FILE@ || exit 1
    ;;
esac
exit 0
END_OF_FILE
put part1.table <<'END_OF_FILE'
pid 1 1 2
pid 4 4 5
threads 4 @WORK@/part2.threads @WORK@/part2.born 1 208 208
birth 4 @WORK@/part2.sh 207 207
END_OF_FILE
put part1.action <<'END_OF_FILE'
#!/bin/sh
case $CRTOOLS_SCRIPT_ACTION in
pre-resume)
    for number in $(cat @CGROUP@/part1/cgroup.procs); do
        parent=$(sed -n 's/^PPid:[[:blank:]]*//p' /proc/$number/status)
        if [ $number = $PPID ] || [ $number = $$ ] || { [ "$parent" = $PPID ] && [ $number != "$CRTOOLS_INIT_PID" ]; }; then
            echo $number > @OUTSIDE@/cgroup.procs
        fi
    done
    echo @FREEZE_WORD@ > @CGROUP@/part1/@FREEZE_FILE@ || exit 1
    ;;
esac
exit 0
END_OF_FILE
put part1.sh <<'END_OF_FILE'
echo 157 > /proc/sys/kernel/ns_last_pid || exit 1
echo 0 > @CGROUP@/part1/cgroup.procs || exit 1
exec unshare -m --propagation private /bin/sh -c 'mount -t proc proc /proc || exit 1
mount --bind / @WORK@/root && mount --make-private @WORK@/root || exit 1
exec env LD_PRELOAD=@WORK@/numbers.so CRPLAN_TABLE=@WORK@/part1.table CRPLAN_BORN=@WORK@/part1.born CRPLAN_FAILED=@WORK@/failed CRPLAN_LATE=1 @CRIU@ restore --images-dir @IMAGE@/part1 --work-dir @WORK@ --log-file part1.log -v2 --restore-detached --root @WORK@/root --manage-cgroups=ignore --action-script @WORK@/part1.action --restore-sibling'
END_OF_FILE
put part1.threads <<'END_OF_FILE'
2 2 3
2 3 4
END_OF_FILE
put part2.table <<'END_OF_FILE'
pid 1 1 5 6
END_OF_FILE
put part2.action <<'END_OF_FILE'
#!/bin/sh
case $CRTOOLS_SCRIPT_ACTION in
pre-resume)
    for number in $(cat @CGROUP@/part2/cgroup.procs); do
        parent=$(sed -n 's/^PPid:[[:blank:]]*//p' /proc/$number/status)
        if [ $number = $PPID ] || [ $number = $$ ] || { [ "$parent" = $PPID ] && [ $number != "$CRTOOLS_INIT_PID" ]; }; then
            echo $number > @OUTSIDE@/cgroup.procs
        fi
    done
    echo @FREEZE_WORD@ > @CGROUP@/part2/@FREEZE_FILE@ || exit 1
    ;;
esac
exit 0
END_OF_FILE
put part2.sh <<'END_OF_FILE'
echo 257 > /proc/sys/kernel/ns_last_pid || exit 1
echo 0 > @CGROUP@/part2/cgroup.procs || exit 1
exec unshare -m --propagation private /bin/sh -c 'mount -t proc proc /proc || exit 1
mount --bind / @WORK@/root && mount --make-private @WORK@/root || exit 1
exec env LD_PRELOAD=@WORK@/numbers.so CRPLAN_TABLE=@WORK@/part2.table CRPLAN_BORN=@WORK@/part2.born CRPLAN_FAILED=@WORK@/failed CRPLAN_LATE=1 @CRIU@ restore --images-dir @IMAGE@/part2 --work-dir @WORK@ --log-file part2.log -v2 --restore-detached --root @WORK@/root --manage-cgroups=ignore --action-script @WORK@/part2.action --restore-sibling'
END_OF_FILE
put part2.threads <<'END_OF_FILE'
5 2 6 7
END_OF_FILE
put start <<'END_OF_FILE'
echo $$ > @WORK@/criu.pid
echo 0 > @CGROUP@/part0/cgroup.procs || exit 1
exec unshare -m --propagation private /bin/sh -c 'exec env LD_PRELOAD=@WORK@/numbers.so CRPLAN_TABLE=@WORK@/part0.table CRPLAN_BORN=@WORK@/part0.born CRPLAN_FAILED=@WORK@/failed CRPLAN_LATE=0 @CRIU@ restore --images-dir @IMAGE@/part0 --work-dir @WORK@ --log-file part0.log -v2 --restore-detached --root @WORK@/root --manage-cgroups=ignore --action-script @WORK@/part0.action --pidfile @WORK@/root.pid'
END_OF_FILE
put start-mounts <<'END_OF_FILE'
echo $$ > @WORK@/criu.pid
echo 0 > @CGROUP@/part0/cgroup.procs || exit 1
exec unshare -m --propagation private /bin/sh -c 'mount --bind / @WORK@/root && mount --make-private @WORK@/root || exit 1
exec env LD_PRELOAD=@WORK@/numbers.so CRPLAN_TABLE=@WORK@/part0.table CRPLAN_BORN=@WORK@/part0.born CRPLAN_FAILED=@WORK@/failed CRPLAN_LATE=0 @CRIU@ restore --images-dir @IMAGE@/part0 --work-dir @WORK@ --log-file part0.log -v2 --restore-detached --root @WORK@/root --manage-cgroups=ignore --action-script @WORK@/part0.action --pidfile @WORK@/root.pid'
END_OF_FILE
