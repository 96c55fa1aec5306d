//! Networks between devices, and how long they take to sum gradients.

/// What joins the devices of a node, and the nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Network {
    /// Its name on the command line.
    pub name: &'static str,
    /// Devices of a node.
    pub devices_per_node: u64,
    /// Of one device to the others of its node, bytes a second in each direction.
    pub inside_bytes_per_second: f64,
    /// Of one node to the others, bytes a second in each direction.
    pub between_bytes_per_second: f64,
    /// Of one message, in seconds.
    pub latency_seconds: f64,
    /// Where the rates come from.
    pub source: &'static str,
}

/// The share of a link that a ring reaches with large messages.
const LINK_EFFICIENCY: f64 = 0.8;
/// Of a rank through the memory that the ranks of a host share: the slower of two machines on which
/// 64 MiB were summed: two cores of an AMD EPYC with AVX2, 1.85 GB of the vector a second (28 November
/// 2026); one with AVX512-BF16 reached 12.
const HOST_MEMORY_BYTES_PER_SECOND: f64 = 1.85e9 / LINK_EFFICIENCY;

/// Ranks of one host.
pub(crate) const HOST: &str = "host";

/// The networks that can be planned for.
pub(crate) const NETWORKS: [Network; 4] = [
    Network {
        name: "p3dn",
        devices_per_node: 8,
        inside_bytes_per_second: 150e9,
        between_bytes_per_second: 12.5e9,
        latency_seconds: 25e-6,
        source: "data sheets: NVLink 2 (6 links of 25 GB/s), 100 Gbit EFA a node",
    },
    Network {
        name: "400gbit",
        devices_per_node: 8,
        inside_bytes_per_second: 300e9,
        between_bytes_per_second: 50e9,
        latency_seconds: 15e-6,
        source: "data sheets: NVLink 3 (12 links of 25 GB/s), 400 Gbit a node",
    },
    Network {
        name: "ethernet",
        devices_per_node: 8,
        inside_bytes_per_second: 12e9,
        between_bytes_per_second: 1.25e9,
        latency_seconds: 50e-6,
        source: "data sheets: PCIe 3 x16 inside, 10 Gbit Ethernet a node",
    },
    Network {
        name: HOST,
        devices_per_node: u64::MAX,
        inside_bytes_per_second: HOST_MEMORY_BYTES_PER_SECOND,
        between_bytes_per_second: f64::INFINITY,
        latency_seconds: 50e-6,
        source: "measured: ranks of one host, through the memory that they share",
    },
];

impl Network {
    /// The network with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        NETWORKS.iter().find(|network| network.name == name)
    }

    /// The same between machines that have one device each: ranks of a CPU.
    #[must_use]
    pub(crate) fn of_single_devices(&self) -> Self {
        Self {
            devices_per_node: 1,
            ..*self
        }
    }

    /// The same where the devices of a node meet in the memory of its host.
    #[must_use]
    pub(crate) fn through_host_memory(&self) -> Self {
        Self {
            inside_bytes_per_second: self.inside_bytes_per_second.min(HOST_MEMORY_BYTES_PER_SECOND),
            ..*self
        }
    }

    /// Whether there are no nodes but one.
    pub(crate) fn is_one_host(&self) -> bool {
        self.name == HOST
    }

    /// Of so many ranks of CPUs, how many share a machine.
    pub(crate) fn ranks_of_a_host(&self, num_ranks: u32) -> u32 {
        if self.is_one_host() { num_ranks } else { 1 }
    }

    /// One ring over all devices: each sends 2 (n - 1) / n of the gradients; where the ring leaves
    /// a node, its link is the slowest.
    pub(crate) fn ring_seconds(&self, bytes: f64, num_devices: u64) -> f64 {
        if num_devices < 2 {
            return 0.0;
        }
        let link = if num_devices > self.devices_per_node {
            self.between_bytes_per_second
        } else {
            self.inside_bytes_per_second
        };
        ring(bytes, num_devices, link, self.latency_seconds)
    }

    /// Summed inside each node, then over nodes with every device sending its share, then
    /// gathered inside: the link of a node carries the gradients once, not once a device.
    pub(crate) fn hierarchical_seconds(&self, bytes: f64, num_devices: u64) -> f64 {
        if num_devices <= self.devices_per_node {
            return self.ring_seconds(bytes, num_devices);
        }
        let nodes = num_devices.div_ceil(self.devices_per_node);
        let inside = ring(
            bytes,
            self.devices_per_node,
            self.inside_bytes_per_second,
            self.latency_seconds,
        );
        inside + ring(bytes, nodes, self.between_bytes_per_second, self.latency_seconds)
    }

    /// Every device sends every other its part of `bytes`, all at once: devices of a node share its
    /// link. In so many exchanges, each after the one before.
    pub(crate) fn all_to_all_seconds(&self, bytes: f64, num_devices: u64, exchanges: f64) -> f64 {
        if num_devices < 2 {
            return 0.0;
        }
        let neighbors = num_devices.min(self.devices_per_node);
        let part = bytes / num_devices as f64;
        let inside = part * (neighbors - 1) as f64 / self.inside_bytes_per_second;
        let between = part * (neighbors * (num_devices - neighbors)) as f64 / self.between_bytes_per_second;
        (inside + between) / LINK_EFFICIENCY + exchanges * self.latency_seconds
    }

    /// The quicker of both ways.
    pub(crate) fn reduce_seconds(&self, bytes: f64, num_devices: u64) -> f64 {
        let ring = self.ring_seconds(bytes, num_devices);
        ring.min(self.hierarchical_seconds(bytes, num_devices))
    }
}

fn ring(bytes: f64, members: u64, link_bytes_per_second: f64, latency_seconds: f64) -> f64 {
    let members = members as f64;
    let steps = 2.0 * (members - 1.0);
    steps / members * bytes / (link_bytes_per_second * LINK_EFFICIENCY) + steps * latency_seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_of_all_with_all_takes_as_long_as_the_links_say() {
        let network = Network {
            latency_seconds: 0.0,
            ..NETWORKS[0]
        };
        let seconds = |devices| network.all_to_all_seconds(1e9, devices, 9.0) * LINK_EFFICIENCY;
        assert!(seconds(1).abs() < 1e-12);
        // 7 of 8 parts over NVLink.
        assert!((seconds(8) - 0.875e9 / 150e9).abs() < 1e-9);
        // Of each of 8 devices 8 of 16 parts leave the node.
        let between = 8.0 * 0.5e9 / 12.5e9;
        assert!((seconds(16) - between - 7.0 / 16.0 * 1e9 / 150e9).abs() < 1e-9);
    }

    #[test]
    fn one_device_needs_no_network_and_more_devices_never_less_time() {
        for network in NETWORKS {
            assert!(network.reduce_seconds(1e9, 1).abs() < 1e-12);
            let times: Vec<f64> = (0..11)
                .map(|power| network.reduce_seconds(1e9, 1 << power))
                .collect();
            assert!(times.is_sorted(), "{}: {times:?}", network.name);
            assert!(network.hierarchical_seconds(1e9, 8) <= network.ring_seconds(1e9, 8));
        }
    }
}
