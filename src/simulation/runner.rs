//! One run: the world is built as a plan says, `framemill run` runs in it, and the judge speaks.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};
use std::boxed::Box;
use std::format;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use super::actors::Actor;
use super::clock;
use super::consumer::Consumer;
use super::controller::Controller;
use super::encoder::Stops;
use super::judge::Judge;
use super::kernel::Kernel;
use super::node::Kind;
use super::packets::Packets;
use super::producer::Producer;
use super::random::Random;
use super::scenario::{ENCODER, Plan};
use super::stage::{self, Stage};
use super::stranger::Stranger;
use super::supervisor::{self, Heard, Supervisor};
use super::world;
use crate::command::run::run as framemill_run;
use crate::exit::Exit;
use crate::limits::{COUNTERS, PACKET_RING_MIN};
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::types::devices::{CameraChoice, CameraFormat, DeviceChoice, MiddleChoice};
use crate::types::run_options::RunOptions;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;

/// Makes sockets' names different.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// What a run was like.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) turns: u64,
    pub(super) calls: u64,
    /// When a node was opened, or could not be, virtual ns.
    pub(super) opens: Vec<u64>,
    pub(super) packets: u64,
    pub(super) virtual_ns: u64,
    pub(super) exit: u8,
    /// Why, where it is no success.
    pub(super) sentence: String,
    /// The engine's counters at the end.
    pub(super) counters: [u64; COUNTERS],
    /// What the supervisor heard.
    pub(super) heard: Vec<(u64, String)>,
}

/// What went wrong, and what happened before.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) trace: Vec<String>,
}

/// Runs a plan.
pub(super) fn run(plan: &Plan, traces: bool) -> Result<Report, Wrong> {
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let socket: Rc<[u8]> = format!("framemill-{}-{number}", std::process::id())
        .into_bytes()
        .into();
    let options = options(plan, &socket);
    let mut random = Random::new(plan.seed ^ 0x5eed);
    let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
    let mut kernel = Kernel::new(
        plan.nodes.clone(),
        plan.faults.clone(),
        random.fork(),
        traces,
    );
    kernel.signals = Some(read);
    let heard = Heard::default();
    let mut actors = cast(plan, &socket, &mut random);
    let address = plan.supervised.map(|pause| {
        let (supervisor, address) = Supervisor::new(number, pause, heard.clone());
        actors.push(Box::new(supervisor));
        address
    });
    let environment = |name: &str| match name {
        "NOTIFY_SOCKET" => address,
        "WATCHDOG_USEC" => Some(c"400000"),
        _ => None,
    };
    let stage = Stage {
        actors,
        timeline: plan.timeline.clone(),
        judge: Judge::new(
            Packets::new(plan.codec, plan.camera, plan.size),
            u64::from(plan.stall_ms) * MS,
            plan.idle_ms.map(|ms| u64::from(ms) * MS),
        ),
        poll_fails_until: 0,
        turns: 0,
        socket: socket.clone(),
        signals: write,
        camera: plan.camera,
        idles: plan.idle_ms.is_some(),
        told: 0,
    };
    stage::install(kernel, stage);
    let result = catch_unwind(AssertUnwindSafe(|| framemill_run(&options, &environment)));
    let virtual_ns = clock::now().unwrap_or(0) - clock::BEGIN;
    let mut stage = stage::take();
    let judged = match result {
        Ok(result) => {
            let exit = result.map_or_else(|failure| failure.exit, |()| Exit::Success);
            judge(plan, stage.as_mut(), exit).map(|()| exit)
        }
        Err(panic) => Err(message(panic.as_ref())),
    };
    let turns = stage.as_ref().map_or(0, |stage| stage.turns);
    let counters = stage
        .as_ref()
        .map_or([0; COUNTERS], |stage| stage.judge.counters());
    // Clients give back what they had.
    drop(stage);
    let heard = heard.take();
    let kernel = world::take();
    clock::forget();
    let Some(mut kernel) = kernel else {
        return Err(Wrong {
            what: "the world is gone".to_string(),
            trace: Vec::new(),
        });
    };
    let leaks = kernel.leaks();
    let judged = match judged {
        Ok(_) if !leaks.is_empty() => Err(format!("leaked: {leaks:?}")),
        Ok(exit) => supervisor::check(&heard).map(|()| exit),
        judged => judged,
    };
    judged
        .map_err(|what| Wrong {
            what,
            trace: kernel.take_trace(),
        })
        .map(|exit| Report {
            turns,
            calls: kernel.calls,
            opens: core::mem::take(&mut kernel.opens),
            packets: kernel.shared.seen,
            virtual_ns,
            exit: exit as u8,
            sentence: kernel.last_line.clone(),
            counters,
            heard,
        })
}

/// What `framemill run` is started with.
fn options<'a>(plan: &Plan, socket: &'a [u8]) -> RunOptions<'a> {
    let (width, height) = plan.size;
    let mut options = RunOptions::new(Size { width, height });
    options.device = DeviceChoice::Path(c"/dev/video11");
    options.codec = plan.codec;
    options.socket = SocketName::Abstract(socket);
    options.memory = plan.memory;
    options.frame_slots = plan.slots;
    options.gop = plan.gop;
    options.stall_ms = plan.stall_ms;
    options.drain_ms = plan.drain_ms.unwrap_or(options.drain_ms);
    options.wait_device_ms = plan.wait_device_ms;
    options.packet_ring = PACKET_RING_MIN;
    options.once = plan.once;
    options.sandbox = false;
    options.camera = plan.camera.then_some(match plan.by_card {
        true => CameraChoice::Card(b"Simulated camera"),
        false => CameraChoice::Path(c"/dev/video0"),
    });
    if plan.chain {
        options.camera_format = Some(CameraFormat::Coded(Fourcc::MJPG));
        options.decoder = match plan.seed % 2 {
            0 => MiddleChoice::Auto,
            _ => MiddleChoice::Path(c"/dev/video10"),
        };
    }
    if plan.passes() {
        options.camera_format = Some(CameraFormat::Coded(Fourcc::MJPG));
        options.device = DeviceChoice::Auto;
    }
    if let Some(wanted) = plan.conversion {
        let size = wanted.size.map(|(width, height)| Size { width, height });
        (options.camera_size, options.flip) = (size, wanted.flip);
        options.converter = match size.is_none() && !wanted.flip.any() || plan.seed % 2 == 1 {
            true => MiddleChoice::Path(c"/dev/video12"),
            false => MiddleChoice::Auto,
        };
    }
    options.frames = plan.frames;
    options.idle_ms = plan.idle_ms;
    options
}

fn cast(plan: &Plan, socket: &Rc<[u8]>, random: &mut Random) -> Vec<Box<dyn Actor>> {
    let mut actors: Vec<Box<dyn Actor>> = Vec::new();
    for manner in &plan.producers {
        actors.push(Box::new(Producer::new(
            socket.clone(),
            manner.clone(),
            random.fork(),
        )));
    }
    for manner in &plan.consumers {
        actors.push(Box::new(Consumer::new(
            socket.clone(),
            manner.clone(),
            random.fork(),
        )));
    }
    for manner in &plan.controllers {
        actors.push(Box::new(Controller::new(
            socket.clone(),
            manner.clone(),
            random.fork(),
        )));
    }
    for &manner in &plan.strangers {
        actors.push(Box::new(Stranger::new(
            socket.clone(),
            manner,
            random.fork(),
        )));
    }
    actors
}

/// Whether the engine may end so, and left everything as it should.
fn judge(plan: &Plan, stage: Option<&mut Stage>, exit: Exit) -> Result<(), String> {
    let Some(stage) = stage else {
        return Err("there is no stage".to_string());
    };
    stage.judge.end(exit)?;
    let asked_by_client = world::with(|kernel| kernel.shared.drained) == Some(true);
    let passed = world::with(|kernel| kernel.shared.passed) == Some(true);
    let running = stage.turns > 0;
    let (none, lost, one_fault) = world::with(|kernel| {
        let liberties = &kernel.shared.liberties;
        (liberties.none(), liberties.lost(), liberties.one_fault())
    })
    .unwrap_or_default();
    let Kind::Encoder(nature) = &plan.nodes[ENCODER].kind else {
        return Ok(());
    };
    let asked = stage.told > 0 || asked_by_client || plan.once || plan.frames.is_some();
    let slow_end = matches!(nature.stops, Stops::Never | Stops::Unknown);
    let right = match exit {
        Exit::Success => asked,
        Exit::DrainTimeout => asked && (slow_end || !none || stage.told > 1),
        // A camera that does not come back in time is lost, whatever was wrong with it.
        Exit::DeviceLost => (lost || plan.camera && !none) && !one_fault,
        Exit::Stalled => !none && !passed && !one_fault,
        Exit::Refused | Exit::Device | Exit::NoDevice | Exit::Resource => !running,
        _ => false,
    };
    if right {
        return Ok(());
    }
    let line = world::with(|kernel| kernel.last_line.clone()).unwrap_or_default();
    Err(format!(
        "the engine ended with {exit:?} after {} turns: {line}",
        stage.turns
    ))
}

fn message(panic: &(dyn core::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// Runs a plan that has to be judged as right.
#[cfg(test)]
#[expect(clippy::panic, reason = "how a test fails")]
pub(super) fn report(plan: &Plan) -> Report {
    match run(plan, true) {
        Ok(report) => report,
        Err(wrong) => panic!("{}\n{}", wrong.what, wrong.trace.join("\n")),
    }
}

#[cfg(test)]
pub(super) fn counted(report: &Report, counter: crate::shm::stats::Counter) -> u64 {
    report.counters[counter as usize]
}
