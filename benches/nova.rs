//! What do the operations of Nova's `ProviderTree` cost here?
//!
//! `cargo bench --bench nova`. The operations by which Nova's tree is used, on forests of three
//! shapes: operations per second of all threads together, the median over the rounds. With `--test`
//! everything runs once, briefly.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{
    PartialInventories, PartialInventory, ProviderSpec, ProviderTree, ResourceClass,
};
use uuid::Uuid;

const THREADS: [usize; 2] = [1, 4];

fn main() {
    let brief = std::env::args().any(|argument| argument == "--test");
    let bench = match brief {
        true => Bench { rounds: 1, length: Duration::from_millis(2) },
        false => Bench { rounds: 7, length: Duration::from_millis(200) },
    };
    let shapes = [
        Shape { name: "1,000 children of one root", roots: 1, children: 1_000 },
        Shape { name: "10,000 children of one root", roots: 1, children: 10_000 },
        Shape { name: "10,000 roots with a child each", roots: 10_000, children: 1 },
    ];
    println!(
        "operations per second, median of {} rounds of {} ms",
        bench.rounds,
        bench.length.as_millis()
    );
    println!("{:32} {:32} {:>12} {:>12}", "forest", "operation", "1 thread", "4 threads");
    for shape in &shapes {
        run(&bench, shape);
    }
    populations(&bench);
}

fn run(bench: &Bench, shape: &Shape) {
    let forest = &Forest::new(shape);
    let tree = &forest.tree;
    let line = |operation: &str, make: &Make<'_>| {
        let [one, four] = THREADS.map(|threads| bench.rate(threads, make));
        println!("{:32} {operation:32} {one:>12.0} {four:>12.0}", shape.name);
    };
    line("data(uuid of a leaf)", &|_| {
        Box::new(|random| {
            let provider = tree.find(forest.leaf(random)).expect("is there");
            black_box(tree.configuration(&provider).expect("is there"));
        })
    });
    line("data(name of a leaf)", &|_| {
        Box::new(|random| {
            let provider = tree.find(forest.leaf_name(random)).expect("is there");
            black_box(tree.configuration(&provider).expect("is there"));
        })
    });
    line("exists(uuid of a leaf)", &|_| {
        Box::new(|random| assert!(tree.find(forest.leaf(random)).is_some()))
    });
    line("exists(missing uuid)", &|_| {
        Box::new(|random| assert!(tree.find(Uuid::from_u128(1 << 100 | random as u128)).is_none()))
    });
    line("update_inventory(leaf), changed", &|thread| {
        let mut total = thread as u64;
        Box::new(move |random| {
            // As a host's cores, and hardly ever what the leaf has already.
            total = total % 1_024 + 1;
            let vcpu = PartialInventory::new(total);
            let inventories = PartialInventories::new().with(ResourceClass::VCPU, vcpu);
            tree.update_inventory(forest.leaf(random), inventories, None).expect("valid");
        })
    });
    line("create_child and remove", &|thread| {
        let name = format!("new-{thread}");
        Box::new(move |random| {
            let parent = tree.find(forest.root(random)).expect("is there");
            let child = tree.create_child(&parent, &name, None).expect("a new name");
            tree.remove(&child).expect("not in use");
        })
    });
    let begin = Instant::now();
    let dump = black_box(tree.snapshot().dump().unwrap());
    println!("{:32} {:32} {:>9.2} ms", shape.name, "a copy: dump()", milliseconds(begin));
    let begin = Instant::now();
    black_box(ProviderTree::load(&dump).expect("sound"));
    println!("{:32} {:32} {:>9.2} ms", shape.name, "load(dump)", milliseconds(begin));
}

/// Populate: 10,000 providers in one call.
fn populations(bench: &Bench) {
    let shape = Shape { name: "100 roots with 99 children each", roots: 100, children: 99 };
    let mut list = shape.list();
    list.reverse();
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (mut created, mut replaced) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let tree = ProviderTree::new();
        for times in [&mut created, &mut replaced] {
            let begin = Instant::now();
            tree.populate(&list).expect("sound");
            times.push(milliseconds(begin));
        }
    }
    for (times, what) in [(created, "created"), (replaced, "replaced")] {
        let operation = format!("populate, all {what}");
        println!("{:32} {operation:32} {:>9.2} ms", shape.name, median(times));
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// How providers hang together.
struct Shape {
    name: &'static str,
    roots: usize,
    children: usize,
}

impl Shape {
    fn root(&self, number: usize) -> Uuid {
        uuid((number % self.roots) as u64)
    }

    fn leaf(&self, number: usize) -> Uuid {
        uuid((self.roots + number % (self.roots * self.children)) as u64)
    }

    fn list(&self) -> Vec<ProviderSpec> {
        let root = |number| ProviderSpec::new(self.root(number), format!("root-{number}"));
        let leaf = |number| {
            ProviderSpec::new(self.leaf(number), format!("leaf-{number}"))
                .with_parent(self.root(number / self.children))
        };
        let leaves = (0..self.roots * self.children).map(leaf);
        (0..self.roots).map(root).chain(leaves).collect()
    }
}

/// A uuid whose bits are spread as those of random ones.
fn uuid(number: u64) -> Uuid {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32))
}

struct Forest {
    tree: ProviderTree,
    roots: Vec<Uuid>,
    leaves: Vec<Uuid>,
    names: Vec<String>,
}

impl Forest {
    fn new(shape: &Shape) -> Self {
        let tree = ProviderTree::new();
        tree.populate(&shape.list()).expect("sound");
        let count = shape.roots * shape.children;
        Forest {
            tree,
            roots: (0..shape.roots).map(|number| shape.root(number)).collect(),
            leaves: (0..count).map(|number| shape.leaf(number)).collect(),
            names: (0..count).map(|number| format!("leaf-{number}")).collect(),
        }
    }

    fn root(&self, random: usize) -> Uuid {
        self.roots[random % self.roots.len()]
    }

    fn leaf(&self, random: usize) -> Uuid {
        self.leaves[random % self.leaves.len()]
    }

    fn leaf_name(&self, random: usize) -> &str {
        &self.names[random % self.names.len()]
    }
}

/// Makes, within a thread, what is counted there: an operation, given a random number.
type Make<'a> = dyn Fn(usize) -> Box<dyn FnMut(usize) + 'a> + Sync + 'a;

struct Bench {
    rounds: usize,
    length: Duration,
}

impl Bench {
    /// Operations per second of all threads together.
    fn rate(&self, threads: usize, make: &Make<'_>) -> f64 {
        let mut rates: Vec<_> = (0..self.rounds).map(|_| self.round(threads, make)).collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    fn round(&self, threads: usize, make: &Make<'_>) -> f64 {
        let start = Barrier::new(threads);
        thread::scope(|scope| {
            let counted = |thread| {
                let start = &start;
                scope.spawn(move || {
                    let mut operation = make(thread);
                    let mut random = thread as u64 + 1;
                    start.wait();
                    let begin = Instant::now();
                    let mut calls = 0_u64;
                    while begin.elapsed() < self.length {
                        for _ in 0..64 {
                            random ^= random << 13;
                            random ^= random >> 7;
                            random ^= random << 17;
                            operation((random >> 8) as usize);
                        }
                        calls += 64;
                    }
                    calls as f64 / begin.elapsed().as_secs_f64()
                })
            };
            let threads: Vec<_> = (0..threads).map(counted).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        })
    }
}
