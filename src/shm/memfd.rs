//! Shared memory of this process's own: memfds, made, sized and sealed.
//!
//! Knows which call failed, and how much memory is free. Must never know what lies in it.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;

use crate::errno::call::{Call, IoctlError};
use crate::free_memory::has_room;

/// A new memfd of `length` bytes that nobody can resize, ever: a mapping of it cannot fault. `last` is `SealFlags::SEAL` when
/// nobody is to add a seal either: one against writing would lock out whoever comes later.
///
/// # Errors
/// Of `Call::FreeMemory` when less is free than it takes: nothing was made. Otherwise those of memfd_create(2), ftruncate(2) and
/// fcntl(2), with their calls.
pub fn sealed_memfd(name: &CStr, length: usize, last: SealFlags) -> Result<OwnedFd, IoctlError> {
    let failed = |call| move |errno| IoctlError::new(call, errno);
    if !has_room(length) {
        return Err(failed(Call::FreeMemory)(Errno::NOMEM));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Nobody is to execute it. Kernels before 6.3 do not know that flag; later ones may refuse to do without (vm.memfd_noexec).
    let fd = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        answer => answer,
    };
    let fd = fd.map_err(failed(Call::MemfdCreate))?;
    ftruncate(&fd, length as u64).map_err(failed(Call::MemfdSize))?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | last)
        .map_err(failed(Call::MemfdSeal))?;
    #[cfg(test)]
    crate::simulation::made(name, &fd);
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{fcntl_get_seals, fstat};

    use super::*;

    #[test]
    fn a_memfd_cannot_be_resized_and_is_not_executable_where_the_kernel_can_say_so() {
        let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
        let seals = fcntl_get_seals(&fd).unwrap();
        assert!(seals.contains(SealFlags::SHRINK | SealFlags::GROW));
        // Linux 6.3 knows MFD_NOEXEC_SEAL, which adds F_SEAL_EXEC and takes the mode's x bits away.
        const SEAL_EXEC: u32 = 0x20;
        assert_eq!(
            seals.bits() & SEAL_EXEC != 0,
            fstat(&fd).unwrap().st_mode & 0o111 == 0
        );
        assert_eq!(
            ftruncate(&fd, 8192).unwrap_err(),
            Errno::PERM,
            "it is sealed"
        );
    }

    #[test]
    fn more_than_is_free_is_refused_before_it_is_made() {
        let error = sealed_memfd(c"test", usize::MAX / 2, SealFlags::empty()).unwrap_err();
        assert_eq!(error, IoctlError::new(Call::FreeMemory, Errno::NOMEM));
    }
}
