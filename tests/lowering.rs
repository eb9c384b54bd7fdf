//! Every operation's lowering against its f64 reference, on a CPU.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::check::spec::Precision;
use dlmc::graph::ops::{
    activation::{Activation, ActivationGrad, Function},
    add::{Add, Second},
    attend::{Attend, AttendGrad, Sight},
    cast::Cast,
    chunk::Chunk,
    concat::Concat,
    dropout::{Dropout, Drops},
    embed::{Embed, EmbedGrad},
    layer_norm::{LayerNorm, LayerNormGrad},
    linear::{Linear, LinearInputGrad, LinearWeightGrad},
    merge_heads::MergeHeads,
    mixture::{Mixture, MixtureGrad},
    mul::Mul,
    nll::{Nll, NllGrad},
    offset::Offset,
    rms_norm::{RmsNorm, RmsNormGrad},
    rope::Rope,
    scale::Scale,
    sinusoid::Sinusoid,
    split_heads::SplitHeads,
    sum_to::SumTo,
    weighted_sum::WeightedSum,
    zeros::Zeros,
    zeros_like::ZerosLike,
};
use dlmc::graph::{Array, Dim, Op};
use dlmc::lower::Kinds;
use dlmc::lower::ops::{self, Cx, DrawKey, Lowered, attend::Masks, rope::Tables};
use dlmc::objective::Pattern;
use support::{Draws, distance};
use tch::{Device, Kind, Tensor};

/// Rounding of one operation's sums. In bf16 (8 bits) two roundings of the inputs come on top.
const TOLERANCE: [(Precision, f64); 3] = [(Precision::Fp64, 1e-10), (Precision::Fp32, 1e-5), (Precision::Bf16, 2e-2)];

/// How an input is held.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    Compute,
    Wide,
    Ids,
}
use Held::{Compute, Ids, Wide};

fn tensor(array: &Array, held: Held, kinds: Kinds) -> Tensor {
    let shape: Vec<i64> = array.shape.iter().map(|n| *n as i64).collect();
    let kind = match held {
        Compute => kinds.compute,
        Wide => kinds.wide,
        Ids => Kind::Int64,
    };
    Tensor::from_slice(&array.data).view(&shape[..]).to_kind(kind)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

/// What bf16 leaves of an array, so that the comparison is of the operation and not of its inputs.
fn rounded(array: &Array, held: Held, kinds: Kinds) -> Array {
    Array::new(array.shape.clone(), values(&tensor(array, held, kinds)))
}

/// The same values with the last two dimensions but one swapped in memory, as `split_heads` leaves them.
fn strided(x: &Tensor) -> Tensor {
    let n = x.dim() as i64;
    if n < 3 { x.shallow_clone() } else { x.transpose(n - 3, n - 2).contiguous().transpose(n - 3, n - 2) }
}

fn compare(op: &Op, inputs: &[(Array, Held)], run: &dyn Fn(&Cx<'_>, &[&Tensor]) -> Lowered) {
    let positions: Vec<i64> = (0..64).collect();
    for (precision, tolerance) in TOLERANCE {
        let kinds = Kinds::from(precision);
        let arrays: Vec<Array> = inputs.iter().map(|(a, held)| rounded(a, *held, kinds)).collect();
        let wanted = op.operation().unwrap().reference(&arrays.iter().collect::<Vec<_>>());
        for is_strided in [false, true] {
            let tensors: Vec<Tensor> = inputs.iter().map(|(a, held)| tensor(a, *held, kinds)).collect();
            let tensors: Vec<Tensor> = if is_strided { tensors.iter().map(strided).collect() } else { tensors };
            let n = match op {
                Op::Rope(_) => inputs[1].0.data.len(),
                _ => 0,
            };
            let (tables, masks) = (Tables::default(), Masks::default());
            let cx = Cx {
                into: vec![],
                kinds,
                device: Device::Cpu,
                tables: &tables,
                masks: &masks,
                positions: &positions[..n],
                draw: DRAW,
            };
            let got = run(&cx, &tensors.iter().collect::<Vec<_>>()).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
            assert_eq!(got.len(), wanted.len(), "{}", op.name());
            for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                let shape: Vec<usize> = got.size().iter().map(|n| *n as usize).collect();
                assert_eq!(shape, wanted.shape, "{} output {i}", op.name());
                let error = distance(&values(got), &wanted.data);
                assert!(error <= tolerance, "{} output {i} in {precision:?}: off by {error:e}", op.name());
            }
        }
    }
}

fn check(op: impl Into<Op>, inputs: &[(Array, Held)]) {
    let op = op.into();
    compare(&op, inputs, &|cx, tensors| ops::lower(&op, cx, tensors));
}

/// For the lowering that other devices take.
fn check_composed(op: impl Into<Op>, inputs: &[(Array, Held)], run: &dyn Fn(&Cx<'_>, &[&Tensor]) -> Lowered) {
    compare(&op.into(), inputs, run);
}

/// What `Input::Draw` gives, on the host and as a tensor.
const DRAW: DrawKey = DrawKey { seed: 9, step: 4, first_row: 3 };

fn draw() -> (Array, Held) {
    (Array::new([3], vec![9.0, 4.0, 3.0]), Ids)
}

fn draws() -> Draws {
    Draws::new(3)
}

#[test]
fn elementwise() {
    let mut d = draws();
    let (a, b, row) = (d.array(&[2, 3, 37], 1.0), d.array(&[2, 3, 37], 2.0), d.array(&[37], 1.0));
    let pair = [(a.clone(), Compute), (b.clone(), Compute)];
    check(Add::default(), &pair);
    check(Mul::default(), &pair);
    check(Add::default(), &[(a.clone(), Compute), (row.clone(), Compute)]);
    check(Mul::default(), &[(a.clone(), Compute), (row.clone(), Compute)]);
    check(Mul::default(), &[(a.clone(), Compute), (Array::scalar(1.5), Compute)]);
    check(Scale { factor: -0.75 }, &pair[..1]);
    check(Offset { by: 0.3 }, &pair[..1]);
    check(ZerosLike, &pair[..1]);
    check(Cast { wide: true }, &pair[..1]);
    check(Cast { wide: false }, &[(a.clone(), Wide)]);
    for (from, drop) in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2)] {
        check(SumTo { from, drop }, &pair[..1]);
    }
    check(WeightedSum, &[(d.array(&[3, 5], 1.0), Wide), (d.array(&[3, 5], 1.0), Wide)]);
}

#[test]
fn activations() {
    let mut d = draws();
    let (dy, x) = (d.array(&[2, 3, 37], 1.0), d.array(&[2, 3, 37], 2.0));
    // Where they are flat, where the approximations differ most, and the edge of relu.
    let far = Array::new([9], vec![-100.0, -50.0, -20.0, -2.5, 0.0, 2.5, 20.0, 50.0, 100.0]);
    for function in Function::ALL {
        if matches!(function, Function::Exp | Function::Log) {
            // Where both have values.
            let x = x.map(|x| x.abs() + 0.1);
            check(Activation { function }, &[(x.clone(), Compute)]);
            check(ActivationGrad { function }, &[(dy.clone(), Compute), (x, Compute)]);
            continue;
        }
        check(Activation { function }, &[(x.clone(), Compute)]);
        check(ActivationGrad { function }, &[(dy.clone(), Compute), (x.clone(), Compute)]);
        check(Activation { function }, &[(far.clone(), Compute)]);
        check(ActivationGrad { function }, &[(far.map(|_| 1.0), Compute), (far.clone(), Compute)]);
    }
}

/// As many sequences as positions: sizes alone do not tell the two ways apart.
#[test]
fn one_vector_for_each_sequence() {
    let mut d = draws();
    let (a, b) = (d.array(&[3, 3, 5], 1.0), d.array(&[3, 5], 1.0));
    for second in [Second::Last, Second::Batch] {
        let pair = [(a.clone(), Compute), (b.clone(), Compute)];
        check(Add { second }, &pair);
        check(Mul { second }, &pair);
    }
    let heads = [(d.array(&[2, 3, 4, 5], 1.0), Compute), (d.array(&[2, 5], 1.0), Compute)];
    check(Mul { second: Second::Batch }, &heads);
    check(Add { second: Second::Batch }, &[heads[0].clone(), (d.array(&[2], 1.0), Compute)]);
}

#[test]
fn parts_and_their_joining() {
    let mut d = draws();
    let x = (d.array(&[2, 3, 12], 1.0), Compute);
    check(Chunk { widths: vec![4; 3] }, std::slice::from_ref(&x));
    check(Chunk { widths: vec![5, 7] }, std::slice::from_ref(&x));
    check(Concat, &[x.clone(), (d.array(&[2, 3, 5], 1.0), Compute), (d.array(&[2, 3, 1], 1.0), Compute)]);
    check(Concat, &[(d.array(&[4, 3], 1.0), Compute), (d.array(&[4, 2], 1.0), Compute)]);
    let shape = vec![Dim::Batch, Dim::Time, Dim::Fixed(3)];
    check(Zeros { shape, wide: false }, &[(d.ids(&[2, 5], 4), Ids)]);
    check(Zeros { shape: vec![Dim::Fixed(4), Dim::Fixed(2)], wide: true }, &[]);
}

#[test]
fn features_of_a_number() {
    let t = Array::new([4], vec![0.0, 1e-3, 0.37, 1.0]);
    let op = Sinusoid { dim: 64, max_period: 10_000.0, scale: 1_000.0 };
    check(op, &[(t, Wide)]);
    let positions = Array::new([9], (0..9).map(f64::from).collect());
    check(Sinusoid { dim: 6, max_period: 100.0, scale: 1.0 }, &[(positions, Ids)]);
}

#[test]
fn linear() {
    let mut d = draws();
    let (x, w, dy) = (d.array(&[2, 5, 7], 1.0), d.array(&[6, 7], 1.0), d.array(&[2, 5, 6], 1.0));
    check(Linear, &[(x.clone(), Compute), (w.clone(), Compute)]);
    check(LinearInputGrad, &[(dy.clone(), Compute), (w, Compute)]);
    check(LinearWeightGrad, &[(dy, Compute), (x, Compute)]);
}

#[test]
fn embedding() {
    let mut d = draws();
    let (table, ids, dy) = (d.array(&[9, 70], 1.0), d.ids(&[4, 5], 9), d.array(&[4, 5, 70], 1.0));
    check(Embed, &[(table, Compute), (ids.clone(), Ids)]);
    let grad = EmbedGrad { rows: 9 };
    let inputs = [(dy, Compute), (ids, Ids)];
    check(grad.clone(), &inputs);
    check_composed(grad.clone(), &inputs, &|cx, t| ops::embed::composed_grad(&grad, cx, t[0], t[1]));
}

#[test]
fn heads() {
    let mut d = draws();
    check(SplitHeads { heads: 3 }, &[(d.array(&[2, 5, 12], 1.0), Compute)]);
    check(MergeHeads, &[(d.array(&[2, 3, 5, 4], 1.0), Compute)]);
}

#[test]
fn norms() {
    let mut d = draws();
    // Widths below, at and above the kernels' sixteen lanes; more rows than one block of sums.
    for shape in [vec![2, 3, 5, 7], vec![3, 5, 16], vec![2, 300, 129]] {
        let width = *shape.last().unwrap();
        let (x, dy, gain) = (d.array(&shape, 1.5), d.array(&shape, 1.0), d.array(&[width], 1.0));
        let (rms, layer) = (RmsNorm { eps: 1e-3 }, LayerNorm { eps: 1e-3 });
        let forward = [(x.clone(), Compute), (gain.clone(), Compute)];
        check(rms.clone(), &forward);
        check_composed(rms.clone(), &forward, &|cx, t| ops::rms_norm::composed(&rms, cx, t[0], t[1]));
        check(layer.clone(), &forward);
        check_composed(layer.clone(), &forward, &|cx, t| ops::layer_norm::composed(&layer, cx, t[0], t[1]));
        let statistics = |op: Op| op.operation().unwrap().reference(&[&x, &gain]);
        let rstd = statistics(rms.into()).remove(1);
        let back = [(dy.clone(), Compute), forward[0].clone(), (rstd, Wide), forward[1].clone()];
        check(RmsNormGrad, &back);
        check(RmsNorm { eps: 1e-3 }, &forward[..1]);
        check(RmsNormGrad, &back[..3]);
        check_composed(RmsNormGrad, &back, &|cx, t| {
            ops::rms_norm::composed_grad(&RmsNormGrad, cx, t.try_into().unwrap())
        });
        let mut all = statistics(layer.into());
        let (rstd, mean) = (all.remove(2), all.remove(1));
        let back = [(dy, Compute), forward[0].clone(), (mean, Wide), (rstd, Wide), forward[1].clone()];
        check(LayerNormGrad, &back);
        check(LayerNorm { eps: 1e-3 }, &forward[..1]);
        check(LayerNormGrad, &back[..4]);
        check_composed(LayerNormGrad, &back, &|cx, t| {
            ops::layer_norm::composed_grad(&LayerNormGrad, cx, t.try_into().unwrap())
        });
    }
}

#[test]
fn rope() {
    let mut d = draws();
    for width in [2, 8, 34] {
        let x = d.array(&[2, 3, 5, width], 1.0);
        let positions = Array::new([5], (0..5).map(f64::from).collect());
        for inverse in [false, true] {
            let op = Rope { base: 100.0, inverse };
            let inputs = [(x.clone(), Compute), (positions.clone(), Ids)];
            check(op.clone(), &inputs);
            check_composed(op.clone(), &inputs, &|cx, t| {
                let (cos, sin) = ops::rope::tables(&op, cx, t[0])?;
                ops::rope::composed(&op, cx, t[0], (&cos, &sin))
            });
        }
    }
}

#[test]
fn attention() {
    let mut d = draws();
    let blocks = [1, 3, 70].map(|block| [Pattern::BlockCausal { block }, Pattern::TwoStream { block }]);
    for pattern in [Pattern::Causal, Pattern::Full].into_iter().chain(blocks.into_iter().flatten()) {
        for (t, window, shared) in [
            (5, None, 4),
            (12, None, 4),
            (12, Some(2), 4),
            (70, None, 4),
            (5, Some(1), 4),
            (5, Some(3), 4),
            (5, Some(5), 4),
            (5, Some(9), 4),
            (70, Some(16), 4),
            (7, None, 2),
            (7, None, 1),
            (70, Some(33), 2),
        ] {
            let sight = Sight { pattern, window };
            let (shape, few) = ([2, 4, t, 8], [2, shared, t, 8]);
            let q = (d.array(&shape, 1.0), Compute);
            let kv = [0; 2].map(|_| (d.array(&few, 1.0), Compute));
            let qkv = [q, kv[0].clone(), kv[1].clone()];
            let op = Attend { sight, drops: None };
            check(op.clone(), &qkv);
            let mut saved = Op::from(op.clone()).operation().unwrap().reference(&[&qkv[0].0, &qkv[1].0, &qkv[2].0]);
            let (lse, out) = (saved.remove(1), saved.remove(0));
            // A position that sees itself alone has no gradient, and rounding is all of it.
            if window == Some(1) {
                continue;
            }
            let back = [(d.array(&shape, 1.0), Compute)].into_iter().chain(qkv.clone());
            let back: Vec<_> = back.chain([(out, Compute), (lse, Wide)]).collect();
            let grad = AttendGrad { sight, drops: None };
            check(grad.clone(), &back);
            // For other devices a head of keys is there for each of queries.
            if shared == 4 {
                check_composed(op.clone(), &qkv, &|cx, t| ops::attend::composed(&op, cx, t.try_into().unwrap()));
                check_composed(grad.clone(), &back, &|cx, t| {
                    Ok(ops::attend::composed_grad(&grad, cx, t.try_into().unwrap())?.into())
                });
            }
        }
    }
}

/// The kernel draws what the reference draws: pieces of blocks, many rows, rows longer than a thread's piece.
#[test]
fn dropout() {
    let mut d = draws();
    let drops = |rate: f64| Drops { rate, site: "layer.3.attention.dropout".into() };
    for (shape, has_rows) in
        [(vec![3, 5, 7], true), (vec![40, 1], true), (vec![2, 9, 4000], true), (vec![6, 11], false)]
    {
        for rate in [0.1, 0.75] {
            check(Dropout { drops: drops(rate), has_rows }, &[(d.array(&shape, 1.0), Compute), draw()]);
        }
    }
    for (t, shared, pattern) in
        [(5, 4, Pattern::Causal), (12, 2, Pattern::Full), (12, 4, Pattern::TwoStream { block: 3 })]
    {
        let (sight, drops) = (Sight { pattern, window: None }, Some(drops(0.3)));
        let (shape, few) = ([2, 4, t, 8], [2, shared, t, 8]);
        let qkv = [d.array(&shape, 1.0), d.array(&few, 1.0), d.array(&few, 1.0)].map(|x| (x, Compute));
        let given: Vec<_> = qkv.iter().cloned().chain([draw()]).collect();
        let op = Attend { sight, drops: drops.clone() };
        check(op.clone(), &given);
        let arrays: Vec<&Array> = given.iter().map(|(array, _)| array).collect();
        let mut saved = Op::from(op).operation().unwrap().reference(&arrays);
        let (lse, out) = (saved.remove(1), saved.remove(0));
        let back: Vec<_> = [(d.array(&shape, 1.0), Compute)].into_iter().chain(qkv).collect();
        let back: Vec<_> = back.into_iter().chain([(out, Compute), (lse, Wide), draw()]).collect();
        check(AttendGrad { sight, drops }, &back);
    }
}

#[test]
fn cross_entropy() {
    let mut d = draws();
    for (width, live) in [(7, 5), (40, 33), (64, 64)] {
        let (logits, targets) = (d.array(&[2, 3, width], 3.0), d.ids(&[2, 3], live));
        let op = Nll { live };
        let inputs = [(logits.clone(), Compute), (targets.clone(), Ids)];
        check(op.clone(), &inputs);
        check_composed(op.clone(), &inputs, &|cx, t| ops::nll::composed(&op, cx, t[0], t[1]));
        let lse = Op::from(op).operation().unwrap().reference(&[&logits, &targets]).remove(1);
        let mut dnll = d.array(&[2, 3], 1.0);
        dnll.data[1] = 0.0;
        let inputs = [(dnll, Wide), inputs[0].clone(), inputs[1].clone(), (lse, Wide)];
        let op = NllGrad { live };
        check(op.clone(), &inputs);
        check_composed(op.clone(), &inputs, &|cx, t| ops::nll::composed_grad(&op, cx, t.try_into().unwrap()));
    }
}

/// Uniform noise, masks beside it, and the limits: no noise at all, nothing but noise, all but no noise, one id
/// that is all but certain, and a token that was replaced by its own.
#[test]
fn mixtures() {
    let mut d = draws();
    for (width, live) in [(7, 5), (40, 33), (64, 64)] {
        for scale in [1.0, 6.0] {
            let shape = [6, 5, width];
            let (logits, targets) = (d.array(&shape, scale), d.ids(&[6, 5], live));
            let mut tokens = d.ids(&[6, 5], width as u64);
            let alpha = Array::new([6], vec![0.4, 0.75, 1.0, 0.0, 1.0 - 1e-6, 0.5]);
            let u = [0.6 / live as f64, 0.1 / live as f64, 0.0, 1.0 / live as f64, 1e-6 / live as f64, 0.0];
            let uniform = Array::new([6], u.to_vec());
            // Without uniform noise a token stays, or is masked where there is a mask.
            for row in [2, 5] {
                for i in row * 5..row * 5 + 5 {
                    tokens.data[i] = if width as u64 > live && i % 2 == 0 { live as f64 } else { targets.data[i] };
                }
            }
            tokens.data[4 * 5] = targets.data[4 * 5];
            let given = [(logits, Compute), (targets, Ids), (tokens, Ids), (alpha, Wide), (uniform, Wide)];
            let op = Mixture { live };
            check(op.clone(), &given);
            check_composed(op.clone(), &given, &|cx, t| ops::mixture::composed(&op, cx, t.try_into().unwrap()));
            let arrays: Vec<&Array> = given.iter().map(|(array, _)| array).collect();
            let lse = Op::from(op).operation().unwrap().reference(&arrays).remove(1);
            let mut dloss = d.array(&[6, 5], 1.0);
            dloss.data[1] = 0.0;
            let back: Vec<_> = [(dloss, Wide)].into_iter().chain(given).chain([(lse, Wide)]).collect();
            let op = MixtureGrad { live };
            check(op.clone(), &back);
            check_composed(op.clone(), &back, &|cx, t| ops::mixture::composed_grad(&op, cx, t.try_into().unwrap()));
        }
    }
}

/// A token that cannot have come from the clean one has an infinite loss, and a gradient all the same.
#[test]
fn what_noise_cannot_do_is_infinitely_unlikely() {
    let mut d = draws();
    let (live, shape) = (5u64, [1, 2, 7]);
    let ids = |ids: [f64; 2]| (Array::new([1, 2], ids.to_vec()), Ids);
    let given = [(d.array(&shape, 2.0), Compute), ids([1.0, 1.0]), ids([3.0, 1.0])];
    let noise = [(Array::new([1], vec![0.5]), Wide), (Array::new([1], vec![0.0]), Wide)];
    let given: Vec<_> = given.into_iter().chain(noise).collect();
    let arrays: Vec<&Array> = given.iter().map(|(array, _)| array).collect();
    let wanted = Op::from(Mixture { live }).operation().unwrap().reference(&arrays);
    assert!(wanted[0].data[0] == f64::INFINITY && wanted[0].data[1].is_finite());
    let (kinds, tables, masks) = (Kinds::from(Precision::Fp32), Tables::default(), Masks::default());
    let cx =
        Cx { kinds, device: Device::Cpu, tables: &tables, masks: &masks, positions: &[], draw: DRAW, into: vec![] };
    let tensors: Vec<Tensor> = given.iter().map(|(array, held)| tensor(array, *held, kinds)).collect();
    let tensors: Vec<&Tensor> = tensors.iter().collect();
    for got in [
        ops::lower(&Mixture { live }.into(), &cx, &tensors),
        ops::mixture::composed(&Mixture { live }, &cx, tensors.clone().try_into().unwrap()),
    ] {
        let loss = values(&got.unwrap()[0]);
        assert!(loss[0] == f64::INFINITY && (loss[1] / wanted[0].data[1] - 1.0).abs() < 1e-5, "{loss:?}");
    }
    let lse = (wanted[1].clone(), Wide);
    let back: Vec<_> = [(d.array(&[1, 2], 1.0), Wide)].into_iter().chain(given).chain([lse]).collect();
    check(MixtureGrad { live }, &back);
    let op = MixtureGrad { live };
    check_composed(op.clone(), &back, &|cx, t| ops::mixture::composed_grad(&op, cx, t.try_into().unwrap()));
}

/// Half of all positions of a diffusion batch are the mask token. libtorch's own bf16 sum gives 0.5 here.
#[test]
fn sixteen_thousand_equal_rows_add_up_in_bf16() {
    let n = 16_384;
    let dy = Tensor::full([n, 8], 0.0005, (Kind::BFloat16, Device::Cpu));
    let each = f64::try_from(dy.get(0).get(0)).unwrap();
    let (kinds, tables, masks) = (Kinds::from(Precision::Bf16), Tables::default(), Masks::default());
    let cx =
        Cx { kinds, device: Device::Cpu, tables: &tables, masks: &masks, positions: &[], draw: DRAW, into: vec![] };
    let index = Tensor::ones([n], (Kind::Int64, Device::Cpu));
    for composed in [false, true] {
        let op = EmbedGrad { rows: 3 };
        let sums = if composed {
            ops::embed::composed_grad(&op, &cx, &dy, &index)
        } else {
            ops::embed::lower_grad(&op, &cx, &[&dy, &index])
        };
        let sums = values(&sums.unwrap()[0]);
        assert!(sums[8..16].iter().all(|s| (s / (n as f64 * each) - 1.0).abs() < 1e-4), "{sums:?}");
        assert!(sums[..8].iter().chain(&sums[16..]).all(|s| *s == 0.0));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (kinds, tables, masks) = (Kinds::from(Precision::Fp32), Tables::default(), Masks::default());
    let cx =
        Cx { kinds, device: Device::Cpu, tables: &tables, masks: &masks, positions: &[], draw: DRAW, into: vec![] };
    let (floats, ids) = (Tensor::zeros([3, 4], (Kind::Float, Device::Cpu)), Tensor::from_slice(&[0i64, 9, 1]));
    let says = |result: Lowered| result.unwrap_err().to_string();
    assert_eq!(says(ops::lower(&Op::Add(Add::default()), &cx, &[&floats])), "got 1 tensors, takes 2");
    assert_eq!(says(ops::lower(&EmbedGrad { rows: 4 }.into(), &cx, &[&floats, &ids])), "id 9 is not below 4");
    assert!(says(ops::lower(&Nll { live: 9 }.into(), &cx, &[&floats, &ids])).contains("with 9 ids"));
    assert!(says(ops::lower(&RmsNorm { eps: 1e-6 }.into(), &cx, &[&floats, &ids])).contains("a gain of shape"));
    assert!(
        says(ops::lower(&Linear.into(), &cx, &[&floats, &ids.view([3, 1])])).contains("shapes cannot be multiplied")
    );
}
