//! What is served of a replica that does not work.

use std::net::SocketAddr;

use provider_tree_cluster::Options;
use tokio::sync::watch;

use super::*;
use crate::client::Address;
use crate::gated_log::{Gate, GatedLog};

/// Serves a replica until what it returns is dropped.
async fn served(log: &GatedLog) -> (Replica, SocketAddr, watch::Sender<bool>) {
    let replica = Replica::start(log.clone(), Options::default()).await.unwrap();
    let (stop, by_hand) = Stop::by_hand();
    let lines = LineOptions::new(None, 1);
    let served = Served {
        replica: replica.clone(),
        log: "local",
        allow_submit: false,
        lines,
        stop: stop.clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router(served), stop));
    (replica, address, by_hand)
}

async fn get_text(address: SocketAddr, path: &'static str) -> (u16, String) {
    let asked = tokio::task::spawn_blocking(move || {
        Address::of(&format!("http://{address}")).unwrap().try_get(path).unwrap()
    });
    let answered = asked.await.unwrap();
    (answered.status, String::from_utf8(answered.body).unwrap())
}

#[tokio::test]
async fn a_replica_that_can_not_write_is_not_healthy_until_it_can() {
    let log = GatedLog::new().await;
    let (replica, address, _stop) = served(&log).await;
    assert_eq!(get_text(address, "/health").await, (200, "follows the log\n".to_owned()));

    log.set(Gate::Failing);
    let marking = tokio::spawn({
        let replica = replica.clone();
        async move { replica.mark().await }
    });
    while replica.status().trouble.is_none() {
        tokio::task::yield_now().await;
    }
    let (status, why) = get_text(address, "/health").await;
    assert!(status == 503 && why.contains("can't append") && why.contains("<it fails>"), "{why}");
    let (_, page) = get_text(address, "/").await;
    assert!(page.contains("does not work") && page.contains("&lt;it fails&gt;"), "{page}");
    let (_, metrics) = get_text(address, "/metrics").await;
    assert!(metrics.contains("\nprovider_tree_cluster_healthy 0\n"), "{metrics}");
    assert!(metrics.contains("\nprovider_tree_cluster_ended 0\n"), "{metrics}");

    log.set(Gate::Open);
    marking.await.unwrap().unwrap();
    assert_eq!(get_text(address, "/health").await.0, 200);
}
