//! Keys with every operation. Only observers can be left out, and what was called too late.

use synod_history::{Action, Answer, Operation};

use super::{KeyHistory, Problem};
use crate::model::Timed;
use crate::models::{Machine, MachineOperation};

pub(super) fn problem<'a>(part: &KeyHistory<'a>, kept: &[u32]) -> Problem<'a> {
    let model = Machine {
        texts: &part.history.texts,
        absent_is_empty: part.absent_is_empty,
        initial: part.initial,
    };
    // What was called after everything that is kept had ended has no influence on it. What ended
    // after that may have seen such an operation, so nothing is held against it.
    let end = kept.iter().filter_map(|index| part.operation(*index).returned).max().unwrap_or(0);
    let mut kept = kept.iter().copied().peekable();
    let mut operations = Vec::new();
    for index in &part.indexes {
        let mut operation = *part.operation(*index);
        if kept.next_if_eq(index).is_none() {
            if operation.called > end || observes(&operation) {
                continue;
            }
            if operation.returned.is_some_and(|returned| returned > end) {
                operation.returned = None;
                operation.answer = Answer::Unknown;
            }
        }
        let Operation { called, returned, .. } = operation;
        if let Some(operation) = translate(&operation) {
            operations.push(Timed { index: *index, operation, called, returned });
        }
    }
    Problem::Machine(model, operations)
}

fn observes(operation: &Operation) -> bool {
    operation.action == Action::Read || operation.answer == Answer::Swapped(false)
}

fn translate(operation: &Operation) -> Option<MachineOperation> {
    Some(match (operation.action, operation.answer) {
        (Action::Read, Answer::Seen(seen)) => MachineOperation::Read(seen),
        (Action::Read, _) => return None,
        (Action::Write(text), _) => MachineOperation::Write(text),
        (Action::Delete, _) => MachineOperation::Delete,
        (Action::Append(text), _) => MachineOperation::Append(text),
        (Action::Cas { from, to }, Answer::Swapped(true)) => MachineOperation::Swap(from, to),
        (Action::Cas { from, .. }, Answer::Swapped(false)) => MachineOperation::Miss(from),
        (Action::Cas { from, to }, _) => MachineOperation::MaybeSwap(from, to),
        (Action::Add(delta), Answer::Sum(sum)) => MachineOperation::Add(delta, sum),
        (Action::Add(delta), _) => MachineOperation::MaybeAdd(delta),
    })
}
