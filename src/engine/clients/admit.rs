//! What a client is sent when it is let in: the packet ring, or a frame ring with its slots.
//!
//! Knows a connection and the descriptors that go with a message. Knows not who may be let in.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::table::{Client, Role, new_wake};
use crate::control::message::{MESSAGE_FDS, Message, Refusal};
use crate::control::socket::{peer_uid, send};

/// Makes a client the producer: sends it `message` with the frame ring, two wake sockets and the slots. Gives its user.
///
/// # Errors
/// When sockets or memory are short, or the client does not take the message.
pub fn producer<'d>(
    client: &mut Client,
    message: &Message,
    ring: BorrowedFd<'d>,
    slots: impl Iterator<Item = BorrowedFd<'d>>,
) -> Result<Option<u32>, Refusal> {
    let (Ok((filled, held)), Ok((refill, free))) = (new_wake(), new_wake()) else {
        return Err(Refusal::Resources);
    };
    let mut descriptors = ArrayVec::<BorrowedFd<'_>, MESSAGE_FDS>::new();
    descriptors.extend([ring, held.as_fd(), refill.as_fd()]);
    for slot in slots {
        descriptors.push(slot);
    }
    let sent = send(&client.socket, message, &descriptors);
    drop(descriptors);
    sent.map_err(|_| Refusal::Resources)?;
    client.role = Role::Producer { filled, held, free };
    Ok(peer_uid(&client.socket).ok())
}

/// Makes a client a consumer: sends it the packet ring, and a wake socket if it wants one.
///
/// # Errors
/// When sockets are short, or the client does not take the message.
pub fn consumer(client: &mut Client, packets: &OwnedFd, wants_wake: bool) -> Result<(), Refusal> {
    let (read, write) = if wants_wake {
        let (read, write) = new_wake().map_err(|_| Refusal::Resources)?;
        (Some(read), Some(write))
    } else {
        (None, None)
    };
    packet_ring(client, packets, read.as_ref())?;
    client.role = Role::Consumer(write);
    Ok(())
}

/// Sends a client the packet ring.
///
/// # Errors
/// When the client does not take the message.
pub fn packet_ring(
    client: &Client,
    packets: &OwnedFd,
    wake: Option<&OwnedFd>,
) -> Result<(), Refusal> {
    let message = Message::Packets {
        wake: wake.is_some(),
    };
    let mut list = ArrayVec::<BorrowedFd<'_>, 2>::new();
    list.push(packets.as_fd());
    list.extend(wake.map(AsFd::as_fd));
    send(&client.socket, &message, &list).map_err(|_| Refusal::Resources)
}
