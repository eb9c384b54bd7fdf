//! What an objective is, in formulas: its schedule, its weight, whether it bounds the likelihood.

use crate::check::spec::Arm;
use crate::cli::front::Compiled;
use crate::objective::describe;

/// A row: what, its formula or value, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub text: String,
    pub note: String,
}

/// One objective of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `masked_diffusion`
    pub title: String,
    /// Where it is written.
    pub place: String,
    /// The arms that train with it.
    pub arms: Vec<String>,
    pub lines: Vec<Row>,
}

impl Named {
    pub fn shown(&self) -> String {
        let width = |of: fn(&Row) -> &str| self.lines.iter().map(|l| of(l).chars().count()).max().unwrap_or(0);
        let (names, texts) = (width(|l| &l.name), width(|l| if l.note.is_empty() { "" } else { &l.text }));
        let mut out = format!("{}   {}   (arm {})\n", self.title, self.place, self.arms.join(", "));
        for Row { name, text, note } in &self.lines {
            out.push_str(format!("  {name:<names$}   {text:<texts$}   {note}").trim_end());
            out.push('\n');
        }
        out
    }
}

/// The objective that `objective.NAME` means: a definition that an arm names, or an arm's own.
pub fn named(path: &str, compiled: &Compiled, arms: &[&Arm]) -> Option<Named> {
    let name = path.strip_prefix("objective.")?;
    // A field of that name comes first: `objective.schedule`.
    if arms.iter().any(|arm| arm.flat.iter().any(|f| f.path == path)) {
        return None;
    }
    let names = |arm: &&&Arm| written(arm, compiled).as_deref() == Some(name);
    let mut uses: Vec<&Arm> = arms.iter().filter(names).copied().collect();
    if uses.is_empty() {
        uses = arms.iter().filter(|arm| arm.name == name).copied().collect();
    }
    let first = uses.first()?;
    let mut names: Vec<String> = uses.iter().map(|arm| arm.name.clone()).collect();
    names.sort();
    names.dedup();
    let of = first.flat.iter().find(|f| f.path == "objective")?;
    Some(Named { title: of.value.clone(), place: of.origin.clone(), arms: names, lines: lines(first) })
}

/// Names of objectives that can be asked for.
pub fn names(compiled: &Compiled, arms: &[&Arm]) -> Vec<String> {
    let mut all: Vec<String> =
        arms.iter().flat_map(|arm| written(arm, compiled).into_iter().chain([arm.name.clone()])).collect();
    all.sort();
    all.dedup();
    all.iter().map(|name| format!("objective.{name}")).collect()
}

/// The name by which an arm takes its objective, read where the arm says it.
fn written(arm: &Arm, compiled: &Compiled) -> Option<String> {
    let origin = &arm.flat.iter().find(|f| f.path == "objective")?.origin;
    if let Some((_, value)) = origin.strip_prefix("--set ").and_then(|set| set.split_once('=')) {
        return Some(value.trim().to_string());
    }
    let place = origin.split(", ").find(|part| part.matches(':').count() >= 2)?;
    let mut parts = place.rsplitn(3, ':');
    let (column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    let (column, line): (usize, usize) = (column.parse().ok()?, line.parse().ok()?);
    let (_, text) = compiled.files.iter().find(|(name, _)| name == file)?;
    let rest = text.lines().nth(line.checked_sub(1)?)?.chars().skip(column.checked_sub(1)?);
    let name: String = rest.take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn lines(arm: &Arm) -> Vec<Row> {
    let facts = describe(&arm.objective).into_iter();
    facts.map(|fact| Row { name: fact.name.into(), text: fact.text, note: fact.note }).collect()
}
