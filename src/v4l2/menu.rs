//! Menu controls: their items by number and by name.
//!
//! Knows what a menu is; what its items mean is the caller's subject.

use core::fmt::Write;

use rustix::fd::BorrowedFd;

use super::abi::{CTRL_TYPE_INTEGER_MENU, CTRL_TYPE_MENU, QueryExtCtrl};
use super::controls::{self, NotSet, same_name};
use super::ioctl;
use crate::limits::CONTROL_ITEMS;
use crate::nearest::Nearest;
use crate::text::{Name, Text};

/// Short names that people use, and how the kernel's items are called.
const SHORT: [(&[u8], &[u8]); 3] = [
    (b"cbr", b"constant bitrate"),
    (b"vbr", b"variable bitrate"),
    (b"cq", b"constant quality"),
];

/// The first item of a menu for which `is_it` says so: value and name; of a menu of numbers, the number is the name. Nothing for a control
/// that is no menu.
pub fn find(
    device: BorrowedFd<'_>,
    control: &QueryExtCtrl,
    is_it: &mut dyn FnMut(i64, &Name) -> bool,
) -> Option<(i64, Name)> {
    if !matches!(control.type_, CTRL_TYPE_MENU | CTRL_TYPE_INTEGER_MENU) {
        return None;
    }
    let most = control.minimum.saturating_add(CONTROL_ITEMS);
    for value in control.minimum..=control.maximum.min(most) {
        if let Some(name) = name(device, control.id, control.type_, value)
            && is_it(value, &name)
        {
            return Some((value, name));
        }
    }
    None
}

/// The name of a control's value; `None` when the control is no menu, or the menu has a gap there.
#[must_use]
pub fn item_name(device: BorrowedFd<'_>, id: u32, value: i64) -> Option<Name> {
    let control = controls::query(device, id)?;
    matches!(control.type_, CTRL_TYPE_MENU | CTRL_TYPE_INTEGER_MENU)
        .then(|| name(device, id, control.type_, value))
        .flatten()
}

fn name(device: BorrowedFd<'_>, id: u32, type_: u32, value: i64) -> Option<Name> {
    let item = ioctl::querymenu(device, id, u32::try_from(value).ok()?).ok()??;
    if type_ == CTRL_TYPE_MENU {
        return Some(item.name().iter().copied().collect());
    }
    let mut number = Text::default();
    // Writing to it never fails.
    let _ = write!(number, "{}", item.value());
    Some(number.as_str().bytes().collect())
}

/// The value of the item with this name, compared as names of controls are.
///
/// # Errors
/// When the driver has no such control, or the control no such item. Which one is near, `nearest` says, which takes longer.
pub fn item(device: BorrowedFd<'_>, id: u32, name: &[u8]) -> Result<i64, NotSet> {
    let control = controls::query(device, id).ok_or(NotSet::Absent)?;
    let full = SHORT
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(name))
        .map_or(name, |(_, full)| full);
    let found = find(device, &control, &mut |_, item| {
        same_name(item.as_bytes(), name) || same_name(item.as_bytes(), full)
    });
    found.map_or(Err(NotSet::NoItem(Name::default())), |(value, _)| Ok(value))
}

/// The item nearest to this name; empty when none is near.
pub fn nearest(device: BorrowedFd<'_>, id: u32, name: &[u8]) -> Name {
    let Some(control) = controls::query(device, id) else {
        return Name::default();
    };
    let (mut search, mut nearest) = (Nearest::new(name), Name::default());
    find(device, &control, &mut |_, item| {
        if search.offer(item.as_bytes()) {
            nearest = *item;
        }
        false
    });
    nearest
}
