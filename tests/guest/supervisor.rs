//! The engine under a supervisor: what it tells, the socket that it is handed, the group that may connect. `with.c` is the supervisor.

use crate::accounting::stat;
use crate::support::Guest;

fn with_guest(name: &str) -> Guest {
    let guest = Guest::h264(name);
    guest.compile("tests/vm/with.c", "with");
    guest
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_supervisor_hears_an_engine_that_can_no_longer_reach_its_socket() {
    let guest = with_guest("notify");
    let outcome = guest.run(
        r#"
        mkdir -m 700 /tmp/root
        heard() { grep -q $1 /tmp/heard; }
        start run env WATCHDOG_USEC=200000 /host/with notify /tmp/root/notify /tmp/heard \
            framemill run $encoder --size 160x128 --user 1000 --ready-fd 7 7>/tmp/ready
        until_true heard READY=1
        until_true heard ^WATCHDOG=1
        say seccomp $(sed -n 's/^Seccomp:\s*//p' /proc/$run/status)
        say ready "$(wc -l <ready) $(wc -c <ready)"
        say open $(ls -l /proc/$run/fd | grep -c /tmp/ready)
        try push framemill push --frames 8 --fps max
        kill $run
        ended run
        until_true heard STOPPING
        cp heard /host/
        # Nobody reads: the queue is full after ten messages, and the engine goes on.
        start run env WATCHDOG_USEC=2000 /host/with notify @deaf - framemill run $encoder --size 160x128
        until_true grep -q 'running: ' run.log
        try push framemill push --frames 60 --fps 30
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        "#,
    );
    outcome.succeeded(&["push", "run"]);
    let heard = outcome.text("heard");
    let news: Vec<_> = heard.lines().filter(|line| *line != "WATCHDOG=1").collect();
    assert_eq!(
        news,
        [
            "READY=1 STATUS=running WATCHDOG=1",
            "STOPPING=1 STATUS=draining WATCHDOG=1"
        ],
        "{heard}"
    );
    assert_eq!(
        (outcome.said("seccomp"), outcome.said("ready")),
        ("2", "1 1")
    );
    assert_eq!(outcome.number("open"), 0, "the descriptor is closed");
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "frames_published"), 60, "{json}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_socket_that_the_supervisor_made_is_used_and_stays_and_a_sockets_group_may_connect() {
    let guest = with_guest("activated");
    let outcome = guest.run(
        r#"
        start run /host/with listen /tmp/given framemill run $encoder --size 160x128 --socket /tmp/own --user 1000
        until_true grep -q 'running: ' run.log
        try push framemill push --socket /tmp/given --frames 8 --fps max
        say own $(ls /tmp/own* 2>/dev/null | wc -l)
        kill $run
        ended run
        cp run.log /host/file.log
        say stays "$(ls /tmp/given | wc -l) $(stat -c %u /tmp/given)"
        # A name that anybody could have taken serves root only.
        start run /host/with listen @given framemill run $encoder --size 160x128
        until_true grep -q 'running: ' run.log
        try check framemill stat --socket @given --check
        try stranger /host/with uid 1000 1000 framemill tap --socket @given --engine-uid 0
        kill $run
        ended run
        # The socket's group.
        chmod 777 /run
        chmod 666 /dev/video11
        engine grouped --size 160x128 --socket-group 44
        say group.owner $(stat -c %u:%g:%a /run/framemill.sock)
        try member /host/with uid 1000 44 framemill stat --engine-uid 0 --check
        try other /host/with uid 1000 1000 framemill stat --engine-uid 0 --check
        kill $grouped
        ended grouped
        engine grouped --size 160x128 --socket-group 44 --user 1000
        say group.user $(stat -c %u:%g:%a /run/framemill.sock)
        kill $grouped
        ended grouped
        try refused /host/with uid 1000 1000 framemill run $encoder --size 160x128 --socket-group 44
        say group.left $(ls /run/framemill.sock 2>/dev/null | wc -l)
        "#,
    );
    outcome.succeeded(&["push", "run", "own", "check"]);
    assert_eq!(outcome.said("stays"), "1 0");
    assert_eq!(outcome.number("stranger"), 10, "{}", outcome.story());
    let log = outcome.text("file.log");
    assert!(
        log.contains("frames/s, listening at the supervisor's socket"),
        "{log}"
    );
    outcome.succeeded(&["grouped", "member", "group.left"]);
    assert_eq!(outcome.said("group.owner"), "0:44:660");
    assert_eq!(outcome.said("group.user"), "1000:44:660");
    assert_eq!(outcome.number("other"), 9, "{}", outcome.story());
    assert_eq!(outcome.number("refused"), 14, "{}", outcome.story());
    assert!(outcome.logged("framemill: --socket-group: not allowed: EPERM: no permission"));
}
