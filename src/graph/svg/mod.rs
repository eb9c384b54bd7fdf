//! A graph as a drawing that is made to be read: data flows from top to bottom, a `repeat` is a box
//! drawn once, blocks are lighter boxes in it, nodes name their parameters, lines carry shapes.
//!
//! [`build`] decides what is drawn, [`layout`] where, [`render`] how it looks. The same graph always
//! gives the same text. The layout is our own: of the crates that draw layered graphs none lays out
//! nested boxes whose borders lines cross at fixed ports, and that is what a graph with regions is.

mod build;
mod layout;
mod level;
mod measure;
mod order;
mod render;
mod scene;
mod simplex;

#[cfg(test)]
mod tests;

use super::Graph;
use super::rewrite::without_draws;

/// `heading` stands at the top, and is what a screen reader says.
pub fn svg(graph: &Graph, heading: &str) -> String {
    let scene = build::scene(&without_draws(graph), heading);
    let layout = layout::lay_out(&scene);
    render::render(&scene, &layout, heading)
}
