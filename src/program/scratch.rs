//! What the lowering of each operation does with memory: which outputs are views, and what is made and dropped on the
//! way. It stands here and not beside the lowerings because plans are made without libtorch; a test holds the sum to
//! what processes are measured to take.

use super::memory::{Conditions, Place};
use crate::graph::ops::attend::Sight;
use crate::graph::{Elem, Op, Type};
use crate::objective::Pattern;

/// Bytes of a chunk of logits, and of the chunk's gradient that takes its place. Fewer chunks mean fewer passes over
/// the weight's gradient, which is as wide as the vocabulary; on a GPU, larger products.
pub const CPU_HEAD_CHUNK_BYTES: u64 = 64 << 20;
pub const GPU_HEAD_CHUNK_BYTES: u64 = 512 << 20;

/// Token ids are int64.
const INDEX_BYTES: u64 = 8;

/// Bytes of a tensor of this type.
pub fn bytes_of(ty: &Type, of: &Conditions) -> u64 {
    let width = match ty.elem {
        Elem::Compute => of.compute_bytes(),
        Elem::Wide => of.wide_bytes(),
        Elem::Index { .. } => INDEX_BYTES,
    };
    ty.n_elements(of.sizes) * width
}

/// Whether the outputs are views of the first input.
pub fn shares_memory(op: &Op, of: &Conditions) -> bool {
    let is_one_width = of.compute_bytes() == of.wide_bytes();
    match op {
        // Heads lie side by side behind a product, attention and its gradient alike, so that both are views.
        Op::SplitHeads(_) | Op::MergeHeads(_) | Op::Chunk(_) => true,
        Op::Cast(_) => is_one_width,
        Op::SumTo(op) => op.drop == 0 && is_one_width,
        _ => false,
    }
}

/// Whether the outputs are parts of one tensor, which lives as long as the last of them.
pub fn is_joint(op: &Op) -> bool {
    matches!(op, Op::Linears(_))
}

/// Whether a parameter's gradient is written to where gradients are added up, if nobody else reads it.
pub fn writes_in_place(op: &Op) -> bool {
    matches!(op, Op::LinearWeightGrad(_) | Op::LinearsGrad(_) | Op::HeadLossGrad(_) | Op::HeadLossStep(_))
}

/// Bytes that an operation makes besides its outputs and has at once at most. Operations that are one kernel, or one
/// call of libtorch, make nothing worth counting.
pub fn scratch(op: &Op, inputs: &[&Type], outputs: &[&Type], of: &Conditions) -> u64 {
    let n = |i: usize| inputs.get(i).map_or(0, |ty| ty.n_elements(of.sizes));
    let (compute, wide) = (of.compute_bytes(), of.wide_bytes());
    let is_narrow = compute != wide;
    let widened = |n: u64| if is_narrow { n * wide } else { 0 };
    match op {
        Op::LinearWeightGrad(_) if is_narrow => outputs.first().map_or(0, |dw| dw.n_elements(of.sizes) * compute),
        // Weights that do not lie one after the other are joined first.
        Op::Linears(_) => (1..inputs.len()).map(n).sum::<u64>() * compute,
        // And so is the gradient of all of them, before it is wide.
        Op::LinearsGrad(_) => 2 * (1..=inputs.len() / 2).map(n).sum::<u64>() * compute,
        Op::HeadLoss(_) => head(inputs, of, 1).chunk,
        // Logits and their gradient.
        Op::HeadLossGrad(_) => head(inputs, of, 2).all(),
        // On a CPU the gradient takes the logits' place.
        Op::HeadLossStep(_) => head(inputs, of, if of.place == Place::Cpu { 1 } else { 2 }).all(),
        Op::Attend(op) => {
            let spread = 2 * spread(inputs, of) * compute;
            match op.drops.is_some() || is_composed(op.sight, of) {
                // Scores, before and after they are hidden, and probabilities.
                true => spread + widened(n(0) + 2 * n(0)) + scores(inputs.first().copied(), of) * (3 * wide + 1),
                false => spread,
            }
        }
        Op::AttendGrad(op) => {
            let (q, groups) = (n(1), spread(inputs.get(1..).unwrap_or_default(), of));
            let spread = 2 * groups * compute;
            match op.drops.is_some() || is_composed(op.sight, of) {
                true => spread + widened(5 * q) + scores(inputs.get(1).copied(), of) * (5 * wide + 1),
                // A fused backward pass in wide: five inputs and three gradients.
                false if of.place == Place::Cpu => spread + widened(8 * q) + 2 * groups * wide,
                // Flash attention adds up the gradient of q in fp32.
                false => spread + q * wide,
            }
        }
        Op::NllGrad(_) | Op::Nll(_) if of.place == Place::Gpu => 2 * n(0).max(n(1)) * wide,
        Op::Mixture(_) => 3 * n(0) * wide,
        Op::MixtureGrad(_) => 4 * n(1) * wide,
        Op::EmbedGrad(_) if of.place == Place::Gpu => widened(n(0)),
        // Composed of libtorch's operations where our kernels do not run.
        Op::RmsNorm(_) | Op::Rope(_) if of.place == Place::Gpu => 3 * n(0) * wide,
        Op::RmsNormGrad(_) if of.place == Place::Gpu => 7 * n(0) * wide,
        _ => 0,
    }
}

/// Whether attention is composed of libtorch's operations, scores and all.
fn is_composed(sight: Sight, of: &Conditions) -> bool {
    let is_native = sight.window.is_none() && matches!(sight.pattern, Pattern::Causal | Pattern::Full);
    of.place == Place::Gpu && !(is_native && of.compute_bytes() == 2)
}

/// Elements of `[B, H, T, T]` for a q of `[B, H, T, d]`.
fn scores(q: Option<&Type>, of: &Conditions) -> u64 {
    let sizes: Vec<u64> = q.map_or(vec![], |q| q.shape.iter().map(|dim| dim.size(of.sizes)).collect());
    match sizes.as_slice() {
        [b, h, t, _] => b * h * t * t,
        _ => 0,
    }
}

/// Elements of keys (or values) that are copied out to a head for each head of queries; `qkv` begins with q and k.
fn spread(qkv: &[&Type], of: &Conditions) -> u64 {
    match qkv {
        [q, k, ..] if q.shape != k.shape => q.n_elements(of.sizes),
        _ => 0,
    }
}

/// What the head makes for itself.
struct Head {
    chunk: u64,
    product: u64,
}

impl Head {
    fn all(&self) -> u64 {
        self.chunk + self.product
    }
}

/// `copies` of a chunk's logits, and the gradient of the weight by one chunk before it is added to the others.
fn head(inputs: &[&Type], of: &Conditions, copies: u64) -> Head {
    let [x, w, ..] = inputs else { return Head { chunk: 0, product: 0 } };
    let size = |ty: &Type, last: bool| {
        let dim = if last { ty.shape.last() } else { ty.shape.first() };
        dim.map_or(1, |dim| dim.size(of.sizes)).max(1)
    };
    let (rows, vocab) = (x.n_elements(of.sizes) / size(x, true), size(w, false));
    let most = match of.place {
        Place::Cpu => CPU_HEAD_CHUNK_BYTES,
        Place::Gpu => GPU_HEAD_CHUNK_BYTES,
    };
    let most_rows = (most / (vocab * of.compute_bytes())).max(1);
    let n_chunks = rows.div_ceil(most_rows).max(1);
    let chunk = rows.div_ceil(n_chunks) * vocab * of.compute_bytes();
    let n_weights = w.n_elements(of.sizes);
    let product = match (of.compute_bytes() == of.wide_bytes(), n_chunks) {
        // The first chunk's is the sum itself.
        (true, 1) => 0,
        _ => n_weights * of.compute_bytes(),
    };
    Head { chunk: copies * chunk, product }
}
