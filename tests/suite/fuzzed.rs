//! Every seed of the fuzzer goes through its reader here, so that the readers of `fuzz/` keep
//! working, and what once crashed one stays mended: a crasher becomes a seed.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod readers;

#[test]
fn every_seed_holds_what_its_reader_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut count = 0;
    for (name, _) in readers::READERS {
        let seeds = fs::read_dir(folder.join("seeds").join(name));
        let mut seeds: Vec<_> = seeds
            .unwrap_or_else(|_| panic!("no seeds for {name}"))
            .map(|seed| seed.unwrap().path())
            .collect();
        seeds.sort();
        assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            // Names the seed where it fails.
            println!("{}", seed.display());
            readers::reader(name)(&fs::read(&seed).unwrap());
            count += 1;
        }
    }
    println!("{count} seeds");
}

#[test]
fn every_reader_has_a_target_of_its_name_and_no_target_is_without() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let declared: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    let names: Vec<&str> = readers::READERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, names);
    for name in names {
        let target = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("reader(\"{name}\")")), "{name}");
    }
}
