# shellcheck shell=dash disable=SC2086,SC2154 # $encoder and the faults are words; the prelude sets variables by name
# Lives of an engine, one for each line `NAME CALL WHEN ERRNO` of /host/plan: the WHENth such system call of the engine
# fails (with a + after the number, each later one, too), or none where CALL is `none`. Leaves a folder /host/NAME for
# each, and judges nothing.

# Not here: close and munmap, which the kernel carries out whatever they answer; the clock; what cannot fail.
calls=openat,ioctl,ppoll,sendmsg,recvfrom,sendto,accept4,socket,bind,listen,socketpair,memfd_create,ftruncate
calls=$calls,fcntl,mmap,mlockall,signalfd4,read,write,futex,rt_sigprocmask,newfstatat,fchmodat,unlinkat
calls=$calls,prctl,landlock_create_ruleset,landlock_add_rule,landlock_restrict_self,seccomp

# No client takes as long as this, s: an answer that does not come is waited for for 5 s. No engine takes half as long to
# start or to end as `soon` says, s.
patience=12 soon=4

# By way of `timeout`, what hangs has the status 143.
client() {
    timeout "$patience" framemill "$@" --socket "$socket"
}

# Ends an engine that does not do in time what is expected of it.
watch_engine() {
    (sleep "$soon" && echo "engine hung" >>statuses && kill -9 $engine) &
    watch=$!
}

# A connection may fail for a fault's sake; a second one must not.
twice() {
    who=$1
    shift
    for attempt in 1 2; do
        "$@" 2>>"$who.log"
        status=$?
        echo "$who $status" >>statuses
        case $status in 0 | 124 | 143) break ;; esac
    done
}

# It is there as long as all others together.
consume() {
    patience=100
    client tap --from oldest --all --to "out$attempt" --index "index$attempt"
}

# What a subject leaves as it is: producers are the engine's clients, and nothing has to be put right before a life or happens in it.
: "${clients:=producers}" "${begin:=:}" "${middle:=:}"

life() {
    life=$1 fault=
    $begin
    [ "$2" = none ] || fault="-e inject=$2:error=$4:when=$3"
    socket=/run/$life.sock
    mkdir "/tmp/$life" || give_up "$life"
    cd "/tmp/$life" || give_up "$life"
    # The tracer as a grandchild: the engine's process number and its exit status are our child's.
    strace -D -o trace -e trace=$calls $fault framemill run $encoder $size --frame-slots 3 \
        --stall-ms 300 --drain-ms 800 --socket "$socket" 2>engine.log &
    engine=$!
    watch_engine
    # The last call of the start, whatever came of it.
    until grep -q '^seccomp\|^+++' trace 2>/dev/null ; do sleep 0.01; done
    kill $watch 2>/dev/null
    grep -q '^+++' trace || $clients
    watch_engine
    wait $engine
    echo "engine $?" >>statuses
    kill $watch 2>/dev/null
    wait
    until grep -q '^+++' trace; do sleep 0.01; done
    cd /tmp || exit 99
    cp -r "/tmp/$life" /host/
    rm -rf "/tmp/$life" "$socket"
}

# The third producer is still at it when the engine is told to end.
producers() {
    twice tap consume &
    tap=$!
    # Connected, or never.
    while kill -0 $tap && [ ! -e out1 ] && [ ! -e out2 ]; do sleep 0.01; done
    # An encoder that is being reopened is waited for.
    twice first client push --wait 1000 --from /tmp/in --fps max --frames 5
    twice key client ctl key --wait 1000 >>key.log
    wc -l <trace >mark
    twice second client push --wait 1000 --from /tmp/in --fps max --frames 7
    # An encoder that does not come back for three seconds ends the engine: it has them, before the signal.
    [ "$status" = 0 ] || sleep 3.2
    twice stat client stat --json >stat.json
    twice third client push --wait 1000 --from /tmp/in --fps max --frames 6 &
    # Time for some of its frames.
    sleep "$third_after"
    kill $engine 2>/dev/null
}

# A camera is the producer: the second consumer sees what comes after the fault.
watchers() {
    twice tap consume &
    tap=$!
    while kill -0 $tap && [ ! -e out1 ] && [ ! -e out2 ]; do sleep 0.01; done
    twice first client tap --wait 1000 --frames 4 --to /dev/null
    twice key client ctl key --wait 1000 >>key.log
    $middle
    wc -l <trace >mark
    twice second client tap --wait 1000 --from live --frames 12 --to /dev/null
    twice stat client stat --json >stat.json
    kill $engine 2>/dev/null
}

signal() { source_is 4; }

# It is there again while the engine looks for it, or has not noticed yet.
lose_signal() {
    source_is 1
    for moment in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.05
        client stat --json | grep -q '"no-signal"' && break
    done
    source_is 4
}

cp /host/in /tmp/in
while read -r life call when errno; do
    life $life $call $when $errno </dev/null 2>/dev/null
done </host/plan
