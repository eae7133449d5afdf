//! What the public types can do, as Rust users expect it.

mod auto_traits;
mod collections;
mod values;

use provider_tree::{Claim, Error, ProviderTree, ResourceClass};
use uuid::Uuid;

#[test]
fn an_error_says_whom_it_is_about() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let consumer = Uuid::from_u128(1);
    let mut worker = tree.worker().unwrap();
    let about = |error: Error| (error.provider(), error.consumer());
    let lacking = worker.claim(&Claim::new(consumer).take(&host, ResourceClass::VCPU, 1));
    assert_eq!(about(lacking.unwrap_err()), (Some(host.uuid()), None));
    assert_eq!(about(worker.release(consumer).unwrap_err()), (None, Some(consumer)));
    assert_eq!(about(tree.create_root("host", None).unwrap_err()), (None, None));
}
