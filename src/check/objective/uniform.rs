//! `uniform_diffusion(schedule, t, ends)`: a schedule that starts at 1 exactly, and a model that reads `t`.

use super::{EXACT_RATE, label, noise, t};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::check::reader::{Cx, Reader};
use crate::check::schedule::{self, Named, near_one};
use crate::check::spec::{Ends, TSampling, UniformDiffusion};

pub fn read(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<UniformDiffusion> {
    let named = noise::read_schedule(reader, cx);
    let open = noise::read_ends(reader, cx);
    let checked = named.as_ref().and_then(|named| schedule::check(named, open?, cx.out));
    let t = t::read(reader, cx).and_then(|given| t::without_importance(given, "uniform_diffusion", cx));
    let (named, (proof, ends)) = (named?, checked?);
    if !proof.start.exact {
        cx.out.push(starts_noisy(&named, proof.start.value, reader));
        return None;
    }
    let t = t?;
    let bound = bound(&named, ends, t);
    Some(UniformDiffusion { schedule_name: named.name, schedule: named.formula, proof, ends, t, bound })
}

/// Where tokens are replaced at t = 0 already, the bound has a term for telling x from z_0, which masks do not
/// need: there a visible token is the right one.
fn starts_noisy(named: &Named, start: f64, reader: &Reader) -> Diagnostic {
    let message = format!("`{}` does not start at 1, which uniform_diffusion needs", named.name);
    Diagnostic::error(code::UNFIT_SCHEDULE, message)
        .at(named.span, format!("alpha(0) = {}", near_one(start)))
        .also(reader.span, "tokens would be replaced at t = 0 already")
        .note("the bound has no term for reconstructing a sequence from noise at t = 0, so there may be none")
        .help("let it start at 1 exactly, for example `1 - t`")
}

fn bound(named: &Named, ends: Ends, t: TSampling) -> Result<String, String> {
    let alpha = [t.low, t.high].map(|t| named.formula.eval(t));
    let last = named.formula.eval(1.0);
    if ends != Ends::Exact {
        return Err(format!(
            "alpha(1) = {}, and the loss leaves out the prior term KL(q(z_1|x) || uniform), a constant that validation \
             adds",
            near_one(last)
        ));
    }
    if 1.0 - alpha[0] > EXACT_RATE || alpha[1] - last > EXACT_RATE {
        return Err(label::tails(t));
    }
    Ok("NELBO of uniform noise: -alpha'/(alpha N q(z|x)) * (KL + r - log r - 1), unbiased".into())
}
