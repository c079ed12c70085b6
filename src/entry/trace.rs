//! The last line of a process with a bug: its version and where it was.
//!
//! Knows how frames lie on the stack. Trusts no frame pointer: builds with other flags keep something else in that register.
#![expect(unsafe_code, reason = "a register, and other functions' frames")]

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use framemill::internals::exit::Exit;
use framemill::internals::limits::TRACE;
use framemill::internals::log;

use super::start::{exit, stack_bottom};

/// Writes the version and the return addresses: `addr2line -e framemill.unstripped ADDRESS` gives file and line of each. The panic's own
/// message and place are left out of releases, and with that the compiler drops those of all panics: 6 % of the file.
///
/// One bounded line, then the exit code that a supervisor can tell from all others.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // Set for good by the first panic. A second one can only come from writing the first one's line; then the code alone
    // must do. Relaxed: one thread, and nothing else is published by it.
    static DYING: AtomicBool = AtomicBool::new(false);
    if !DYING.swap(true, Ordering::Relaxed) {
        let version = env!("CARGO_PKG_VERSION");
        let trace = Trace(frame_pointer());
        if cfg!(debug_assertions) {
            log::last_word(format_args!(
                "internal error in version {version} at{trace}: {info}"
            ));
        } else {
            log::last_word(format_args!(
                "internal error in version {version} at{trace}"
            ));
        }
    }
    exit(Exit::Internal as u8)
}

/// The frames from this one on, each a pair of words: the frame above, and the address to return to.
struct Trace(usize);

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PAIR: usize = size_of::<[usize; 2]>();
        let (mut frame, bottom) = (self.0, stack_bottom());
        // Of the stack, what lies above this function's own variables: all of it is mapped.
        let mut top = (&raw const frame).addr();
        for _ in 0..TRACE {
            if frame < top || frame > bottom - PAIR || !frame.is_multiple_of(size_of::<usize>()) {
                break;
            }
            // SAFETY: aligned, and within the part of the stack that is in use.
            let [above, address] = unsafe { core::ptr::read(frame as *const [usize; 2]) };
            if address == 0 {
                break;
            }
            // The call itself: behind one that never returns another function begins. In Thumb the lowest bit is no part of the address.
            // The program lies below 4 GiB.
            let thumb = usize::from(cfg!(target_arch = "arm"));
            write!(f, " {:#x}", (address & !thumb).wrapping_sub(1) as u32)?;
            (top, frame) = (frame + PAIR, above);
        }
        Ok(())
    }
}

#[inline(always)]
fn frame_pointer() -> usize {
    let frame: usize;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "arm")]
    {
        let (in_thumb, in_arm): (usize, usize);
        // SAFETY: reads two registers.
        unsafe {
            core::arch::asm!(
                "mov {}, r7",
                "mov {}, r11",
                out(reg) in_thumb,
                out(reg) in_arm,
                options(nomem, nostack, preserves_flags),
            );
        }
        // The lowest bit of a function's address says which of the two it runs in.
        let thumb = (panic as fn(&core::panic::PanicInfo<'_>) -> !) as usize & 1 == 1;
        frame = if thumb { in_thumb } else { in_arm };
    }
    frame
}
