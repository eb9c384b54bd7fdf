//! `report.html`: one page that needs nothing else, no font, no picture, no script from outside. The claim and its
//! verdict first, then what they rest on.
mod assumptions;
mod claims;
mod locks;
mod readings;
mod sections;
mod single;
mod sweep;

pub use claims::few_seeds;
pub use single::{comparison, single};
pub use sweep::sweep;

use super::chart::Figure;
use super::curves::Along;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");
/// What the pointer shows over a drawing. Without it the page lacks nothing but that.
const SCRIPT: &str = include_str!("report.js");

/// A page with the figures that stand on it, each of which is a file too.
pub struct Page {
    pub html: String,
    pub figures: Vec<Figure>,
}

/// A page around its body.
fn page(name: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // An empty picture, so that no browser asks for one.
                link rel="icon" href="data:,";
                title { (name) " - dlmc" }
                style { (PreEscaped(STYLE)) (PreEscaped(super::chart::file::STYLE)) }
            }
            body {
                (body)
                div #pointer hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Chooses what all figures over training are drawn against; style alone, so it works without a script.
fn switch(chosen: Along) -> Markup {
    let word = |along: Along| match along {
        Along::Epochs => "epochs",
        Along::Tokens => "tokens",
        Along::Flops => "FLOPs",
    };
    html! {
        fieldset.switch {
            legend { "Curves against" }
            @for along in Along::ALL {
                label { input type="radio" name="along" id={ "along-" (along.name()) } checked[along == chosen]; " " (word(along)) }
            }
        }
    }
}

/// Names between backticks in the typewriter face.
fn ticked(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
