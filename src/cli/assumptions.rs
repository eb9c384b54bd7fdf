//! What a spec assumes: the values that no source states, by the reason given for them.

use super::subject;
use crate::check::spec::Arm;
use serde_json::{Value, json};

/// Fields that a line names.
const MAX_LISTED: usize = 4;

/// One reason, with all that it is given for.
#[derive(Clone, Debug)]
pub struct Assumption<'a> {
    pub reason: &'a str,
    /// By path, in order of the first variant that has it; all values of it, each once.
    pub fields: Vec<(&'a str, Vec<String>)>,
    /// Variants that have one of the fields assumed.
    arms: Vec<&'a Arm>,
    /// Whether those are all.
    pub everywhere: bool,
}

/// In the order of the paths.
pub fn of<'a>(arms: &[&'a Arm]) -> Vec<Assumption<'a>> {
    let mut all: Vec<Assumption<'a>> = vec![];
    for arm in arms {
        for field in &arm.flat {
            for reason in &field.assumed {
                let at = all.iter().position(|known| known.reason == reason).unwrap_or_else(|| {
                    all.push(Assumption { reason, fields: vec![], arms: vec![], everywhere: false });
                    all.len() - 1
                });
                let Some(found) = all.get_mut(at) else { continue };
                if !found.arms.iter().any(|known| std::ptr::eq(*known, *arm)) {
                    found.arms.push(arm);
                }
                match found.fields.iter_mut().find(|(path, _)| *path == field.path) {
                    Some((_, values)) if values.contains(&field.shown()) => {}
                    Some((_, values)) => values.push(field.shown()),
                    None => found.fields.push((&field.path, vec![field.shown()])),
                }
            }
        }
    }
    for found in &mut all {
        found.everywhere = found.arms.len() == arms.len();
    }
    all.sort_by(|a, b| a.fields.first().map(|f| f.0).cmp(&b.fields.first().map(|f| f.0)));
    all
}

impl Assumption<'_> {
    /// `train.checkpoint_every = 3600 steps: not published; the evaluations' cadence`
    pub fn text(&self) -> String {
        let field = |(path, values): &(&str, Vec<String>)| match values.as_slice() {
            [only] => format!("{path} = {only}"),
            _ => (*path).to_string(),
        };
        let mut fields: Vec<String> = self.fields.iter().take(MAX_LISTED).map(field).collect();
        if let Some(more) = self.fields.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
            fields.push(format!("{more} more"));
        }
        let whose = if self.everywhere { String::new() } else { format!(" ({})", self.whose()) };
        format!("{}{whose}: {}", fields.join(", "), self.reason)
    }

    /// The variants that have it; of many, how many.
    fn whose(&self) -> String {
        if self.arms.len() > MAX_LISTED {
            return format!("in {} runs", self.arms.len());
        }
        subject::titles(&self.arms)
    }

    pub fn to_json(&self) -> Value {
        let fields = self.fields.iter().map(|(path, values)| json!({ "path": path, "values": values }));
        let variants = self.arms.iter().map(|arm| json!({ "arm": arm.name, "point": arm.point.name() }));
        json!({
            "reason": self.reason,
            "fields": fields.collect::<Vec<_>>(),
            "variants": variants.collect::<Vec<_>>(),
            "everywhere": self.everywhere,
        })
    }
}
