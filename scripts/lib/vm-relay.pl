#!/usr/bin/perl
# Runs QEMU for scripts/vm and carries the guest's three ports: what the command writes goes to
# our standard output and standard error, byte for byte and at once, and its report comes back as
# our exit status. It knows the ports and the deadline, nothing of kernels and images.
#
#   vm-relay.pl DIR SECONDS QEMU…
#
# QEMU's own words go to DIR/qemu.log. When the command's status is not known, DIR/failed says
# why, and the status is 124 (time-out) or 125 (the guest is gone).
#
# The guest's report says how many bytes it put into each port. QEMU drops what it has not
# delivered when the guest powers off, so the guest waits for our word, and we give it only when
# we have passed on that many bytes.
use strict;
use warnings;
use Fcntl qw(F_SETFD);
use IO::Handle;
use POSIX qw(:sys_wait_h);
use Socket;

my ($dir, $limit, @qemu) = @ARGV;

my %port;
for my $name (qw(out err report)) {
    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "socketpair: $!\n";
    $port{$name} = { ours => $ours, theirs => $theirs, seen => 0 };
    push @qemu, '-chardev', "socket,id=$name,fd=" . fileno($theirs),
        '-device', "virtserialport,chardev=$name,name=framemill.$name";
}
$port{out}{to} = \*STDOUT;
$port{err}{to} = \*STDERR;

my $pid = fork // die "fork: $!\n";
if ($pid == 0) {
    fcntl($_->{theirs}, F_SETFD, 0) for values %port;
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>',  "$dir/qemu.log";
    open STDERR, '>&', \*STDOUT;
    { exec @qemu }
    POSIX::_exit(127);
}
close delete $_->{theirs} for values %port;

sub stop_qemu { kill 'KILL', $pid; waitpid $pid, 0 }

sub leave {
    my ($status, $why) = @_;
    stop_qemu();
    if (defined $why and open my $f, '>', "$dir/failed") { print $f "$why\n"; close $f }
    POSIX::_exit($status);
}

# Each of these may come while a write is blocked, so they leave from the handler.
$SIG{ALRM} = sub { leave(124, "no status within $limit s") };
$SIG{PIPE} = sub { leave(141) };    # nobody reads us any more: as any program in a pipe
$SIG{INT}  = sub { leave(130) };
$SIG{TERM} = sub { leave(143) };
$SIG{HUP}  = sub { leave(129) };
alarm $limit;

sub pass_on {
    my ($to, $data) = @_;
    my $done = 0;
    while ($done < length $data) {
        my $n = syswrite $to, $data, length($data) - $done, $done;
        next if !defined $n and $!{EINTR};
        leave(125, "cannot write the command's output: $!") unless defined $n;
        $done += $n;
    }
}

my ($said, $status, $heard) = ('', undef, 0);
while (!defined $status or !$heard) {
    my $wanted = '';
    vec($wanted, fileno $_->{ours}, 1) = 1 for grep { $_->{ours} } values %port;
    last if $wanted !~ /[^\0]/;    # every port closed: QEMU has ended
    select(my $ready = $wanted, undef, undef, undef) > 0 or next;
    for my $p (values %port) {
        next unless $p->{ours} and vec $ready, fileno $p->{ours}, 1;
        my $n = sysread $p->{ours}, my $data, 65536;
        if (!$n) { delete $p->{ours} if defined $n or !$!{EINTR}; next }
        if ($p->{to}) { pass_on($p->{to}, $data); $p->{seen} += $n }
        else          { $said .= $data }
    }
    if ($said =~ /^(\d+) (\d+) (\d+)\n/) {
        $status = $1;
        $heard  = $port{out}{seen} >= $2 && $port{err}{seen} >= $3;
    }
}
leave(125, 'the guest ended before the command did') unless defined $status and $heard;

# The guest now powers off by itself; it gets a moment before it is made to.
syswrite $port{report}{ours}, "\n" if $port{report}{ours};
$SIG{ALRM} = sub { leave($status) };
alarm 5;
waitpid $pid, 0;
POSIX::_exit($status);
