//! Every errno by its C name, and what it means whatever the call.
//!
//! One list, one word an errno. Knows no call and no device: what an errno means of one call is `call`'s business.

use core::fmt;

use rustix::io::Errno;

use crate::text::{Escaped, nth};

/// An errno by its C name: `EINVAL`, or `errno 200` when the kernel has no such errno.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            Escaped(b"") => write!(f, "errno {}", self.0.raw_os_error()),
            name => name.fmt(f),
        }
    }
}

/// An errno by its C name and, where one is known, its cause, for a call that is not made on a device:
/// `EFBIG: larger than a file may become here: raise ulimit -f`.
#[derive(Clone, Copy, Debug)]
pub struct Explained(pub Errno);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named(self.0).fmt(f)?;
        match cause(self.0) {
            "" => Ok(()),
            cause => write!(f, ": {cause}"),
        }
    }
}

/// What this errno means of any call; empty when its name says it all.
#[must_use]
pub fn cause(errno: Errno) -> &'static str {
    match errno {
        Errno::PERM | Errno::ACCESS => "no permission",
        Errno::NOMEM => "out of memory",
        Errno::NFILE => "too many open files in the whole system",
        Errno::MFILE => "too many open files: raise ulimit -n",
        Errno::FBIG => "larger than a file may become here: raise ulimit -f",
        Errno::NOSPC => "no space left",
        Errno::ROFS => "the file system is read-only",
        Errno::NAMETOOLONG => "the name is too long",
        Errno::NOSYS => "this kernel does not have the call",
        Errno::PIPE | Errno::CONNRESET => "the reader is gone",
        Errno::CONNREFUSED => "nobody listens there",
        Errno::NETUNREACH | Errno::HOSTUNREACH => "no network leads there",
        Errno::LOOP => "too many links",
        Errno::DQUOT => "the user has no space left",
        _ => "",
    }
}

/// The C names of Linux's errnos from 1 on, in the order of their numbers: a driver may answer any of them. Two numbers are nobody's.
pub const ERRNO_NAMES: &str = "\
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV \
    ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG \
    ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL \
    ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP \
    EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS \
    ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT \
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN \
    ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM \
    EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE \
    ERFKILL EHWPOISON";

/// An errno's C name; empty when it has none.
fn name(errno: Errno) -> Escaped<'static> {
    match errno.raw_os_error() {
        // The kernel's own, which drivers let out by mistake. The C headers do not have them.
        512 => Escaped(b"ERESTARTSYS"),
        515 => Escaped(b"ENOIOCTLCMD"),
        517 => Escaped(b"EPROBE_DEFER"),
        524 => Escaped(b"ENOTSUPP"),
        41 | 58 => Escaped(b""),
        number => nth(ERRNO_NAMES, (number as usize).wrapping_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn every_errno_of_linux_has_a_name() {
        // 41 and 58 are the two numbers that Linux left out.
        for number in (1..=133).filter(|number| ![41, 58].contains(number)) {
            let name = Named(Errno::from_raw_os_error(number)).to_string();
            assert!(!name.starts_with("errno"), "{number}: {name}");
        }
    }

    #[test]
    fn an_errno_outside_the_table_is_shown_as_a_number() {
        assert_eq!(
            Named(Errno::from_raw_os_error(200)).to_string(),
            "errno 200"
        );
    }

    #[test]
    fn a_cause_follows_the_name_where_there_is_one() {
        assert_eq!(
            Explained(Errno::FBIG).to_string(),
            "EFBIG: larger than a file may become here: raise ulimit -f"
        );
        assert_eq!(Explained(Errno::DOM).to_string(), "EDOM");
    }
}
