//! The runs of an experiment by arm and point, and which of them a place of a claim is about. A place fixes
//! some axes of the sweep; replicates are never fixed, since every claim is about all of them.

use super::series::{Curves, Series, title};
use crate::check::claims::types::Metric;
use crate::store::ExperimentRecord;
use std::collections::BTreeMap;

/// What became of the run of an arm at a point.
#[derive(Clone, Debug)]
pub enum Slot {
    Run(Curves),
    /// It is there and cannot be used, and why.
    Unusable(String),
}

/// By axis the index of a value, or nothing where the axis is open.
pub type Place = Vec<Option<usize>>;

#[derive(Debug)]
pub struct Runs<'a> {
    record: &'a ExperimentRecord,
    by_variant: BTreeMap<(&'a str, usize), &'a Slot>,
}

impl<'a> Runs<'a> {
    /// `slots`: arm, name of the point, what became of it. The first of several for one variant counts; what is
    /// at no point of the record is left out.
    pub fn new(record: &'a ExperimentRecord, slots: &'a [(String, String, Slot)]) -> Runs<'a> {
        let names: BTreeMap<String, usize> =
            record.points.iter().enumerate().map(|(i, point)| (record.point_name(point), i)).collect();
        let mut by_variant = BTreeMap::new();
        for (arm, point, slot) in slots {
            if let Some(point) = names.get(point) {
                by_variant.entry((arm.as_str(), *point)).or_insert(slot);
            }
        }
        Runs { record, by_variant }
    }

    /// Everything that some run measured, `loss(valid)` first.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut metrics = vec![Metric::valid_loss()];
        for slot in self.by_variant.values() {
            let Slot::Run(curves) = slot else { continue };
            for series in curves.iter() {
                if !metrics.contains(&series.metric) {
                    metrics.push(series.metric.clone());
                }
            }
        }
        metrics
    }

    pub fn n_axes(&self) -> usize {
        self.record.axes.len()
    }

    pub fn is_replicate(&self, axis: usize) -> bool {
        self.record.axes.get(axis).is_some_and(|axis| axis.replicate)
    }

    /// `0.5B`: the text of a value of an axis.
    pub fn value_text(&self, axis: usize, value: usize) -> &str {
        self.record.axes.get(axis).and_then(|axis| axis.values.get(value)).map_or("", String::as_str)
    }

    pub fn axis_label(&self, axis: usize) -> &str {
        self.record.axes.get(axis).map_or("", |axis| axis.label.as_str())
    }

    /// `unique=0.5B,lr=1e-3`: the axes that the place fixes.
    pub fn name(&self, place: &Place) -> String {
        let part = |(axis, value): (usize, &Option<usize>)| {
            Some(format!("{}={}", self.axis_label(axis), self.value_text(axis, (*value)?)))
        };
        place.iter().enumerate().filter_map(part).collect::<Vec<_>>().join(",")
    }

    /// The places that the points fall into when `open` axes (and replicates) do not count, in order.
    pub fn places(&self, points: &[usize], open: &[usize]) -> Vec<Place> {
        let mut places: Vec<Place> = vec![];
        for point in points.iter().filter_map(|i| self.record.points.get(*i)) {
            let fixed =
                |(axis, value): (usize, &usize)| (!open.contains(&axis) && !self.is_replicate(axis)).then_some(*value);
            let place: Place = point.iter().enumerate().map(fixed).collect();
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// The values of an axis at the points of a place, ascending in the order of the axis.
    pub fn values(&self, points: &[usize], place: &Place, axis: usize) -> Vec<usize> {
        let mut values: Vec<usize> =
            self.at(points, place).filter_map(|i| self.record.points.get(i)?.get(axis).copied()).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Whether the claim has a point at the place.
    pub fn has(&self, points: &[usize], place: &Place) -> bool {
        self.at(points, place).next().is_some()
    }

    fn at(&self, points: &[usize], place: &Place) -> impl Iterator<Item = usize> {
        let fits = |i: &usize| {
            let point = self.record.points.get(*i);
            point.is_some_and(|point| {
                place.iter().zip(point).all(|(fixed, value)| fixed.is_none_or(|fixed| fixed == *value))
            })
        };
        points.iter().copied().filter(fits)
    }

    /// The curves of a metric of an arm at a place, one for each replicate, in order. The error names those that are
    /// missing or cannot be used.
    pub fn of_arm(
        &self,
        arm: &str,
        metric: &Metric,
        points: &[usize],
        place: &Place,
    ) -> Result<Vec<&'a Series>, Vec<String>> {
        let (mut found, mut unusable, mut missing) = (vec![], vec![], vec![]);
        for i in self.at(points, place) {
            match self.by_variant.get(&(arm, i)) {
                Some(Slot::Run(curves)) => match curves.get(metric) {
                    Some(series) => found.push(series),
                    None => unusable.push(curves.lacks(metric)),
                },
                Some(Slot::Unusable(why)) => unusable.push(why.clone()),
                None => missing.push(i),
            }
        }
        let name = title(arm, &self.name(place));
        if found.is_empty() && unusable.is_empty() {
            return Err(vec![format!("no run of `{name}`")]);
        }
        if !missing.is_empty() {
            let which: Vec<&str> = missing.iter().filter_map(|i| self.replicate(*i)).collect();
            unusable.insert(0, format!("no run of `{name}` in replicate {}", which.join(", ")));
        }
        if unusable.is_empty() { Ok(found) } else { Err(unusable) }
    }

    fn replicate(&self, point: usize) -> Option<&str> {
        let axis = (0..self.n_axes()).find(|axis| self.is_replicate(*axis))?;
        Some(self.value_text(axis, *self.record.points.get(point)?.get(axis)?))
    }
}
