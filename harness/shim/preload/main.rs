//! The shim: a library that is loaded before the C library of a process, and stands between the
//! two where files are written, synced and cut, and where clocks are read.
//!
//! What it does is said by a control file that the harness writes, and what it saw is counted
//! there. Before a file of the watched folder changes, what stood there goes into an undo log; what
//! became of it after a power loss is decided elsewhere, by `rollback`, from that log alone. The
//! claims kept true: without a control file each call is passed on as it is; no record is younger
//! than the change that it belongs to; and nothing here takes memory, opens a file or ends a
//! process.
//!
//! It has to be foreign to Rust's rules: it defines functions of C, and calls the kernel. Nothing
//! else in this project does.
#![cfg_attr(synod_preload, no_std)]
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(unsafe_code, reason = "a library of C functions between a program and its kernel")]

mod clock;
mod disk;
mod hooks;
mod kernel;
#[allow(dead_code, reason = "each side of the files uses its part of the words")]
mod layout;
mod state;
mod waits;

/// Nothing here panics; what must be here for a library without the standard one is this.
#[cfg(synod_preload)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        kernel::rest(1_000_000_000);
    }
}

/// Has the loader of programs call [`start`].
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    clock::find();
    state::open();
}
