//! How the kernel's structures are checked: a table of sizes, offsets and values that the compiler asserts and the probe compares with C.
//!
//! Knows numbers and names. Knows no structure: those name themselves in `layout!`.

/// Index into a pair of numbers: the first is for 64-bit targets, the second for 32-bit arm with the kernel's 64-bit times.
pub const WIDTH: usize = if cfg!(target_pointer_width = "64") {
    0
} else {
    1
};

/// One kernel structure: where the C compiler must put each field.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The name after `struct` in the kernel's header.
    pub c_name: &'static str,
    /// Bytes, 64-bit and 32-bit.
    pub size: [usize; 2],
    /// Alignment of the Rust mirror, bytes; a multiple of the C structure's, which may be packed.
    pub align: usize,
    /// Field name in C and offset in bytes, 64-bit and 32-bit.
    pub fields: &'static [(&'static str, [usize; 2])],
}

/// One integer constant of the kernel's headers.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// The name in the kernel's header.
    pub c_name: &'static str,
    /// The value, as the 64-bit (first) and the 32-bit kernel define it.
    pub value: [u64; 2],
}

/// `a` is both widths' number, `a | b` is 64-bit `a` and 32-bit `b`.
macro_rules! widths {
    ($both:literal) => {
        [$both, $both]
    };
    ($wide:literal | $narrow:literal) => {
        [$wide, $narrow]
    };
}

/// Asserts a mirror's size and every field's offset at compile time, and gives it a `LAYOUT` row. Naming all the fields is compulsory.
/// A C keyword as a field name is written with an underscore behind it.
macro_rules! layout {
    ($name:ident = $c_name:literal, size $size:literal $(| $narrow_size:literal)?;
     $($field:ident: $offset:literal $(| $narrow_offset:literal)?),+ $(,)?) => {
        impl $name {
            /// What the kernel's header says of this structure.
            pub const LAYOUT: $crate::v4l2::abi::Layout = $crate::v4l2::abi::Layout {
                c_name: $c_name,
                size: widths!($size $(| $narrow_size)?),
                align: align_of::<$name>(),
                fields: &[$((stringify!($field), widths!($offset $(| $narrow_offset)?))),+],
            };
        }

        const _: () = {
            use $crate::v4l2::abi::WIDTH;
            assert!(size_of::<$name>() == $name::LAYOUT.size[WIDTH]);
            $(assert!(
                core::mem::offset_of!($name, $field)
                    == widths!($offset $(| $narrow_offset)?)[WIDTH]
            );)+
            // No `..`: a field missing above does not compile.
            const fn every_field_is_listed(mirror: &$name) {
                let $name { $($field: _),+ } = mirror;
            }
            let _ = every_field_is_listed;
        };
    };
}

/// Defines constants and the `CONSTANTS` table with them; a name in C is the prefix and the Rust name.
macro_rules! constants {
    ($prefix:literal; $($(#[$attribute:meta])* $name:ident = $value:expr;)+) => {
        $($(#[$attribute])* pub const $name: u32 = $value;)+

        /// Every constant of this file, for the comparison with the C headers.
        pub const CONSTANTS: &[$crate::v4l2::abi::Constant] = &[$(
            $crate::v4l2::abi::Constant {
                c_name: concat!($prefix, stringify!($name)),
                value: [$name as u64; 2],
            }
        ),+];
    };
}

pub(super) use {constants, layout, widths};
