//! Axes, lines and colours.

use crate::report::chart::draw::clip;
use crate::report::chart::scale::{Axis, Numbers, counted, ticks};
use crate::report::chart::{Colour, N_SHADES};

#[test]
fn axes_have_round_ticks_and_lines_stop_at_them() {
    assert_eq!(ticks((0.0, 40.0), 8), (vec![0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0], 0));
    assert_eq!(ticks((1.93, 2.31), 4).1, 1);
    let cut = clip(&[(0.0, 0.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 0.5), (4.0, 0.5)], (0.0, 1.0));
    assert_eq!(cut, vec![vec![(0.0, 0.0), (0.5, 1.0)], vec![(3.0, 0.5), (4.0, 0.5)]]);
    assert!(clip(&[(0.0, 5.0), (1.0, 6.0)], (0.0, 1.0)).is_empty());
}

#[test]
fn numbers_along_axes_carry_their_units() {
    let words = |axis: &Axis| axis.ticks(4).into_iter().map(|(_, word)| word).collect::<Vec<_>>();
    let tokens = Axis::linear("training tokens", (0.0, 4e6), Numbers::Counted);
    assert_eq!(words(&tokens), ["0", "1M", "2M", "3M", "4M"]);
    let flops = Axis::linear("training FLOPs", (0.0, 2.35e13), Numbers::Power);
    assert_eq!(
        (flops.title().as_str(), words(&flops)),
        ("training FLOPs, 10\u{b9}\u{b3}", vec!["0".into(), "1".into(), "2".into()])
    );
    let rate = Axis::linear("", (0.0, 1e-3), Numbers::Small);
    assert_eq!(words(&rate), ["0", "5e-4", "1e-3"]);
    assert_eq!([950.0, 1_500.0, 96e9, 1.44e12].map(counted), ["950", "1.5K", "96B", "1.44T"]);
}

#[test]
fn ordered_colours_span_the_whole_scale() {
    let classes = |n: usize| (0..n).map(|i| Colour::Shade(i, n).class()).collect::<Vec<_>>();
    assert_eq!(classes(1), ["shade0"]);
    assert_eq!(classes(3), ["shade0", "shade4", "shade8"]);
    assert_eq!(classes(N_SHADES).len(), N_SHADES);
    assert!(Colour::Arm(8).repeats() && Colour::Arm(8).class() == "arm0");
}
