//! A Python client on `src/client/python/framemill.py`, against the double of the engine and one that lies: it does and says what the C
//! client does.
#![cfg(not(loom))]

#[path = "c_client.rs"]
mod cases;
