//! The sequential objects that the harness knows.

mod counter;
mod list;
mod machine;
mod register;

pub(crate) use counter::{Counter, CounterOperation};
pub(crate) use list::{List, ListOperation};
pub(crate) use machine::{Machine, MachineOperation};
pub(crate) use register::{Register, RegisterOperation, Value};
