//! What the tests of objectives share: schedules of the literature and objectives made of them. `joint.rs`: a random
//! joint table and models of it; `bounds.rs` and `mixture.rs`: proofs by enumeration over it; `weights.rs`: counts and
//! weights on a smaller toy; `draws.rs`: rows as they are drawn; `edges.rs`: all objectives at their ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::evaluate::systematic_count;
use super::*;
use crate::base::philox::{Purpose, Stream};
use crate::check::formula::prove::prove;
use crate::check::formula::{Formula, Function, Term};
use crate::check::spec::{BlockDiffusion, Ends, Estimator, HybridDiffusion, HybridWeight, LossWeight, MaskedDiffusion};
use crate::check::spec::{NextToken, TKind, TSampling, UniformDiffusion, Vocab};
use proptest::prelude::*;

mod bounds;
mod draws;
mod edges;
mod joint;
mod mixture;
mod weights;

/// Enumeration of counts and subsets leaves rounding and the bisection of the edges.
const EXACT: f64 = 1e-9;
/// The midpoint rule over t, 20,000 points, on integrands with bounded second derivative.
const QUADRATURE: f64 = 1e-6;

const VOCAB: Vocab = Vocab { n_ids: 3, eod: 3, mask: Some(4), size: 64 };

fn product(factors: &[Term]) -> Term {
    Term::Product(factors.to_vec())
}

fn power(base: Term, exponent: Term) -> Term {
    Term::Power(Box::new(base), Box::new(exponent))
}

fn call(function: Function, argument: Term) -> Term {
    Term::Call(function, Box::new(argument))
}

/// 1 - x
fn one_minus(x: Term) -> Term {
    Term::Sum(vec![Term::ONE, product(&[Term::int(-1), x])])
}

fn linear() -> Formula {
    Formula::from(one_minus(Term::T))
}

/// Schedules with alpha(0) = 1 and alpha(1) = 0.
fn closed_schedules() -> Vec<(&'static str, Formula)> {
    let quarter_turn = |x: Term| product(&[Term::ratio(1, 2), Term::Pi, x]);
    let log_2 = power(call(Function::Log, Term::int(2)), Term::int(-1));
    [
        ("linear", one_minus(Term::T)),
        ("poly2", one_minus(power(Term::T, Term::int(2)))),
        ("poly3", one_minus(power(Term::T, Term::int(3)))),
        // MD4's: 1 - cos(pi/2 (1 - t))
        ("cosine_md4", one_minus(call(Function::Cos, quarter_turn(one_minus(Term::T))))),
        // MDLM's: cos(pi t / 2)
        ("cosine_mdlm", call(Function::Cos, quarter_turn(Term::T))),
        ("cosine_squared", power(call(Function::Cos, quarter_turn(Term::T)), Term::int(2))),
        ("log", one_minus(product(&[call(Function::Log, Term::Sum(vec![Term::ONE, Term::T])), log_2]))),
    ]
    .map(|(name, term)| (name, Formula::from(term).simplify()))
    .to_vec()
}

fn masked(schedule: Formula, kind: TKind, range: (f64, f64), weight: LossWeight, estimator: Estimator) -> Objective {
    Objective::MaskedDiffusion(MaskedDiffusion {
        schedule_name: "test".into(),
        proof: prove(&schedule).expect("a schedule").into(),
        ends: Ends::Exact,
        schedule,
        t: TSampling { kind, low: range.0, high: range.1 },
        weight,
        estimator,
        shift: false,
        variable_length: 0.0,
        targets: Targets::Matched,
        bound: Ok(String::new()),
    })
}

/// The share of each row that is masked.
fn rates(batch: &Corrupted) -> Vec<f64> {
    batch.share.iter().step_by(batch.seq.max(1)).copied().collect()
}

fn plan(schedule: Formula, range: (f64, f64), weight: LossWeight, estimator: Estimator, seq: usize) -> MaskPlan {
    match masked(schedule, TKind::Iid, range, weight, estimator) {
        Objective::MaskedDiffusion(m) => MaskPlan::new(&m, seq - 1),
        _ => unreachable!(),
    }
}

fn custom(term: Term) -> LossWeight {
    LossWeight::Custom { name: "w".into(), formula: Formula::from(term).simplify() }
}
fn diffusion(change: impl Fn(&mut MaskedDiffusion)) -> Objective {
    match masked(linear(), TKind::Stratified, (0.0, 1.0), LossWeight::Elbo, Estimator::Count) {
        Objective::MaskedDiffusion(mut objective) => {
            change(&mut objective);
            Objective::MaskedDiffusion(objective)
        }
        other => other,
    }
}

fn blocks(block: u64, change: impl Fn(&mut MaskedDiffusion)) -> Objective {
    match diffusion(change) {
        Objective::MaskedDiffusion(noise) => Objective::BlockDiffusion(BlockDiffusion { block, noise }),
        other => other,
    }
}

fn uniform(schedule: Formula, kind: TKind, (low, high): (f64, f64)) -> Objective {
    Objective::UniformDiffusion(UniformDiffusion {
        schedule_name: "test".into(),
        proof: prove(&schedule).expect("a schedule").into(),
        schedule,
        ends: Ends::Exact,
        t: TSampling { kind, low, high },
        bound: Ok(String::new()),
    })
}

fn hybrid(uniform: f64, weight: HybridWeight, (low, high): (f64, f64)) -> Objective {
    let t = TSampling { kind: TKind::Systematic, low, high };
    Objective::HybridDiffusion(HybridDiffusion { uniform, t, weight, bound: Ok(String::new()) })
}

fn megadlms() -> Objective {
    diffusion(|m| {
        (m.t.kind, m.estimator, m.targets) = (TKind::Iid, Estimator::RowMean, Targets::MegaDlms);
        m.variable_length = 0.01;
    })
}
