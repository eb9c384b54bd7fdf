//! What an objective is, in formulas: its schedule, its weight, what was proved, whether it bounds the
//! likelihood. The facts are `objective::describe`'s; here it is found which objective is meant.

use crate::check::spec::Arm;
use crate::cli::front::Compiled;
use crate::cli::subject::titles;
use crate::objective::{Fact, describe};
use crate::resolve::Kind;
use crate::resolve::library::Lookup;
use serde_json::{Value, json};

/// One objective of a spec, with the variants that train with it as it stands here.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    /// `masked_diffusion`
    title: String,
    /// Where it is defined, else where it is written.
    place: String,
    variants: Vec<&'a Arm>,
    facts: Vec<Fact>,
}

/// The objectives that `objective.NAME` means: a definition that arms name, or that of an arm. A sweep may
/// make several of one definition.
pub fn named<'a>(path: &str, compiled: &Compiled, arms: &[&'a Arm]) -> Vec<Named<'a>> {
    let Some(name) = path.strip_prefix("objective.") else { return vec![] };
    // A field of that name comes first: `objective.schedule`.
    if arms.iter().any(|arm| arm.flat.iter().any(|f| f.path == path)) {
        return vec![];
    }
    let by_name = arms.iter().filter(|arm| written(arm, compiled).as_deref() == Some(name));
    let mut meant: Vec<&Arm> = by_name.copied().collect();
    if meant.is_empty() {
        meant = arms.iter().filter(|arm| arm.name == name).copied().collect();
    }
    let mut all: Vec<Named<'_>> = vec![];
    for arm in meant {
        let facts = describe(&arm.objective, &arm.sampler);
        match all.iter_mut().find(|known| known.facts == facts) {
            Some(known) => known.variants.push(arm),
            None => {
                let title = arm.objective.name().to_string();
                all.push(Named { title, place: place(arm, compiled), variants: vec![arm], facts });
            }
        }
    }
    all
}

impl Named<'_> {
    pub fn shown(&self) -> String {
        let width = |of: &dyn Fn(&Fact) -> usize| self.facts.iter().map(of).max().unwrap_or(0);
        let names = width(&|f| f.name.chars().count());
        // A long formula does not push all notes aside.
        let texts = width(&|f| f.text.chars().count() * usize::from(f.text.chars().count() <= 60));
        let mut out = format!("{}   {}   ({})\n", self.title, self.place, titles(&self.variants));
        for Fact { name, text, note } in &self.facts {
            out.push_str(format!("  {name:<names$}   {text:<texts$}   {note}").trim_end());
            out.push('\n');
        }
        out
    }

    pub fn to_json(&self) -> Value {
        let variants: Vec<Value> =
            self.variants.iter().map(|arm| json!({ "arm": arm.name, "point": arm.point.name() })).collect();
        let facts: Vec<Value> =
            self.facts.iter().map(|f| json!({ "name": f.name, "text": f.text, "note": f.note })).collect();
        json!({ "objective": self.title, "place": self.place, "variants": variants, "facts": facts })
    }
}

/// Names of objectives that can be asked for.
pub fn names(compiled: &Compiled, arms: &[&Arm]) -> Vec<String> {
    let mut all: Vec<String> =
        arms.iter().flat_map(|arm| written(arm, compiled).into_iter().chain([arm.name.clone()])).collect();
    all.sort();
    all.dedup();
    all.iter().map(|name| format!("objective.{name}")).collect()
}

/// Where the arm's objective is defined, as `file:line:column`.
fn place(arm: &Arm, compiled: &Compiled) -> String {
    let library = &arm.model.library;
    let defined = written(arm, compiled).zip(library.main).and_then(|(name, main)| {
        let Lookup::Found(id) = library.lookup(main, Kind::Objective, &name) else { return None };
        let span = library.def(id)?.name.span;
        // Spec files are read first, so their ids count them.
        let (file, text) = compiled.files.get(span.file.0 as usize)?;
        let before = text.get(..span.start as usize)?;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some(format!("{file}:{}:{column}", before.matches('\n').count() + 1))
    });
    let origin = arm.flat.iter().find(|f| f.path == "objective").map(|f| f.origin.clone());
    defined.or(origin).unwrap_or_default()
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
