//! What it costs to wake a client is the client's affair only up to a bound: `tests/vm/waiters.c` has those that make it expensive.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::{Guest, Outcome};

/// `waits NAME MODE COUNT SECONDS [USER]`: such a client, which is there when this returns; its words in NAME.said. Time passes for it at
/// the host's pace whenever the guest waits for the host, so SECONDS are a limit, and `kill` or the packets end it. `honest N`: so many
/// frames, 30 a second. `ticks`: the engine's processor time so far, in units of 10 ms.
const WAITERS: &str = r#"
    encoder='--device /dev/video11 --codec H264 --size 160x96'
    for user in 1001 1002; do echo user$user:x:$user:$user::/:/bin/sh >>/etc/passwd; done
    cp /host/waiters /host/in /tmp/
    chmod 755 /tmp/waiters
    ulimit -n 262144
    waits() {
        start $1 su ${5:-user1001} -s /bin/sh -c "exec /tmp/waiters /run/framemill.sock $2 $3 $4" >/tmp/$1.said
        until_true grep -q "$2\|refused" /tmp/$1.said
    }
    honest() { framemill push --wait 5000 --from /tmp/in --loop --frames $1 --fps 30 2>push.log || give_up "push: $?"; }
    ticks() {
        set -- $(cat /proc/$run/stat)
        echo $((${14} + ${15}))
    }
"#;

fn guest(name: &str) -> Guest {
    let guest = Guest::h264(name).steady().with_setup(WAITERS);
    guest.compile("tests/vm/waiters.c", "waiters");
    guest.put("in", &Picture::new("YU12", 160, 96).noisy(0..4));
    guest
}

/// What a client said last.
fn last(outcome: &Outcome, name: &str) -> String {
    let said = outcome.text(&format!("{name}.said"));
    said.lines().last().unwrap_or_default().to_owned()
}

const COSTLY: &str = "refused 13";

#[test]
#[ignore = "boots the guest: scripts/test"]
fn waiters_on_the_futex_word_cost_no_wake_up_and_an_honest_sleeper_is_woken() {
    let guest = guest("wakes-futex");
    let outcome = guest.run(
        r"
        engine run --socket-mode 777 --realtime 50
        before=$(ticks)
        honest 60
        say alone $(($(ticks) - before))
        waits honest sleep 50 600
        honest 60
        ended honest
        waits pile futex 300 600
        before=$(ticks)
        honest 60
        say piled $(($(ticks) - before))
        kill -9 $pile || give_up the pile is gone
        cp *.said /host/
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["honest", "run"]);
    // One of 38,400 waiters is woken with each packet, as one consumer without a wake socket is connected.
    let [alone, piled] = ["alone", "piled"].map(|name| outcome.number(name));
    println!("{alone} alone, {piled} piled");
    assert!(piled < alone + 10, "{}", outcome.story());
    let said = outcome.text("honest.said");
    let words: Vec<u64> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // It woke with each packet that it saw, but perhaps one that came while it looked.
    assert!(
        words[1] == 50 && words[0] + 2 >= words[1],
        "{said}{}",
        outcome.story()
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn clients_that_make_their_wake_ups_expensive_are_disconnected_and_their_users_refused_for_a_while()
{
    let guest = guest("wakes-sockets");
    let outcome = guest.run(
        r"
        engine run --socket-mode 777 --producer-uid 0
        # Those who are woken by few are not held to account.
        start tap framemill tap --to /dev/null
        until_true reached consumers_attached 1
        waits few epoll 100 600
        honest 60
        kill $few
        ended few
        waits many epoll 40000 600
        honest 60 & pusher=$!
        until_true grep -q refused many.said
        waits again epoll 0 600
        ended again
        wait $pusher
        ended many
        waits filled filled 40000 600 root
        ended filled
        waits back reverse 4 600 root
        kill $back
        ended back
        honest 30
        framemill stat --json >/host/stat.json
        cp *.said /host/
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["few", "many", "again", "filled", "back", "run", "tap"]);
    assert_eq!(last(&outcome, "few"), "refused 0", "{}", outcome.story());
    for name in ["many", "again", "filled"] {
        assert_eq!(last(&outcome, name), COSTLY, "{name}: {}", outcome.story());
    }
    // Not even connected.
    assert_eq!(outcome.text("again.said"), "refused 13\n");
    assert!(outcome.text("back.said").starts_with("taken 0\n"));
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "refused_costly"), 3, "{json}");
    assert_eq!(stat(&json, "frames_dropped"), 0, "{json}");
    let log = outcome.text("run.log");
    assert!(
        log.contains("a client of user 1001 is disconnected"),
        "{log}"
    );
}
