//! [`Topology`]: forests as operators of OpenStack build them, as text, and what serves whom.
//!
//! A forest is a line for each provider, below its parent and further to the right. After the name
//! come the inventories, such as `MEMORY_MB:2048:min=512`, traits, such as `+HW_NUMA_ROOT`,
//! aggregates, such as `@racks`, and `cordoned`. A part of a request is written in the same way,
//! with more words:
//!
//! | word | |
//! |---|---|
//! | `!TRAIT` | a forbidden trait |
//! | `?ONE\|OTHER` | one of these traits is required |
//! | `@one\|other` | has to be in one of these aggregates |
//! | `!@one\|other` | must not be in any of these aggregates |
//! | `tree=name` | has to be in the tree of this provider |
//!
//! What is found is the names of the providers: first those of the unsuffixed group, in the order
//! in which it asks for classes, then those of the granular groups.

use std::collections::{BTreeSet, HashMap};

use provider_tree::{
    Edit, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Trait,
};
use uuid::Uuid;

use super::reference::{Assignment, Part, Spec};

/// Describes a forest and what is looked for in it.
pub struct Topology {
    pub name: &'static str,
    pub forest: &'static str,
    pub cases: &'static [Case],
}

/// Describes a request and what serves it.
pub struct Case {
    pub about: &'static str,
    pub unsuffixed: &'static str,
    pub groups: &'static [&'static str],
    pub same_subtree: &'static [&'static [usize]],
    pub isolates: bool,
    pub root: &'static str,
    /// Of ways that differ only by alike groups changing places, one is named.
    pub found: &'static [&'static str],
}

/// Asks for nothing and finds nothing.
const NOTHING: Case = Case {
    about: "",
    unsuffixed: "",
    groups: &[],
    same_subtree: &[],
    isolates: false,
    root: "",
    found: &[],
};

/// Holds a forest that was built.
pub struct Built {
    pub tree: ProviderTree,
    named: HashMap<&'static str, Provider>,
}

impl Topology {
    pub fn build(&self) -> Built {
        let tree = ProviderTree::new();
        let mut worker = tree.worker().unwrap();
        let mut built = Built { tree: tree.clone(), named: HashMap::new() };
        let mut above: Vec<(usize, Provider)> = Vec::new();
        let mut cordoned = Vec::new();
        for line in self.forest.lines().filter(|line| !line.trim().is_empty()) {
            let depth = line.len() - line.trim_start().len();
            above.retain(|(other, _)| *other < depth);
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            let provider = match above.last() {
                Some((_, parent)) => tree.create_child(parent, name, None),
                None => tree.create_root(name, None),
            };
            let provider = provider.unwrap();
            above.push((depth, provider));
            assert_eq!(built.named.insert(name, provider), None);
            let (mut inventories, mut used) = (Inventories::new(), Vec::new());
            let (mut traits, mut aggregates) = (Vec::new(), Vec::new());
            for word in words {
                match word.split_at(1) {
                    ("+", name) => traits.push(named_trait(name)),
                    ("@", name) => aggregates.push(aggregate(name)),
                    _ if word == "cordoned" => cordoned.push(provider),
                    _ => {
                        let (class, inventory, in_use) = stock(word);
                        inventories.insert(class, inventory);
                        used.extend((in_use > 0).then_some((class, in_use)));
                    }
                }
            }
            let _updated = tree.configure(&provider, inventories, Expect::Any).unwrap();
            tree.configure(&provider, Edit::new().set_traits(traits), Expect::Any).unwrap();
            tree.configure(&provider, Edit::new().set_aggregates(aggregates), Expect::Any).unwrap();
            if !used.is_empty() {
                worker.take(&provider, &used).unwrap();
            }
        }
        for provider in &cordoned {
            let _new = tree.cordon(provider).unwrap();
        }
        built
    }
}

impl Built {
    /// Returns the request of a case, and what serves it.
    pub fn case(&self, case: &Case) -> (Spec, BTreeSet<Assignment>) {
        let root = self.part(case.root);
        let spec = Spec {
            unsuffixed: self.part(case.unsuffixed),
            groups: case.groups.iter().map(|part| self.part(part)).collect(),
            isolates: case.isolates,
            same_subtree: case
                .same_subtree
                .iter()
                .map(|set| set.iter().copied().collect())
                .collect(),
            root_required: root.required,
            root_forbidden: root.forbidden,
        };
        let asked = case.unsuffixed.split_whitespace().filter_map(amount);
        let classes: Vec<ResourceClass> = asked.map(|(class, _)| class).collect();
        let assignment = |names: &&str| {
            let names: Vec<_> =
                names.split_whitespace().map(|name| self.named[name].uuid()).collect();
            assert_eq!(names.len(), spec.slots(), "{}", case.about);
            let place = |class| classes.iter().position(|other| other == class).unwrap();
            let spread = spec.unsuffixed.resources.keys().map(|class| names[place(class)]);
            spread.chain(names[spec.spread()..].iter().copied()).collect()
        };
        let found = case.found.iter().map(assignment).collect();
        (spec, found)
    }

    fn part(&self, text: &str) -> Part {
        let mut part = Part::default();
        for word in text.split_whitespace() {
            if let Some((class, amount)) = amount(word) {
                part.resources.insert(class, amount);
            } else if let Some(names) = word.strip_prefix("!@") {
                part.not_member_of.extend(names.split('|').map(aggregate));
            } else if let Some(names) = word.strip_prefix('@') {
                part.member_of.push(names.split('|').map(aggregate).collect());
            } else if let Some(name) = word.strip_prefix('+') {
                part.required.insert(named_trait(name));
            } else if let Some(name) = word.strip_prefix('!') {
                part.forbidden.insert(named_trait(name));
            } else if let Some(names) = word.strip_prefix('?') {
                part.any_of.push(names.split('|').map(named_trait).collect());
            } else if let Some(name) = word.strip_prefix("tree=") {
                part.in_tree = Some(self.named[name].uuid());
            } else {
                panic!("{word}");
            }
        }
        part
    }
}

fn named_trait(name: &str) -> Trait {
    Trait::new(name).unwrap()
}

/// Returns the aggregate that is called so: its name is its uuid.
fn aggregate(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

fn amount(word: &str) -> Option<(ResourceClass, u64)> {
    let (class, amount) = word.split_once(':')?;
    Some((ResourceClass::new(class).unwrap(), amount.parse().unwrap()))
}

/// Returns the class, the inventory, and what is in use.
fn stock(word: &str) -> (ResourceClass, Inventory, u64) {
    let mut parts = word.split(':');
    let class = ResourceClass::new(parts.next().unwrap()).unwrap();
    let mut inventory = Inventory::new(parts.next().unwrap().parse().unwrap());
    let mut used = 0;
    for part in parts {
        let (field, value) = part.split_once('=').unwrap();
        let whole = || value.parse().unwrap();
        match field {
            "min" => inventory.min_unit = whole(),
            "max" => inventory.max_unit = whole(),
            "step" => inventory.step_size = whole(),
            "reserved" => inventory.reserved = whole(),
            "ratio" => inventory.allocation_ratio = value.parse().unwrap(),
            "used" => used = whole(),
            _ => panic!("{word}"),
        }
    }
    (class, inventory, used)
}

/// Lists all topologies.
pub static TOPOLOGIES: &[Topology] = &[
    NUMA_AND_NETWORK,
    DEEP,
    SHARED_STORAGE,
    LOCAL_STORAGE,
    AGGREGATES_OF_NODES,
    FLAT_HOSTS,
    BANDWIDTH,
    PCI_DEVICES,
    SHARED_ENCLOSURES,
    OUT_OF_SERVICE,
];

/// Hosts whose processors are in NUMA nodes that have devices below them, beside a flat host with
/// network cards. One disk is shared.
const NUMA_AND_NETWORK: Topology = Topology {
    name: "NUMA nodes with nested devices, network agents and cards",
    forest: "
ss1 DISK_GB:2000 +MISC_SHARES_VIA_AGGREGATE @A
cn1 +COMPUTE_VOLUME_MULTI_ATTACH @A
  numa0 VCPU:4:used=2 MEMORY_MB:2048:min=512:step=256 +HW_NUMA_ROOT
    fpga0 FPGA:1
    pgpu0 VGPU:8
  numa1 VCPU:4 MEMORY_MB:2048:min=256:max=1024 +HW_NUMA_ROOT +CUSTOM_FOO
    fpga1_0 FPGA:1
    fpga1_1 FPGA:1
  sriov_agent +CUSTOM_VNIC_TYPE_DIRECT
    esn1 NET_BW_EGR_KILOBIT_PER_SEC:10000 +CUSTOM_PHYSNET1
    esn2 NET_BW_EGR_KILOBIT_PER_SEC:20000 +CUSTOM_PHYSNET2
  ovs_agent +CUSTOM_VNIC_TYPE_NORMAL
    br_int NET_BW_EGR_KILOBIT_PER_SEC:1000 +CUSTOM_PHYSNET0
cn2 VCPU:8:used=3 MEMORY_MB:2048:min=1024:step=128 DISK_GB:1000 +CUSTOM_FOO @A
  nic1 +CUSTOM_HW_NIC_ROOT
    pf1_1 CUSTOM_VF:4 +CUSTOM_PHYSNET1
    pf1_2 CUSTOM_VF:4 +CUSTOM_PHYSNET2
  nic2 +CUSTOM_HW_NIC_ROOT
    pf2_1 CUSTOM_VF:2 +CUSTOM_PHYSNET1
    pf2_2 CUSTOM_VF:2 +CUSTOM_PHYSNET2
    pf2_3 CUSTOM_VF:2 +CUSTOM_PHYSNET1
    pf2_4 CUSTOM_VF:2 +CUSTOM_PHYSNET2
  nic3 +CUSTOM_HW_NIC_ROOT
    pf3_1 CUSTOM_VF:8 +CUSTOM_PHYSNET1
",
    cases: &[
        Case {
            about: "the unsuffixed group spreads over the nodes of a host and the shared disk",
            unsuffixed: "VCPU:2 MEMORY_MB:1024 DISK_GB:10",
            found: &[
                "numa0 numa0 ss1",
                "numa0 numa1 ss1",
                "numa1 numa0 ss1",
                "numa1 numa1 ss1",
                "cn2 cn2 cn2",
                "cn2 cn2 ss1",
            ],
            ..NOTHING
        },
        Case {
            about: "units: more than numa1 gives at once, and a multiple of the others' steps",
            unsuffixed: "VCPU:3 MEMORY_MB:1280",
            found: &["numa1 numa0", "cn2 cn2"],
            ..NOTHING
        },
        Case {
            about: "units: too little for cn2, and not a multiple of the step of numa0",
            unsuffixed: "MEMORY_MB:300",
            found: &["numa1"],
            ..NOTHING
        },
        Case {
            about: "a trait that only nodes have is not one of a root",
            unsuffixed: "VCPU:1",
            root: "+HW_NUMA_ROOT",
            ..NOTHING
        },
        Case {
            about: "what shares gives to a root; it is not the root",
            unsuffixed: "VCPU:1 MEMORY_MB:1024 DISK_GB:100",
            root: "+MISC_SHARES_VIA_AGGREGATE",
            ..NOTHING
        },
        Case {
            about: "on one kind of host, each group on a node of its own",
            groups: &["VCPU:1", "MEMORY_MB:1024"],
            isolates: true,
            root: "+COMPUTE_VOLUME_MULTI_ATTACH",
            found: &["numa0 numa1", "numa1 numa0"],
            ..NOTHING
        },
        Case {
            about: "a trait of those that serve, on a root or on a node",
            unsuffixed: "VCPU:1 DISK_GB:100 +CUSTOM_FOO",
            found: &["numa1 ss1", "cn2 ss1", "cn2 cn2"],
            ..NOTHING
        },
        Case {
            about: "a trait of the root",
            unsuffixed: "VCPU:1 DISK_GB:100",
            root: "+CUSTOM_FOO",
            found: &["cn2 ss1", "cn2 cn2"],
            ..NOTHING
        },
        Case {
            about: "two devices of one NUMA node",
            groups: &["+HW_NUMA_ROOT", "FPGA:1", "FPGA:1"],
            same_subtree: &[&[0, 1, 2]],
            isolates: true,
            found: &["numa1 fpga1_0 fpga1_1"],
            ..NOTHING
        },
        Case {
            about: "two devices of a NUMA node that has not the trait of the only one with two",
            groups: &["+HW_NUMA_ROOT !CUSTOM_FOO", "FPGA:1", "FPGA:1"],
            same_subtree: &[&[0, 1, 2]],
            isolates: true,
            ..NOTHING
        },
        Case {
            about: "processors, memory and devices of one node; ports below one agent",
            groups: &[
                "+HW_NUMA_ROOT",
                "VCPU:2 MEMORY_MB:512",
                "FPGA:1",
                "VGPU:1",
                "+CUSTOM_VNIC_TYPE_DIRECT",
                "NET_BW_EGR_KILOBIT_PER_SEC:100 +CUSTOM_PHYSNET1",
                "NET_BW_EGR_KILOBIT_PER_SEC:100 +CUSTOM_PHYSNET2",
            ],
            same_subtree: &[&[0, 1, 2, 3], &[4, 5, 6]],
            found: &["numa0 numa0 fpga0 pgpu0 sriov_agent esn1 esn2"],
            ..NOTHING
        },
        Case {
            about: "ports in two networks on one card",
            unsuffixed: "VCPU:1",
            groups: &[
                "+CUSTOM_HW_NIC_ROOT",
                "CUSTOM_VF:2 +CUSTOM_PHYSNET1",
                "CUSTOM_VF:2 +CUSTOM_PHYSNET2",
            ],
            same_subtree: &[&[0, 1, 2]],
            isolates: true,
            found: &[
                "cn2 nic1 pf1_1 pf1_2",
                "cn2 nic2 pf2_1 pf2_2",
                "cn2 nic2 pf2_1 pf2_4",
                "cn2 nic2 pf2_3 pf2_2",
                "cn2 nic2 pf2_3 pf2_4",
            ],
            ..NOTHING
        },
        Case {
            about: "three ports, two of them alike, which may be on one function",
            unsuffixed: "VCPU:1",
            groups: &[
                "+CUSTOM_HW_NIC_ROOT",
                "CUSTOM_VF:2 +CUSTOM_PHYSNET1",
                "CUSTOM_VF:1 +CUSTOM_PHYSNET2",
                "CUSTOM_VF:1 +CUSTOM_PHYSNET2",
            ],
            same_subtree: &[&[0, 1, 2, 3]],
            found: &[
                "cn2 nic1 pf1_1 pf1_2 pf1_2",
                "cn2 nic2 pf2_1 pf2_2 pf2_2",
                "cn2 nic2 pf2_1 pf2_4 pf2_4",
                "cn2 nic2 pf2_1 pf2_2 pf2_4",
                "cn2 nic2 pf2_3 pf2_2 pf2_2",
                "cn2 nic2 pf2_3 pf2_4 pf2_4",
                "cn2 nic2 pf2_3 pf2_2 pf2_4",
            ],
            ..NOTHING
        },
        Case {
            about: "three ports, two of them alike, each on a function of its own",
            unsuffixed: "VCPU:1",
            groups: &[
                "+CUSTOM_HW_NIC_ROOT",
                "CUSTOM_VF:2 +CUSTOM_PHYSNET1",
                "CUSTOM_VF:1 +CUSTOM_PHYSNET2",
                "CUSTOM_VF:1 +CUSTOM_PHYSNET2",
            ],
            same_subtree: &[&[0, 1, 2, 3]],
            isolates: true,
            found: &["cn2 nic2 pf2_1 pf2_2 pf2_4", "cn2 nic2 pf2_3 pf2_2 pf2_4"],
            ..NOTHING
        },
        Case {
            about: "a group without amounts may be served where another is",
            groups: &["CUSTOM_VF:8", "+CUSTOM_PHYSNET1"],
            same_subtree: &[&[0, 1]],
            found: &["pf3_1 pf3_1"],
            ..NOTHING
        },
        Case {
            about: "not if the groups are isolated",
            groups: &["CUSTOM_VF:8", "+CUSTOM_PHYSNET1"],
            same_subtree: &[&[0, 1]],
            isolates: true,
            ..NOTHING
        },
        Case {
            about: "several groups without amounts, all on one node",
            groups: &["VCPU:1", "+CUSTOM_FOO", "+HW_NUMA_ROOT"],
            same_subtree: &[&[0, 1, 2]],
            found: &["numa1 numa1 numa1"],
            ..NOTHING
        },
        Case {
            about: "subtrees that overlap: the port below the card, the card below the host",
            groups: &["VCPU:1", "+CUSTOM_HW_NIC_ROOT", "CUSTOM_VF:2 +CUSTOM_PHYSNET1"],
            same_subtree: &[&[0, 1], &[1, 2]],
            found: &["cn2 nic1 pf1_1", "cn2 nic2 pf2_1", "cn2 nic2 pf2_3", "cn2 nic3 pf3_1"],
            ..NOTHING
        },
        Case {
            about: "one subtree: the port may be below another card",
            groups: &["VCPU:1", "+CUSTOM_HW_NIC_ROOT", "CUSTOM_VF:2 +CUSTOM_PHYSNET1"],
            same_subtree: &[&[0, 1, 2]],
            found: &[
                "cn2 nic1 pf1_1",
                "cn2 nic1 pf2_1",
                "cn2 nic1 pf2_3",
                "cn2 nic1 pf3_1",
                "cn2 nic2 pf1_1",
                "cn2 nic2 pf2_1",
                "cn2 nic2 pf2_3",
                "cn2 nic2 pf3_1",
                "cn2 nic3 pf1_1",
                "cn2 nic3 pf2_1",
                "cn2 nic3 pf2_3",
                "cn2 nic3 pf3_1",
            ],
            ..NOTHING
        },
        Case {
            about: "there may be other providers between those of a subtree",
            groups: &["+COMPUTE_VOLUME_MULTI_ATTACH", "NET_BW_EGR_KILOBIT_PER_SEC:100", "VCPU:4"],
            same_subtree: &[&[0, 1, 2]],
            isolates: true,
            found: &["cn1 esn1 numa1", "cn1 esn2 numa1", "cn1 br_int numa1"],
            ..NOTHING
        },
        Case {
            about: "one node is below itself, and not below another",
            groups: &["VCPU:1", "MEMORY_MB:1024"],
            same_subtree: &[&[0, 1]],
            found: &["numa0 numa0", "numa1 numa1", "cn2 cn2"],
            ..NOTHING
        },
        Case {
            about: "a subtree of one group asks for nothing",
            groups: &["VCPU:4", "FPGA:1"],
            same_subtree: &[&[0]],
            found: &["numa1 fpga0", "numa1 fpga1_0", "numa1 fpga1_1"],
            ..NOTHING
        },
        Case {
            about: "a group without amounts that only forbids",
            groups: &["!CUSTOM_FOO", "FPGA:1"],
            same_subtree: &[&[0, 1]],
            isolates: true,
            found: &["numa0 fpga0", "cn1 fpga0", "cn1 fpga1_0", "cn1 fpga1_1"],
            ..NOTHING
        },
        Case {
            about: "units: those of the sum, not of each amount",
            groups: &["MEMORY_MB:256", "MEMORY_MB:256"],
            found: &["numa0 numa0", "numa1 numa1"],
            ..NOTHING
        },
        Case {
            about: "a disk for a kind of host, which gives nothing itself",
            unsuffixed: "DISK_GB:100",
            root: "+COMPUTE_VOLUME_MULTI_ATTACH",
            found: &["ss1"],
            ..NOTHING
        },
    ],
};

/// The same hosts in part, below providers that have nothing.
const DEEP: Topology = Topology {
    name: "hosts below providers without inventories",
    forest: "
gp1
  p1
    cn1 +COMPUTE_VOLUME_MULTI_ATTACH @A
      numa0 VCPU:4 +HW_NUMA_ROOT
      numa1 VCPU:4 +HW_NUMA_ROOT +CUSTOM_FOO
  p2
    cn2 VCPU:8 +CUSTOM_FOO @A
      nic1 +CUSTOM_HW_NIC_ROOT
        pf1 CUSTOM_VF:4 +CUSTOM_PHYSNET1
      nic2 +CUSTOM_HW_NIC_ROOT
        pf2 CUSTOM_VF:2 +CUSTOM_PHYSNET1
        pf3 CUSTOM_VF:1 +CUSTOM_PHYSNET1
",
    cases: &[
        Case {
            about: "a chain of subtrees",
            groups: &["VCPU:1 +CUSTOM_FOO", "+CUSTOM_HW_NIC_ROOT", "CUSTOM_VF:2"],
            same_subtree: &[&[0, 1], &[1, 2]],
            found: &["cn2 nic1 pf1", "cn2 nic2 pf2"],
            ..NOTHING
        },
        Case {
            about: "without a subtree the whole tree will do",
            groups: &["VCPU:1 +CUSTOM_FOO", "CUSTOM_VF:2"],
            found: &["cn2 pf1", "cn2 pf2", "numa1 pf1", "numa1 pf2"],
            ..NOTHING
        },
        Case {
            about: "in one subtree only the host above the port will",
            groups: &["VCPU:1", "CUSTOM_VF:2"],
            same_subtree: &[&[0, 1]],
            found: &["cn2 pf1", "cn2 pf2"],
            ..NOTHING
        },
        Case {
            about: "a tree is that of any provider of it",
            groups: &["CUSTOM_VF:3 tree=numa0"],
            found: &["pf1"],
            ..NOTHING
        },
        Case {
            about: "a group without amounts is in the tree that it names",
            groups: &["tree=cn2", "CUSTOM_VF:4"],
            same_subtree: &[&[0, 1]],
            found: &["gp1 pf1", "p2 pf1", "cn2 pf1", "nic1 pf1", "pf1 pf1"],
            ..NOTHING
        },
        Case {
            about: "no one but the root stands for others",
            unsuffixed: "VCPU:1 @A",
            found: &["cn2"],
            ..NOTHING
        },
    ],
};

/// Hosts with shared storage, one also with a disk of its own.
const SHARED_STORAGE: Topology = Topology {
    name: "shared storage",
    forest: "
cn1 VCPU:24:ratio=16 MEMORY_MB:131072:ratio=1.5 +HW_CPU_X86_SSE +HW_CPU_X86_SSE2 @S
  numa1_1
    pf1_1 SRIOV_NET_VF:8
  numa1_2
    pf1_2 SRIOV_NET_VF:8
cn2 VCPU:24:ratio=16 MEMORY_MB:131072:ratio=1.5 DISK_GB:2000:reserved=100 @S
  numa2_1
    pf2_1 SRIOV_NET_VF:8
  numa2_2
    pf2_2 SRIOV_NET_VF:8
ss DISK_GB:2000:reserved=100 +MISC_SHARES_VIA_AGGREGATE @S
ss2 DISK_GB:2000:reserved=100 +MISC_SHARES_VIA_AGGREGATE @S
",
    cases: &[
        Case {
            about: "the disk is the host's own or shared",
            unsuffixed: "VCPU:1 MEMORY_MB:1024 DISK_GB:100",
            found: &["cn1 cn1 ss", "cn1 cn1 ss2", "cn2 cn2 cn2", "cn2 cn2 ss", "cn2 cn2 ss2"],
            ..NOTHING
        },
        Case {
            about: "more than one gives of a disk that is partly reserved",
            unsuffixed: "VCPU:1 DISK_GB:1901",
            ..NOTHING
        },
        Case {
            about: "more processors than there are, but not than may be given",
            unsuffixed: "VCPU:384 +HW_CPU_X86_SSE +HW_CPU_X86_SSE2",
            found: &["cn1"],
            ..NOTHING
        },
        Case {
            about: "a disk alone comes once, however many trees it is shared with",
            unsuffixed: "DISK_GB:100",
            found: &["cn2", "ss", "ss2"],
            ..NOTHING
        },
        Case {
            about: "two disks come once, whichever of their trees is searched first",
            groups: &["DISK_GB:100", "DISK_GB:100"],
            isolates: true,
            found: &["cn2 ss", "cn2 ss2", "ss ss2"],
            ..NOTHING
        },
        Case {
            about: "in one tree: no shared disk",
            unsuffixed: "VCPU:1 DISK_GB:100 tree=cn2",
            found: &["cn2 cn2"],
            ..NOTHING
        },
        Case {
            about: "the same tree, named by a provider within",
            unsuffixed: "VCPU:1 SRIOV_NET_VF:4 tree=pf1_2",
            found: &["cn1 pf1_1", "cn1 pf1_2"],
            ..NOTHING
        },
        Case {
            about: "in the tree of what shares: no host",
            unsuffixed: "VCPU:1 DISK_GB:100 tree=ss",
            ..NOTHING
        },
        Case {
            about: "nor for a group, though it names no tree",
            unsuffixed: "DISK_GB:100 tree=ss",
            groups: &["VCPU:1"],
            ..NOTHING
        },
        Case {
            about: "the host in one tree, the disk in any that it is in reach of",
            unsuffixed: "VCPU:1 tree=cn2",
            groups: &["DISK_GB:100"],
            found: &["cn2 cn2", "cn2 ss", "cn2 ss2"],
            ..NOTHING
        },
        Case {
            about: "the host in one tree, the disk in another",
            groups: &["VCPU:1 tree=cn1", "DISK_GB:100 tree=ss2"],
            found: &["cn1 ss2"],
            ..NOTHING
        },
        Case {
            about: "ports in different places beside everything else",
            unsuffixed: "VCPU:1 DISK_GB:100 +HW_CPU_X86_SSE",
            groups: &["SRIOV_NET_VF:1", "SRIOV_NET_VF:1"],
            isolates: true,
            found: &["cn1 ss pf1_1 pf1_2", "cn1 ss2 pf1_1 pf1_2"],
            ..NOTHING
        },
        Case {
            about: "only what has no disk of its own",
            unsuffixed: "VCPU:1 DISK_GB:100",
            root: "+HW_CPU_X86_SSE !MISC_SHARES_VIA_AGGREGATE",
            found: &["cn1 ss", "cn1 ss2"],
            ..NOTHING
        },
        Case {
            about: "the trait of the disk or that of the host: together they have it",
            unsuffixed: "VCPU:1 DISK_GB:100 +MISC_SHARES_VIA_AGGREGATE !HW_CPU_X86_SSE",
            found: &["cn2 ss", "cn2 ss2"],
            ..NOTHING
        },
        Case {
            about: "a trait of a provider that gives nothing",
            unsuffixed: "SRIOV_NET_VF:1 +HW_CPU_X86_SSE",
            ..NOTHING
        },
    ],
};

/// Three hosts with disks of their own, in aggregates.
const LOCAL_STORAGE: Topology = Topology {
    name: "storage of the hosts' own",
    forest: "
cn1 VCPU:24 MEMORY_MB:131072 DISK_GB:2000 @A @C
cn2 VCPU:24 MEMORY_MB:131072 DISK_GB:2000 @A @B
cn3 VCPU:24 MEMORY_MB:131072 DISK_GB:2000
",
    cases: &[
        Case {
            about: "each host alone",
            unsuffixed: "VCPU:1 MEMORY_MB:1024 DISK_GB:100",
            found: &["cn1 cn1 cn1", "cn2 cn2 cn2", "cn3 cn3 cn3"],
            ..NOTHING
        },
        Case {
            about: "member of one",
            unsuffixed: "VCPU:1 @B|C",
            found: &["cn1", "cn2"],
            ..NOTHING
        },
        Case { about: "member of both", unsuffixed: "VCPU:1 @A @B", found: &["cn2"], ..NOTHING },
        Case { about: "member of neither", unsuffixed: "VCPU:1 !@B|C", found: &["cn3"], ..NOTHING },
        Case {
            about: "member of one and not of the other",
            unsuffixed: "VCPU:1 @B|C !@B",
            found: &["cn1"],
            ..NOTHING
        },
        Case {
            about: "not member of what it has to be a member of",
            unsuffixed: "VCPU:1 @B !@B",
            ..NOTHING
        },
    ],
};

/// Hosts without inventories, with aggregates on them and on one of their nodes.
const AGGREGATES_OF_NODES: Topology = Topology {
    name: "aggregates of roots and of children",
    forest: "
cn1 @A
  numa1_1 VCPU:24 @C
  numa1_2 VCPU:24
cn2 @A @B
  numa2_1 VCPU:24
  numa2_2 VCPU:24
ss1 DISK_GB:2000 +MISC_SHARES_VIA_AGGREGATE @A
ss2 DISK_GB:2000 +MISC_SHARES_VIA_AGGREGATE @C
",
    cases: &[
        Case {
            about: "what shares with a node shares with its whole tree",
            unsuffixed: "VCPU:1 DISK_GB:1",
            found: &[
                "numa1_1 ss1",
                "numa1_1 ss2",
                "numa1_2 ss1",
                "numa1_2 ss2",
                "numa2_1 ss1",
                "numa2_2 ss1",
            ],
            ..NOTHING
        },
        Case {
            about: "the aggregates of a root are those of its tree",
            unsuffixed: "VCPU:1 DISK_GB:1 @A",
            found: &["numa1_1 ss1", "numa1_2 ss1", "numa2_1 ss1", "numa2_2 ss1"],
            ..NOTHING
        },
        Case {
            about: "the disk is in the aggregate of a node",
            unsuffixed: "VCPU:1 DISK_GB:1 @C",
            found: &["numa1_1 ss2"],
            ..NOTHING
        },
        Case {
            about: "a root that must not be a member, with all that shares with it",
            unsuffixed: "VCPU:1 DISK_GB:1 !@B",
            found: &["numa1_1 ss1", "numa1_1 ss2", "numa1_2 ss1", "numa1_2 ss2"],
            ..NOTHING
        },
        Case {
            about: "a node that must not be a member, and a disk",
            unsuffixed: "VCPU:1 DISK_GB:1 !@C",
            found: &["numa1_2 ss1", "numa2_1 ss1", "numa2_2 ss1"],
            ..NOTHING
        },
        Case {
            about: "a root in one aggregate and its node in another: neither is in both",
            unsuffixed: "VCPU:1 @A @C",
            ..NOTHING
        },
        Case {
            about: "the disk has to be a member too",
            unsuffixed: "VCPU:1 DISK_GB:1 @B",
            ..NOTHING
        },
        Case {
            about: "the aggregates of a node are its own",
            unsuffixed: "VCPU:1 @C",
            found: &["numa1_1"],
            ..NOTHING
        },
        Case {
            about: "a node is no member of what its root is not",
            unsuffixed: "VCPU:1 !@B|C",
            found: &["numa1_2"],
            ..NOTHING
        },
        Case {
            about: "a granular group looks at its provider alone",
            groups: &["VCPU:1 @A"],
            ..NOTHING
        },
        Case {
            about: "also where it must not be a member",
            groups: &["VCPU:1 !@A|C"],
            found: &["numa1_2", "numa2_1", "numa2_2"],
            ..NOTHING
        },
    ],
};

/// Flat hosts with disks and networks of their own and shared ones.
const FLAT_HOSTS: Topology = Topology {
    name: "flat hosts and providers that share",
    forest: "
left VCPU:8 MEMORY_MB:4096 DISK_GB:500 VGPU:8 SRIOV_NET_VF:8 CUSTOM_MBPS:4000 +DXVA +AVX @A
middle VCPU:8 MEMORY_MB:4096 SRIOV_NET_VF:8 CUSTOM_MBPS:4000 +SSE +AVX @A @B
right VCPU:8 MEMORY_MB:4096 DISK_GB:500 VGPU:8:max=2 +DXVA +SSD @B @C
disk_1 DISK_GB:1000 +SSD +MISC_SHARES_VIA_AGGREGATE @A
disk_2 DISK_GB:1000 +MISC_SHARES_VIA_AGGREGATE @A @B
net SRIOV_NET_VF:16 CUSTOM_MBPS:40000 +MISC_SHARES_VIA_AGGREGATE @C
",
    cases: &[
        Case {
            about: "groups that may be served by one",
            groups: &["VCPU:1", "MEMORY_MB:1024"],
            found: &["left left", "middle middle", "right right"],
            ..NOTHING
        },
        Case {
            about: "groups that may not",
            groups: &["VCPU:1", "MEMORY_MB:1024"],
            isolates: true,
            ..NOTHING
        },
        Case {
            about: "everything that one has, from three groups",
            unsuffixed: "VCPU:4 MEMORY_MB:512",
            groups: &["VCPU:2 MEMORY_MB:3584", "VCPU:2"],
            found: &[
                "left left left left",
                "middle middle middle middle",
                "right right right right",
            ],
            ..NOTHING
        },
        Case {
            about: "together more than one has",
            unsuffixed: "VCPU:4",
            groups: &["VCPU:3", "VCPU:2"],
            ..NOTHING
        },
        Case {
            about: "together more than one gives at once",
            groups: &["VGPU:2", "VGPU:1"],
            found: &["left left"],
            ..NOTHING
        },
        Case {
            about: "a disk that is not the host's",
            groups: &["VCPU:1 MEMORY_MB:1024", "DISK_GB:100"],
            isolates: true,
            found: &[
                "left disk_1",
                "left disk_2",
                "middle disk_1",
                "middle disk_2",
                "right disk_2",
            ],
            ..NOTHING
        },
        Case {
            about: "any disk",
            groups: &["VCPU:1 MEMORY_MB:1024", "DISK_GB:100"],
            found: &[
                "left left",
                "left disk_1",
                "left disk_2",
                "middle disk_1",
                "middle disk_2",
                "right right",
                "right disk_2",
            ],
            ..NOTHING
        },
        Case {
            about: "a disk alone",
            groups: &["DISK_GB:800"],
            found: &["disk_1", "disk_2"],
            ..NOTHING
        },
        Case {
            about: "a disk without a trait",
            groups: &["VCPU:1", "DISK_GB:100 !SSD"],
            found: &["left left", "left disk_2", "middle disk_2", "right disk_2"],
            ..NOTHING
        },
        Case {
            about: "a disk with a trait in one of two aggregates, a host without another trait",
            groups: &["VCPU:1 !SSE", "DISK_GB:100 +SSD @A|C"],
            found: &["left disk_1", "right right"],
            ..NOTHING
        },
        Case {
            about: "a disk in two aggregates",
            groups: &["VCPU:1", "DISK_GB:100 @B|C @A"],
            isolates: true,
            found: &["left disk_2", "middle disk_2", "right disk_2"],
            ..NOTHING
        },
        Case {
            about: "one of two traits",
            groups: &["VCPU:1 ?SSE|SSD", "DISK_GB:100"],
            isolates: true,
            found: &["middle disk_1", "middle disk_2", "right disk_2"],
            ..NOTHING
        },
        Case {
            about: "two disks and two networks",
            groups: &[
                "VCPU:1",
                "VGPU:1 +DXVA",
                "DISK_GB:100 +SSD",
                "DISK_GB:50 !SSD",
                "SRIOV_NET_VF:1 CUSTOM_MBPS:1000",
                "SRIOV_NET_VF:2 CUSTOM_MBPS:2000",
            ],
            found: &[
                "left left disk_1 left left left",
                "left left disk_1 disk_2 left left",
                "right right right disk_2 net net",
            ],
            ..NOTHING
        },
        Case {
            about: "one of two traits, the host's or the disk's",
            unsuffixed: "VCPU:1 DISK_GB:100 ?SSE|SSD",
            found: &[
                "left disk_1",
                "middle disk_1",
                "middle disk_2",
                "right right",
                "right disk_2",
            ],
            ..NOTHING
        },
    ],
};

/// Agents with ports that have bandwidth.
const BANDWIDTH: Topology = Topology {
    name: "network agents with bandwidth and packet rate",
    forest: "
host0 VCPU:8
  host0_ovs RATE:1000 +NORMAL
    host0_br EGR:5000 IGR:5000 +NORMAL +NET_OTHER
  host0_nic +DIRECT
    host0_pf EGR:10000 IGR:10000 +DIRECT +NET_OTHER
host1 VCPU:8
  host1_ovs RATE:1000 +NORMAL
    host1_br EGR:5000 IGR:5000 +NORMAL +NET_1
  host1_nic +DIRECT
    host1_pf EGR:10000 IGR:10000 +DIRECT +NET_1
host2 VCPU:8
  host2_ovs RATE:1000 +NORMAL
    host2_br1 EGR:1000 IGR:1000 +NORMAL +NET_1
    host2_br2 EGR:1000 IGR:1000 +NORMAL +NET_2
  host2_nic +DIRECT
    host2_pf1 EGR:2000 IGR:2000 +DIRECT +NET_1
    host2_pf2 EGR:2000 IGR:2000 +DIRECT +NET_2
",
    cases: &[
        Case {
            about: "a port of an agent in one of two segments",
            unsuffixed: "VCPU:1",
            groups: &["EGR:1000 IGR:1000 +NORMAL ?NET_1|NET_2"],
            found: &["host1 host1_br", "host2 host2_br1", "host2 host2_br2"],
            ..NOTHING
        },
        Case {
            about: "a port and the packet rate of its agent",
            unsuffixed: "VCPU:1",
            groups: &["RATE:100", "EGR:1000 IGR:1000 ?NET_1|NET_2"],
            same_subtree: &[&[0, 1]],
            found: &[
                "host1 host1_ovs host1_br",
                "host2 host2_ovs host2_br1",
                "host2 host2_ovs host2_br2",
            ],
            ..NOTHING
        },
        Case {
            about: "two ports that are alike, together more than one link has",
            unsuffixed: "VCPU:1",
            groups: &["EGR:1500 +DIRECT ?NET_1|NET_2", "EGR:1500 +DIRECT ?NET_1|NET_2"],
            found: &["host1 host1_pf host1_pf", "host2 host2_pf1 host2_pf2"],
            ..NOTHING
        },
        Case {
            about: "two ports of one network",
            unsuffixed: "VCPU:1",
            groups: &["EGR:1000 IGR:500 +NORMAL +NET_1", "EGR:1500 +DIRECT +NET_1"],
            found: &["host1 host1_br host1_pf", "host2 host2_br1 host2_pf1"],
            ..NOTHING
        },
        Case {
            about: "bandwidth in two directions may come from two links, if one group does not ask",
            unsuffixed: "EGR:6000 IGR:2000 +NET_OTHER",
            found: &["host0_pf host0_br", "host0_pf host0_pf"],
            ..NOTHING
        },
        Case {
            about: "two ports that are alike only as a whole: which is which is told",
            groups: &["RATE:100", "EGR:1000 ?NET_1|NET_2", "RATE:100", "EGR:1000 ?NET_1|NET_2"],
            same_subtree: &[&[0, 1], &[2, 3]],
            found: &[
                "host1_ovs host1_br host1_ovs host1_br",
                "host2_ovs host2_br1 host2_ovs host2_br2",
                "host2_ovs host2_br2 host2_ovs host2_br1",
            ],
            ..NOTHING
        },
    ],
};

/// Devices that are alike, per node.
const PCI_DEVICES: Topology = Topology {
    name: "identical PCI devices per NUMA node",
    forest: "
host VCPU:4
  node0 VCPU:8 +HW_NUMA_ROOT
    gpu0_0 PGPU:1 +A100
    gpu0_1 PGPU:1 +A100
    gpu0_2 PGPU:1:used=1 +A100
  node1 VCPU:8:used=6 +HW_NUMA_ROOT
    gpu1_0 PGPU:1 +A100
    gpu1_1 PGPU:1 +H100
  dpu CUSTOM_DPU:1
",
    cases: &[
        Case {
            about: "two devices anywhere",
            groups: &["PGPU:1", "PGPU:1"],
            found: &[
                "gpu0_0 gpu0_1",
                "gpu0_0 gpu1_0",
                "gpu0_0 gpu1_1",
                "gpu0_1 gpu1_0",
                "gpu0_1 gpu1_1",
                "gpu1_0 gpu1_1",
            ],
            ..NOTHING
        },
        Case {
            about: "two devices of one kind below the node that gives the processors",
            groups: &["VCPU:4 +HW_NUMA_ROOT", "PGPU:1 +A100", "PGPU:1 +A100"],
            same_subtree: &[&[0, 1, 2]],
            isolates: true,
            found: &["node0 gpu0_0 gpu0_1"],
            ..NOTHING
        },
        Case {
            about: "devices that are not of a kind",
            groups: &["+HW_NUMA_ROOT", "PGPU:1 !A100", "PGPU:1 ?A100|H100"],
            same_subtree: &[&[0, 1, 2]],
            found: &["node1 gpu1_1 gpu1_0"],
            ..NOTHING
        },
        Case {
            about: "more devices than there are",
            groups: &["PGPU:1", "PGPU:1", "PGPU:1", "PGPU:1", "PGPU:1"],
            ..NOTHING
        },
        Case {
            about: "all devices",
            groups: &["PGPU:1", "PGPU:1", "PGPU:1", "PGPU:1"],
            found: &["gpu0_0 gpu0_1 gpu1_0 gpu1_1"],
            ..NOTHING
        },
        Case {
            about: "the host is above its nodes and devices",
            groups: &["VCPU:3", "CUSTOM_DPU:1", "PGPU:1 +H100"],
            same_subtree: &[&[0, 1, 2]],
            found: &["host dpu gpu1_1"],
            ..NOTHING
        },
    ],
};

/// Racks whose enclosures share what they have, beside one that shares with no other tree.
const SHARED_ENCLOSURES: Topology = Topology {
    name: "enclosures of a rack that share with hosts",
    forest: "
host
  deep MEMORY_MB:8 @X
rack
  enclosure CUSTOM_BLOCKS:10 +MISC_SHARES_VIA_AGGREGATE @X
  lone CUSTOM_BLOCKS:10 +MISC_SHARES_VIA_AGGREGATE
twins
  left CUSTOM_SLOTS:1 +MISC_SHARES_VIA_AGGREGATE @X
  right CUSTOM_SLOTS:1 +MISC_SHARES_VIA_AGGREGATE @X
",
    cases: &[
        Case {
            about: "a node shares with a node",
            unsuffixed: "MEMORY_MB:1 CUSTOM_BLOCKS:1",
            found: &["deep enclosure"],
            ..NOTHING
        },
        Case {
            about: "what shares with no other tree serves its own",
            unsuffixed: "CUSTOM_BLOCKS:1",
            found: &["enclosure", "lone"],
            ..NOTHING
        },
        Case {
            about: "two of one rack",
            groups: &["CUSTOM_BLOCKS:6", "CUSTOM_BLOCKS:6"],
            found: &["enclosure lone"],
            ..NOTHING
        },
        Case {
            about: "two trees that share nothing but with a third",
            unsuffixed: "MEMORY_MB:1",
            groups: &["CUSTOM_BLOCKS:1", "CUSTOM_SLOTS:1"],
            found: &["deep enclosure left", "deep enclosure right"],
            ..NOTHING
        },
        Case {
            about: "no subtree spans two trees",
            groups: &["MEMORY_MB:1", "CUSTOM_BLOCKS:1"],
            same_subtree: &[&[0, 1]],
            ..NOTHING
        },
        Case {
            about: "two siblings are no subtree",
            groups: &["CUSTOM_SLOTS:1", "CUSTOM_SLOTS:1"],
            same_subtree: &[&[0, 1]],
            ..NOTHING
        },
    ],
};

/// A device, a host and a disk that are cordoned.
const OUT_OF_SERVICE: Topology = Topology {
    name: "what is out of service",
    forest: "
host1 VCPU:4 +CUSTOM_ONE @A
  gpu1 PGPU:1
  gpu2 PGPU:1 cordoned
host2 VCPU:4 +CUSTOM_TWO @A cordoned
  gpu3 PGPU:1
ss1 DISK_GB:10 +MISC_SHARES_VIA_AGGREGATE @A
ss2 DISK_GB:10 +MISC_SHARES_VIA_AGGREGATE @A cordoned
",
    cases: &[
        Case {
            about: "what is in service",
            unsuffixed: "VCPU:1 PGPU:1 DISK_GB:1",
            found: &["host1 gpu1 ss1"],
            ..NOTHING
        },
        Case {
            about: "a disk for a host in service",
            unsuffixed: "DISK_GB:1",
            root: "+CUSTOM_ONE",
            found: &["ss1"],
            ..NOTHING
        },
        Case {
            about: "a disk for a host out of service",
            unsuffixed: "DISK_GB:1",
            root: "+CUSTOM_TWO",
            ..NOTHING
        },
        Case {
            about: "a group without amounts is served in service too",
            unsuffixed: "DISK_GB:1",
            groups: &["tree=host1"],
            same_subtree: &[&[0]],
            found: &["ss1 host1", "ss1 gpu1"],
            ..NOTHING
        },
        Case {
            about: "and not on a host out of service",
            unsuffixed: "DISK_GB:1",
            groups: &["tree=host2"],
            same_subtree: &[&[0]],
            ..NOTHING
        },
    ],
};
