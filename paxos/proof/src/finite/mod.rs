//! Models in finite worlds: whether a formula holds in a state, and what a step makes of one.
//!
//! The solver shows that the invariants of a model survive its steps, in worlds of any size. What
//! ties a model to the other forms of its rules, in TLA+, in Rust and in the code that ships, is
//! that their states and steps are states and steps of the model. Here a model is evaluated for
//! that, in worlds that are given element by element. Which states to look at is left to others.
//! The claim kept true: `holds` here is truth as the solver has it, with every sort inhabited.

mod compile;
mod node;
mod table;

pub use table::Table;

use crate::formula::{Formula, Name, Variable};
use crate::model::{Action, Claim, Model, Relation};
use compile::Compiler;
use node::{Node, Scene};

/// A model made ready to be evaluated, with some rule switched off or with none.
#[derive(Clone, Debug)]
pub struct Finite {
    sorts: Vec<Name>,
    constants: Vec<Name>,
    functions: Vec<(Name, Vec<usize>)>,
    rigid: Vec<Shape>,
    state: Vec<Shape>,
    axioms: Vec<Test>,
    inits: Vec<Test>,
    invariants: Vec<Test>,
    safety: Vec<Test>,
    steps: Vec<Test>,
    actions: Vec<Move>,
}

/// A relation: its name, and the sort of each place.
#[derive(Clone, Debug)]
struct Shape {
    name: Name,
    sorts: Vec<usize>,
}

/// A formula with a name, made ready.
#[derive(Clone, Debug)]
struct Test {
    name: Name,
    node: Node,
    registers: usize,
}

/// An action, made ready.
#[derive(Clone, Debug)]
struct Move {
    name: Name,
    parameters: Vec<Variable>,
    flags: Vec<Name>,
    free: Vec<Shape>,
    guards: Vec<Node>,
    /// The relation, the register of its first place, and where it holds afterwards.
    updates: Vec<(usize, usize, Node)>,
    registers: usize,
}

/// What never changes in a world: its elements, constants, functions and rigid relations.
#[derive(Clone, Debug)]
pub struct World {
    sizes: Vec<usize>,
    constants: Vec<usize>,
    functions: Vec<(Vec<usize>, Vec<usize>)>,
    rigid: Vec<Table>,
}

/// The relations of a state, in the order in which the model declares them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State(Vec<Table>);

/// An action with all that it chooses.
#[derive(Clone, Debug)]
pub struct Choice {
    action: usize,
    parameters: Vec<usize>,
    flags: Vec<bool>,
    free: Vec<Table>,
}

/// Which formulas of a model are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claims {
    /// What holds of everything that never changes.
    Axioms,
    /// What holds in a first state.
    Inits,
    /// The inductive invariants.
    Invariants,
    /// What follows from them.
    Safety,
}

impl Finite {
    /// Makes a model ready, with the rule that `broken` names switched off.
    ///
    /// # Panics
    ///
    /// Panics if the model has no such switch.
    #[must_use]
    pub fn new(model: &Model, broken: Option<&str>) -> Self {
        let known = |name: &str| model.switches.iter().any(|switch| *switch == *name);
        assert!(broken.is_none_or(known), "{} has no switch {broken:?}", model.name);
        let sort = |name: &Name| Compiler::new(model, None).sort(name);
        let shape = |relation: &Relation| Shape {
            name: relation.name.clone(),
            sorts: relation.sorts.iter().map(sort).collect(),
        };
        let tests = |claims: &[Claim]| {
            claims.iter().map(|claim| Test::new(model, broken, claim)).collect::<Vec<_>>()
        };
        let functions = model.functions.iter().map(|function| {
            (function.name.clone(), function.sorts.iter().map(sort).collect::<Vec<_>>())
        });
        Self {
            sorts: model.sorts.clone(),
            constants: model.constants.iter().map(|constant| constant.name.clone()).collect(),
            functions: functions.collect(),
            rigid: model.relations.iter().map(shape).collect(),
            state: model.state.iter().map(shape).collect(),
            axioms: tests(&model.axioms),
            inits: tests(&model.inits),
            invariants: tests(&model.invariants),
            safety: tests(&model.safety),
            steps: tests(&model.steps),
            actions: model
                .actions
                .iter()
                .map(|action| Move::new(model, broken, action, &shape))
                .collect(),
        }
    }

    /// Makes a world with so many elements of each sort; sorts that are not named have one. All
    /// constants are element zero, functions give it, and no rigid relation holds.
    ///
    /// # Panics
    ///
    /// Panics if the model has no such sort, or if a sort is to have no element.
    #[must_use]
    pub fn world(&self, sizes: &[(&str, usize)]) -> World {
        let mut all = vec![1; self.sorts.len()];
        for (sort, size) in sizes {
            assert!(*size > 0, "{sort} has an element");
            all[find(self.sorts.iter(), sort)] = *size;
        }
        let places = |sorts: &[usize]| sorts.iter().map(|sort| all[*sort]).collect::<Vec<_>>();
        let functions = self.functions.iter().map(|(_, sorts)| {
            let sizes = places(sorts);
            let results = vec![0; sizes.iter().product()];
            (sizes, results)
        });
        World {
            functions: functions.collect(),
            constants: vec![0; self.constants.len()],
            rigid: self.rigid.iter().map(|shape| Table::new(&places(&shape.sorts))).collect(),
            sizes: all,
        }
    }

    /// Says which element a constant is.
    ///
    /// # Panics
    ///
    /// Panics if the model has no such constant.
    pub fn set_constant(&self, world: &mut World, name: &str, element: usize) {
        world.constants[find(self.constants.iter(), name)] = element;
    }

    /// Says what a function of one place gives, element by element.
    ///
    /// # Panics
    ///
    /// Panics if the model has no such function, or if it has another number of results.
    pub fn set_function(&self, world: &mut World, name: &str, results: &[usize]) {
        let at = find(self.functions.iter().map(|(name, _)| name), name);
        world.functions[at].1.copy_from_slice(results);
    }

    /// Gives a relation that never changes.
    ///
    /// # Panics
    ///
    /// Panics if the model has no such relation.
    pub fn rigid<'w>(&self, world: &'w mut World, name: &str) -> &'w mut Table {
        &mut world.rigid[find(self.rigid.iter().map(|shape| &shape.name), name)]
    }

    /// Makes a state in which no relation holds.
    #[must_use]
    pub fn state(&self, world: &World) -> State {
        State(self.state.iter().map(|shape| table(world, shape)).collect())
    }

    /// Returns the place of a relation in a [`State`].
    ///
    /// # Panics
    ///
    /// Panics if the model has no such relation.
    #[must_use]
    pub fn relation(&self, name: &str) -> usize {
        find(self.state.iter().map(|shape| &shape.name), name)
    }

    /// Chooses an action, with these elements as its parameters; its flags are not set and its
    /// free relations hold nowhere.
    ///
    /// # Panics
    ///
    /// Panics if the model has no such action, or if not exactly its parameters are named.
    #[must_use]
    pub fn choose(&self, world: &World, action: &str, elements: &[(&str, usize)]) -> Choice {
        let at = find(self.actions.iter().map(|action| &action.name), action);
        let action = &self.actions[at];
        let mut parameters = vec![0; action.parameters.len()];
        assert_eq!(parameters.len(), elements.len(), "{} has its parameters", action.name);
        for (name, element) in elements {
            let names = action.parameters.iter().map(|variable| &variable.name);
            parameters[find(names, name)] = *element;
        }
        Choice {
            action: at,
            parameters,
            flags: vec![false; action.flags.len()],
            free: action.free.iter().map(|shape| table(world, shape)).collect(),
        }
    }

    /// Finds a claim that does not hold in a state, and returns its name.
    #[must_use]
    pub fn violated(&self, claims: Claims, world: &World, state: &State) -> Option<&str> {
        let tests = match claims {
            Claims::Axioms => &self.axioms,
            Claims::Inits => &self.inits,
            Claims::Invariants => &self.invariants,
            Claims::Safety => &self.safety,
        };
        // These claims name one state, so that what is said of a later one is never asked.
        let scene = world.scene(state, state, &[], &[]);
        let mut registers = Vec::new();
        let broken = tests.iter().find(|test| !test.holds(&scene, &mut registers));
        broken.map(|test| test.name.as_str())
    }

    /// Finds a property of steps that a step lacks, and returns its name.
    #[must_use]
    pub fn violated_by_step(&self, world: &World, before: &State, after: &State) -> Option<&str> {
        let scene = world.scene(before, after, &[], &[]);
        let mut registers = Vec::new();
        let broken = self.steps.iter().find(|test| !test.holds(&scene, &mut registers));
        broken.map(|test| test.name.as_str())
    }

    /// Finds a guard that does not let a choice be made in a state: its number, from zero.
    #[must_use]
    pub fn refused(&self, world: &World, state: &State, choice: &Choice) -> Option<usize> {
        let action = &self.actions[choice.action];
        let mut registers = action.registers(choice);
        let scene = world.scene(state, state, &choice.free, &choice.flags);
        action.guards.iter().position(|guard| !guard.holds(&scene, &mut registers))
    }

    /// Makes the step of a choice, whether or not its guards hold.
    #[must_use]
    pub fn take(&self, world: &World, state: &State, choice: &Choice) -> State {
        let action = &self.actions[choice.action];
        let mut registers = action.registers(choice);
        let scene = world.scene(state, state, &choice.free, &choice.flags);
        // All updates read the state as it was before the step, whatever the others make of it: a
        // step changes everything at once.
        let mut after = state.clone();
        for (relation, first, body) in &action.updates {
            let mut table = table(world, &self.state[*relation]);
            for tuple in state.0[*relation].all() {
                registers[*first..first + tuple.len()].copy_from_slice(&tuple);
                if body.holds(&scene, &mut registers) {
                    table.insert(&tuple);
                }
            }
            after.0[*relation] = table;
        }
        after
    }

    /// Finds a relation in which two states differ: its name, and a tuple of which one of them says
    /// that it holds and the other does not.
    #[must_use]
    pub fn difference(&self, one: &State, other: &State) -> Option<(&str, Vec<usize>)> {
        let mut pairs = self.state.iter().zip(one.0.iter().zip(&other.0));
        let (shape, (one, other)) = pairs.find(|(_, (one, other))| one != other)?;
        // Tables of one shape that differ do so in a tuple.
        let tuple = one.all().find(|tuple| one.contains(tuple) != other.contains(tuple));
        Some((shape.name.as_str(), tuple.unwrap_or_default()))
    }
}

impl State {
    /// Gives a relation, by its place.
    pub fn table(&mut self, relation: usize) -> &mut Table {
        &mut self.0[relation]
    }

    /// Makes every relation hold nowhere.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Table::clear);
    }

    /// Writes down where each relation holds, in place of what is in `words`: two states of one
    /// world are equal where these words are.
    ///
    /// ```
    /// use synod_prove::finite::Finite;
    /// use synod_prove::{MODELS, Model};
    ///
    /// let listed = &MODELS[0];
    /// let model = Model::read(listed.path, listed.text).expect("a listed model can be read");
    /// let finite = Finite::new(&model, None);
    /// let mut state = finite.state(&finite.world(&[]));
    /// let (mut nowhere, mut words) = (Vec::new(), vec![7]);
    /// state.write_words(&mut nowhere);
    /// let tuple = vec![0; state.read(0).sizes().len()];
    /// state.table(0).insert(&tuple);
    /// state.write_words(&mut words);
    /// assert_ne!(words, nowhere);
    /// state.clear();
    /// state.write_words(&mut words);
    /// assert_eq!(words, nowhere);
    /// ```
    pub fn write_words(&self, words: &mut Vec<u64>) {
        words.clear();
        self.0.iter().for_each(|table| words.extend_from_slice(table.bits()));
    }

    /// Gives a relation to read, by its place.
    #[must_use]
    pub fn read(&self, relation: usize) -> &Table {
        &self.0[relation]
    }
}

impl Choice {
    /// Sets the flag of this number.
    pub fn set_flag(&mut self, flag: usize, holds: bool) {
        self.flags[flag] = holds;
    }

    /// Gives the free relation of this number.
    pub fn free(&mut self, relation: usize) -> &mut Table {
        &mut self.free[relation]
    }
}

impl World {
    /// Returns how many elements the sorts have, in the order in which the model declares them.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    fn scene<'s>(
        &'s self,
        before: &'s State,
        after: &'s State,
        free: &'s [Table],
        flags: &'s [bool],
    ) -> Scene<'s> {
        Scene {
            sizes: &self.sizes,
            constants: &self.constants,
            functions: &self.functions,
            rigid: &self.rigid,
            before: &before.0,
            after: &after.0,
            free,
            flags,
        }
    }
}

impl Test {
    fn new(model: &Model, broken: Option<&str>, claim: &Claim) -> Self {
        let mut compiler = Compiler::new(model, broken);
        let node = compiler.compile(&claim.formula, &Vec::new());
        Self { name: claim.name.clone(), node, registers: compiler.registers() }
    }

    /// Says whether it holds; `registers` are those of the tests before, or none.
    fn holds(&self, scene: &Scene<'_>, registers: &mut Vec<usize>) -> bool {
        // What a register holds at first is of no matter: its loop fills it before a test reads it.
        registers.resize(self.registers.max(registers.len()), 0);
        self.node.holds(scene, registers)
    }
}

impl Move {
    fn new(
        model: &Model,
        broken: Option<&str>,
        action: &Action,
        shape: &impl Fn(&Relation) -> Shape,
    ) -> Self {
        let free = action.free.iter().map(|relation| relation.name.clone()).collect();
        let mut compiler = Compiler::new(model, broken).with_choices(free, action.flags.clone());
        let mut sight = Vec::new();
        compiler.bind(&action.parameters, &mut sight);
        let mut guard = |formula: &Formula| compiler.compile(formula, &sight);
        let guards = action.guards.iter().map(&mut guard).collect();
        let updates = action.updates.iter().map(|update| {
            let first = compiler.registers();
            let mut inner = sight.clone();
            compiler.bind(&update.variables, &mut inner);
            let at = find(model.state.iter().map(|one| &one.name), update.relation.as_str());
            (at, first, compiler.compile(&update.body, &inner))
        });
        let updates = updates.collect();
        Self {
            name: action.name.clone(),
            parameters: action.parameters.clone(),
            flags: action.flags.clone(),
            free: action.free.iter().map(shape).collect(),
            guards,
            updates,
            registers: compiler.registers(),
        }
    }

    /// Makes the registers, the first of which hold the parameters.
    fn registers(&self, choice: &Choice) -> Vec<usize> {
        let mut registers = vec![0; self.registers];
        registers[..choice.parameters.len()].copy_from_slice(&choice.parameters);
        registers
    }
}

fn table(world: &World, shape: &Shape) -> Table {
    Table::new(&shape.sorts.iter().map(|sort| world.sizes[*sort]).collect::<Vec<_>>())
}

/// Finds the place of a name, which the caller promises to be there.
fn find<'n>(mut names: impl Iterator<Item = &'n Name>, name: &str) -> usize {
    let at = names.position(|known| *known == *name);
    at.unwrap_or_else(|| panic!("the model declares no {name}"))
}
