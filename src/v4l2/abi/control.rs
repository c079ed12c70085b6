//! Controls: what can be asked about one, and the carriers of its value.
//!
//! Source: `include/uapi/linux/videodev2.h`.

use super::device::until_nul;
use super::layout::{layout, widths};
use super::{
    CTRL_TYPE_BITMASK, CTRL_TYPE_BOOLEAN, CTRL_TYPE_BUTTON, CTRL_TYPE_INTEGER,
    CTRL_TYPE_INTEGER_MENU, CTRL_TYPE_INTEGER64, CTRL_TYPE_MENU, CTRL_WHICH_CUR_VAL,
};

/// `v4l2_query_ext_ctrl`: what a control is.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct QueryExtCtrl {
    /// `CID_*`; in a question perhaps with `CTRL_FLAG_NEXT_CTRL`.
    pub id: u32,
    /// `CTRL_TYPE_*`.
    pub type_: u32,
    /// Name for people, padded with NULs.
    pub name: [u8; 32],
    /// Least value.
    pub minimum: i64,
    /// Greatest value.
    pub maximum: i64,
    /// Values are `minimum` and whole steps.
    pub step: u64,
    /// Value after the device was opened first.
    pub default_value: i64,
    /// `CTRL_FLAG_*`.
    pub flags: u32,
    /// Bytes of one element.
    pub elem_size: u32,
    /// Elements; 1 unless the control is an array.
    pub elems: u32,
    /// Dimensions of an array that count.
    pub nr_of_dims: u32,
    /// Elements in each dimension.
    pub dims: [u32; 4],
    reserved: [u32; 32],
}

layout! { QueryExtCtrl = "v4l2_query_ext_ctrl", size 232;
    id: 0, type_: 4, name: 8, minimum: 40, maximum: 48, step: 56, default_value: 64, flags: 72, elem_size: 76,
    elems: 80, nr_of_dims: 84, dims: 88, reserved: 104,
}

impl QueryExtCtrl {
    /// The question about a control id, perhaps with `CTRL_FLAG_NEXT_*`.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// The name without padding.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        until_nul(&self.name)
    }

    /// How the value travels; `None` for strings, arrays and structures.
    #[must_use]
    pub const fn scalar(&self) -> Option<Scalar> {
        if self.nr_of_dims != 0 {
            return None;
        }
        Scalar::of_type(self.type_)
    }
}

/// How a control's single number travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// As a signed 32-bit number: integers, booleans, menus, buttons, bit masks.
    Bits32,
    /// As a signed 64-bit number: `CTRL_TYPE_INTEGER64`.
    Bits64,
}

impl Scalar {
    /// How values of a `CTRL_TYPE_*` travel; `None` when the value is no single number.
    #[must_use]
    pub const fn of_type(type_: u32) -> Option<Self> {
        match type_ {
            CTRL_TYPE_INTEGER
            | CTRL_TYPE_BOOLEAN
            | CTRL_TYPE_MENU
            | CTRL_TYPE_BUTTON
            | CTRL_TYPE_BITMASK
            | CTRL_TYPE_INTEGER_MENU => Some(Self::Bits32),
            CTRL_TYPE_INTEGER64 => Some(Self::Bits64),
            _ => None,
        }
    }
}

/// `v4l2_querymenu`: one entry of a menu control.
///
/// Packed in C; every field is aligned all the same.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct QueryMenu {
    /// `CID_*`.
    pub id: u32,
    /// The control's value that chooses this entry.
    pub index: u32,
    /// Union: the text of a menu, or the number of an integer menu.
    name: [u8; 32],
    reserved: u32,
}

layout! { QueryMenu = "v4l2_querymenu", size 44; id: 0, index: 4, name: 8, reserved: 40 }

impl QueryMenu {
    /// The question about one entry.
    #[must_use]
    pub fn new(id: u32, index: u32) -> Self {
        Self {
            id,
            index,
            ..Self::default()
        }
    }

    /// The entry's text, for `CTRL_TYPE_MENU`.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        until_nul(&self.name)
    }

    /// The entry's number, for `CTRL_TYPE_INTEGER_MENU`.
    #[must_use]
    pub fn value(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.name[..8]);
        i64::from_ne_bytes(bytes)
    }
}

/// `v4l2_ext_control`: a control's value. The union holds a number here, never a pointer: `size` stays 0.
///
/// Packed in C; the 64-bit value sits at offset 12, so it is kept as bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ExtControl {
    /// `CID_*`.
    pub id: u32,
    size: u32,
    reserved2: u32,
    value: [u8; 8],
}

layout! { ExtControl = "v4l2_ext_control", size 20; id: 0, size: 4, reserved2: 8, value: 12 }

impl ExtControl {
    /// A control with the value 0.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// A control with a value; `None` when the value does not fit the way it must travel.
    #[must_use]
    pub fn with_value(id: u32, scalar: Scalar, value: i64) -> Option<Self> {
        let mut control = Self::new(id);
        match scalar {
            Scalar::Bits32 => {
                control.value[..4].copy_from_slice(&i32::try_from(value).ok()?.to_ne_bytes());
            }
            Scalar::Bits64 => control.value = value.to_ne_bytes(),
        }
        Some(control)
    }

    /// The value.
    #[must_use]
    pub fn value(&self, scalar: Scalar) -> i64 {
        match scalar {
            Scalar::Bits32 => {
                let [a, b, c, d, ..] = self.value;
                i64::from(i32::from_ne_bytes([a, b, c, d]))
            }
            Scalar::Bits64 => i64::from_ne_bytes(self.value),
        }
    }
}

/// `v4l2_ext_controls`: the list of controls of one call.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ExtControls {
    /// `CTRL_WHICH_*`, or a control class for kernels before 4.4.
    pub which: u32,
    /// Controls in the list.
    pub count: u32,
    /// After a failure: the control at fault, or `count` when none was touched yet.
    pub error_idx: u32,
    request_fd: i32,
    reserved: u32,
    /// Address of the list.
    pub controls: usize,
}

layout! { ExtControls = "v4l2_ext_controls", size 32 | 24;
    which: 0, count: 4, error_idx: 8, request_fd: 12, reserved: 16, controls: 24 | 20,
}

impl ExtControls {
    /// A list of `count` controls at an address, for their current values.
    #[must_use]
    pub fn new(count: u32, controls: usize) -> Self {
        Self {
            which: CTRL_WHICH_CUR_VAL,
            count,
            // Should the kernel not come to write it: nothing was touched.
            error_idx: count,
            controls,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_travel_in_the_width_of_their_type() {
        let small = ExtControl::with_value(1, Scalar::Bits32, -2).unwrap();
        assert_eq!(small.value[4..], [0; 4]);
        assert_eq!(small.value(Scalar::Bits32), -2);
        let large = ExtControl::with_value(1, Scalar::Bits64, i64::MIN).unwrap();
        assert_eq!(large.value(Scalar::Bits64), i64::MIN);
    }

    #[test]
    fn a_value_too_large_for_its_type_is_refused() {
        assert!(ExtControl::with_value(1, Scalar::Bits32, 1 << 31).is_none());
    }

    #[test]
    fn types_without_a_single_number_have_no_scalar() {
        for type_ in [6, 7, 0x0100, 0x0200] {
            assert_eq!(Scalar::of_type(type_), None);
        }
        let array = QueryExtCtrl {
            type_: CTRL_TYPE_INTEGER,
            nr_of_dims: 1,
            ..QueryExtCtrl::default()
        };
        assert_eq!(array.scalar(), None);
    }
}
