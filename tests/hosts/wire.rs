//! A wire between two hosts that delays every packet and loses some. Its ends are TUN devices, and
//! this process carries packets from one to the other, because many kernels, also those of small
//! virtual machines, are built without `netem`.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smoltcp::phy::{Device, Medium, RxToken, TunTapInterface, TxToken};

/// Between two looks at the devices when nothing is on its way.
const IDLE: Duration = Duration::from_micros(200);

/// What a wire does to packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Of every packet, in each direction.
    pub(crate) delay: Duration,
    /// One of so many is lost.
    pub(crate) one_lost_of: u64,
}

/// Packets so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) carried: u64,
    pub(crate) lost: u64,
}

/// A wire; cut and gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    connected: AtomicBool,
    ended: AtomicBool,
    carried: AtomicU64,
    lost: AtomicU64,
}

impl Wire {
    /// Makes two TUN devices of these names, which then are moved to where the ends belong.
    ///
    /// # Errors
    /// Where the system makes no such device.
    pub(crate) fn lay(ends: &[String; 2], line: Line) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, made) = mpsc::channel();
        let (names, of_thread) = (ends.clone(), Arc::clone(&shared));
        // The devices of smoltcp stay on the thread that has made them.
        let thread = thread::spawn(move || {
            let end = |name: &String| TunTapInterface::new(name, Medium::Ip);
            let ends = end(&names[0]).and_then(|first| Ok([first, end(&names[1])?]));
            match ends {
                Ok(ends) => {
                    let _ = sender.send(Ok(()));
                    of_thread.carry(ends, line);
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        });
        made.recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Begins to carry packets; both ends are up.
    pub(crate) fn connect(&self) {
        self.shared.connected.store(true, Ordering::Release);
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            carried: self.shared.carried.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn carry(&self, mut ends: [TunTapInterface; 2], line: Line) {
        // Packets on their way to each end, with the time at which they arrive.
        let mut on_the_way = [VecDeque::new(), VecDeque::new()];
        while !self.ended.load(Ordering::Acquire) {
            if !self.connected.load(Ordering::Acquire) {
                thread::sleep(IDLE);
                continue;
            }
            let mut idle = true;
            for (from, to) in [(0, 1), (1, 0)] {
                while let Some(packet) = take(&mut ends[from]) {
                    idle = false;
                    if !self.loses(line) {
                        on_the_way[to].push_back((Instant::now() + line.delay, packet));
                    }
                }
                while let Some((_, packet)) = on_the_way[to].pop_front_if(|(at, _)| *at <= Instant::now()) {
                    idle = false;
                    put(&mut ends[to], &packet);
                }
            }
            if idle {
                thread::sleep(IDLE);
            }
        }
    }

    /// Whether the next packet is lost: by a hash of its number, so that losses come in no rhythm and
    /// the same ones in every run.
    fn loses(&self, line: Line) -> bool {
        let number = self.carried.load(Ordering::Relaxed) + self.lost.load(Ordering::Relaxed);
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(number);
        let is_lost = hasher.finish().is_multiple_of(line.one_lost_of);
        let counter = if is_lost { &self.lost } else { &self.carried };
        counter.fetch_add(1, Ordering::Relaxed);
        is_lost
    }
}

fn take(end: &mut TunTapInterface) -> Option<Vec<u8>> {
    let (packet, _) = end.receive(smoltcp::time::Instant::ZERO)?;
    Some(packet.consume(<[u8]>::to_vec))
}

fn put(end: &mut TunTapInterface, packet: &[u8]) {
    if let Some(token) = end.transmit(smoltcp::time::Instant::ZERO) {
        token.consume(packet.len(), |bytes| bytes.copy_from_slice(packet));
    }
}
