//! Forests as operators build them have what their operators expect.

use std::collections::BTreeSet;

use shared::search::canonical::Canonical;
use shared::search::reference::ways;
use shared::search::topologies::TOPOLOGIES;
use shared::search::world::World;

use crate::rig::Expected;

#[test]
fn topologies_have_what_is_expected_of_them() {
    for topology in TOPOLOGIES {
        let built = topology.build();
        let world = World::of(&built.tree);
        let view = built.tree.view();
        for case in topology.cases {
            let (spec, found) = built.case(case);
            let about = format!("{}: {}", topology.name, case.about);
            assert_eq!(found.len(), case.found.len(), "{about}: named twice");
            let canonical = Canonical::of_groups(&spec);
            let ways: BTreeSet<_> = ways(&world, &spec).into_values().flatten().collect();
            assert_eq!(canonical.forms(&ways), canonical.forms(&found), "{about}, by brute force");
            let mut prepared = view.prepare(&spec.request()).unwrap();
            let checked = Expected::new(&world, &spec).check(&view, &mut prepared);
            checked.unwrap_or_else(|error| panic!("{about}: {error}"));
            assert_eq!(view.candidates(&mut prepared).unwrap().all().count(), found.len());
        }
    }
}
