//! Our attention for bf16 on CPUs, against its f64 reference and beside libtorch's. Where the machine has not the
//! vectors it needs there is nothing to test.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::check::spec::Precision;
use dlmc::graph::ops::Operation;
use dlmc::graph::ops::attend::{Attend, AttendGrad, Sight};
use dlmc::graph::{Array, Op};
use dlmc::lower::ops::{self, Cx, DrawKey, attend, attend::Masks, rope::Tables};
use dlmc::lower::{Kinds, kernels};
use dlmc::objective::Pattern;
use support::Draws;
use tch::{Device, Kind, Tensor};

/// Both kernels round the same numbers to bf16, in other orders of sums.
const TIMES_LIBTORCH: f64 = 1.1;
/// A quarter of a rounding to bf16: in small cases the two kernels' few roundings fall differently.
const TINY: f64 = 5e-4;
/// Log-sum-exps are fp32 all through; scores of bf16 numbers are sums of exact products.
const LSE_TOLERANCE: f64 = 1e-6;
/// Of the norm of what comes in, below which a gradient counts as nothing.
const NOTHING: f64 = 1e-2;
/// Two roundings to bf16.
const BF16_TOLERANCE: f64 = 8e-3;

const DRAW: DrawKey = DrawKey { seed: 0, step: 0, first_row: 0 };

fn with_cx<R>(run: impl FnOnce(&Cx<'_>) -> R) -> R {
    let (tables, masks) = (Tables::default(), Masks::default());
    let kinds = Kinds::from(Precision::Bf16);
    run(&Cx { kinds, device: Device::Cpu, tables: &tables, masks: &masks, positions: &[], draw: DRAW, into: vec![] })
}

fn is_there() -> bool {
    let there = kernels::bf16_units().vectors;
    if !there {
        eprintln!("this machine has no AVX512-BF16: not tested");
    }
    there
}

fn values(x: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(x.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

fn array(x: &Tensor) -> Array {
    Array::new(x.size().iter().map(|n| *n as usize).collect::<Vec<_>>(), values(x))
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ||got - wanted|| / max(||wanted||, floor)
fn error(got: &Tensor, wanted: &Array, floor: f64) -> f64 {
    assert_eq!(got.size().iter().map(|n| *n as usize).collect::<Vec<_>>(), wanted.shape);
    let off: Vec<f64> = values(got).iter().zip(&wanted.data).map(|(a, b)| a - b).collect();
    norm(&off) / norm(&wanted.data).max(floor).max(f64::MIN_POSITIVE)
}

/// Bits of bf16 numbers and of fp32 ones.
fn same(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.isfinite().all().int64_value(&[]) == 1 && a.equal(b)
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    b: i64,
    shared: i64,
    group: i64,
    t: i64,
    d: i64,
}

impl Shape {
    fn heads(self) -> i64 {
        self.shared * self.group
    }
}

/// How heads lie in memory.
#[derive(Clone, Copy, Debug)]
enum Memory {
    Contiguous,
    /// `[B, T, H, d]`
    SideBySide,
    /// Queries, keys and values of a position one after the other.
    Joined,
}

/// A tensor whose parts along the last dimension are q, k and v; or three tensors.
fn lay([q, k, v]: [&Tensor; 3], memory: Memory) -> [Tensor; 3] {
    let turned = |x: &Tensor| x.transpose(1, 2).contiguous();
    match memory {
        Memory::Contiguous => [q, k, v].map(|x| x.contiguous()),
        Memory::SideBySide => [q, k, v].map(|x| turned(x).transpose(1, 2)),
        Memory::Joined => {
            let all = Tensor::cat(&[turned(q), turned(k), turned(v)], 2);
            let (h, shared) = (q.size()[1], k.size()[1]);
            [(0, h), (h, shared), (h + shared, shared)].map(|(from, n)| all.narrow(2, from, n).transpose(1, 2))
        }
    }
}

fn tensor(d: &mut Draws, [b, h, t, w]: [i64; 4], std: f64) -> Tensor {
    let array = d.array(&[b as usize, h as usize, t as usize, w as usize], std);
    Tensor::from_slice(&array.data).view([b, h, t, w]).to_kind(Kind::BFloat16)
}

/// dout, q, k, v
fn draw(d: &mut Draws, s: Shape, std: f64, memory: Memory) -> [Tensor; 4] {
    let [dout, q] = [1.0, std].map(|std| tensor(d, [s.b, s.heads(), s.t, s.d], std));
    let [k, v] = [std, 1.0].map(|std| tensor(d, [s.b, s.shared, s.t, s.d], std));
    let [q, k, v] = lay([&q, &k, &v], memory);
    let [dout, _, _] = lay([&dout, &k, &v], memory);
    [dout, q, k, v]
}

/// libtorch's kernels in bf16 all through: out, lse, dq, dk, dv.
fn libtorch(cx: &Cx<'_>, sight: Sight, group: i64, [dout, q, k, v]: [&Tensor; 4]) -> Vec<Tensor> {
    let spread = |x: &Tensor| x.repeat_interleave_self_int(group, 1, None);
    let (k, v) = (spread(k), spread(v));
    let t = q.size()[2] as usize;
    let open: Vec<f64> =
        (0..t * t).map(|at| if sight.sees(at / t, at % t, t) { 0.0 } else { f64::NEG_INFINITY }).collect();
    let mask = Tensor::from_slice(&open).view([t as i64, t as i64]).to_kind(cx.kinds.compute);
    let (out, lse) =
        Tensor::internal_scaled_dot_product_flash_attention_for_cpu(q, &k, &v, 0.0, false, Some(&mask), None);
    let (dq, dk, dv) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
        dout,
        q,
        &k,
        &v,
        &out,
        &lse,
        0.0,
        false,
        Some(&mask),
        None,
    );
    let gather = |x: Tensor| {
        let [b, h, t, d] = x.size()[..] else { panic!() };
        let groups = x.reshape([b, h / group, group, t, d]).to_kind(Kind::Float);
        groups.sum_dim_intlist(2, false, Kind::Float).to_kind(Kind::BFloat16)
    };
    vec![out, lse, dq, gather(dk), gather(dv)]
}

fn ours(cx: &Cx<'_>, sight: Sight, [dout, q, k, v]: [&Tensor; 4]) -> Vec<Tensor> {
    let mut all = attend::own(&Attend { sight, drops: None }, cx, [q, k, v]).unwrap();
    let grad = AttendGrad { sight, drops: None };
    all.extend(attend::own_grad(&grad, cx, [dout, q, k, v, &all[0], &all[1]]).unwrap());
    all
}

fn wanted(sight: Sight, [dout, q, k, v]: [&Tensor; 4]) -> Vec<Array> {
    let [dout, q, k, v] = [dout, q, k, v].map(array);
    let mut all = Attend { sight, drops: None }.reference(&[&q, &k, &v]);
    all.extend(AttendGrad { sight, drops: None }.reference(&[&dout, &q, &k, &v, &all[0], &all[1]]));
    all
}

fn check(d: &mut Draws, shape: Shape, sight: Sight, memory: Memory) {
    let inputs = draw(d, shape, 1.0, memory);
    let inputs = inputs.each_ref();
    let wanted = wanted(sight, inputs);
    with_cx(|cx| {
        let (ours, theirs) = (ours(cx, sight, inputs), libtorch(cx, sight, shape.group, inputs));
        let floor = NOTHING * norm(&values(inputs[0]));
        for (i, name) in ["out", "lse", "dq", "dk", "dv"].into_iter().enumerate() {
            let (ours, theirs) = (error(&ours[i], &wanted[i], floor), error(&theirs[i], &wanted[i], floor));
            let most = if name == "lse" { LSE_TOLERANCE } else { TIMES_LIBTORCH * theirs + TINY };
            assert!(ours <= most, "{name} of {shape:?} {sight:?} {memory:?}: off by {ours:e}, libtorch by {theirs:e}");
        }
    });
}

const PATTERNS: [Pattern; 6] = [
    Pattern::Causal,
    Pattern::Full,
    Pattern::BlockCausal { block: 4 },
    Pattern::BlockCausal { block: 24 },
    Pattern::TwoStream { block: 3 },
    Pattern::TwoStream { block: 16 },
];

#[test]
fn errors_are_those_of_libtorch() {
    if !is_there() {
        return;
    }
    let mut d = Draws::new(61);
    let below = |d: &mut Draws, n: u64| d.below(n) as i64;
    for case in 0..60 {
        // Lengths about the kernel's vectors, blocks and pairs; widths of all tails.
        let t = [1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 64, 65, 90][below(&mut d, 13) as usize];
        let width = [2, 6, 8, 16, 30, 32, 48, 64, 80, 96, 128, 7, 20][below(&mut d, 13) as usize];
        let [b, shared, group] = [1 + below(&mut d, 2), 1 + below(&mut d, 2), 1 + below(&mut d, 3)];
        let shape = Shape { b, shared, group, t, d: width };
        let window = [None, None, Some(1 + d.below(40))][below(&mut d, 3) as usize];
        let sight = Sight { pattern: PATTERNS[case % PATTERNS.len()], window };
        let memory = [Memory::Contiguous, Memory::SideBySide, Memory::Joined][below(&mut d, 3) as usize];
        check(&mut d, shape, sight, memory);
    }
}

/// More than one block of keys, more than one task of queries, and heads of the greatest width.
#[test]
fn long_and_wide() {
    if !is_there() {
        return;
    }
    let mut d = Draws::new(62);
    for pattern in PATTERNS {
        let shape = Shape { b: 1, shared: 1, group: 1, t: 270, d: 16 };
        check(&mut d, shape, Sight { pattern, window: None }, Memory::SideBySide);
        check(&mut d, Shape { group: 2, ..shape }, Sight { pattern, window: Some(100) }, Memory::Joined);
    }
    let causal = Sight { pattern: Pattern::Causal, window: None };
    check(&mut d, Shape { b: 1, shared: 1, group: 1, t: 1040, d: 8 }, causal, Memory::Joined);
    check(&mut d, Shape { b: 1, shared: 1, group: 1, t: 40, d: 256 }, causal, Memory::Joined);
}

#[test]
fn any_number_of_threads_gives_the_same() {
    if !is_there() {
        return;
    }
    let mut d = Draws::new(63);
    let inputs = draw(&mut d, Shape { b: 3, shared: 2, group: 2, t: 530, d: 24 }, 1.0, Memory::Joined);
    let before = tch::get_num_threads();
    for pattern in [Pattern::Full, Pattern::Causal] {
        let run = |threads| {
            tch::set_num_threads(threads);
            with_cx(|cx| ours(cx, Sight { pattern, window: None }, inputs.each_ref()))
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert!(one.iter().zip(run(threads)).all(|(a, b)| same(a, &b)), "{threads} threads");
        }
    }
    tch::set_num_threads(before);
}

/// Where the gradients' memory is does not matter, and none but it is written.
#[test]
fn gradients_go_where_they_are_told() {
    if !is_there() {
        return;
    }
    let mut d = Draws::new(64);
    let (b, shared, group, t, w) = (2, 1, 3, 37, 20);
    let inputs = draw(&mut d, Shape { b, shared, group, t, d: w }, 1.0, Memory::Contiguous);
    let [dout, q, k, v] = inputs.each_ref();
    let (h, sight) = (shared * group, Sight { pattern: Pattern::Full, window: None });
    with_cx(|cx| {
        let new = ours(cx, sight, [dout, q, k, v]);
        assert!(new.iter().filter(|x| x.dim() == 4).all(|x| x.transpose(1, 2).is_contiguous()));
        let runs = Tensor::from_slice(&[0, t as i32]).expand([t, 2], false).contiguous().view([t, 1, 2]);
        let all = Tensor::full([b, t, h + 2 * shared + 1, w], 7.0, (Kind::BFloat16, Device::Cpu));
        let part = |from, n| all.narrow(2, from, n).transpose(1, 2);
        let (dq, dk, dv) = (part(0, h), part(h, shared), part(h + shared, shared));
        let into = [Some(&dq), Some(&dk), Some(&dv)];
        kernels::attention_grad(dout, [q, k, v], &new[0], &new[1], &runs, into).unwrap();
        assert!(same(&dq, &new[2]) && same(&dk, &new[3]) && same(&dv, &new[4]));
        assert!(same(&part(h + 2 * shared, 1), &Tensor::full([b, 1, t, w], 7.0, (Kind::BFloat16, Device::Cpu))));
    });
}

/// New queries are the last rows of the square.
#[test]
fn queries_after_cached_keys() {
    if !is_there() {
        return;
    }
    let mut d = Draws::new(65);
    for (pattern, window) in
        [(Pattern::Causal, None), (Pattern::Causal, Some(9)), (Pattern::BlockCausal { block: 8 }, None)]
    {
        for n in [1, 8, 40] {
            let [_, q, k, v] = draw(&mut d, Shape { b: 2, shared: 2, group: 2, t: 80, d: 32 }, 1.0, Memory::Joined);
            let op = Attend { sight: Sight { pattern, window }, drops: None };
            let wanted = op.reference(&[&array(&q), &array(&k), &array(&v)]);
            let split = |x: &Tensor| [x.narrow(2, 0, 80 - n), x.narrow(2, 80 - n, n)];
            let ([_, q], [k0, k1], [v0, v1]) = (split(&q), split(&k), split(&v));
            let (got, _) = with_cx(|cx| attend::lower_after(&op, cx, &[&q, &k1, &v1], Some(&[k0, v0]))).unwrap();
            for (got, wanted) in got.iter().zip(wanted) {
                let shape: Vec<i64> = wanted.shape.iter().map(|n| *n as i64).collect();
                let last = Tensor::from_slice(&wanted.data).view(&shape[..]).narrow(2, 80 - n, n);
                assert!(error(got, &array(&last), 0.0) <= BF16_TOLERANCE, "{pattern:?} {window:?} {n}");
            }
        }
    }
}

/// Scores of thousands: a row's probability is all on one key, and nothing overflows.
#[test]
fn great_scores() {
    if !is_there() {
        return;
    }
    let mut d = Draws::new(66);
    let inputs = draw(&mut d, Shape { b: 1, shared: 1, group: 1, t: 50, d: 64 }, 40.0, Memory::Contiguous);
    let sight = Sight { pattern: Pattern::Causal, window: None };
    let wanted = wanted(sight, inputs.each_ref());
    let got = with_cx(|cx| ours(cx, sight, inputs.each_ref()));
    assert!(got.iter().all(|x| x.isfinite().all().int64_value(&[]) == 1));
    assert!(error(&got[0], &wanted[0], 0.0) <= BF16_TOLERANCE);
    assert!(error(&got[1], &wanted[1], 0.0) <= LSE_TOLERANCE);
}

/// Which kernel runs is a matter of the machine alone.
#[test]
fn ours_runs_where_it_is_the_faster_one() {
    let units = kernels::bf16_units();
    let mut d = Draws::new(67);
    let [_, q, k, v] = draw(&mut d, Shape { b: 2, shared: 2, group: 1, t: 70, d: 32 }, 1.0, Memory::Joined);
    let op = Attend { sight: Sight { pattern: Pattern::Full, window: None }, drops: None };
    with_cx(|cx| {
        let got = ops::lower(&Op::from(op.clone()), cx, &[&q, &k, &v]).unwrap();
        let wanted = match units.vectors && !units.tiles {
            true => attend::own(&op, cx, [&q, &k, &v]).unwrap(),
            false => attend::fused(&op, cx, [&q, &k, &v]).unwrap(),
        };
        assert!(got.iter().zip(&wanted).all(|(a, b)| same(a, b)));
    });
}

#[test]
fn what_does_not_fit_is_refused() {
    if !is_there() {
        return;
    }
    let x = |h, t, d| Tensor::zeros([1, h, t, d], (Kind::BFloat16, Device::Cpu));
    let runs = |to: i32| Tensor::from_slice(&[0, to]).view([1, 1, 2]);
    let refused = |q: &Tensor, k: &Tensor, v: &Tensor, runs: &Tensor| kernels::attention([q, k, v], runs).is_err();
    let one = x(1, 1, 8);
    assert!(!refused(&one, &one, &one, &runs(1)));
    assert!(refused(&one, &one, &one, &runs(2)), "a run beyond the keys");
    assert!(refused(&one, &one, &one, &runs(-1)), "a run before them");
    assert!(refused(&x(3, 1, 8), &x(2, 1, 8), &x(2, 1, 8), &runs(1)), "heads that do not divide");
    assert!(refused(&one, &one, &x(1, 2, 8), &runs(1)), "keys and values of two lengths");
    assert!(refused(&x(1, 1, 257), &x(1, 1, 257), &x(1, 1, 257), &runs(1)), "a head too wide");
    assert!(refused(&one.to_kind(Kind::Float), &one, &one, &runs(1)), "fp32");
    assert!(refused(&x(1, 2, 8), &x(1, 2, 8), &x(1, 2, 8), &runs(1)), "runs for one query of two");
}
