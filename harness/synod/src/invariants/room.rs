//! RoomGiven: no commit is ever larger than the room that the journal told.
//!
//! It is asked of each commit as it leaves the host, as what a write meets comes too late. A disk
//! that has space would take such a commit all the same, so this needs no full disk to be judged; a
//! journal that was told too much room by its own account is found by a write that it refuses.

use synod_host::journal::FreeSpace;

/// Says what is wrong with a commit of so many bytes, if anything is.
///
/// # Errors
///
/// Fails where it is larger than the room.
pub fn room_given(bytes: u64, room: FreeSpace) -> Result<(), String> {
    if bytes > room.total {
        return Err(format!("a commit of {bytes} bytes in a room of {}", room.total));
    }
    Ok(())
}
