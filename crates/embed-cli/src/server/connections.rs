//! All open connections: a bounded number, the overdue ones closed, and place made for new ones by
//! those that have kept the server waiting longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Closed, Connection, Phase};
use super::metrics::Metrics;
use super::options::Patience;

/// How often overdue connections are looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How long a closed connection may take to be gone before another one is closed as well.
const TO_CLOSE: Duration = Duration::from_millis(100);

/// The open connections of one server.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    by_id: BTreeMap<u64, Arc<Connection>>,
}

impl Connections {
    pub(crate) fn new(max_connections: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            metrics,
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Whoever panicked left a map that holds.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, which another one may have to leave. Waits where all of them wait for
    /// the server.
    pub(crate) async fn place(self: &Arc<Self>) -> ConnectionSlot {
        loop {
            if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
                return ConnectionSlot::new(self, permit);
            }
            self.make_room();
            let place = Arc::clone(&self.places).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(TO_CLOSE, place).await {
                return ConnectionSlot::new(self, permit);
            }
        }
    }

    /// Closes the connection that has kept the server waiting longest, of those that have sent least.
    pub(crate) fn make_room(&self) {
        let now = Instant::now();
        let open = self.open();
        let ranked = open
            .by_id
            .values()
            .filter_map(|connection| Some((connection.rank(now)?, connection)));
        if let Some((_, connection)) = ranked.min_by_key(|(rank, _)| *rank) {
            self.close(connection, Closed::Room);
        }
    }

    /// Closes overdue connections, for ever.
    pub(crate) async fn close_overdue(&self, patience: Patience) {
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = clock.tick().await.into_std();
            for connection in self.open().by_id.values() {
                if let Some(reason) = connection.overdue(now, &patience) {
                    self.close(connection, reason);
                }
            }
        }
    }

    fn close(&self, connection: &Connection, reason: Closed) {
        if connection.close() {
            self.metrics.closed(reason.name());
        }
    }

    /// Connections that are open.
    pub(crate) fn num_open(&self) -> usize {
        self.open().by_id.len()
    }

    /// Whether any connection is in one of `phases`.
    pub(crate) fn any_in(&self, phases: &[Phase]) -> bool {
        self.open()
            .by_id
            .values()
            .any(|connection| phases.contains(&connection.phase()))
    }
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    id: u64,
    connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionSlot {
    fn new(connections: &Arc<Connections>, permit: OwnedSemaphorePermit) -> Self {
        let connection = Arc::new(Connection::new(Instant::now()));
        let mut open = connections.open();
        let id = open.next_id;
        open.next_id += 1;
        open.by_id.insert(id, Arc::clone(&connection));
        Self {
            connections: Arc::clone(connections),
            id,
            connection,
            _permit: permit,
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.open().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_that_has_sent_nothing_makes_place_and_who_works_never() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let connections = Arc::new(Connections::new(3, Arc::clone(&metrics)));
        let working = connections.place().await;
        working.connection().working();
        let (older, newer) = (connections.place().await, connections.place().await);
        assert_eq!(connections.num_open(), 3);
        let oldest = Arc::clone(older.connection());
        tokio::spawn(async move {
            oldest.closing().await;
            drop(older);
        });
        let place = connections.place().await;
        assert_eq!(connections.num_open(), 3);
        assert!(
            newer.connection().rank(Instant::now()).is_some(),
            "the newer one is open"
        );
        assert!(
            metrics
                .render()
                .unwrap()
                .contains("tenk_closed_connections_total{reason=\"room\"} 1")
        );
        assert!(connections.any_in(&[Phase::Working]));
        drop((working, newer, place));
        assert_eq!(connections.num_open(), 0);
        assert!(!connections.any_in(&[Phase::Working]));
    }

    #[tokio::test]
    async fn where_all_wait_for_the_server_a_new_connection_waits_for_a_place() {
        let connections = Arc::new(Connections::new(1, Arc::new(Metrics::new().unwrap())));
        let working = connections.place().await;
        working.connection().working();
        let waited = tokio::time::timeout(TO_CLOSE * 3, connections.place()).await;
        assert!(waited.is_err());
        drop(working);
        assert!(
            tokio::time::timeout(TO_CLOSE * 3, connections.place())
                .await
                .is_ok()
        );
    }
}
