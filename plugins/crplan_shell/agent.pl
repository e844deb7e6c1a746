# The agent of a crplan script, for machines without a Python: perl-base is enough. It speaks the same lines, knows no plan
# either, and refuses threads alone. All calls go to the kernel by number.
#
# It reads a step a line from descriptor 3 and answers a line on descriptor 4. It is the executor, outside the new pid
# namespace (task 0). Every process that it creates is a copy of it which obeys orders that come through a socket; only this
# process holds the other ends, so a process that lives when it dies reads the end of the stream and dies too.

use strict;
use warnings FATAL => 'all';
use Errno ();
use POSIX ();

my ( $COMMANDS, $ANSWERS, $CHANNEL, $COMPLAINTS ) = ( 3, 4, 3, 8 );
my ( $SAID, $AT_THE_END ) = ( 7, 5 );    # the exit code that tells the shell that what failed has been said; seconds
my %NUMBERS = (    # x86_64, aarch64
    read => [ 0, 63 ], write => [ 1, 64 ], close => [ 3, 57 ], dup3 => [ 292, 24 ], fchdir => [ 81, 50 ],
    sendmsg => [ 46, 211 ], recvmsg => [ 47, 212 ], ppoll => [ 271, 73 ], socketpair => [ 53, 199 ], setsockopt => [ 54, 208 ],
    exit_group => [ 231, 94 ], epoll_create1 => [ 291, 20 ], epoll_ctl => [ 233, 21 ], epoll_pwait => [ 281, 22 ],
    prctl => [ 157, 167 ], setns => [ 308, 268 ], setsid => [ 112, 157 ],
    setpgid => [ 109, 154 ], unshare => [ 272, 97 ], prlimit64 => [ 302, 261 ], openat => [ 257, 56 ],
    clone3 => [ 435, 435 ], pidfd_open => [ 434, 434 ], pidfd_send_signal => [ 424, 424 ], close_range => [ 436, 436 ],
    setresuid => [ 117, 147 ], setresgid => [ 119, 149 ],
    fsopen => [ 430, 430 ], fsconfig => [ 431, 431 ], fsmount => [ 432, 432 ],
);
my %FLAGS = ( newpid => 0x20000000, newuser => 0x10000000, parent => 0x8000, files => 0x400, fs => 0x200, sysv_undo => 0x40000 );
my %KINDS = (
    user => 0x10000000, mnt => 0x20000, uts => 0x4000000, ipc => 0x8000000, net => 0x40000000, cgroup => 0x2000000, time => 0x80,
);
my ( $CLONE_FILES, $CLONE_PIDFD, $CLONE_NEWPID, $CLONE_NEWUSER, $CLONE_NEWNS ) = ( 0x400, 0x1000, 0x20000000, 0x10000000, 0x20000 );
my ( $PR_SET_PDEATHSIG, $PR_SET_DUMPABLE, $PR_SET_NAME, $PR_SET_CHILD_SUBREAPER, $PR_GET_CHILD_SUBREAPER ) = ( 1, 4, 15, 36, 37 );
my ( $READ_ONLY, $READ_WRITE, $EPERM ) = ( 0x80000, 0x80002, 1 );
my ( $POLLIN, $WALL, $SIGKILL, $SIGSTOP, $SIGCHLD, $SIGSEGV, $OWN, $NOBODY ) =
  ( 1, 0x40000000, 9, 19, 17, 11, -1, 0x7FFFFFFF );

my ( undef, undef, undef, undef, $machine ) = POSIX::uname();
my $column = { x86_64 => 0, aarch64 => 1 }->{$machine};
exit 1 unless defined $column;

# Makes a system call; -1 is a failure, and $! says which. Buffers are written to in place.
sub kernel { my $number = $NUMBERS{ shift() }[$column]; return syscall $number, @_ }

sub open_path { my ( $path, $flags ) = @_; my $name = "$path\0"; return kernel( 'openat', -100, $name, $flags, 0 ) }

sub address { return unpack 'Q', pack 'P', $_[0] }

sub error_name { my ($name) = grep { $!{$_} } sort keys %!; return $name || 'EIO' }

# Ends the step with a sentence for the shell.
sub refuse { my ( $task, $what, $error ) = @_; die { text => "task $task: $what: $error", error => $error } }

# Creates a process with the numbers of a vector, outermost first; returns its number (0 in the child) and its pidfd.
sub clone {
    my ( $flags, $exit_signal, @vector ) = @_;
    my $innermost_first = pack 'l*', reverse @vector;
    my $pidfd           = pack 'l',  -1;
    my $arguments       = pack 'Q11', $flags | $CLONE_PIDFD, address($pidfd), 0, 0, $exit_signal, 0, 0, 0,
      address($innermost_first), scalar @vector, 0;
    my $number = kernel( 'clone3', $arguments, 88 );
    return ( $number, unpack 'l', $pidfd );
}

sub send_message {
    my ( $channel, $text, @rights ) = @_;
    my $block   = pack 'QQ', address($text), length $text;
    my $control = @rights ? pack( 'Qll', 16 + 4 * @rights, 1, 1 ) . pack( 'l*', @rights ) : '';
    $control .= "\0" x ( -length($control) % 8 );
    my $message = pack 'QLx4QQQQlx4', 0, 0, address($block), 1, length $control ? address($control) : 0, length $control, 0;
    return kernel( 'sendmsg', $channel, $message, 0x4000 );
}

# Returns what a channel says, the sender's number here, and the descriptors that came along.
sub receive_message {
    my ($channel) = @_;
    my ( $text, $control ) = ( "\0" x 16384, "\0" x 128 );
    my $block   = pack 'QQ', address($text), length $text;
    my $message = pack 'QLx4QQQQlx4', 0, 0, address($block), 1, address($control), length $control, 0;
    my $length  = kernel( 'recvmsg', $channel, $message, 0 );
    return ('') if $length <= 0;
    my $left = ( unpack 'QLx4QQQQlx4', $message )[5];
    my ( $sender, @rights ) = (0);
    my $place = 0;
    while ( $left - $place >= 16 ) {
        my ( $size, undef, $kind ) = unpack 'Qll', substr $control, $place, 16;
        my @numbers = unpack 'l*', substr $control, $place + 16, $size - 16;
        if   ( $kind == 1 ) { @rights = @numbers }
        else                { $sender = $numbers[0] }
        $place += ( $size + 7 ) & ~7;
    }
    return ( substr( $text, 0, $length ), $sender, @rights );
}

# Enters what a descriptor leads to, and closes it.
sub set_namespace {
    my ( $descriptor, $flag ) = @_;
    return -1 if $descriptor < 0;
    my $result = kernel( 'setns', $descriptor, $flag );
    { local $!; kernel( 'close', $descriptor ) }
    return $result;
}

# Enters the namespace, of the kind that a flag names, of a process.
sub enter { my ( $pid, $flag ) = @_; return set_namespace( kernel( 'pidfd_open', $pid, 0 ), $flag ) }

# Makes namespaces for this process; /proc is the host's, which shows this process too.
sub unshare {
    my ($flags) = @_;
    if ( kernel( 'unshare', $flags ) < 0 ) {
        return -1 unless $! == $EPERM && $flags & $CLONE_NEWUSER;
        return -1 if take_mapped_ids() < 0 || kernel( 'unshare', $flags ) < 0;
    }
    return 0 unless $flags & $KINDS{time};
    # The new one is for the children only; this process enters it itself.
    return set_namespace( open_path( '/proc/self/ns/time_for_children', $READ_ONLY ), $KINDS{time} );
}

# Takes the first ids that this process's user namespace maps, without which it can make none below.
sub take_mapped_ids {
    for my $kind (qw(gid uid)) {
        open my $file, '<', "/proc/self/${kind}_map" or return -1;
        my ($first) = map { /(\d+)/ ? $1 + 0 : () } <$file>;
        if ( !defined $first ) { $! = $EPERM; return -1 }
        return -1 if kernel( "setres$kind", $first, $first, $first ) < 0;
    }
    # With other ids its files in /proc are root's until it may be looked at again.
    return kernel( 'prctl', $PR_SET_DUMPABLE, 1, 0, 0, 0 );
}

# Writes an id map of another process's user namespace, root as its own user where there are no lines, and reads it back.
sub map_ids {
    my ( $proc, $number, $users, @lines ) = @_;
    my $path = sprintf "%d/%s\0", $number, $users ? 'uid_map' : 'gid_map';
    my $descriptor = kernel( 'openat', $proc, $path, $READ_WRITE, 0 );
    return -1 if $descriptor < 0;
    open my $file, '+<&=', $descriptor or return -1;
    @lines = ( 0, ( stat $file )[ $users ? 4 : 5 ], 1 ) unless @lines;
    my $text = join '', map { "$lines[ 3 * $_ ] $lines[ 3 * $_ + 1 ] $lines[ 3 * $_ + 2 ]\n" } 0 .. @lines / 3 - 1;
    return -1 unless defined syswrite $file, $text;
    return -1 unless sysseek( $file, 0, 0 ) && defined sysread $file, my $found, 65536;
    return 0 if join( ' ', @lines ) eq join ' ', split ' ', $found;
    $! = POSIX::ERANGE();
    return -1;
}

# Makes a file system that no directory shows, and returns a descriptor of its root.
sub mount_nowhere {
    my ($kind) = @_;
    my $context = kernel( 'fsopen', "$kind\0", 1 );
    return -1 if $context < 0;
    my $result = kernel( 'fsconfig', $context, 6, 0, 0, 0 );
    $result = kernel( 'fsmount', $context, 1, 0 ) if $result >= 0;
    { local $!; kernel( 'close', $context ) }
    return $result;
}

# Makes the one call of a step, in the process whose step it is; returns a number, or -1.
sub perform {
    my ( $deed, @numbers ) = @_;
    return kernel('setsid') < 0 ? -1 : 0 if $deed eq 'setsid';
    return kernel( 'setpgid', @numbers ) if $deed eq 'setpgid';
    return kernel( 'prctl', $PR_SET_CHILD_SUBREAPER, $numbers[0], 0, 0, 0 ) if $deed eq 'subreaper';
    return enter( $numbers[0] == $OWN ? $$ : $numbers[0], $CLONE_NEWPID ) if $deed eq 'enter';
    return enter(@numbers) if $deed eq 'join';
    return unshare( $numbers[0] ) if $deed eq 'unshare';
    return map_ids(@numbers) if $deed eq 'map';
    return kill( $numbers[1], $numbers[0] ) ? 0 : -1 if $deed eq 'kill';
    return waitpid( $numbers[0], $WALL ) < 0 ? -1 : 0 if $deed eq 'reap';
    my $flag = pack 'l', 0;
    return kernel( 'prctl', $PR_GET_CHILD_SUBREAPER, $flag, 0, 0, 0 ) < 0 ? -1 : unpack 'l', $flag;
}

sub leave_for_ever { kernel( 'exit_group', $_[0] ); return }

# Ends this process with a status in wait's format.
sub leave {
    my ($status) = @_;
    my $signal = $status & 0x7F;
    leave_for_ever( $status >> 8 ) unless $signal;
    if ( $status & 0x80 ) {
        # The core file goes to a file system that nobody has mounted. Below 4096 bytes the kernel writes none.
        kernel( 'fchdir', mount_nowhere('tmpfs') );
        kernel( 'prlimit64', 0, 4, pack( 'QQ', 4096, 4096 ), 0 );
    }
    # A fault ends an init too, which a signal of its own does not.
    my $fault = $signal == $SIGSEGV && unpack 'P1', pack 'Q', 1;
    POSIX::sigaction( $signal, POSIX::SigAction->new('DEFAULT') ) unless $signal == $SIGKILL;
    kill $signal, $$;
    leave_for_ever(1);
    return;
}

# Creates a process; returns its number, the creator's end of its channel and its pidfd; in the child 0 and its own end.
sub spawn {
    my ( $flags, $exit_signal, $levels, @vector ) = @_;
    my $name = pack 'C*x', splice @vector, $levels;
    # The child's end must not end its parent; SIGCHLD stays as it is, because to ignore it means to reap.
    POSIX::sigaction( $exit_signal, POSIX::SigAction->new('IGNORE') ) unless $exit_signal == 0 || $exit_signal == $SIGCHLD;
    my $pair = "\0" x 8;
    return -1 if kernel( 'socketpair', 1, 5, 0, $pair ) < 0;
    my ( $ours, $theirs ) = unpack 'll', $pair;
    my $one = pack 'l', 1;
    kernel( 'setsockopt', $ours, 1, 16, $one, 4 );
    my ( $number, $pidfd ) = clone( $flags, $exit_signal, @vector );
    if ( $number < 0 ) {
        local $!;
        kernel( 'close', $_ ) for $ours, $theirs;
        return -1;
    }
    if ($number) {
        kernel( 'close', $theirs ) unless $flags & $CLONE_FILES;
        return ( $number, $ours, $pidfd );
    }
    kernel( 'prctl', $PR_SET_NAME, $name, 0, 0, 0 ) if $name ne "\0";
    return ( 0, $theirs ) if $flags & $CLONE_FILES;
    leave_for_ever(1) if $theirs != $CHANNEL && kernel( 'dup3', $theirs, $CHANNEL, 0 ) < 0;
    leave_for_ever(1) if kernel( 'close_range', $CHANNEL + 1, $NOBODY, 0 ) < 0;
    return ( 0, $CHANNEL );
}

# Lives as a created process: does what comes through the channel, and ends with it, whatever happens.
sub obey {
    my ($channel) = @_;
    eval {
        send_message( $channel, 'born' );
        while ( my ( $order, undef, @given ) = receive_message($channel) ) {
            last if $order eq '';
            my ( $deed, @numbers ) = split / /, $order;
            $_ += 0 for @numbers;
            unshift @numbers, @given;
            my ( $result, @rights );
            if ( $deed eq 'create' ) {
                ( $result, @rights ) = spawn(@numbers);
                if ( $result == 0 ) {
                    $channel = $rights[0];
                    send_message( $channel, 'born' );
                    next;
                }
            }
            elsif ( $deed eq 'exit' ) { leave( $numbers[0] ) }
            elsif ( $deed eq 'proc' ) {
                kernel( 'unshare', $CLONE_NEWNS ) if $numbers[0];
                $result = $rights[0] = mount_nowhere('proc');
            }
            else                      { $result = perform( $deed, @numbers ) }
            @rights = () if $result < 0;
            send_message( $channel, $result < 0 ? 'no ' . error_name() : "ok $result", @rights );
            kernel( 'close', $_ ) for @rights, @given;
        }
    };
    leave_for_ever(1);
    return;
}

# The executor's book: processes by level-0 number, and who is behind a descriptor.
my $timeout = $ENV{CRPLAN_TIMEOUT} || 30;
my ( %living, %vectors, %hosts, %handles, @verified, %reapers, %turned, %above, %places );
my %namespace = ( 0 => 0 );
my ( $done, $root, $init, $top, $host_proc, $levels_above ) = ( 0, 0, -1, -1, 0, 0 );
my ( $home, $OUTPUT, $announced ) = ( -1, -1, 0 );
my ( $poller, $EVENT, $ADD, $DROP, $CHANGE ) = ( -1, $machine eq 'x86_64' ? 'LQ' : 'Lx4Q', 1, 2, 3 );

# Begins ($ADD) to watch a descriptor, changes what is waited for ($CHANGE), or ends ($DROP).
sub control {
    my ( $operation, $descriptor, $events ) = @_;
    my $event = pack $EVENT, $events, $descriptor;
    kernel( 'epoll_ctl', $poller, $operation, $descriptor, $event );
    return;
}

sub watch { my ( $descriptor, $task ) = @_; $handles{$descriptor} = $task; return control( $ADD, $descriptor, $POLLIN ) }

# Waits until watched descriptors have something to say, and returns them; a negative time is for ever.
sub poll {
    my ($seconds) = @_;
    my $size = length pack $EVENT, 0, 0;
    my $events = "\0" x ( 64 * $size );
    my $found = kernel( 'epoll_pwait', $poller, $events, 64, int( 1000 * $seconds ), 0, 8 );
    return map { ( unpack $EVENT, substr $events, $size * $_, $size )[1] } 0 .. $found - 1;
}

sub mourn {
    for my $event (@_) {
        refuse( $handles{$event}, 'died before its time', 'ESRCH' ) if exists $handles{$event};
        die { shell => 1 } if $event == $COMMANDS;
    }
    return;
}

sub await {
    my ( $descriptor, $task, $what ) = @_;
    my @events = poll($timeout);
    return if grep { $_ == $descriptor } @events;
    mourn(@events);
    refuse( $task, $what, 'ETIMEDOUT' );
    return;
}

sub hear {
    my ( $channel, $task, $what ) = @_;
    await( $channel, $task, $what );
    my ( $text, $sender, @rights ) = receive_message($channel);
    refuse( $task, "$what: died before its time", 'ESRCH' ) if $text eq '';
    return ( $text, $sender, @rights );
}

sub send_order {
    my ( $given, $actor, $task, $deed, @numbers ) = @_;
    refuse( $task, "$deed by task $actor, which is not there", 'ESRCH' ) unless $living{$actor};
    return if send_message( $living{$actor}{channel}, join( ' ', $deed, @numbers ), @$given ) >= 0;
    refuse( $actor, "$deed: died before its time", error_name() );
    return;
}

sub order { return order_with( [], @_ ) }

# Lets the actor do something, with descriptors of ours; returns the number and the descriptors that it answers with.
sub order_with {
    my ( $given, $actor, $task, $deed, @numbers ) = @_;
    if ( !$actor ) {
        my $result = perform( $deed, @$given, @numbers );
        refuse( $task, $deed, error_name() ) if $result < 0;
        return ($result);
    }
    send_order( $given, $actor, $task, $deed, @numbers );
    my ( $answer, undef, @rights ) = hear( $living{$actor}{channel}, $actor, $deed );
    my ( $good, $value ) = split / /, $answer;
    refuse( $task, $deed, $value ) if $good ne 'ok';
    return ( $value, @rights );
}

# Returns the number by which the actor knows a task.
sub seen_by {
    my ( $actor, $task ) = @_;
    return $hosts{$task} || 0 unless $actor;
    my $level  = $vectors{$actor} ? $#{ $vectors{$actor} } : 0;
    my $vector = $vectors{$task} || [$task];
    return $level <= $#$vector ? $vector->[$level] : 0;
}

sub release {
    my ($task) = @_;
    my $process = delete $living{$task};
    for my $descriptor ( $process->{channel}, $process->{pidfd} ) {
        delete $handles{$descriptor};
        control( $DROP, $descriptor, 0 );
    }
    return $process;
}

# Returns what dies with a task: what lives in the namespace of an init, or below it.
sub dying {
    my ($init) = @_;
    return $init unless exists $above{$init};
    my @found = $init;
    for my $task ( grep { $_ != $init } keys %living ) {
        my $space = $namespace{$task};
        $space = $above{$space} while $space != $init && exists $above{$space};
        push @found, $task if $space == $init;
    }
    return @found;
}

# Waits until released processes have ended and their children are adopted.
sub gone {
    my ( $task, $what, @processes ) = @_;
    for my $process (@processes) {
        control( $ADD, $process->{pidfd}, $POLLIN );
        await( $process->{pidfd}, $task, $what );
        kernel( 'close', $process->{$_} ) for qw(pidfd channel);
    }
    return;
}

sub create {
    my ( $task, %word ) = @_;
    my $actor  = $word{by} + 0;
    my @vector = map { $_ + 0 } split m{/}, $word{as};
    refuse( $task, 'the number is used twice', 'EEXIST' ) if $vectors{$task} || $vector[0] != $task;
    $reapers{$task} = 1 if defined $word{role} && $word{role} eq 'reaper';
    my $flags = 0;
    $flags |= $FLAGS{$_} for map { split /,/ } grep { defined } @word{qw(flags share)};
    my $exit_signal = defined $word{signal} ? $word{signal} + 0 : $SIGCHLD;
    my $name   = defined $word{named} ? $word{named} : '';
    $name =~ s/\\x(..)/chr hex $1/ge;
    my @wanted = ( $flags, $exit_signal, scalar @vector, @vector, unpack 'C*', $name );
    my ( $number, $channel, $pidfd );
    if ($actor) {
        ( $number, $channel, $pidfd ) = order( $actor, $task, 'create', @wanted );
        # The kernel leaves out descriptors for which a process has no room.
        refuse( $task, 'its descriptors cannot be taken over', 'EMFILE' ) if !defined $pidfd;
    }
    else {
        # A group that has no number in this pid namespace is none that children could be put back into.
        kernel( 'setpgid', 0, 0 ) if $init < 0 && !getpgrp 0;
        ( $number, $channel, $pidfd ) = spawn(@wanted);
        refuse( $task, 'create', error_name() ) if $number < 0;
        if ( !$number ) {
            kernel( 'prctl', $PR_SET_PDEATHSIG, $SIGKILL, 0, 0, 0 );
            $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP QUIT PIPE);
            kernel( 'dup3', 0, 2, 0 );
            obey($channel);
        }
        $init = $pidfd if $init < 0;
    }
    my $born = defined $turned{$actor} ? $turned{$actor} : $namespace{$actor};
    $above{$task}     = $born if $flags & $CLONE_NEWPID;
    $namespace{$task} = $flags & $CLONE_NEWPID ? $task : $born;
    watch( $_, $task ) for $channel, $pidfd;
    my ( undef, $host ) = hear( $channel, $task, 'create' );
    $living{$task}  = { channel => $channel, pidfd => $pidfd };
    $vectors{$task} = \@vector;
    $hosts{$task}   = $host;
    my $expected = seen_by( $actor, $task );
    refuse( $task, "create: it got number $number and not $expected", 'EINVAL' ) if $number != $expected;
    open_proc( $task, $flags & $CLONE_NEWUSER ? 1 : 0 ) if $top < 0;
    my $got = join '/', inside( status( name($task), $task )->{NSpid} );
    refuse( $task, "create: it got numbers $got and not $word{as}", 'EINVAL' ) if $got ne $word{as};
    return;
}

# Lets the init open a proc of its namespace, which shows level-0 numbers; where that is forbidden, takes the host's.
# In a user namespace of its own the init takes a mount namespace of its own for that.
sub open_proc {
    my ( $task, $new_user ) = @_;
    $home = open_path( '.', 0x280000 );
    if ( eval { ( undef, $top ) = order( $task, $task, 'proc', $new_user ); 1 } ) { return }
    $top          = open_path( '/proc', 0x80000 );
    $host_proc    = 1;
    my @levels = split ' ', status( $hosts{$task}, $task )->{NSpid};
    $levels_above = $#levels;
    return;
}

sub name { my ($task) = @_; return $host_proc ? $hosts{$task} || 0 : $task }

sub inside { my @words = split ' ', $_[0]; return @words[ $levels_above .. $#words ] }

# Does something in the opened proc's directory.
sub in_proc {
    my ($work) = @_;
    kernel( 'fchdir', $top );
    my @found = eval { $work->() };
    my $error = $@;
    kernel( 'fchdir', $home );
    die $error if $error;
    return @found;
}

sub content {
    my ( $path, $task ) = @_;
    my ($text) = in_proc(
        sub {
            open my $file, '<', $path or refuse( $task, 'is not in /proc', error_name() );
            local $/;
            my $text = <$file>;
            return defined $text ? $text : refuse( $task, 'is not in /proc', 'ESRCH' );
        }
    );
    return $text;
}

sub status {
    my ( $path, $task ) = @_;
    return { map { /^(\w+):\s*(.*)$/ ? ( $1 => $2 ) : () } split /\n/, content( "$path/status", $task ) };
}

sub numbers_under {
    my ( $path, $task ) = @_;
    return in_proc(
        sub {
            opendir my $directory, $path or refuse( $task, 'is not in /proc', error_name() );
            return grep { /^\d+$/ } readdir $directory;
        }
    );
}

sub verify {
    my ( $task, %word ) = @_;
    my $path   = name($task);
    my $status = status( $path, $task );
    my $zombie = $status->{State} =~ /^[ZX]/;
    my $parent = $status->{PPid};
    $parent = ( inside( status( $parent, $task )->{NSpid} ) )[0] || 0 if $host_proc && $parent;
    my @others  = grep { $_ != $path } numbers_under( "$path/task", $task );
    my @vectors = map { join '/', inside( status( "$path/task/$_", $task )->{NSpid} ) } @others;
    my $stat    = content( "$path/stat", $task );
    $stat =~ s/.*\)//s;
    my @stat = split ' ', $stat;
    my %found = (
        as        => join( '/', inside( $status->{NSpid} ) ),
        parent    => $parent,
        group     => ( inside( $status->{NSpgid} ) )[0] || 0,
        session   => ( inside( $status->{NSsid} ) )[0] || 0,
        state     => $zombie ? 'zombie' : 'alive',
        status    => $zombie ? $stat[49] : 0,
        signal    => $stat[35],
        threads   => join( ',', @vectors ),
        subreaper => $living{$task} && ( order( $task, $task, 'ask' ) )[0] ? 'on' : 'off',
    );
    my %wanted = ( status => 0, threads => '', subreaper => 'off', signal => $stat[35], %word );
    for my $key ( sort keys %found ) {
        next if $wanted{$key} eq $found{$key};
        refuse( $task, "verify: $key is $found{$key} and not $wanted{$key}", 'differs' );
    }
    verify_place( $task, split /:/ ) for split /,/, defined $word{namespaces} ? $word{namespaces} : '';
    push @verified, $task;
    return;
}

# Returns what tells a process's namespace of a kind from all others.
sub place {
    my ( $path, $kind, $task ) = @_;
    my ( $device, $number ) = in_proc( sub { return stat "$path/ns/$kind" } );
    refuse( $task, "its $kind namespace is not in /proc", error_name() ) unless defined $number;
    return "$device:$number";
}

# Checks that a task is in the namespace that a holder made, which differs from the executor's own.
sub verify_place {
    my ( $task, $kind, $holder ) = @_;
    my $space = place( name($task), $kind, $task );
    $places{"$kind 0"} = place( '/proc/self', $kind, $task ) unless defined $places{"$kind 0"};
    $places{"$kind $holder"} = $space unless defined $places{"$kind $holder"};
    return if $space eq $places{"$kind $holder"} && ( !$holder || $space ne $places{"$kind 0"} );
    refuse( $task, "verify: the $kind namespace is not that of $holder", 'differs' );
    return;
}

# Has the actor write the id maps of a task's user namespace; without any, those of its own ids, as far as may be.
sub map_task {
    my ( $actor, $task, %word ) = @_;
    for my $kind (qw(uid gid)) {
        my @lines = defined $word{$kind} ? split /[:,]/, $word{$kind} : ();
        next unless @lines || $word{own};
        eval { order_with( [$top], $actor, $task, 'map', name($task), $kind eq 'uid' ? 1 : 0, @lines ); 1 }
          or $word{own}
          or die $@;
    }
    return;
}

# Returns the level-0 numbers of everything below this process, for a machine whose own /proc must do.
sub descendants {
    my %children;
    for my $number ( numbers_under( '.', 0 ) ) {
        my $status = eval { status( $number, 0 ) } or next;
        push @{ $children{ $status->{PPid} } }, $number;
    }
    my ( @found, @queue ) = ();
    @queue = @{ $children{$$} || [] };
    while ( defined( my $number = shift @queue ) ) {
        push @queue, @{ $children{$number} || [] };
        push @found, grep { defined } ( inside( status( $number, 0 )->{NSpid} ) )[0];
    }
    return @found;
}

# Checks that nothing was left out and nothing is too much; returns the root's number here.
sub ready {
    my ( $after, $wanted ) = @_;
    refuse( $wanted, 'step ' . ( $done + 1 ) . " of $after is missing", 'EINVAL' ) if $after != $done;
    my %present = map { $_ => 1 } $host_proc ? descendants() : numbers_under( '.', $wanted );
    my %checked = map { $_ => 1 } @verified;
    for my $task ( sort { $a <=> $b } keys %{ { %present, %checked } } ) {
        refuse( $task, 'is there and was not verified', 'differs' ) unless $checked{$task} || $reapers{$task};
        refuse( $task, 'was verified and is gone',      'differs' ) unless $present{$task};
    }
    refuse( $wanted, 'the root is not there', 'ESRCH' ) unless $checked{$wanted};
    mourn( poll(0) );
    $root = $wanted;
    return;
}

# Waits until a descriptor can be written to, for as long as a step may take; returns which of the descriptors has something to say.
sub room {
    my ( $descriptor, @others ) = @_;
    my $descriptors = join '', map { pack 'lss', $_, $_ == $descriptor ? 4 : 0, 0 } $descriptor, @others;
    my $times = pack 'qq', int $timeout, int( ( $timeout - int $timeout ) * 1e9 );
    return if kernel( 'ppoll', $descriptors, 1 + @others, $times, 0, 8 ) <= 0;
    my @found = unpack '(lss)*', $descriptors;
    return map { $found[ 3 * $_ + 2 ] ? $found[ 3 * $_ ] : () } 0 .. @others;
}

# Says that all is ready, for which a full pipe has the time of a step.
sub announce {
    my @found = room( $OUTPUT, $COMMANDS );
    die { shell => 1 } if grep { $_ == $COMMANDS } @found;
    $! = POSIX::ETIMEDOUT() unless @found;
    my $line = "ready $hosts{$root}\n";
    $announced = 1;
    return if @found && kernel( 'write', $OUTPUT, $line, length $line ) > 0;
    refuse( $root, 'the ready line cannot be written to standard output', error_name() );
    return;
}

# Says something on standard error, where it can be read in time; returns the exit code that says so.
sub complain {
    my $line = "crplan: $_[0]\n";
    kernel( 'write', $COMPLAINTS, $line, length $line ) if room($COMPLAINTS);
    return $SAID;
}

# Reaps a child of this process's own. A tracer may keep it although it has ended.
sub reap_here {
    my ( $task, $number ) = @_;
    await( $living{$task}{pidfd}, $task, 'reap' ) if $living{$task};
    my $deadline = time + $timeout;
    while ( waitpid( $number, $WALL | POSIX::WNOHANG() ) != $number ) {
        refuse( $task, 'reap', 'ECHILD' ) if $!{ECHILD} && waitpid( $number, $WALL | POSIX::WNOHANG() ) < 0;
        mourn( poll(0.001) );
        refuse( $task, 'reap', 'ETIMEDOUT' ) if time > $deadline;
    }
    return;
}

# Stops a process from outside, where no init is shielded from it, and waits until /proc says so.
sub stop_here {
    my ($task) = @_;
    refuse( $task, 'stop', 'ESRCH' ) unless $living{$task};
    refuse( $task, 'stop', error_name() ) if kernel( 'pidfd_send_signal', $living{$task}{pidfd}, $SIGSTOP, 0, 0 ) < 0;
    my $deadline = time + $timeout;
    until ( status( name($task), $task )->{State} =~ /^T/ ) {
        mourn( poll(0.001) );
        refuse( $task, 'stop', 'ETIMEDOUT' ) if time > $deadline;
    }
    return;
}

# Carries out one step other than create and verify.
sub step {
    my ( $deed, $task, %word ) = @_;
    my $actor = defined $word{by} ? $word{by} + 0 : $task;
    my $known = seen_by( $actor, $task );
    if    ( $deed eq 'setsid' )    { order( $task,  $task, $deed ) }
    elsif ( $deed eq 'setpgid' ) {
        my $group = $word{to} + 0 ? seen_by( $actor, $word{to} + 0 ) : getpgrp 0;
        refuse( $task, $deed, 'ESRCH' ) unless $group;
        order( $actor, $task, $deed, $known, $group );
    }
    elsif ( $deed eq 'subreaper' ) { order( $task,  $task, $deed, $word{turn} eq 'on' ? 1 : 0 ) }
    elsif ( $deed eq 'enter' ) {
        my $own = $word{namespace} eq 'own';
        $turned{$task} = $own ? $namespace{$task} : $word{namespace} + 0;
        return if eval { order( $task, $task, $deed, $own ? $OWN : seen_by( $task, $word{namespace} + 0 ) ); 1 };
        # Without root the executor is not allowed back to its own namespace, and it creates nothing more there.
        die $@ if $task || !$own || !ref $@ || ( $@->{error} || '' ) ne 'EPERM';
    }
    elsif ( $deed eq 'unshare' ) {
        my $flags = 0;
        $flags |= $KINDS{$_} for split /,/, $word{kinds};
        order( $task, $task, $deed, $flags );
    }
    elsif ( $deed eq 'join' ) { order( $task, $task, $deed, seen_by( $task, $word{of} + 0 ), $KINDS{ $word{kind} } ) }
    elsif ( $deed eq 'map' ) { map_task( $actor, $task, %word ) }
    elsif ( $deed eq 'exit' ) {
        send_order( [], $task, $task, $deed, $word{status} + 0 );
        gone( $task, $deed, map { release($_) } dying($task) );
    }
    elsif ( $deed eq 'kill' ) {
        refuse( $task, $deed, 'ESRCH' ) unless $living{$task};
        my @ending = map { release($_) } dying($task);
        order( $actor, $task, $deed, $known, $word{signal} + 0 );
        gone( $task, $deed, @ending );
    }
    elsif ( $deed eq 'stop' ) { stop_here($task) }
    elsif ( $deed eq 'reap' ) {
        if   ($actor) { order( $actor, $task, $deed, $known ) }
        else          { reap_here( $task, $known ) }
    }
    else { refuse( $task, "$deed is no step", 'EINVAL' ) }
    return;
}

sub need {
    my ( $what, $task ) = @_;
    if ( $what eq 'cores' ) {
        open my $file, '<', '/proc/sys/kernel/core_pattern' or return "no task $task left a core file: " . error_name();
        return <$file> =~ m{^[|@/]} ? "no task $task left a core file, and this machine hands those on" : 'ok';
    }
    return 'ok' if $what eq 'namespaces';
    return "no task $task has threads, and those need python3 (3.8 or later, with ctypes), which this machine lacks";
}

# Carries out one line of the script and returns the answer.
sub take {
    my ( $verb, @words ) = split ' ', $_[0];
    return need(@words) if $verb eq 'need';
    if ( $verb eq 'ready' ) { ready( @words[ 1, 3 ] ); return 'ok' }
    if ( $verb eq 'announce' && $root ) { announce(); return 'ready' }
    my ( $number, $deed, $task, %word ) = @words;
    $task += 0;
    refuse( $task, 'step ' . ( $done + 1 ) . ' was to come', 'EINVAL' ) if $number != $done + 1;
    if    ( $deed eq 'create' ) { create( $task, %word ) }
    elsif ( $deed eq 'verify' ) { verify( $task, %word ) }
    else                        { step( $deed, $task, %word ) }
    $done = $number;
    return 'ok';
}

sub answer { my $line = "$_[0]\n"; return kernel( 'write', $ANSWERS, $line, length $line ) }

# Returns the shell's next line; a process that dies meanwhile ends everything.
sub next_line {
    control( $CHANGE, $COMMANDS, $POLLIN );
    while (1) {
        my @events = poll(-1);
        last if grep { $_ == $COMMANDS } @events;
        mourn(@events);
    }
    control( $CHANGE, $COMMANDS, 0 );
    return read_line();
}

sub read_line {
    my $line = '';
    while ( $line !~ /\n\z/ ) {
        my $block  = "\0" x 65536;
        my $length = kernel( 'read', $COMMANDS, $block, 65536 );
        die { shell => 1 } if $length <= 0;
        $line .= substr $block, 0, $length;
    }
    return $line;
}

# Stays until the shell or the root ends. A dying init waits for zombies that only this process can reap, so its channel tells.
sub hold {
    while (1) {
        for my $event ( poll(-1) ) {
            return if $event == $COMMANDS || $handles{$event} == $root;
            control( $DROP, $event, 0 );
        }
    }
    return;
}

# Kills the namespace's init, with which everything dies, and reaps; returns the code that is given, or $SAID where it does not end.
# A process that traces a member can keep it, and with it the init, for as long as it likes.
sub end {
    my ($code) = @_;
    return $code if $init < 0;
    kernel( 'pidfd_send_signal', $init, $SIGKILL, 0, 0 );
    my $deadline = time + ( $timeout > $AT_THE_END ? $timeout : $AT_THE_END );
    while ( time <= $deadline ) {
        my $ended = waitpid -1, $WALL | POSIX::WNOHANG();
        return $code if $ended < 0;
        select undef, undef, undef, 0.002 unless $ended;
    }
    return complain("step 0 (executor): task 1: the namespace's init does not end: ETIMEDOUT");
}

sub serve {
    $poller = kernel( 'epoll_create1', 0x80000 );
    control( $ADD, $COMMANDS, 0 );
    my $last = '';
    my $good = eval {
        until ($announced) {
            $last = next_line();
            last if $last =~ /^say /;
            answer( take($last) );
        }
        hold() if $announced;
        1;
    };
    my $error = $@;
    if ( !$good ) {
        my $code = end(1);
        return $code if ref $error && $error->{shell};
        answer( 'no ' . ( ref $error ? $error->{text} : 'task 0: the line is not understood: EINVAL' ) );
        $last = eval { read_line() };
        return defined $last && $last =~ /^say (.*)/ ? complain($1) : $code;
    }
    return end(0) unless $last =~ /^say (.*)/;
    my $words = $1;
    end($SAID);
    return complain($words);
}

# Asks clone3 for a namespace that begins with number 2; returns the errno's name, or nothing where it gets that far. No such
# namespace can be: who may choose numbers is told EINVAL, and who may not is told why. No process comes of it.
sub probe {
    my ($number) = clone( $CLONE_NEWPID, $SIGCHLD, 2 );
    leave_for_ever( $number > 0 ? 1 : 0 ) if $number >= 0;
    return $!{EINVAL} ? '' : error_name();
}

sub become_root_of_a_user_namespace {
    my ( $user, $group ) = ( $>, ( split ' ', $) )[0] );
    return 0 if kernel( 'unshare', $CLONE_NEWUSER | $CLONE_NEWNS ) < 0;
    for ( [ setgroups => 'deny' ], [ uid_map => "0 $user 1" ], [ gid_map => "0 $group 1" ] ) {
        open my $file, '>', "/proc/self/$_->[0]" or next;
        print {$file} $_->[1];
        # Where the ids may not be mapped they stay unmapped, which is enough for all but the looks.
        close $file;
    }
    return 1;
}

# Returns a sentence on what this machine lacks, or nothing.
sub missing {
    return 'CRPLAN_TIMEOUT is no number of seconds' unless $timeout =~ /^\d*\.?\d+$/ && $timeout > 0 && $timeout < 1e6;
    if ( kernel( 'close_range', $NOBODY, $NOBODY, 0 ) < 0 ) {
        return 'this kernel has no close_range (Linux 5.9), or a filter forbids it: ' . error_name();
    }
    my $lack = probe();
    if ( $lack eq 'EPERM' ) {
        if ( !become_root_of_a_user_namespace() ) {
            return 'choosing process numbers is not permitted: it needs root (CAP_SYS_ADMIN), or user namespaces, '
              . 'which are forbidden here: '
              . error_name();
        }
        $lack = probe();
    }
    return "this kernel has no clone3 with set_tid (Linux 5.5), or a filter forbids it: $lack" if $lack =~ /ENOSYS|E2BIG/;
    return $lack && "a process with a number of our choice cannot be created: $lack";
}

POSIX::sigprocmask( POSIX::SIG_SETMASK(), POSIX::SigSet->new );
for my $signal ( grep { $_ != $SIGKILL && $_ != 19 } 1 .. 31 ) {
    POSIX::sigaction( $signal, POSIX::SigAction->new('DEFAULT') );
}
$SIG{$_} = 'IGNORE' for qw(TERM INT HUP QUIT PIPE);
# Some shells hand this text over by a process of their own, which is done by now.
for ( 1 .. 1000 ) {
    my $ended = waitpid -1, POSIX::WNOHANG();
    last if $ended < 0;
    select undef, undef, undef, 0.001 unless $ended;
}
my $limits = pack 'QQ', 0, 0;
kernel( 'prlimit64', 0, 7, 0, $limits );
my ( undef, $most ) = unpack 'QQ', $limits;
kernel( 'prlimit64', 0, 7, pack( 'QQ', $most, $most ), 0 );
$OUTPUT = POSIX::dup(1);
my $null = open_path( '/dev/null', 2 );
if ( !defined $OUTPUT || $null < 0 ) {
    answer( 'no step 0 (executor): task 0: the agent itself: ' . error_name() );
    leave_for_ever(1);
}
kernel( 'dup3', $null, $_, 0 ) for 0, 1;
kernel( 'prlimit64', 0, 4, pack( 'QQ', 0,     4096 ),  0 );
my $lack = missing();
answer( $lack ? "no $lack" : 'ok' );
leave_for_ever( $lack ? 1 : serve() );
