//! A formula made ready to be evaluated many times: names are places, quantifiers are loops.
//!
//! A loop tests what it can as soon as its variables have values, so that a formula over seven
//! variables seldom looks at all combinations of their values. The claim kept true: a node holds
//! of a structure exactly where its formula does. Every sort must have an element, as in logic.

use super::Table;

/// Where the value of a term comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A variable, by the number of its register.
    Register(usize),
    /// A constant of the model, by its number.
    Constant(usize),
    /// A function of the model, by its number.
    Apply(usize, Vec<Self>),
}

/// Which table says whether a predicate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Rigid(usize),
    Before(usize),
    After(usize),
    Free(usize),
}

/// A formula in negation normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// True or false.
    Constant(bool),
    /// A predicate holds of values, or does not.
    Holds(bool, Source, Vec<Value>),
    /// A flag of the action is set, or is not.
    Flag(bool, usize),
    /// Two values are the same element, or are not.
    Equal(bool, Value, Value),
    /// All hold.
    And(Vec<Self>),
    /// One holds.
    Or(Vec<Self>),
    /// Both hold or neither, or the contrary.
    Same(bool, Box<[Self; 2]>),
    /// If the first holds then the second, else the third.
    If(Box<[Self; 3]>),
    /// Some element of the sort, put into the register, passes all the tests.
    Some { register: usize, sort: usize, tests: Vec<Self> },
    /// No element of the sort, put into the register, passes all the tests.
    None { register: usize, sort: usize, tests: Vec<Self> },
}

/// What a node is evaluated in.
pub(super) struct Scene<'s> {
    pub(super) sizes: &'s [usize],
    pub(super) constants: &'s [usize],
    /// For each function the sizes of its places, and its values in the order of the tuples.
    pub(super) functions: &'s [(Vec<usize>, Vec<usize>)],
    pub(super) rigid: &'s [Table],
    pub(super) before: &'s [Table],
    pub(super) after: &'s [Table],
    pub(super) free: &'s [Table],
    pub(super) flags: &'s [bool],
}

impl Value {
    fn of(&self, scene: &Scene<'_>, registers: &[usize]) -> usize {
        match self {
            Self::Register(register) => registers[*register],
            Self::Constant(constant) => scene.constants[*constant],
            Self::Apply(function, values) => {
                let (sizes, results) = &scene.functions[*function];
                let places = values.iter().zip(sizes);
                results[places.fold(0, |at, (value, size)| at * size + value.of(scene, registers))]
            }
        }
    }

    /// Calls `visit` with the register of each variable.
    pub(super) fn registers(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Self::Register(register) => visit(*register),
            Self::Constant(_) => {}
            Self::Apply(_, values) => values.iter().for_each(|value| value.registers(visit)),
        }
    }
}

impl Node {
    /// Says whether the formula holds.
    pub(super) fn holds(&self, scene: &Scene<'_>, registers: &mut [usize]) -> bool {
        match self {
            Self::Constant(holds) => *holds,
            Self::Holds(positive, source, values) => {
                let table = match source {
                    Source::Rigid(at) => &scene.rigid[*at],
                    Source::Before(at) => &scene.before[*at],
                    Source::After(at) => &scene.after[*at],
                    Source::Free(at) => &scene.free[*at],
                };
                table.holds(values.iter().map(|value| value.of(scene, registers))) == *positive
            }
            Self::Flag(positive, flag) => scene.flags[*flag] == *positive,
            Self::Equal(positive, left, right) => {
                (left.of(scene, registers) == right.of(scene, registers)) == *positive
            }
            Self::And(nodes) => nodes.iter().all(|node| node.holds(scene, registers)),
            Self::Or(nodes) => nodes.iter().any(|node| node.holds(scene, registers)),
            Self::Same(positive, sides) => {
                let [left, right] = &**sides;
                (left.holds(scene, registers) == right.holds(scene, registers)) == *positive
            }
            Self::If(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if condition.holds(scene, registers) { yes } else { no };
                chosen.holds(scene, registers)
            }
            Self::Some { register, sort, tests } => {
                is_passed(scene, registers, (*register, *sort), tests)
            }
            Self::None { register, sort, tests } => {
                !is_passed(scene, registers, (*register, *sort), tests)
            }
        }
    }

    /// Gives the formulas that must all hold.
    pub(super) fn conjuncts(self) -> Vec<Self> {
        if let Self::And(nodes) = self { nodes } else { vec![self] }
    }

    /// Gives the negation.
    pub(super) fn negated(self) -> Self {
        let all = |nodes: Vec<Self>| nodes.into_iter().map(Self::negated).collect();
        match self {
            Self::Constant(holds) => Self::Constant(!holds),
            Self::Holds(positive, source, values) => Self::Holds(!positive, source, values),
            Self::Flag(positive, flag) => Self::Flag(!positive, flag),
            Self::Equal(positive, left, right) => Self::Equal(!positive, left, right),
            Self::And(nodes) => Self::Or(all(nodes)),
            Self::Or(nodes) => Self::And(all(nodes)),
            Self::Same(positive, sides) => Self::Same(!positive, sides),
            Self::If(parts) => {
                let [condition, yes, no] = *parts;
                Self::If(Box::new([condition, yes.negated(), no.negated()]))
            }
            Self::Some { register, sort, tests } => Self::None { register, sort, tests },
            Self::None { register, sort, tests } => Self::Some { register, sort, tests },
        }
    }

    /// Calls `visit` with each register that is read, whether or not a loop inside fills it.
    pub(super) fn registers(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Self::Constant(_) | Self::Flag(..) => {}
            Self::Holds(_, _, values) => values.iter().for_each(|value| value.registers(visit)),
            Self::Equal(_, left, right) => {
                left.registers(visit);
                right.registers(visit);
            }
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().for_each(|node| node.registers(visit));
            }
            Self::Same(_, sides) => sides.iter().for_each(|node| node.registers(visit)),
            Self::If(parts) => parts.iter().for_each(|node| node.registers(visit)),
            Self::Some { tests, .. } | Self::None { tests, .. } => {
                tests.iter().for_each(|node| node.registers(visit));
            }
        }
    }
}

fn is_passed(
    scene: &Scene<'_>,
    registers: &mut [usize],
    (register, sort): (usize, usize),
    tests: &[Node],
) -> bool {
    (0..scene.sizes[sort]).any(|element| {
        // No loop around this one has the same register, so nothing that is still needed is lost.
        registers[register] = element;
        tests.iter().all(|test| test.holds(scene, registers))
    })
}
