//! Every history of three operations on a register, in every order of their calls and returns.

use synod_history::{Action, Answer, History, Operation, Text};

use super::reference;
use crate::{Budget, Judgement, ModelName, Rules, check_history};

#[test]
fn all_histories_of_three_operations_agree_with_the_exact_reference() {
    let mut texts = synod_history::Texts::default();
    let (key, one, two) = (texts.intern("k"), texts.intern("1"), texts.intern("2"));
    let orders = orders();
    assert_eq!(orders.len(), 90);
    let deeds = deeds(one, two);
    let (mut legal, mut illegal) = (0, 0);
    for choice in 0..deeds.len().pow(3) {
        let chosen = [0, 1, 2].map(|place| deeds[choice / deeds.len().pow(place) % deeds.len()]);
        for order in &orders {
            let history = history(key, &texts, chosen, order);
            let wanted = reference(&history, &Rules::from(ModelName::Register), None);
            let report = check_history(&history, ModelName::Register, Budget::default());
            match report.judgement {
                Judgement::Legal { .. } => legal += 1,
                Judgement::Illegal { .. } => illegal += 1,
                Judgement::Unknown { cause } => panic!("{cause}"),
            }
            assert_eq!(report.violation().is_none(), wanted, "{history:#?}");
        }
    }
    assert!(legal > 10_000 && illegal > 10_000, "{legal} legal, {illegal} illegal");
}

/// What an operation may be: each action with each of its answers.
fn deeds(one: Text, two: Text) -> Vec<(Action, Answer)> {
    let swap = Action::Cas { from: Some(one), to: two };
    vec![
        (Action::Read, Answer::Seen(None)),
        (Action::Read, Answer::Seen(Some(one))),
        (Action::Read, Answer::Seen(Some(two))),
        (Action::Write(one), Answer::Done),
        (Action::Write(one), Answer::Unknown),
        (Action::Delete, Answer::Done),
        (swap, Answer::Swapped(true)),
        (swap, Answer::Swapped(false)),
        (swap, Answer::Unknown),
    ]
}

/// Lists all orders of the calls and returns of three operations: which operation each event is of.
fn orders() -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..6 {
        let longer = |order: &Vec<usize>| {
            let free = |index: &usize| order.iter().filter(|other| *other == index).count() < 2;
            (0..3)
                .filter(free)
                .map(|index| [order.as_slice(), &[index]].concat())
                .collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}

fn history(
    key: Text,
    texts: &synod_history::Texts,
    deeds: [(Action, Answer); 3],
    order: &[usize],
) -> History {
    let position = |index: usize, which: usize| {
        let mut events = order.iter().enumerate().filter(|(_, other)| **other == index);
        u32::try_from(events.nth(which).unwrap().0).unwrap()
    };
    let operation = |(index, (action, answer)): (usize, (Action, Answer))| Operation {
        process: u32::try_from(index).unwrap(),
        key,
        action,
        answer,
        called: position(index, 0),
        returned: (answer != Answer::Unknown).then(|| position(index, 1)),
        call_ns: 0,
        return_ns: 0,
    };
    let mut operations: Vec<Operation> = deeds.into_iter().enumerate().map(operation).collect();
    operations.sort_by_key(|operation| operation.called);
    History { operations, texts: texts.clone(), ..History::default() }
}
