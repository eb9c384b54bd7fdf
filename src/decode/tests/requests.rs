//! What can be asked for: templates, refusals, ends of the scale, network calls, and draws that belong to their text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

fn every_method() -> Vec<(Objective, Method)> {
    let steps = Some(3);
    vec![
        (next_token(), Method::LeftToRight),
        (masked(linear()), Method::Ancestral { steps, block: Some(2) }),
        (any_order(), Method::Ancestral { steps, block: None }),
        (masked(poly2()), Method::FirstHitting { block: Some(3) }),
        (masked(linear()), scored(Score::Confidence, 3, Some(2))),
        (masked(linear()), scored(Score::Margin, 3, None)),
        (any_order(), scored(Score::Entropy, 2, None)),
        (masked(linear()), scored(Score::Random, 3, None)),
        (blocks(2), Method::FirstHitting { block: None }),
        (blocks(2), Method::Ancestral { steps, block: None }),
        (blocks(4), scored(Score::Confidence, 3, None)),
        (uniform(linear()), Method::Posterior { steps }),
        (hybrid(0.2), Method::Posterior { steps }),
    ]
}

fn run(objective: &Objective, method: Method, request: &Request) -> Vec<Decoded> {
    decode(&mut Toy::arbitrary(1), objective, &VOCAB, &sampler(method), request, &mut |_| {}).unwrap()
}

fn refusal(objective: &Objective, method: Method, template: &[Option<u32>]) -> Refusal {
    let request = Request { template: template.to_vec(), texts: 0..1, seed: 1 };
    match decode(&mut Toy::arbitrary(1), objective, &VOCAB, &sampler(method), &request, &mut |_| {}) {
        Err(DecodeError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_do_not_depend_on_which_are_drawn_together() {
    for (objective, method) in every_method() {
        let request = |texts| Request { template: vec![Some(1), None, None, None], texts, seed: 9 };
        let together = run(&objective, method, &request(0..6));
        let apart: Vec<Decoded> = (0..6).flat_map(|i| run(&objective, method, &request(i..i + 1))).collect();
        assert_eq!(together, apart, "{method:?}");
        let other = run(&objective, method, &Request { seed: 10, ..request(0..6) });
        assert_ne!(together, other, "{method:?}");
        assert!(together.iter().any(|text| text.tokens != together[0].tokens), "{method:?}");
    }
}

#[test]
fn given_tokens_stay_and_holes_are_filled() {
    for (objective, method) in every_method() {
        let request = Request { template: vec![Some(1), Some(0), None, None], texts: 0..50, seed: 9 };
        for text in run(&objective, method, &request) {
            assert_eq!(text.tokens[..2], [1, 0], "{method:?}");
            assert!(text.tokens.iter().all(|id| u64::from(*id) < VOCAB.n_predictable()), "{method:?}");
            assert_eq!((text.tokens.len(), text.n_drawn), (L, 2));
            assert!(text.entropy >= 0.0 && text.entropy <= (N as f64).ln() + EXACT);
        }
    }
}

#[test]
fn the_ends_of_the_scale() {
    for (objective, method) in every_method() {
        let of = |template: Vec<Option<u32>>| run(&objective, method, &Request { template, texts: 0..2, seed: 9 });
        // Nothing to draw costs no call.
        for template in [vec![], vec![Some(1); 3]] {
            for text in of(template.clone()) {
                assert_eq!((text.n_calls, text.n_drawn, text.entropy), (0, 0, 0.0), "{method:?}");
                assert_eq!(text.tokens.len(), template.len());
            }
        }
        assert!(of(vec![None]).iter().all(|text| text.tokens.len() == 1 && text.n_calls > 0), "{method:?}");
        let none = Request { template: vec![None], texts: 0..0, seed: 9 };
        assert!(run(&objective, method, &none).is_empty());
    }
}

/// A single token is drawn from the model's own law, in any number of steps, by every method.
#[test]
fn one_token_is_exact() {
    for (objective, method) in every_method() {
        let p = [0.5, 0.2, 0.3];
        let mut toy = Toy::new(move |_, _, _| p.to_vec());
        let counts = sample(&mut toy, &objective, &sampler(method), &[None], 20_000);
        let law: Law = p.iter().enumerate().map(|(id, p)| (vec![id as u32], *p)).collect();
        assert_law(&format!("{method:?}"), &counts, &law, None);
    }
}

#[test]
fn network_calls_are_exact() {
    let calls = |objective: &Objective, method, template: &[Option<u32>]| -> Vec<u64> {
        let mut toy = Toy::arbitrary(1);
        let request = Request { template: template.to_vec(), texts: 0..40, seed: 4 };
        let texts = decode(&mut toy, objective, &VOCAB, &sampler(method), &request, &mut |_| {}).unwrap();
        assert_eq!(texts.iter().map(|text| text.n_calls).sum::<u64>(), toy.n_asked);
        texts.iter().map(|text| text.n_calls).collect()
    };
    let all = |n: u64| vec![n; 40];
    let prompt = [Some(0), None, None, None];
    assert_eq!(calls(&next_token(), Method::LeftToRight, &prompt), all(3));
    assert_eq!(calls(&masked(linear()), Method::FirstHitting { block: None }, &prompt), all(3));
    for score in [Score::Confidence, Score::Margin, Score::Entropy, Score::Random] {
        assert_eq!(calls(&masked(linear()), scored(score, 2, None), &OPEN), all(2));
        // More steps than tokens are as many as tokens.
        assert_eq!(calls(&masked(linear()), scored(score, 99, None), &OPEN), all(4));
        // Every block has a step.
        assert_eq!(calls(&masked(linear()), scored(score, 1, Some(2)), &OPEN), all(2));
        let left_out = Method::Remask { score, steps: None, block: Some(3) };
        assert_eq!(calls(&masked(linear()), left_out, &OPEN), all(4));
    }
    assert_eq!(calls(&uniform(linear()), Method::Posterior { steps: Some(7) }, &OPEN), all(7));
    assert_eq!(calls(&hybrid(0.1), Method::Posterior { steps: None }, &prompt), all(3));
    // Blocks of two: the context and token 1; tokens 2, 3; token 4.
    assert_eq!(calls(&blocks(2), Method::FirstHitting { block: None }, &OPEN), all(4));
    assert_eq!(calls(&blocks(2), scored(Score::Confidence, 3, None), &OPEN), all(3));
    // Ancestral asks only where a step draws something: never more often than tokens or steps.
    let few = calls(&masked(linear()), Method::Ancestral { steps: Some(1000), block: None }, &OPEN);
    assert!(few.iter().all(|n| (1..=4).contains(n)) && few.contains(&4));
    let one = calls(&masked(linear()), Method::Ancestral { steps: Some(1), block: None }, &OPEN);
    assert_eq!(one, all(1));
    // A tenth masked at the end: a call more for those that have some left.
    let open = calls(&masked(open_ended()), Method::Ancestral { steps: Some(1), block: None }, &OPEN);
    assert!(open.contains(&1) && open.contains(&2) && open.iter().all(|n| *n <= 2));
}

#[test]
fn a_prefix_that_is_final_is_said_to_be() {
    let mut toy = Toy::arbitrary(1);
    let request = Request { template: OPEN.to_vec(), texts: 0..1, seed: 4 };
    decode(&mut toy, &next_token(), &VOCAB, &sampler(Method::LeftToRight), &request, &mut |_| {}).unwrap();
    assert_eq!(toy.read, [(1, 1), (2, 2), (3, 3), (4, 4)]);
    let mut toy = Toy::arbitrary(1);
    let method = Method::FirstHitting { block: None };
    decode(&mut toy, &blocks(2), &VOCAB, &sampler(method), &request, &mut |_| {}).unwrap();
    assert_eq!(toy.read, [(2, 0), (4, 2), (4, 2), (6, 4)]);
    // Where later tokens are read nothing is final.
    let mut toy = Toy::arbitrary(1);
    decode(&mut toy, &masked(linear()), &VOCAB, &sampler(method), &request, &mut |_| {}).unwrap();
    assert!(toy.read.iter().all(|read| *read == (5, 0)));
}

#[test]
fn watchers_see_tokens_settle() {
    for (objective, method) in every_method() {
        let request = Request { template: vec![Some(2), None, None, None], texts: 0..2, seed: 4 };
        type Seen = (Vec<u32>, Vec<bool>, u64);
        let mut drafts: BTreeMap<u32, Vec<Seen>> = BTreeMap::new();
        let mut watch = |draft: &Draft<'_>| {
            let seen = (draft.tokens.to_vec(), draft.settled.to_vec(), draft.n_calls);
            drafts.entry(draft.index).or_default().push(seen);
        };
        let mut toy = Toy::arbitrary(1);
        let texts = decode(&mut toy, &objective, &VOCAB, &sampler(method), &request, &mut watch).unwrap();
        for (index, text) in texts.iter().enumerate() {
            let seen = &drafts[&(index as u32)];
            for ((before, settled, _), (after, ..)) in seen.iter().zip(&seen[1..]) {
                for at in (0..L).filter(|at| settled[*at]) {
                    assert_eq!(before[at], after[at], "{method:?}: a settled token changed");
                }
            }
            let (tokens, settled, n_calls) = seen.last().unwrap();
            assert!(settled.iter().all(|settled| *settled), "{method:?}");
            assert_eq!((tokens, *n_calls), (&text.tokens, text.n_calls), "{method:?}");
        }
    }
}

#[test]
fn what_a_method_cannot_read_is_refused() {
    let holes = [Some(1), None, Some(0), None];
    let refused = refusal(&next_token(), Method::LeftToRight, &holes);
    assert_eq!(refused, Refusal::GivenAfterHole { method: "left_to_right", hole: 2, given: 3 });
    assert!(refused.to_string().contains("the hole at token 2 cannot take note of the given text at token 3"));
    // Blocks of two: context and 1; 2 and 3; 4. Within a block holes may stand anywhere.
    let method = Method::FirstHitting { block: None };
    let request = Request { template: holes.to_vec(), texts: 0..3, seed: 1 };
    assert!(run(&blocks(2), method, &request).iter().all(|text| text.tokens[2] == 0));
    let refused = refusal(&blocks(2), method, &[Some(1), None, None, Some(0)]);
    let wanted = Refusal::GivenInLaterBlock { hole: 2, given: 4, hole_block: 2, given_block: 3, block: 2 };
    assert_eq!(refused, wanted);
    assert!(refused.to_string().contains("block diffusion reads no later block"));
    // The mask is no text.
    assert_eq!(refusal(&masked(linear()), method, &[None, Some(3)]), Refusal::NoText { position: 2, id: 3, last: 2 });
}

#[test]
fn methods_that_do_not_fit_are_refused() {
    let posterior = Method::Posterior { steps: None };
    let hitting = Method::FirstHitting { block: None };
    for (objective, method) in [
        (next_token(), hitting),
        (next_token(), posterior),
        (masked(linear()), Method::LeftToRight),
        (blocks(2), posterior),
        (any_order(), posterior),
        (uniform(linear()), hitting),
        (hybrid(0.1), Method::LeftToRight),
    ] {
        let wanted = Refusal::Misfit { method: method.name(), objective: objective.name() };
        assert_eq!(refusal(&objective, method, &OPEN), wanted);
    }
}

/// A sampler in words is one of a spec: reading it gives the same again.
#[test]
fn samplers_are_read_as_they_are_written() {
    let filters = [
        Filter::NONE,
        Filter { temperature: 0.0, ..Filter::NONE },
        Filter { temperature: 0.7, top_k: Some(50), top_p: Some(0.9) },
        Filter { temperature: 1e-3, top_k: None, top_p: Some(1e-4) },
    ];
    for (objective, method) in every_method() {
        for filter in filters {
            let sampler = Sampler { method, filter };
            let (mut map, mut out) = Default::default();
            let text = sampler.to_string();
            let read = crate::check::objective::sampler::read_alone(&text, "--sampler", &objective, &mut map, &mut out);
            assert_eq!(read, Some(sampler), "{text}");
        }
    }
    let written = Sampler { method: scored(Score::Margin, 8, Some(4)), filter: filters[2] }.to_string();
    assert_eq!(written, "margin(steps: 8, block: 4, temperature: 0.7, top_k: 50, top_p: 0.9)");
}

/// An answer that nothing can be drawn from ends the text with a clear error, whatever the method.
#[test]
fn predictions_that_are_no_numbers_are_said() {
    for (objective, method) in every_method() {
        let mut toy = Toy::new(|_, _, _| vec![f64::NAN; N]);
        let request = Request { template: OPEN.to_vec(), texts: 0..1, seed: 4 };
        let got = decode(&mut toy, &objective, &VOCAB, &sampler(method), &request, &mut |_| {});
        let Err(DecodeError::Unsound { text: 0, what: Unsound::NotANumber, .. }) = got else { panic!("{got:?}") };
    }
}
