//! The door to `kernels.cpp`: safe functions over tensors. All `unsafe` of this crate is here, but for mapped files (`data::map`).

use super::error::Fault;
use crate::base::philox::Purpose;
use std::ffi::{CStr, c_char, c_int, c_void};
use tch::Tensor;
use torch_sys::C_tensor;

type In = *const c_void;
type Out = *mut *mut C_tensor;

/// Constants of one AdamW step; the layout of `dlmc::AdamWStep`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AdamWConstants {
    pub gradient_factor: f64,
    pub decay_factor: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub step_size: f64,
    pub root_correction2: f64,
}

/// The place of draws; the layout of `dlmc::Draw`.
#[repr(C)]
struct Draw {
    seed: u32,
    purpose: u32,
    step: u32,
    row: u32,
    site: u32,
    threshold: u32,
}

unsafe extern "C" {
    fn dlmc_free(message: *mut c_char);
    fn dlmc_keep_memory();
    fn dlmc_pool_memory();
    fn dlmc_torch_version() -> *const c_char;
    fn dlmc_cuda_peak_bytes(device: c_int, out: *mut i64) -> *mut c_char;
    fn dlmc_flash(q: In, k: In, v: In, causal: bool, out: Out, lse: Out) -> *mut c_char;
    fn dlmc_flash_grad(
        dout: In,
        q: In,
        k: In,
        v: In,
        out: In,
        lse: In,
        causal: bool,
        dq: Out,
        dk: Out,
        dv: Out,
    ) -> *mut c_char;
    fn dlmc_bf16_units(vectors: *mut bool, tiles: *mut bool);
    fn dlmc_attention(q: In, k: In, v: In, runs: In, out: Out, lse: Out) -> *mut c_char;
    fn dlmc_attention_grad(
        dout: In,
        q: In,
        k: In,
        v: In,
        out: In,
        lse: In,
        runs: In,
        dq: *mut c_void,
        dk: *mut c_void,
        dv: *mut c_void,
    ) -> *mut c_char;
    fn dlmc_rms_norm(x: In, gain: In, eps: f64, y: Out, rstd: Out) -> *mut c_char;
    fn dlmc_rms_norm_grad(dy: In, x: In, gain: In, rstd: In, dx: Out, dgain: Out) -> *mut c_char;
    fn dlmc_layer_norm(x: In, gain: In, eps: f64, y: Out, mean: Out, rstd: Out) -> *mut c_char;
    fn dlmc_layer_norm_grad(dy: In, x: In, gain: In, mean: In, rstd: In, dx: Out, dgain: Out) -> *mut c_char;
    fn dlmc_rope(x: In, cos: In, sin: In, inverse: bool, y: Out) -> *mut c_char;
    fn dlmc_norm_rope(x: In, gain: In, cos: In, sin: In, eps: f64, y: Out, rstd: Out) -> *mut c_char;
    fn dlmc_norm_rope_grad(
        dy: In,
        x: In,
        rstd: In,
        gain: In,
        cos: In,
        sin: In,
        into: In,
        dx: Out,
        dgain: Out,
    ) -> *mut c_char;
    fn dlmc_silu(x: In, y: Out) -> *mut c_char;
    fn dlmc_silu_grad(dy: In, x: In, dx: Out) -> *mut c_char;
    fn dlmc_swiglu(gate: In, up: In, y: Out) -> *mut c_char;
    fn dlmc_swiglu_grad(dy: In, gate: In, up: In, dgate: Out, dup: Out) -> *mut c_char;
    fn dlmc_nll_step(weights: In, logits: *mut c_void, targets: In, live: i64, nll: Out, lse: Out) -> *mut c_char;
    fn dlmc_nll(logits: In, targets: In, live: i64, nll: Out, lse: Out) -> *mut c_char;
    fn dlmc_nll_grad(dnll: In, logits: In, targets: In, lse: In, live: i64, dlogits: Out) -> *mut c_char;
    fn dlmc_mixture(
        logits: In,
        targets: In,
        tokens: In,
        alpha: In,
        uniform: In,
        live: i64,
        loss: Out,
        lse: Out,
    ) -> *mut c_char;
    fn dlmc_mixture_grad(
        dloss: In,
        logits: In,
        targets: In,
        tokens: In,
        alpha: In,
        uniform: In,
        lse: In,
        live: i64,
        dlogits: Out,
    ) -> *mut c_char;
    fn dlmc_dropped(draw: *const Draw, n_rows: i64, n: i64, out: Out) -> *mut c_char;
    fn dlmc_add_wide(sum: *mut c_void, x: In) -> *mut c_char;
    fn dlmc_embed_grad(dy: In, index: In, rows: i64, out: Out) -> *mut c_char;
    fn dlmc_adamw(
        p: *mut c_void,
        g: In,
        m: *mut c_void,
        v: *mut c_void,
        from: i64,
        to: i64,
        step: *const AdamWConstants,
        sums: *mut f64,
    ) -> *mut c_char;
    fn dlmc_fused_adamw(p: In, g: In, m: In, v: In, step: In, hyper: *const f64, broken: In) -> *mut c_char;
    fn dlmc_square_sum(x: In, out: *mut f64) -> *mut c_char;
}

fn at(x: &Tensor) -> In {
    x.as_ptr().cast()
}

/// Null is success; else the message becomes ours.
fn checked(message: *mut c_char) -> Result<(), Fault> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: kernels.cpp gives a NUL-terminated string of its own allocation, freed once, here.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        dlmc_free(message);
        text
    };
    Err(Fault::Kernel(text))
}

/// Calls a kernel that writes `N` new tensors.
fn new_tensors<const N: usize>(call: impl FnOnce([Out; N]) -> *mut c_char) -> Result<[Tensor; N], Fault> {
    let mut pointers = [std::ptr::null_mut::<C_tensor>(); N];
    let base = pointers.as_mut_ptr();
    // SAFETY: each pointer is to its own element of `pointers`.
    checked(call(std::array::from_fn(|i| unsafe { base.add(i) })))?;
    // SAFETY: after success each element owns a new `at::Tensor`.
    Ok(pointers.map(|pointer| unsafe { Tensor::from_ptr(pointer) }))
}

pub fn torch_version() -> String {
    // SAFETY: a string literal.
    unsafe { CStr::from_ptr(dlmc_torch_version()) }.to_string_lossy().into_owned()
}

/// Lets the process keep freed memory for the next step, and lays its tensors out in one pool.
pub fn keep_memory() {
    // SAFETY: sets parameters of the C library's allocator, and libtorch's allocator for tensors to come.
    unsafe {
        dlmc_keep_memory();
        dlmc_pool_memory();
    }
}

pub fn cuda_peak_bytes(device: usize) -> Result<u64, Fault> {
    let mut bytes = 0i64;
    // SAFETY: writes one i64.
    checked(unsafe { dlmc_cuda_peak_bytes(device as c_int, &mut bytes) })?;
    Ok(bytes.max(0) as u64)
}

// SAFETY of all calls below: the tensors live through the call, which reads them alone, and the
// results are as many as the kernel writes.

pub fn flash(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[out, lse]| unsafe { dlmc_flash(at(q), at(k), at(v), causal, out, lse) })
}

pub fn flash_grad(
    dout: &Tensor,
    [q, k, v]: [&Tensor; 3],
    out: &Tensor,
    lse: &Tensor,
    causal: bool,
) -> Result<[Tensor; 3], Fault> {
    new_tensors(|[dq, dk, dv]| unsafe {
        dlmc_flash_grad(at(dout), at(q), at(k), at(v), at(out), at(lse), causal, dq, dk, dv)
    })
}

/// What the machine multiplies bf16 with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bf16Units {
    /// What our attention needs: AVX512-BF16.
    pub vectors: bool,
    /// AMX, which libtorch's attention knows and ours does not.
    pub tiles: bool,
}

pub fn bf16_units() -> Bf16Units {
    let mut units = Bf16Units::default();
    // SAFETY: writes two bools.
    unsafe { dlmc_bf16_units(&mut units.vectors, &mut units.tiles) };
    units
}

/// Attention in bf16 where [`Bf16Units::vectors`]: q `[B, H, T, d]`, k and v `[B, Hkv, Tk, d]` with rows anywhere
/// in memory; `runs` is int32 `[T, n, 2]`, the keys that each query sees as runs from..to. Gives `out`, in memory
/// `[B, T, H, d]`, and `lse`.
pub fn attention([q, k, v]: [&Tensor; 3], runs: &Tensor) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[out, lse]| unsafe { dlmc_attention(at(q), at(k), at(v), at(runs), out, lse) })
}

/// The gradient of [`attention`], each part in its place (bf16, rows anywhere), or new and laid out as the output.
pub fn attention_grad(
    dout: &Tensor,
    qkv: [&Tensor; 3],
    out: &Tensor,
    lse: &Tensor,
    runs: &Tensor,
    into: [Option<&Tensor>; 3],
) -> Result<[Tensor; 3], Fault> {
    let empty = |like: &Tensor, into: Option<&Tensor>| -> Result<Tensor, Fault> {
        if let Some(place) = into {
            return Ok(place.shallow_clone());
        }
        let [b, h, t, d] = like.size()[..] else { return Err(Fault::Shape(like.size())) };
        Ok(Tensor::f_empty([b, t, h, d], (like.kind(), like.device()))?.f_transpose(1, 2)?)
    };
    let [q, k, v] = qkv;
    let mut all = [empty(q, into[0])?, empty(k, into[1])?, empty(v, into[2])?];
    let [dq, dk, dv] = all.each_mut().map(|x| x.as_mut_ptr().cast());
    // SAFETY: the kernel checks shapes and types, and writes within the three.
    checked(unsafe { dlmc_attention_grad(at(dout), at(q), at(k), at(v), at(out), at(lse), at(runs), dq, dk, dv) })?;
    Ok(all)
}

pub fn rms_norm(x: &Tensor, gain: &Tensor, eps: f64) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[y, rstd]| unsafe { dlmc_rms_norm(at(x), at(gain), eps, y, rstd) })
}

pub fn rms_norm_grad(dy: &Tensor, x: &Tensor, gain: &Tensor, rstd: &Tensor) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[dx, dgain]| unsafe { dlmc_rms_norm_grad(at(dy), at(x), at(gain), at(rstd), dx, dgain) })
}

pub fn layer_norm(x: &Tensor, gain: &Tensor, eps: f64) -> Result<[Tensor; 3], Fault> {
    new_tensors(|[y, mean, rstd]| unsafe { dlmc_layer_norm(at(x), at(gain), eps, y, mean, rstd) })
}

pub fn layer_norm_grad(
    dy: &Tensor,
    x: &Tensor,
    gain: &Tensor,
    mean: &Tensor,
    rstd: &Tensor,
) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[dx, dgain]| unsafe { dlmc_layer_norm_grad(at(dy), at(x), at(gain), at(mean), at(rstd), dx, dgain) })
}

pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor, inverse: bool) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[y]| unsafe { dlmc_rope(at(x), at(cos), at(sin), inverse, y) })
}

pub fn norm_rope(x: &Tensor, gain: &Tensor, cos: &Tensor, sin: &Tensor, eps: f64) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[y, rstd]| unsafe { dlmc_norm_rope(at(x), at(gain), at(cos), at(sin), eps, y, rstd) })
}

/// `into` takes the gradient of x, if it is given.
pub fn norm_rope_grad(
    dy: &Tensor,
    x: &Tensor,
    rstd: &Tensor,
    gain: &Tensor,
    cos: &Tensor,
    sin: &Tensor,
    into: Option<&Tensor>,
) -> Result<[Tensor; 2], Fault> {
    let into = into.map_or(std::ptr::null(), at);
    new_tensors(|[dx, dgain]| unsafe {
        dlmc_norm_rope_grad(at(dy), at(x), at(rstd), at(gain), at(cos), at(sin), into, dx, dgain)
    })
}

pub fn silu(x: &Tensor) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[y]| unsafe { dlmc_silu(at(x), y) })
}

pub fn silu_grad(dy: &Tensor, x: &Tensor) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[dx]| unsafe { dlmc_silu_grad(at(dy), at(x), dx) })
}

/// `silu(gate) * up`
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[y]| unsafe { dlmc_swiglu(at(gate), at(up), y) })
}

/// The gradients are halves of one tensor.
pub fn swiglu_grad(dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[dgate, dup]| unsafe { dlmc_swiglu_grad(at(dy), at(gate), at(up), dgate, dup) })
}

pub fn nll(logits: &Tensor, targets: &Tensor, live: u64) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[nll, lse]| unsafe { dlmc_nll(at(logits), at(targets), live as i64, nll, lse) })
}

pub fn nll_grad(
    dnll: &Tensor,
    logits: &Tensor,
    targets: &Tensor,
    lse: &Tensor,
    live: u64,
) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[dlogits]| unsafe { dlmc_nll_grad(at(dnll), at(logits), at(targets), at(lse), live as i64, dlogits) })
}

/// Cross-entropy, and its weighed gradient in place of the logits.
pub fn nll_step(weights: &Tensor, logits: &mut Tensor, targets: &Tensor, live: u64) -> Result<[Tensor; 2], Fault> {
    let own = logits.as_mut_ptr().cast();
    new_tensors(|[nll, lse]| unsafe { dlmc_nll_step(at(weights), own, at(targets), live as i64, nll, lse) })
}

/// Takes logits, targets, tokens, alpha and uniform.
pub fn mixture([logits, targets, tokens, alpha, uniform]: [&Tensor; 5], live: u64) -> Result<[Tensor; 2], Fault> {
    new_tensors(|[loss, lse]| unsafe {
        dlmc_mixture(at(logits), at(targets), at(tokens), at(alpha), at(uniform), live as i64, loss, lse)
    })
}

pub fn mixture_grad(
    dloss: &Tensor,
    [logits, targets, tokens, alpha, uniform]: [&Tensor; 5],
    lse: &Tensor,
    live: u64,
) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[dlogits]| unsafe {
        let all = [dloss, logits, targets, tokens, alpha, uniform, lse].map(at);
        let [dloss, logits, targets, tokens, alpha, uniform, lse] = all;
        dlmc_mixture_grad(dloss, logits, targets, tokens, alpha, uniform, lse, live as i64, dlogits)
    })
}

/// Bool `[n_rows, n]`: what dropout drops, from the row of the counter on.
pub fn dropped(
    seed: u32,
    [step, row, site]: [u32; 3],
    n_rows: i64,
    n: i64,
    threshold: u32,
) -> Result<[Tensor; 1], Fault> {
    let draw = Draw { seed, purpose: Purpose::Dropout as u32, step, row, site, threshold };
    new_tensors(|[out]| unsafe { dlmc_dropped(&draw, n_rows, n, out) })
}

/// Adds x to wide sums that lie one after the other.
pub fn add_wide(sum: &mut Tensor, x: &Tensor) -> Result<(), Fault> {
    let sum = sum.as_mut_ptr().cast();
    // SAFETY: the kernel checks that both are alike and writes within the sum.
    checked(unsafe { dlmc_add_wide(sum, at(x)) })
}

pub fn embed_grad(dy: &Tensor, index: &Tensor, rows: u64) -> Result<[Tensor; 1], Fault> {
    new_tensors(|[out]| unsafe { dlmc_embed_grad(at(dy), at(index), rows as i64, out) })
}

/// One AdamW step on the elements of `range`, in place. Gives the sums of squares of the weights
/// before the step and of their change.
pub fn adamw(
    p: &mut Tensor,
    g: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    range: std::ops::Range<i64>,
    constants: &AdamWConstants,
) -> Result<[f64; 2], Fault> {
    let mut sums = [0.0; 2];
    let (p, m, v) = (p.as_mut_ptr().cast(), m.as_mut_ptr().cast(), v.as_mut_ptr().cast());
    // SAFETY: the kernel checks that the tensors are flat, alike and long enough, and writes two sums.
    checked(unsafe { dlmc_adamw(p, at(g), m, v, range.start, range.end, constants, sums.as_mut_ptr()) })?;
    Ok(sums)
}

/// libtorch's fused AdamW on weights, gradients and both moments, in place: `hyper` is the rate, both betas, decay and
/// epsilon; nothing happens where `broken` is 1.
pub fn fused_adamw([p, g, m, v]: [&Tensor; 4], step: &Tensor, hyper: [f64; 5], broken: &Tensor) -> Result<(), Fault> {
    // SAFETY: the kernel reads five numbers, and libtorch checks the tensors.
    checked(unsafe { dlmc_fused_adamw(at(p), at(g), at(m), at(v), at(step), hyper.as_ptr(), at(broken)) })
}

pub fn square_sum(x: &Tensor) -> Result<f64, Fault> {
    let mut sum = 0.0;
    // SAFETY: writes one f64.
    checked(unsafe { dlmc_square_sum(at(x), &mut sum) })?;
    Ok(sum)
}
