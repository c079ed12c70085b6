//! What the engine gives up before its loop, when everything is open: its user's rights (`--user`), files, system calls; and what `tap` does.
//!
//! Knows the order: no new privileges first, because the rest demands it; then files (Landlock), as long as folders can be
//! opened; then the user; system calls (seccomp) last, because the filter permits none of the calls that this takes.
//! Knows no call's number (`filter`), and must never know what the loop does with its rights.

mod calls;
mod filter;
mod kernel;
mod tap;

use core::ffi::CStr;
use core::fmt;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, chownat, fstat, open, stat};
use rustix::io::{Errno, Result};
use rustix::process::{
    Gid, Resource, Rlimit, Uid, parent_process_death_signal, set_parent_process_death_signal,
    setrlimit,
};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use filter::Whose;

use crate::errno::name::Named;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::MIDDLE_STAGES;
use crate::log::note;
use crate::types::devices::CameraChoice;
use crate::types::run_options::RunOptions;
use crate::types::users::User;

/// Gives up what the options say. `device` is the path of the encoder's node, byte for byte as it is opened: never what a message
/// shows of it; `middle` those of what is between a camera and the encoder. `socket` is the engine's own socket's file, if there is one. `camera_shut` says whether the camera, if there is one, can no longer be opened.
///
/// # Errors
/// When the engine cannot become `--user`. A kernel without Landlock or seccomp is warned of: the engine worked before there
/// was either.
#[inline(never)]
pub fn enter(
    options: &RunOptions<'_>,
    device: &CStr,
    middle: [Option<&CStr>; MIDDLE_STAGES],
    socket: Option<&CStr>,
    camera_shut: &dyn Fn() -> bool,
) -> core::result::Result<(), Failure> {
    let camera = options.camera.and_then(CameraChoice::path);
    let mut files = Ok(());
    if options.sandbox {
        files = set_no_new_privs(true).and_then(|()| shut_files(device, camera, middle, socket));
    }
    if let Some(user) = options.user {
        let group = options.socket_group.unwrap_or(user.gid);
        become_user(user, socket, group).map_err(|errno| {
            failure!(
                Exit::Resource,
                "--user: {}: only root can become somebody else",
                Named(errno)
            )
        })?;
        let opened = open_at(device.to_bytes(), OFlags::RDWR | OFlags::NONBLOCK);
        if opened.err() == Some(Errno::ACCESS) || camera_shut() {
            note!(warn, "--user cannot open every device again after a fault");
        }
    }
    if options.sandbox {
        warn_unless_whole(files, filter::install(Whose::Engine));
    }
    Ok(())
}

/// The same for `tap`, when its outputs are open: files can be made, and removed, in the `folder` of a recording alone. With
/// `reconnects` it can connect to sockets; where the engine is its `child`, ask it to end.
#[inline(never)]
pub fn enter_tap(folder: Option<BorrowedFd<'_>>, reconnects: bool, child: bool) {
    let files = set_no_new_privs(true).and_then(|()| {
        let ruleset = kernel::Ruleset::new()?;
        if let Some(folder) = folder {
            ruleset.allow(folder, kernel::MAKE | kernel::REMOVE)?;
        }
        ruleset.restrict()
    });
    let whose = match (reconnects, child) {
        (true, _) => Whose::TapAgain,
        (false, true) => Whose::TapOfChild,
        (false, false) => Whose::Tap,
    };
    warn_unless_whole(files, filter::install(whose));
}

fn warn_unless_whole(files: Result<()>, calls: Result<()>) {
    if files.is_err() || calls.is_err() {
        note!(
            warn,
            "the sandbox is not whole: Landlock {}, seccomp {}",
            Answer(files),
            Answer(calls)
        );
    }
}

/// Becomes the user for good, in no group but its own. The socket's file is its and `group`'s, so that the file's mode speaks of them.
fn become_user(user: User, socket: Option<&CStr>, group: u32) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    // What is mapped later is locked like all the rest, and an ordinary user may lock little: mmap would fail.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Memlock, unlimited)?;
    // Descriptors on their way to clients that do not read count as this user's, and past this limit nobody is sent any. As many as
    // kernels allow a process, unless it is configured otherwise.
    let many = Rlimit {
        current: Some(1 << 20),
        maximum: Some(1 << 20),
    };
    let _ = setrlimit(Resource::Nofile, many);
    if let Some(path) = socket {
        let group = Some(Gid::from_raw(group));
        chownat(CWD, path, Some(uid), group, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    // Who becomes somebody else does not hear any more that its parent ended, unless it says so again.
    let parents_end = parent_process_death_signal()?;
    // One thread: that these calls are its own affair, and not the process's, makes no difference.
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    set_parent_process_death_signal(parents_end)
}

/// Leaves nothing of the file system but the nodes in the devices' folders, to open and use, and the removal of the socket's
/// file. Folders and not nodes, because a device that comes back has a new node.
fn shut_files(
    device: &CStr,
    camera: Option<&CStr>,
    middle: [Option<&CStr>; MIDDLE_STAGES],
    socket: Option<&CStr>,
) -> Result<()> {
    let ruleset = kernel::Ruleset::new()?;
    // What lies in folders of /dev is links to its nodes, and a link elsewhere leads there, too.
    let paths = [Some(c"/dev/"), Some(device), camera];
    for path in paths.into_iter().chain(middle).flatten() {
        let path = path.to_bytes();
        let mut right_to = open_at(parent(path), FOLDER)?;
        if is_root(&right_to)? {
            // That folder is everything. The node alone, then; one that takes its place cannot be opened.
            right_to = open_at(path, OFlags::PATH)?;
        }
        ruleset.allow(&right_to, kernel::USE)?;
    }
    if let Some(path) = socket {
        ruleset.allow(&open_at(parent(path.to_bytes()), FOLDER)?, kernel::REMOVE)?;
    }
    ruleset.restrict()
}

/// To name a folder, not to look into it.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

#[inline(never)]
fn open_at(path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Whether this folder is the root of the file system.
fn is_root(folder: &OwnedFd) -> Result<bool> {
    let (this, root) = (fstat(folder)?, stat(c"/")?);
    Ok((this.st_dev, this.st_ino) == (root.st_dev, root.st_ino))
}

/// The folder that a path's last name stands in.
fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        None => b".",
        Some(0) => b"/",
        Some(at) => &path[..at],
    }
}

/// How setting up went.
struct Answer(Result<()>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(()) => f.write_str("on"),
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => f.write_str("is not in this kernel"),
            Err(errno) => Named(errno).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parent;

    #[test]
    fn a_path_lies_in_a_folder_however_it_is_written() {
        for (path, folder) in [
            ("/run/framemill.sock", "/run"),
            ("/sock", "/"),
            ("sock", "."),
            ("a/b/sock", "a/b"),
        ] {
            assert_eq!(parent(path.as_bytes()), folder.as_bytes());
        }
    }
}
