//! The simulated kernel of one thread. Knows nothing of who acts beside the engine.

use core::cell::RefCell;

use super::clock;
use super::kernel::Kernel;

std::thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Something for the kernel to do; `None` without a world.
pub(super) fn with<T>(act: impl FnOnce(&mut Kernel) -> T) -> Option<T> {
    clock::now()?;
    KERNEL.with_borrow_mut(|kernel| kernel.as_mut().map(act))
}

/// The world begins.
pub(super) fn install(kernel: Kernel) {
    clock::set(clock::BEGIN);
    KERNEL.set(Some(kernel));
}

/// The end of the world. The time goes on to be virtual until `clock::forget`, for what is dropped.
pub(super) fn take() -> Option<Kernel> {
    KERNEL.take()
}
