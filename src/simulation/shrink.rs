//! A plan that fails, made smaller: whatever can be left out is left out, as long as the same thing goes wrong.

use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::encoder::{Mischief, Nature};
use super::event::Event;
use super::node::Kind;
use super::runner::run;
use super::scenario::{ENCODER, Plan};

/// Most runs that are spent on it.
const RUNS: usize = 150;

/// What went wrong, without its numbers.
fn kind(what: &str) -> String {
    what.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The smaller plan.
pub(super) fn shrink(plan: &Plan, what: &str) -> Plan {
    let wanted = kind(what);
    let mut best = plan.clone();
    let mut runs = 0;
    let mut smaller = true;
    while core::mem::take(&mut smaller) {
        for candidate in candidates(&best) {
            if runs >= RUNS {
                return best;
            }
            runs += 1;
            if run(&candidate, false).is_err_and(|wrong| kind(&wrong.what) == wanted) {
                best = candidate;
                smaller = true;
                break;
            }
        }
    }
    best
}

/// Plans with one thing less.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Plan)| {
        let mut candidate = plan.clone();
        change(&mut candidate);
        all.push(candidate);
    };
    if plan.idle_ms.is_some() {
        offer(&|plan| plan.idle_ms = None);
    }
    for at in 0..plan.strangers.len() {
        offer(&|plan| {
            let _ = plan.strangers.remove(at);
        });
    }
    for at in 0..plan.controllers.len() {
        offer(&|plan| {
            let _ = plan.controllers.remove(at);
        });
    }
    for at in 0..plan.consumers.len() {
        offer(&|plan| {
            let _ = plan.consumers.remove(at);
        });
    }
    for at in 0..plan.producers.len() {
        offer(&|plan| {
            let _ = plan.producers.remove(at);
        });
        let maker = &plan.producers[at];
        if maker.returns > 0 {
            offer(&|plan| plan.producers[at].returns = 0);
        }
        if maker.offers.is_some() {
            offer(&|plan| plan.producers[at].offers = None);
        }
        if maker.gathers.is_some() {
            offer(&|plan| plan.producers[at].gathers = None);
        }
        if maker.frames > 3 {
            offer(&|plan| plan.producers[at].frames /= 2);
        }
    }
    for at in 0..plan.faults.0.len() {
        offer(&|plan| {
            let _ = plan.faults.0.remove(at);
        });
    }
    for (at, (_, event)) in plan.timeline.iter().enumerate() {
        let frame = matches!(
            event,
            Event::Quiet | Event::Exam | Event::Terminate | Event::EndWithin(_)
        );
        if !frame {
            offer(&|plan| {
                let _ = plan.timeline.remove(at);
            });
        }
    }
    let Kind::Encoder(nature) = &plan.nodes[ENCODER].kind else {
        return all;
    };
    for calmer in calmer(nature) {
        offer(&|plan| plan.nodes[ENCODER].kind = Kind::Encoder(Rc::new(calmer)));
    }
    all
}

/// The encoder with one peculiarity less.
fn calmer(nature: &Nature) -> Vec<Nature> {
    let mut all = Vec::new();
    if nature.mischief.until != 0 {
        let mischief = Mischief::default();
        all.push(Nature {
            mischief,
            ..*nature
        });
    }
    if nature.splits != 0 {
        all.push(Nature {
            splits: 0,
            ..*nature
        });
    }
    if nature.headers_alone {
        all.push(Nature {
            headers_alone: false,
            ..*nature
        });
    }
    if nature.reorders {
        all.push(Nature {
            reorders: false,
            ..*nature
        });
    }
    if nature.ahead != 0 {
        all.push(Nature {
            ahead: 0,
            ..*nature
        });
    }
    if nature.keeps {
        all.push(Nature {
            keeps: false,
            ..*nature
        });
    }
    all
}
