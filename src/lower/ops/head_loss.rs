//! The head and its cross-entropy, a chunk of rows at a time.

use super::{Cx, Lowered, nll, one, rows, take};
use crate::graph::ops::head_loss::{HeadLoss, HeadLossGrad, HeadLossStep};
use crate::graph::ops::nll::{Nll, NllGrad};
use crate::lower::error::Fault;
use crate::lower::kernels;
use crate::program::scratch::{CPU_HEAD_CHUNK_BYTES, GPU_HEAD_CHUNK_BYTES};
use tch::{Kind, Tensor};

pub fn lower(op: &HeadLoss, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, w, targets, weights] = take(inputs)?;
    let (x, flat_targets) = (rows(x)?, targets.f_reshape([-1])?);
    let mut losses = vec![];
    for chunk in chunks(cx, &x, w)? {
        let logits = chunk.of(&x)?.f_mm(&w.f_transpose(0, 1)?)?;
        losses.push(nll::lower(&Nll { live: op.live }, cx, &[&logits, &chunk.of(&flat_targets)?])?);
    }
    let [nll, lse] = joined(&losses, targets)?;
    Ok(vec![loss(cx, &nll, weights)?, nll, lse])
}

pub fn lower_grad(op: &HeadLossGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, w, targets, weights, lse] = take(inputs)?;
    let (shape, x) = (x.size(), rows(x)?);
    let [targets, weights, lse] = [targets.f_reshape([-1])?, weights.f_reshape([-1])?, lse.f_reshape([-1])?];
    let mut grads = Grads::new(&x, 1)?;
    for chunk in chunks(cx, &x, w)? {
        let of_x = chunk.of(&x)?;
        let logits = of_x.f_mm(&w.f_transpose(0, 1)?)?;
        let [targets, weights, lse] = [chunk.of(&targets)?, chunk.of(&weights)?, chunk.of(&lse)?];
        let dlogits = one(nll::lower_grad(&NllGrad { live: op.live }, cx, &[&weights, &logits, &targets, &lse])?)?;
        grads.add(cx, &chunk, &dlogits, &of_x, w)?;
    }
    grads.finish(&shape)
}

pub fn lower_step(op: &HeadLossStep, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, w, targets, weights] = take(inputs)?;
    let (shape, x, flat_targets, flat_weights) =
        (x.size(), rows(x)?, targets.f_reshape([-1])?, weights.f_reshape([-1])?);
    let mut grads = Grads::new(&x, 4)?;
    let mut losses = vec![];
    for chunk in chunks(cx, &x, w)? {
        let of_x = chunk.of(&x)?;
        let mut logits = of_x.f_mm(&w.f_transpose(0, 1)?)?;
        let [targets, weights] = [chunk.of(&flat_targets)?, chunk.of(&flat_weights)?];
        if cx.is_cpu() {
            // The gradient takes the logits' place.
            losses.push(kernels::nll_step(&weights, &mut logits, &targets, op.live)?.into());
            grads.add(cx, &chunk, &logits, &of_x, w)?;
            continue;
        }
        let both = nll::lower(&Nll { live: op.live }, cx, &[&logits, &targets])?;
        let [_, lse] = take(&both.iter().collect::<Vec<_>>())?;
        let dlogits = one(nll::lower_grad(&NllGrad { live: op.live }, cx, &[&weights, &logits, &targets, lse])?)?;
        grads.add(cx, &chunk, &dlogits, &of_x, w)?;
        losses.push(both);
    }
    let [nll, lse] = joined(&losses, targets)?;
    let mut all = vec![loss(cx, &nll, weights)?, nll, lse];
    all.extend(grads.finish(&shape)?);
    Ok(all)
}

fn loss(cx: &Cx<'_>, nll: &Tensor, weights: &Tensor) -> Result<Tensor, Fault> {
    Ok(nll.f_mul(weights)?.f_sum(cx.kinds.wide)?)
}

/// Rows that are taken together.
struct Chunk {
    first: i64,
    n: i64,
}

impl Chunk {
    fn of(&self, x: &Tensor) -> Result<Tensor, Fault> {
        Ok(x.f_narrow(0, self.first, self.n)?)
    }
}

/// Even chunks of the rows of x.
fn chunks(cx: &Cx<'_>, x: &Tensor, w: &Tensor) -> Result<Vec<Chunk>, Fault> {
    let n = x.size().first().copied().unwrap_or(0);
    let bytes = w.size().first().copied().unwrap_or(1) * bytes_of(cx.kinds.compute);
    let most = if cx.is_cpu() { CPU_HEAD_CHUNK_BYTES } else { GPU_HEAD_CHUNK_BYTES } as i64 / bytes.max(1);
    let n_chunks = (n + most.max(1) - 1) / most.max(1);
    let at = |i: i64| n * i / n_chunks.max(1);
    Ok((0..n_chunks.max(1)).map(|i| Chunk { first: at(i), n: at(i + 1) - at(i) }).collect())
}

fn bytes_of(kind: Kind) -> i64 {
    kind.elt_size_in_bytes() as i64
}

/// Losses and log-sum-exps of all chunks, in the shape of the targets.
fn joined(chunks: &[Vec<Tensor>], targets: &Tensor) -> Result<[Tensor; 2], Fault> {
    let all = |i: usize| -> Result<Tensor, Fault> {
        let parts: Vec<&Tensor> = chunks.iter().filter_map(|chunk| chunk.get(i)).collect();
        Ok(Tensor::f_cat(&parts, 0)?.f_view(&targets.size()[..])?)
    };
    Ok([all(0)?, all(1)?])
}

/// Gradients of the features and of the weight, the latter wide.
struct Grads {
    dx: Tensor,
    dw: Option<Tensor>,
    /// The output that the weight's gradient is.
    port: usize,
}

impl Grads {
    fn new(x: &Tensor, port: usize) -> Result<Grads, Fault> {
        Ok(Grads { dx: x.f_empty_like()?, dw: None, port })
    }

    fn add(&mut self, cx: &Cx<'_>, chunk: &Chunk, dlogits: &Tensor, x: &Tensor, w: &Tensor) -> Result<(), Fault> {
        let _ = dlogits.f_mm_out(&chunk.of(&self.dx)?, w)?;
        let dw = dlogits.f_transpose(0, 1)?.f_mm(x)?;
        match &mut self.dw {
            Some(sum) => cx.add_wide(sum, &dw)?,
            None => self.dw = Some(cx.wide_into(self.port, dw)?),
        }
        Ok(())
    }

    fn finish(self, shape: &[i64]) -> Lowered {
        let dw = self.dw.ok_or(Fault::Arity { got: 0, takes: 1 })?;
        Ok(vec![self.dx.f_view(shape)?, dw])
    }
}
