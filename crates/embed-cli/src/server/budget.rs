//! The bytes of bodies and answers that are held together: charged before they are, given back when
//! they are gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;

/// Bytes are counted in units, because a semaphore hands out 32-bit numbers.
const UNIT_BYTES: usize = 1024;
/// How long a request waits for room that others give back.
const WAIT: Duration = Duration::from_secs(2);

/// Room for so many bytes.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    units: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(units)),
            units,
        }
    }

    /// Room for `bytes`, waited for a little.
    ///
    /// # Errors
    /// [`ApiError::NoRoom`].
    pub(crate) async fn charge(&self, bytes: usize) -> Result<Charge, ApiError> {
        let free = Arc::clone(&self.free);
        let waited = tokio::time::timeout(WAIT, free.acquire_many_owned(units(bytes))).await;
        let permit = waited.ok().and_then(Result::ok).ok_or(ApiError::NoRoom)?;
        Ok(Charge(Some(permit)))
    }

    /// Room for `bytes`, where there is some now.
    ///
    /// # Errors
    /// [`ApiError::NoRoom`].
    pub(crate) fn try_charge(&self, bytes: usize) -> Result<Charge, ApiError> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(units(bytes));
        Ok(Charge(Some(permit.map_err(|_| ApiError::NoRoom)?)))
    }

    /// Bytes that are charged now.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.units - self.free.available_permits()) * UNIT_BYTES
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Room that is taken until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Charge(Option<OwnedSemaphorePermit>);

impl Charge {
    /// Takes over the room of another one.
    pub(crate) fn add(&mut self, mut other: Self) {
        let Some(more) = other.0.take() else { return };
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            None => self.0 = Some(more),
        }
    }

    /// Gives back all but `bytes`.
    pub(crate) fn keep(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.0 {
            let kept = usize::try_from(units(bytes)).unwrap_or(usize::MAX);
            drop(permit.split(permit.num_permits().saturating_sub(kept)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_kept_in_part_and_given_back() {
        let budget = Budget::new(10 << 10);
        let mut charge = budget.try_charge(6000).unwrap();
        assert_eq!(budget.held_bytes(), 6 << 10);
        assert!(matches!(budget.try_charge(5000), Err(ApiError::NoRoom)));
        charge.add(budget.try_charge(1).unwrap());
        assert_eq!(budget.held_bytes(), 7 << 10);
        charge.keep(1025);
        assert_eq!(budget.held_bytes(), 2 << 10);
        charge.keep(1 << 20);
        assert_eq!(budget.held_bytes(), 2 << 10);
        drop(charge);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn a_request_waits_for_room_and_not_for_ever() {
        let budget = Budget::new(1 << 20);
        let all = budget.charge(1 << 20).await.unwrap();
        assert!(matches!(budget.charge(1).await, Err(ApiError::NoRoom)));
        let waiting = budget.charge(1);
        let give_back = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(all);
        };
        let (charge, ()) = tokio::join!(waiting, give_back);
        assert!(charge.is_ok());
    }
}
