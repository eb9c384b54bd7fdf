//! Time of attention in bf16, our kernel beside libtorch's, where the machine has what ours needs:
//! `cargo bench --features torch --bench attention`. Throughput counts the products of all pairs of positions, two
//! forward and five backward, so with causal attention twice the rate for the same time would be the best.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dlmc::check::spec::Precision;
use dlmc::graph::ops::attend::{Attend, AttendGrad, Sight};
use dlmc::lower::ops::{Cx, DrawKey, Lowered, attend, rope};
use dlmc::lower::{Kinds, kernels};
use dlmc::objective::Pattern;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// Batch, heads, length, width: a training step's, and its neighbours.
const SHAPES: [[i64; 4]; 4] = [[16, 6, 256, 64], [64, 6, 64, 32], [4, 6, 1024, 128], [2, 6, 2048, 64]];
const SAMPLES: usize = 20;
const SECONDS: u64 = 2;

/// Products of all pairs of positions, forward and backward.
const PRODUCTS: [u64; 2] = [2, 5];

fn attention(c: &mut Criterion) {
    if !kernels::bf16_units().vectors {
        return eprintln!("this machine has no AVX512-BF16");
    }
    let (tables, masks) = (rope::Tables::default(), attend::Masks::default());
    let draw = DrawKey { seed: 0, step: 0, first_row: 0 };
    let cx = Cx {
        kinds: Kinds::from(Precision::Bf16),
        device: Device::Cpu,
        tables: &tables,
        masks: &masks,
        positions: &[],
        draw,
        into: vec![],
    };
    let mut group = c.benchmark_group("attention");
    group.sample_size(SAMPLES).measurement_time(Duration::from_secs(SECONDS));
    for [b, h, t, d] in SHAPES {
        // As `split_heads` leaves them.
        let heads = || Tensor::randn([b, t, h, d], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16).transpose(1, 2);
        let [dout, q, k, v] = std::array::from_fn(|_| heads());
        for pattern in [Pattern::Full, Pattern::Causal] {
            let sight = Sight { pattern, window: None };
            let (op, grad) = (Attend { sight, drops: None }, AttendGrad { sight, drops: None });
            let saved = attend::fused(&op, &cx, [&q, &k, &v]).unwrap();
            let qkv = [&q, &k, &v];
            let back = [&dout, &q, &k, &v, &saved[0], &saved[1]];
            let runs: [(&str, usize, &dyn Fn() -> Lowered); 4] = [
                ("forward ours", 0, &|| attend::own(&op, &cx, qkv)),
                ("forward libtorch's", 0, &|| attend::fused(&op, &cx, qkv)),
                ("backward ours", 1, &|| Ok(attend::own_grad(&grad, &cx, back)?.into())),
                ("backward libtorch's", 1, &|| Ok(attend::fused_grad(&grad, &cx, back)?.into())),
            ];
            for (name, pass, run) in runs {
                group.throughput(Throughput::Elements(2 * PRODUCTS[pass] * (b * h * t * t * d) as u64));
                let name = format!("{b}x{h}x{t}x{d} {} {name}", pattern.name());
                group.bench_function(name, |bencher| bencher.iter(|| run().unwrap()));
            }
        }
    }
    group.finish();
}

criterion_group!(benches, attention);
criterion_main!(benches);
