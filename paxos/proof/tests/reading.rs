//! What a reader of models accepts, and what it says of the rest: file, line and remedy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use synod_prove::{Formula, MODELS, Model, Predicate, Term};

const HEAD: &str = "(model A)\n(sort node ballot)\n(const bot ballot)\n(rel lt (ballot ballot))\n\
    (fun Owner (ballot) node)\n(state ge (node ballot))\n";

fn read(rest: &str) -> Result<Model, String> {
    Model::read("a.epr", &format!("{HEAD}{rest}")).map_err(|error| error.to_string())
}

#[test]
fn every_model_is_read_under_its_own_name() {
    for source in MODELS {
        let model = Model::read(source.path, source.text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(model.name, source.name);
        assert!(source.path.ends_with(&format!("/{}.epr", source.name)));
        assert!(!model.invariants.is_empty() && !model.actions.is_empty(), "{}", source.name);
        for claim in model.invariants.iter().chain(&model.safety).chain(&model.witnesses) {
            assert!(!claim.words.is_empty(), "{}: {} has no words", source.name, claim.name);
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_a_remedy() {
    for (text, said) in [
        ("(axiom x (lt bot))", "a.epr:7:10: `lt` takes 2 terms, not 1; its places are (ballot"),
        (
            "(invariant x\n  (forall ((a node)) (ge a a)))",
            "a.epr:8:28: a term of sort `node` where",
        ),
        ("(axiom x (forall ((a nod)) true))", "`nod` is no sort; declare it above"),
        ("(axiom x (gt bot bot))", "`gt` is not declared; declare it above with `rel`"),
        ("(axiom x (forall ((b ballot)) (ge (Owner b) b)))", "an axiom names the state"),
        (
            "(define d ((b ballot)) (ge (Owner b) b)) (axiom x (forall ((b ballot)) (d b)))",
            "an axiom names the state; an axiom is about what never changes",
        ),
        ("(axiom x (= bot (Owner bot)))", "a term of sort `node` where one of sort `ballot`"),
        ("(axiom x (forall ((b ballot)) (exists ((b ballot)) true)))", "`b` has a meaning here"),
        ("(axiom x (not true false))", "`not` takes 1 formulas, not 2"),
        ("(invariant x (forall ((a node)) (ge' a bot)))", "names the state after a step; only a"),
        ("(sort node)", "`node` has a meaning already; take another name"),
        ("(theorem x true)", "`theorem` declares nothing; a declaration is a list"),
        ("(axiom x true) (axiom x true)", "there are two called `x`"),
        ("(switch s)", "the switch `s` switches nothing, or nothing must fail"),
        ("(must-fail s keep.a.b)", "`s` is no switch; declare it"),
        ("(using keep.a.b x)", "`x` is no lemma that this query may use; state it with"),
        ("(lemma x true) (using lemma.x x)", "`x` is no lemma that this query may use"),
        ("(action A ((b ballot)) (add lt (b b)))", "only a relation of the state can change"),
        ("(action A ((b ballot)) (add ge (b b)))", "`b` is of sort `ballot`, not `node`"),
        ("(action A ((b ballot)) (put ge (x y) (lt b y)))", "`x` is bound here, and the formula"),
        ("(action A () (set ge (_ _) true) (set ge (_ _) false))", "`ge` changes twice"),
        ("(action A () (set ge (_) true))", "`ge` has 2 places, not 1; name each place"),
        ("(action A () (become ge))", "`become` is no part of an action"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.starts_with("a.epr:") && error.contains("; "), "{error}");
    }
    let unnamed = Model::read("b.epr", "(sort node)").unwrap_err().to_string();
    assert_eq!(unnamed, "b.epr:1:1: the model has no name; begin the file with `(model NAME)`");
}

#[test]
fn what_an_action_puts_and_adds_is_a_formula_over_the_state_before() {
    let model = read(
        "(action A ((a node) (b ballot) (k Bool))\n\
         (guard (not (ge a b)))\n\
         (when k (put ge (a y) (= y b))))",
    );
    let model = model.unwrap();
    let action = model.action("A").unwrap();
    assert_eq!((action.parameters.len(), action.flags.len()), (2, 1));
    let [update] = &action.updates[..] else { panic!("{action:?}") };
    let Formula::If(condition, yes, no) = &update.body else { panic!("{update:?}") };
    let variable = |at: usize| Term::Variable(update.variables[at].name.clone());
    assert_eq!(
        **no,
        Formula::Holds(Predicate::State(update.relation.clone()), vec![variable(0), variable(1)])
    );
    assert!(matches!(&**yes, Formula::Equal(left, _) if *left == variable(1)), "{yes:?}");
    let Formula::And(both) = &**condition else { panic!("{condition:?}") };
    assert!(matches!(&both[0], Formula::Holds(Predicate::Flag(flag), _) if flag.as_str() == "k"));
    assert!(matches!(&both[1], Formula::Equal(left, _) if *left == variable(0)));
}
