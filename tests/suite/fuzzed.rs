//! Every seed of the fuzzer goes through its reader here, so that the readers of `fuzz/` keep
//! working, and what once crashed one stays mended: a crasher becomes a seed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
mod readers;

#[test]
fn fuzz_seeds_fulfill_the_promises_of_their_reader() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut count = 0;
    for (name, _) in readers::READERS {
        let seeds = fs::read_dir(directory.join("seeds").join(name));
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
fn fuzz_targets_and_readers_have_the_same_names() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
    let declared: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    let names: Vec<&str> = readers::READERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, names);
    for name in names {
        let target = fs::read_to_string(directory.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("reader(\"{name}\")")), "{name}");
    }
}

/// Numbers that look random and are the same every time (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % limit.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// What readers stumble over.
const WORDS: [&str; 40] = [
    "\0",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud83d",
    "\n",
    "\r\n",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "=",
    ".",
    "*",
    "/",
    "~1",
    "$A",
    "${",
    "#",
    "%00",
    "-",
    "+",
    "0",
    "00",
    "-1",
    "1e309",
    "9223372036854775808",
    "18446744073709551615",
    "null",
    "\u{1b}[2J",
    "\u{9b}",
    "\u{202e}",
    "\u{feff}",
    "é",
    "STATE",
    "&a *a",
];

/// An input mutated in one to four places.
fn mutated(seed: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + 1 + random.below(8)).min(input.len());
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap(),
            2 if at < end => drop(input.drain(at..end)),
            3 if at < end => {
                let piece = input[at..end].repeat(1 + random.below(20));
                input.splice(at..at, piece);
            }
            4 => input.truncate(at),
            5 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => drop(input.splice(at..at, random.pick(&WORDS).bytes())),
        }
    }
    input
}

/// A blind fuzzer for where cargo-fuzz cannot be had: some wounds to each seed, or as many as fit into
/// `BLIND_SECONDS` for each reader (`BLIND_READERS`, a list with blanks between).
#[test]
fn mutated_seeds_keep_the_promises_of_their_reader() {
    let seconds: Option<u64> = std::env::var("BLIND_SECONDS").ok().map(|text| text.parse().unwrap());
    let only = std::env::var("BLIND_READERS").ok();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, _) in readers::READERS {
        if only.as_ref().is_some_and(|only| !only.split(' ').any(|one| one == *name)) {
            continue;
        }
        let mut paths: Vec<_> =
            fs::read_dir(directory.join(name)).unwrap().map(|seed| seed.unwrap().path()).collect();
        paths.sort();
        let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        let clock = seconds.map_or(0, |_| u64::from(std::process::id()));
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ clock);
        let begun = Instant::now();
        let mut runs = 0_u64;
        let is_more = |runs| match seconds {
            Some(seconds) => begun.elapsed().as_secs() < seconds,
            None => runs < 100,
        };
        let mut slowest = Duration::ZERO;
        while is_more(runs) {
            let seed = &seeds[random.below(seeds.len())];
            let input = mutated(seed, &seeds, &mut random);
            let one = Instant::now();
            if std::panic::catch_unwind(|| readers::reader(name)(&input)).is_err() {
                let kept = std::env::temp_dir().join(format!("crash-{name}-{runs}"));
                fs::write(&kept, &input).unwrap();
                panic!("{name} fails on {}: {:?}", kept.display(), String::from_utf8_lossy(&input));
            }
            slowest = slowest.max(one.elapsed());
            runs += 1;
        }
        println!("{name:<10} {runs:>9} runs, the slowest {slowest:?}");
        // Something that takes so long does not end for its length; a busy machine is not that slow.
        assert!(slowest < Duration::from_secs(60), "{name} took {slowest:?}");
    }
}
