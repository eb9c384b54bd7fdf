//! Flat programs without a library underneath.

use dlmc::graph::Array;
use dlmc::program::Program;
use dlmc::reference::Bindings;
use std::collections::{BTreeMap, BTreeSet};

/// Every slot is written once before it is read, freed once and never read after that.
pub fn check_lifetimes(program: &Program) {
    let mut written: BTreeSet<u32> = (0..program.params.len() as u32).collect();
    written.extend(program.inputs.iter().map(|(_, slot)| slot.0));
    let mut freed = BTreeSet::new();
    for instr in &program.instrs {
        assert!(instr.op.operation().is_some(), "{} is structure", instr.op.name());
        for slot in &instr.inputs {
            assert!(written.contains(&slot.0) && !freed.contains(&slot.0), "{} reads {slot:?}", instr.op.name());
        }
        for slot in &instr.outputs {
            assert!(written.insert(slot.0), "{slot:?} is written twice");
        }
        for slot in &instr.frees {
            assert!(written.contains(&slot.0) && freed.insert(slot.0), "{slot:?} is freed wrongly");
        }
    }
    assert_eq!(written.len(), program.n_slots as usize);
    assert_eq!(program.types.len(), program.n_slots as usize);
    let mut kept: BTreeSet<u32> = (0..program.params.len() as u32).collect();
    kept.extend(program.inputs.iter().map(|(_, slot)| slot.0));
    kept.extend(program.outputs.iter().map(|(_, slot)| slot.0));
    kept.extend(program.grads.iter().flatten().map(|slot| slot.0));
    assert_eq!(written.difference(&freed).copied().collect::<BTreeSet<_>>(), kept);
    assert!(program.params.windows(2).all(|pair| pair[0].path < pair[1].path));
}

/// Runs a program on its slots: what flattening made of the graph, without a library underneath.
pub fn run(program: &Program, bindings: &Bindings) -> BTreeMap<u32, Array> {
    let mut slots: BTreeMap<u32, Array> = BTreeMap::new();
    for (i, param) in program.params.iter().enumerate() {
        slots.insert(i as u32, bindings.params[&param.path].clone());
    }
    for (input, slot) in &program.inputs {
        slots.insert(slot.0, bindings.inputs[input].clone());
    }
    for instr in &program.instrs {
        let inputs: Vec<&Array> = instr.inputs.iter().map(|slot| &slots[&slot.0]).collect();
        let outputs = instr.op.operation().unwrap().reference(&inputs);
        assert_eq!(outputs.len(), instr.outputs.len(), "{}", instr.op.name());
        for (slot, output) in instr.outputs.iter().zip(outputs) {
            slots.insert(slot.0, output);
        }
        for slot in &instr.frees {
            slots.remove(&slot.0);
        }
    }
    slots
}
