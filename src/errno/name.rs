//! Every errno by its C name, and what it means whatever the call.
//!
//! One list, one row an errno. Knows no call and no device: what an errno means of one call is `call`'s business.

use core::fmt;

use rustix::io::Errno;

/// An errno by its C name: `EINVAL`, or `errno 200` when the kernel has no such errno.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            "" => write!(f, "errno {}", self.0.raw_os_error()),
            name => f.write_str(name),
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

/// An errno and its C name, for the comparison with the C headers.
#[derive(Debug)]
pub struct Row {
    /// Its number.
    pub errno: Errno,
    /// Its C name.
    pub name: &'static str,
}

/// Rows: rustix's name and C's name; and those that rustix has no name for, by their number.
macro_rules! errnos {
    ($($errno:ident $name:ident,)* $(; $number:literal $internal:ident,)*) => {
        /// Every errno of Linux, in the order of their numbers: a driver may answer any of them.
        pub const ERRNOS: &[Row] = &[$(Row {
            errno: Errno::$errno,
            name: stringify!($name),
        },)*];

        /// An errno's C name; empty when it has none.
        fn name(errno: Errno) -> &'static str {
            $(const $internal: Errno = Errno::from_raw_os_error($number);)*
            match errno {
                $(Errno::$errno => stringify!($name),)*
                $($internal => stringify!($internal),)*
                _ => "",
            }
        }
    };
}

errnos! {
    PERM EPERM,
    NOENT ENOENT,
    SRCH ESRCH,
    INTR EINTR,
    IO EIO,
    NXIO ENXIO,
    TOOBIG E2BIG,
    NOEXEC ENOEXEC,
    BADF EBADF,
    CHILD ECHILD,
    AGAIN EAGAIN,
    NOMEM ENOMEM,
    ACCESS EACCES,
    FAULT EFAULT,
    NOTBLK ENOTBLK,
    BUSY EBUSY,
    EXIST EEXIST,
    XDEV EXDEV,
    NODEV ENODEV,
    NOTDIR ENOTDIR,
    ISDIR EISDIR,
    INVAL EINVAL,
    NFILE ENFILE,
    MFILE EMFILE,
    NOTTY ENOTTY,
    TXTBSY ETXTBSY,
    FBIG EFBIG,
    NOSPC ENOSPC,
    SPIPE ESPIPE,
    ROFS EROFS,
    MLINK EMLINK,
    PIPE EPIPE,
    DOM EDOM,
    RANGE ERANGE,
    DEADLK EDEADLK,
    NAMETOOLONG ENAMETOOLONG,
    NOLCK ENOLCK,
    NOSYS ENOSYS,
    NOTEMPTY ENOTEMPTY,
    LOOP ELOOP,
    NOMSG ENOMSG,
    IDRM EIDRM,
    CHRNG ECHRNG,
    L2NSYNC EL2NSYNC,
    L3HLT EL3HLT,
    L3RST EL3RST,
    LNRNG ELNRNG,
    UNATCH EUNATCH,
    NOCSI ENOCSI,
    L2HLT EL2HLT,
    BADE EBADE,
    BADR EBADR,
    XFULL EXFULL,
    NOANO ENOANO,
    BADRQC EBADRQC,
    BADSLT EBADSLT,
    BFONT EBFONT,
    NOSTR ENOSTR,
    NODATA ENODATA,
    TIME ETIME,
    NOSR ENOSR,
    NONET ENONET,
    NOPKG ENOPKG,
    REMOTE EREMOTE,
    NOLINK ENOLINK,
    ADV EADV,
    SRMNT ESRMNT,
    COMM ECOMM,
    PROTO EPROTO,
    MULTIHOP EMULTIHOP,
    DOTDOT EDOTDOT,
    BADMSG EBADMSG,
    OVERFLOW EOVERFLOW,
    NOTUNIQ ENOTUNIQ,
    BADFD EBADFD,
    REMCHG EREMCHG,
    LIBACC ELIBACC,
    LIBBAD ELIBBAD,
    LIBSCN ELIBSCN,
    LIBMAX ELIBMAX,
    LIBEXEC ELIBEXEC,
    ILSEQ EILSEQ,
    RESTART ERESTART,
    STRPIPE ESTRPIPE,
    USERS EUSERS,
    NOTSOCK ENOTSOCK,
    DESTADDRREQ EDESTADDRREQ,
    MSGSIZE EMSGSIZE,
    PROTOTYPE EPROTOTYPE,
    NOPROTOOPT ENOPROTOOPT,
    PROTONOSUPPORT EPROTONOSUPPORT,
    SOCKTNOSUPPORT ESOCKTNOSUPPORT,
    NOTSUP EOPNOTSUPP,
    PFNOSUPPORT EPFNOSUPPORT,
    AFNOSUPPORT EAFNOSUPPORT,
    ADDRINUSE EADDRINUSE,
    ADDRNOTAVAIL EADDRNOTAVAIL,
    NETDOWN ENETDOWN,
    NETUNREACH ENETUNREACH,
    NETRESET ENETRESET,
    CONNABORTED ECONNABORTED,
    CONNRESET ECONNRESET,
    NOBUFS ENOBUFS,
    ISCONN EISCONN,
    NOTCONN ENOTCONN,
    SHUTDOWN ESHUTDOWN,
    TOOMANYREFS ETOOMANYREFS,
    TIMEDOUT ETIMEDOUT,
    CONNREFUSED ECONNREFUSED,
    HOSTDOWN EHOSTDOWN,
    HOSTUNREACH EHOSTUNREACH,
    ALREADY EALREADY,
    INPROGRESS EINPROGRESS,
    STALE ESTALE,
    UCLEAN EUCLEAN,
    NOTNAM ENOTNAM,
    NAVAIL ENAVAIL,
    ISNAM EISNAM,
    REMOTEIO EREMOTEIO,
    DQUOT EDQUOT,
    NOMEDIUM ENOMEDIUM,
    MEDIUMTYPE EMEDIUMTYPE,
    CANCELED ECANCELED,
    NOKEY ENOKEY,
    KEYEXPIRED EKEYEXPIRED,
    KEYREVOKED EKEYREVOKED,
    KEYREJECTED EKEYREJECTED,
    OWNERDEAD EOWNERDEAD,
    NOTRECOVERABLE ENOTRECOVERABLE,
    RFKILL ERFKILL,
    HWPOISON EHWPOISON,
    // The kernel's own, which drivers let out by mistake. The C headers do not have them.
    ; 512 ERESTARTSYS,
    ; 515 ENOIOCTLCMD,
    ; 517 EPROBE_DEFER,
    ; 524 ENOTSUPP,
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
