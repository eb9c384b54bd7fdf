//! `--infill`: text with holes. `[[12]]` is a hole of 12 tokens; `\[[12]]` is that text itself.

use crate::data::{Codec, DataError};

/// Given text, or a hole of so many tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Hole(u64),
}

/// Everything that is not exactly `[[NUMBER]]` is text.
pub fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces: Vec<Piece> = vec![];
    let push_text = |text: &str, pieces: &mut Vec<Piece>| match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_string())),
    };
    let mut rest = text;
    while let Some(at) = rest.find("[[") {
        let (before, from) = rest.split_at(at);
        let inside = from.get(2..).unwrap_or_default();
        let digits = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
        let (number, after) = inside.split_at(digits);
        match (before.strip_suffix('\\'), after.strip_prefix("]]")) {
            (_, None) => {
                // Text after all; the second bracket may open a hole.
                push_text(before, &mut pieces);
                push_text("[", &mut pieces);
                rest = from.get(1..).unwrap_or_default();
            }
            (_, Some(_)) if number.is_empty() => {
                push_text(before, &mut pieces);
                push_text("[[]]", &mut pieces);
                rest = after.get(2..).unwrap_or_default();
            }
            (Some(before), Some(after)) => {
                push_text(before, &mut pieces);
                push_text(&format!("[[{number}]]"), &mut pieces);
                rest = after;
            }
            (None, Some(after)) => {
                push_text(before, &mut pieces);
                match number.parse() {
                    Ok(0) => return Err("a hole holds at least 1 token, so not `[[0]]`".into()),
                    Ok(n) => pieces.push(Piece::Hole(n)),
                    Err(_) => return Err(format!("a hole of {number} tokens is too large")),
                }
                rest = after;
            }
        }
    }
    push_text(rest, &mut pieces);
    Ok(pieces)
}

/// The template, if it is at most `room` tokens long.
pub fn template(pieces: &[Piece], codec: &Codec, room: u64) -> Result<Result<Vec<Option<u32>>, u64>, DataError> {
    let mut encoded = vec![];
    let mut total = 0u64;
    for piece in pieces {
        let part: Vec<Option<u32>> = match piece {
            Piece::Text(text) => codec.encode(text)?.into_iter().map(Some).collect(),
            // No longer than what fits, whatever is asked for.
            Piece::Hole(n) => std::iter::repeat_n(None, (*n).min(room.saturating_add(1)) as usize).collect(),
        };
        total = total.saturating_add(match piece {
            Piece::Text(_) => part.len() as u64,
            Piece::Hole(n) => *n,
        });
        if total <= room {
            encoded.extend(part);
        }
    }
    Ok(if total <= room { Ok(encoded) } else { Err(total) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn holes_stand_in_text() {
        let of = |text: &str| pieces(text).unwrap_or_default();
        assert_eq!(of("def f([[3]]):"), [text("def f("), Piece::Hole(3), text("):")]);
        assert_eq!(of("[[3]][[4]]"), [Piece::Hole(3), Piece::Hole(4)]);
        assert_eq!(of(""), []);
        // Everything else is text.
        for other in ["a[[", "[[a]]", "[[]]", "[[3]", "[3]", "x[[1, 2], [3]]", "]]"] {
            assert_eq!(of(other), [text(other)], "{other}");
        }
        assert_eq!(of(r"\[[3]] is [[3]]"), [text("[[3]] is "), Piece::Hole(3)]);
        assert_eq!(of("[[[5]]]"), [text("["), Piece::Hole(5), text("]")]);
        assert!(pieces("[[0]]").is_err() && pieces("[[99999999999999999999]]").is_err());
    }

    #[test]
    fn templates_fit_the_room() {
        let of = |text: &str, room| template(&pieces(text).unwrap_or_default(), &Codec::Bytes, room).ok();
        assert_eq!(of("ab[[2]]c", 5), Some(Ok(vec![Some(97), Some(98), None, None, Some(99)])));
        assert_eq!(of("ab[[2]]c", 4), Some(Err(5)));
        assert_eq!(of("[[18446744073709551615]]a", 4), Some(Err(u64::MAX)));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r"[\[\]0-9a\\é]{0,24}") {
            if let Ok(pieces) = pieces(&text) {
                let given: usize = pieces.iter().map(|p| if let Piece::Text(t) = p { t.len() } else { 0 }).sum();
                prop_assert!(given <= text.len());
            }
        }
    }
}
